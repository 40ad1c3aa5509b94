//! Reads the settings into the policies of the modules below. It checks them once, at start, and
//! reports all problems in one message. Settings do not change afterwards.

mod accounts;
mod bind;
mod checks;
mod cookies;
mod database;
mod dot_env;
mod forward_auth;
mod keys;
mod logs;
mod metrics;
mod names;
mod page;
mod pairs;
mod remarks;
mod server;
mod sessions;
mod setting;
mod sources;
mod text;
mod tokens;
mod traces;
mod urls;
mod webhook;

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use url::Url;

pub use self::accounts::Registration;
pub use self::bind::Bind;
pub(crate) use self::checks::DEVICE_COOKIE;
pub use self::database::Migrate;
pub use self::forward_auth::ForwardAuth;
pub use self::keys::{KeySource, PreviousSecret};
pub use self::logs::{AccessLog, LogFormat};
pub use self::names::known;
pub(crate) use self::page::read_style;
pub use self::page::{PageSettings, StyleSheet};
pub(crate) use self::remarks::are_same_site;
pub use self::server::TlsFiles;
pub use self::setting::Known;
use self::sources::Found;
pub use self::sources::{Origin, Sources};
#[cfg(feature = "otlp")]
pub(crate) use self::traces::TraceSampler;
pub use self::traces::TraceSettings;
pub(crate) use self::urls::{
    is_address, is_loopback, is_loopback_host, is_under, serialized_origin,
};
pub use self::webhook::Webhook;
use tokenpair::config::Reader;
pub use tokenpair::config::{Problem, Problems};
use tokenpair::keys::Algorithm;
use tokenpair::session::SessionPolicy;
use tokenpair::token::TokenPolicy;
use tokenpair::web::WebPolicy;
use tokenpair_store::password::PasswordPolicy;
use tokenpair_store::rate_limit::ThrottlePolicy;
use tokenpair_store::{DatabaseUrl, PurgePolicy, StorePolicy};

/// All settings of the server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `SERVER_BIND`
    pub bind: Bind,
    /// `SERVER_WORKERS`
    pub workers: usize,
    /// `SERVER_MAX_CONNECTIONS`, for all workers together.
    pub max_connections: usize,
    /// `SERVER_KEEP_ALIVE`
    pub keep_alive: Duration,
    /// `SERVER_DRAIN`
    pub drain: Duration,
    /// Timeouts for clients. No environment variable sets them.
    pub patience: Patience,
    /// `SERVER_TLS_CERT` and `SERVER_TLS_KEY`: https instead of http.
    pub tls: Option<TlsFiles>,
    /// `SERVER_CORS_ORIGINS`, as browsers write them in `Origin`.
    pub cors_origins: Vec<String>,
    /// `PUBLIC_URL`, or the address derived from `SERVER_BIND`.
    pub public_url: Option<Url>,
    /// Whether `PUBLIC_URL` was set instead of derived. Browsers must then use its host name.
    pub public_url_set: bool,
    /// `SERVER_DOCS`: whether `/docs` and `/demo` are served.
    pub docs: bool,
    /// `METRICS_BIND`; `None` if metrics are off.
    pub metrics: Option<Bind>,
    /// `DATABASE_URL`
    pub database: DatabaseUrl,
    /// `DATABASE_POOL`, `DATABASE_WAIT`, `DATABASE_POOLER`
    pub store: StorePolicy,
    /// `DATABASE_MIGRATE`
    pub migrate: Migrate,
    /// How long a starting server waits for PostgreSQL (`DATABASE_START_WAIT`). Default: 30 s. Zero
    /// fails at once.
    pub start_wait: Duration,
    /// `SERVER_TITLE`, `SERVER_CSS`
    pub page: PageSettings,
    /// `FORWARD_AUTH_*`
    pub forward_auth: ForwardAuth,
    /// `REGISTRATION`
    pub registration: Registration,
    /// `PASSWORD_*`
    pub password: PasswordPolicy,
    /// `THROTTLE`, `THROTTLE_*`; `None` if rate limiting is off.
    pub throttle: Option<ThrottlePolicy>,
    /// `JWT_ALGORITHM`
    pub algorithm: Algorithm,
    /// `JWT_SECRET_KEY`, `JWT_PRIVATE_KEY` or `JWT_KEYS_DIR`
    pub keys: KeySource,
    /// `JWT_PREVIOUS_SECRET_KEYS`, which only verify.
    pub previous: Vec<PreviousSecret>,
    /// Claims and lifetimes of tokens.
    pub tokens: TokenPolicy,
    /// `SESSION_*`
    pub sessions: SessionPolicy,
    /// `AUDIT_KEEP`
    pub purge: PurgePolicy,
    /// How tokens are sent.
    pub web: WebPolicy,
    /// `WEBHOOK_*`; `None` if alerts are not sent.
    pub webhook: Option<Webhook>,
    /// `RUST_LOG`
    pub log: String,
    /// `LOG_FORMAT`, which only the serving program follows.
    pub log_format: LogFormat,
    /// `SERVER_ACCESS_LOG`
    pub access_log: AccessLog,
    /// `OTEL_*`; `None` if no traces are sent, or without the feature `otlp`.
    pub traces: Option<TraceSettings>,
    /// Notes on settings that work, but may be a mistake, except those of
    /// [`remarks_on_routes`](Self::remarks_on_routes).
    pub remarks: Vec<String>,
}

/// How long the server waits for a client before it closes the connection. No environment variable
/// sets these timeouts; tests shorten them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// For the head of a request. Default: 10 s.
    pub head: Duration,
    /// For the client to read any more of a response. The whole response may take six times as
    /// long. Default: 10 s.
    pub write: Duration,
    /// For the TLS handshake. Default: 3 s.
    pub handshake: Duration,
    /// For the TLS handshake, and again for the head, on a connection past
    /// `SERVER_MAX_CONNECTIONS`. Default: 1 s.
    pub past_limit: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            write: Duration::from_secs(10),
            handshake: Duration::from_secs(3),
            past_limit: Duration::from_secs(1),
        }
    }
}

impl Settings {
    /// Reads and checks the settings.
    ///
    /// # Errors
    ///
    /// [`Problems`]: everything that cannot work.
    pub fn load(sources: &Sources) -> Result<Self, Problems> {
        let (problems, remarks) = sources.complaints();
        let mut reader = Reader::new(
            |name: &str| Ok(sources.get(name)?.map(|found| found.text)),
            problems,
        );
        let bind = server::BIND.read(&mut reader);
        let tls = server::tls(&mut reader);
        let public_url = server::public_url(&mut reader, &bind, tls.as_ref());
        let docs = server::docs(&mut reader, &bind, &public_url);
        let algorithm = keys::ALGORITHM.read(&mut reader);
        let source = keys::source(&mut reader, algorithm, &bind);
        let tokens = tokens::tokens(&mut reader);
        let proxies = server::trusted_proxies(&mut reader);
        let web = tokens::web(&mut reader, public_url.url.as_ref(), proxies, &tokens);
        let metrics = metrics::metrics(&mut reader, &bind);
        let settings = Self {
            bind,
            metrics,
            workers: server::WORKERS.read(&mut reader),
            max_connections: server::MAX_CONNECTIONS.read(&mut reader),
            keep_alive: server::KEEP_ALIVE.read(&mut reader),
            drain: server::DRAIN.read(&mut reader),
            patience: Patience::default(),
            tls,
            cors_origins: server::CORS_ORIGINS.read(&mut reader),
            docs,
            public_url: public_url.url,
            public_url_set: public_url.is_set,
            database: database::URL.read(&mut reader),
            store: database::store(&mut reader),
            migrate: database::MIGRATE.read(&mut reader),
            start_wait: database::START_WAIT.read(&mut reader),
            page: page::page(&mut reader),
            forward_auth: forward_auth::forward_auth(&mut reader),
            registration: accounts::REGISTRATION.read(&mut reader),
            password: accounts::password(&mut reader),
            throttle: accounts::throttle(&mut reader),
            algorithm,
            previous: keys::previous(&mut reader, algorithm, &source),
            keys: source,
            sessions: sessions::sessions(&mut reader, &tokens),
            tokens: TokenPolicy {
                encode_csrf: tokens::carries_csrf(&web),
                ..tokens
            },
            web,
            purge: sessions::purge(&mut reader),
            webhook: webhook::webhook(&mut reader),
            log: logs::LEVELS.read(&mut reader),
            log_format: logs::FORMAT.read(&mut reader),
            access_log: logs::ACCESS_LOG.read(&mut reader),
            traces: traces::traces(&mut reader),
            remarks,
        };
        checks::lifetimes(&mut reader, &settings);
        checks::parties(&mut reader, &settings.tokens);
        checks::length(&mut reader, &settings.tokens);
        checks::headers(&mut reader, &settings.web);
        checks::cookies(&mut reader, &settings.web.cookies);
        checks::domain(&mut reader, &settings);
        reader.finish(settings.with_remarks(sources))
    }

    /// Returns every setting with its value and source, for a person to read. Secrets are masked.
    /// Invalid values are shown too.
    ///
    /// # Errors
    ///
    /// [`Problems`] of unreadable sources, because showing a default instead would mislead.
    pub fn show(sources: &Sources) -> Result<Vec<Shown>, Problems> {
        let mut problems = sources.unread().to_vec();
        let mut shown = Vec::new();
        for known in known() {
            match sources.get(known.name) {
                Ok(found) => shown.push(Shown::new(known, found)),
                Err(problem) => problems.push(problem),
            }
        }
        Reader::new(|_| Ok(None), problems).finish(shown)
    }

    /// Returns notes on cookie paths that work, but may be a mistake, for routes behind this prefix:
    /// none (`""`) for the program.
    pub fn remarks_on_routes(&self, prefix: &str) -> Vec<String> {
        remarks::remarks_on_routes(self, prefix)
    }

    fn with_remarks(mut self, sources: &Sources) -> Self {
        let remarks = remarks::remarks(&self, sources);
        self.remarks.extend(remarks);
        self
    }
}

/// A setting as `tokenpair config show` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    name: &'static str,
    value: String,
    #[serde(rename = "source")]
    origin: String,
}

impl Shown {
    fn new(known: &Known, found: Option<Found>) -> Self {
        let (value, origin) = match found {
            None => (known.default.to_owned(), "default".to_owned()),
            Some(found) => (known.masked(&found.text), found.origin.to_string()),
        };
        Self {
            name: known.name,
            value,
            origin,
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}  ({})", self.name, self.value, self.origin)
    }
}
