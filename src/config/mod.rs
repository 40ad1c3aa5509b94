//! Reads the settings into the policies of the modules below. It checks them once, at start, and
//! reports all problems in one message. Settings do not change afterwards.

mod browsers;
mod checks;
mod dot_env;
mod edge;
mod exposed;
mod keys;
mod known;
mod policies;
mod sources;
mod text;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

pub(crate) use self::checks::DEVICE_COOKIE;
pub(crate) use self::edge::{is_loopback, is_loopback_host, serialized_origin};
pub use self::keys::{KeySource, PreviousSecret};
pub use self::known::{KNOWN, Known};
use self::sources::Found;
pub use self::sources::{Origin, Sources};
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
    pub bind: SocketAddr,
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
    /// `DATABASE_URL`
    pub database: DatabaseUrl,
    /// `DATABASE_POOL`, `DATABASE_WAIT`, `DATABASE_POOLER`
    pub store: StorePolicy,
    /// `DATABASE_MIGRATE`
    pub migrate: Migrate,
    /// How long a starting server waits for PostgreSQL (`DATABASE_START_WAIT`). Default: 30 s. Zero
    /// fails at once.
    pub start_wait: Duration,
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
    /// `RUST_LOG`
    pub log: String,
    /// `SERVER_ACCESS_LOG`
    pub access_log: AccessLog,
    /// Notes on settings that work, but may be a mistake.
    pub remarks: Vec<String>,
}

/// When migrations run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Migrate {
    /// At the server's start, or when the operator runs `tokenpair migrate`.
    Auto,
    /// Only when the operator runs `tokenpair migrate`. The server refuses to start while
    /// migrations are pending.
    Off,
}

/// Who may create an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Registration {
    /// Anyone.
    Open,
    /// Only the operator, by `tokenpair user add`.
    Closed,
}

/// Which requests are logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccessLog {
    /// All requests.
    On,
    /// Only requests that fail with a 5xx.
    Off,
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

/// The paths of the TLS certificate and its key, both in PEM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFiles {
    /// `SERVER_TLS_CERT`: the certificate and its chain.
    pub certificate: PathBuf,
    /// `SERVER_TLS_KEY`
    pub key: PathBuf,
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
        let bind = policies::bind(&mut reader);
        let tls = edge::tls(&mut reader);
        let public_url = edge::public_url(&mut reader, bind, tls.as_ref());
        let algorithm = keys::algorithm(&mut reader);
        let source = keys::source(&mut reader, algorithm, bind);
        let tokens = policies::tokens(&mut reader);
        let web = policies::web(&mut reader, public_url.as_ref(), &tokens);
        let settings = Self {
            bind,
            workers: reader.number(
                "SERVER_WORKERS",
                policies::cores(),
                1..=policies::MAX_WORKERS,
            ),
            max_connections: reader.number("SERVER_MAX_CONNECTIONS", 10_000, 1..=1_000_000),
            keep_alive: edge::keep_alive(&mut reader),
            drain: edge::drain(&mut reader),
            patience: Patience::default(),
            tls,
            cors_origins: edge::cors_origins(&mut reader),
            public_url,
            public_url_set: reader.text("PUBLIC_URL").is_some(),
            database: policies::database(&mut reader),
            store: policies::store(&mut reader),
            migrate: policies::migrate(&mut reader),
            start_wait: policies::start_wait(&mut reader),
            registration: policies::registration(&mut reader),
            password: policies::password(&mut reader),
            throttle: policies::throttle(&mut reader),
            algorithm,
            previous: keys::previous(&mut reader, algorithm, &source),
            keys: source,
            sessions: policies::sessions(&mut reader, &tokens),
            tokens: TokenPolicy {
                encode_csrf: policies::carries_csrf(&web),
                ..tokens
            },
            web,
            purge: policies::purge(&mut reader),
            log: reader.text_or("RUST_LOG", "info,actix_http=off,actix_server=warn"),
            access_log: edge::access_log(&mut reader),
            remarks,
        };
        checks::lifetimes(&mut reader, &settings);
        checks::parties(&mut reader, &settings.tokens);
        checks::length(&mut reader, &settings.tokens);
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
        for known in KNOWN {
            match sources.get(known.name) {
                Ok(found) => shown.push(Shown::new(known, found)),
                Err(problem) => problems.push(problem),
            }
        }
        Reader::new(|_| Ok(None), problems).finish(shown)
    }

    fn with_remarks(mut self, sources: &Sources) -> Self {
        let key_pair = self.algorithm.min_secret_len().is_none();
        if let (true, Some(secret)) = (key_pair, self.previous.first()) {
            let old = secret.key.algorithm().name();
            self.remarks.push(format!(
                "{old} tokens signed with JWT_PREVIOUS_SECRET_KEYS are still accepted: remove the setting once the last of them \
                 has expired, JWT_REFRESH_TOKEN_EXPIRES after the move"
            ));
        }
        let mut remarks = edge::remarks(&self);
        remarks.extend(browsers::remarks(&self));
        remarks.extend(exposed::remarks(sources, &self));
        self.remarks.extend(remarks);
        self
    }
}

/// A setting as `tokenpair config show` prints it.
#[derive(Clone, Debug)]
pub struct Shown {
    name: &'static str,
    value: String,
    origin: String,
}

impl Shown {
    fn new(known: &Known, found: Option<Found>) -> Self {
        let name = known.name;
        let (value, origin) = match found {
            None => (known.default.to_owned(), "default".to_owned()),
            Some(found) => (shown(name, found.text), found.origin.to_string()),
        };
        Self {
            name,
            value,
            origin,
        }
    }
}

fn shown(name: &str, text: String) -> String {
    match name {
        _ if known::SECRET.contains(&name) => "********".to_owned(),
        // The operator may have put the key itself here, which must stay secret.
        "SERVER_TLS_CERT" | "SERVER_TLS_KEY" if edge::is_pem(&text) => "********".to_owned(),
        // An invalid URL may still hold a password.
        "DATABASE_URL" => DatabaseUrl::parse(&text).map_or_else(
            |problem| format!("******** (cannot be used: {problem})"),
            |url| url.masked(),
        ),
        _ => text,
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}  ({})", self.name, self.value, self.origin)
    }
}
