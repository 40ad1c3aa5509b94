//! Implements the server of `METRICS_BIND`: `GET /metrics`, and nothing else.
//!
//! It has a thread and connections of its own, so that neither a busy server nor one that stops
//! keeps Prometheus waiting, and no scrape takes time from a worker.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::http::Method;
use actix_web::http::header::{Accept, CACHE_CONTROL, CONTENT_TYPE, Header};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpRequest, HttpResponse, guard, web};

use super::exposition::{Exposition, Format};
use crate::config::{Bind, Patience};
use crate::server::connection::ConnectionConfig;
use crate::server::connection_limit::ConnectionLimit;
use crate::server::http_server::{Acceptor, Listening, serve};
use crate::server::listener::Listener;
use crate::server::response_headers::HeaderDefaults;
use crate::server::start_error::StartError;
use crate::server::{middleware, routes};
use tokenpair::web::Rejection;

/// Maximum number of connections. Past it, a few more are accepted for one request each.
const CONNECTIONS: usize = 32;

const WARNING: &str = "all {} connections of METRICS_BIND are taken: until some end, new ones are closed after one \
    response. Find the clients that hold connections";

/// Prometheus keeps its connection from one scrape to the next, which are a minute apart at most by
/// its default.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long to wait for a client: less than Prometheus waits for a scrape.
const PATIENCE: Patience = Patience {
    head: Duration::from_secs(2),
    write: Duration::from_secs(5),
    handshake: Duration::from_secs(2),
    past_limit: Duration::from_secs(1),
};

/// The server of metrics, which listens but does not serve yet.
pub(in crate::server) struct MetricsServer {
    http: Server,
    address: SocketAddr,
    _listener: Listener,
}

impl MetricsServer {
    /// Binds the address.
    ///
    /// # Errors
    ///
    /// [`StartError::Bind`] if it cannot be listened on.
    pub(in crate::server) fn listen(
        bind: &Bind,
        exposition: Exposition,
    ) -> Result<Self, StartError> {
        let exposition = web::Data::new(exposition);
        let app = move || {
            let scraped = web::resource("/metrics")
                .route(
                    web::route()
                        .guard(guard::Any(guard::Get()).or(guard::Head()))
                        .to(scrape),
                )
                .default_service(web::to(|method: Method| async move {
                    routes::other_method(&method, "GET, HEAD, OPTIONS")
                }));
            App::new()
                .app_data(exposition.clone())
                .service(scraped)
                .default_service(web::to(routes::not_found))
                .wrap(from_fn(middleware::bare))
        };
        let acceptor = Acceptor::new(
            None,
            ConnectionLimit::new(CONNECTIONS, WARNING),
            ConnectionConfig {
                patience: PATIENCE,
                keep_alive: KEEP_ALIVE,
                edge: HeaderDefaults::default(),
            },
        );
        let listening = Listening {
            setting: "METRICS_BIND",
            bind,
            workers: 1,
        };
        let (http, listener, address) = serve(&listening, acceptor, app)?;
        Ok(Self {
            http,
            address,
            _listener: listener,
        })
    }

    /// Returns the listening address.
    pub(in crate::server) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves on other threads, until the handle stops it.
    pub(in crate::server) fn start(self) -> ServerHandle {
        let handle = self.http.handle();
        actix_web::rt::spawn(async move {
            if let Err(error) = self.http.await {
                log::error!("metrics are not served any more: {error}");
            }
        });
        handle
    }
}

/// Answers a scrape.
async fn scrape(
    exposition: web::Data<Exposition>,
    request: HttpRequest,
) -> Result<HttpResponse, Rejection> {
    let format = wanted(&request);
    let body = exposition.write(format).map_err(Rejection::internal)?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, format.content_type()))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(body))
}

/// Returns the format that the client prefers (RFC 9110 section 12.5.1). Default: Prometheus' own.
fn wanted(request: &HttpRequest) -> Format {
    let ranked = Accept::parse(request).map(|accept| accept.ranked());
    let ranked = ranked.unwrap_or_default();
    let formats = ranked.iter().find_map(|kind| match kind.essence_str() {
        "application/openmetrics-text" => Some(Format::OpenMetrics),
        "text/plain" | "text/*" | "*/*" => Some(Format::Prometheus),
        _ => None,
    });
    formats.unwrap_or(Format::Prometheus)
}
