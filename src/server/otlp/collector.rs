//! Sends batches of spans to a collector: OTLP over HTTP, in protobuf.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Compression, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use secrecy::{ExposeSecret, SecretString};
use ureq::Agent;
use ureq::http::{HeaderName, HeaderValue};
use ureq::tls::{PemItem, TlsConfig, parse_pem};
use url::Url;

use crate::authorities::{trusting, trusting_machine};
use crate::config::TraceSettings;
use crate::no_answer::Asked;
use crate::server::start_error::StartError;

/// Maximum size in bytes of a collector's response, which has some words about refused spans.
const RESPONSE_LIMIT: u64 = 65_536;

/// Why the last request got no response. The exporter itself only says that there was a network
/// error.
#[derive(Clone, Debug, Default)]
pub(super) struct NetworkFailure(Arc<Mutex<Option<String>>>);

impl NetworkFailure {
    /// Returns the reason, once.
    pub(super) fn take(&self) -> Option<String> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the exporter. Its environment variables are those of the settings, which are checked.
pub(super) fn exporter(
    settings: &TraceSettings,
    failure: &NetworkFailure,
) -> Result<SpanExporter, StartError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(settings.endpoint.as_str())
        .with_timeout(settings.timeout)
        .with_http_client(Client::new(settings, failure.clone()));
    let exporter = if settings.gzip {
        exporter.with_compression(Compression::Gzip)
    } else {
        exporter
    };
    exporter
        .build()
        .map_err(|error| StartError::Traces(error.to_string()))
}

/// The HTTP client of this program's other requests, which needs no runtime. The processor of
/// batches calls it on a thread of its own.
struct Client {
    agent: Agent,
    endpoint: Url,
    /// Not in the exporter, which would decode them a second time.
    headers: Vec<(String, SecretString)>,
    failure: NetworkFailure,
}

impl Client {
    fn new(settings: &TraceSettings, failure: NetworkFailure) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(settings.timeout))
            .http_status_as_error(false)
            // A redirected POST would lose its body, and a header could reach another host.
            .max_redirects(0)
            .proxy(None)
            .tls_config(tls(settings))
            .user_agent(concat!("tokenpair/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: agent.new_agent(),
            endpoint: settings.endpoint.clone(),
            headers: settings.headers.clone(),
            failure,
        }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (mut head, body) = request.into_parts();
        for (name, value) in &self.headers {
            let name = HeaderName::from_str(name)?;
            let value = HeaderValue::from_str(value.expose_secret())?;
            head.headers.insert(name, value);
        }
        let request = Request::from_parts(head, body.to_vec());
        let mut response = self.agent.run(request)?;
        let body = response.body_mut().with_config().limit(RESPONSE_LIMIT);
        let body = Bytes::from(body.read_to_vec()?);
        let (head, _) = response.into_parts();
        Ok(Response::from_parts(head, body))
    }

    fn no_answer(&self, error: &HttpError) -> String {
        let asked = Asked {
            url: &self.endpoint,
            program: "the collector",
            named_in: "OTEL_EXPORTER_OTLP_ENDPOINT",
        };
        match error.downcast_ref() {
            Some(error) => asked.no_answer(error),
            None => error.to_string(),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.send(request);
        *self.failure.lock() = sent.as_ref().err().map(|error| self.no_answer(error));
        sent
    }
}

fn tls(settings: &TraceSettings) -> TlsConfig {
    let Some(pem) = &settings.authorities else {
        return trusting_machine(settings.endpoint.scheme());
    };
    let certificates = parse_pem(pem.as_bytes()).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    trusting(certificates.collect())
}
