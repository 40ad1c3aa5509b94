//! Settings: from texts to the policies of the floors below, checked once, at start. Nothing is resolved while parsing
//! and nothing changes afterwards; what cannot work is refused with all the other problems in one message.

mod checks;
mod known;
mod policies;
mod reader;
mod sources;
mod transport;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

pub use self::known::{KNOWN, Known};
use self::reader::Reader;
pub use self::reader::{Problem, Problems};
pub use self::sources::{Origin, Sources};
use crate::keys::Algorithm;
use crate::password::PasswordPolicy;
use crate::session::SessionPolicy;
use crate::store::{DatabaseUrl, StorePolicy};
use crate::token::TokenPolicy;
use crate::web::WebPolicy;

/// Everything the server runs on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `SERVER_BIND`
    pub bind: SocketAddr,
    /// `SERVER_WORKERS`
    pub workers: usize,
    /// `PUBLIC_URL`, or what `SERVER_BIND` says of it.
    pub public_url: Option<Url>,
    /// `DATABASE_URL`
    pub database: DatabaseUrl,
    /// `DATABASE_POOL`
    pub store: StorePolicy,
    /// `REGISTRATION`
    pub registration: Registration,
    /// `PASSWORD_*`
    pub password: PasswordPolicy,
    /// `JWT_ALGORITHM`
    pub algorithm: Algorithm,
    /// `JWT_SECRET_KEY`
    pub secret: Secret,
    /// What tokens say and for how long.
    pub tokens: TokenPolicy,
    /// `SESSION_*`
    pub sessions: SessionPolicy,
    /// How tokens travel.
    pub web: WebPolicy,
    /// `JWT_SESSION_COOKIE=false`: cookies outlive the browser even if the login does not say so.
    pub remember: bool,
    /// `RUST_LOG`
    pub log: String,
    /// What works, but may not be meant.
    pub remarks: Vec<String>,
}

/// Who may make an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Registration {
    /// Anyone.
    Open,
    /// Only the operator, with `tokenpair user add`.
    Closed,
}

/// The secret that signs.
#[derive(Clone, Debug)]
pub enum Secret {
    /// From the settings.
    Given(SecretString),
    /// Made on the first start and kept in this file.
    Kept(PathBuf),
}

impl Settings {
    /// Understands and checks what the sources say.
    ///
    /// # Errors
    ///
    /// [`Problems`]: all that cannot work.
    pub fn load(sources: &Sources) -> Result<Self, Problems> {
        let (problems, remarks) = sources.complaints();
        let mut reader = Reader::new(sources, problems);
        let bind = policies::bind(&mut reader);
        let public_url = policies::public_url(&mut reader, bind);
        let algorithm = policies::algorithm(&mut reader);
        let tokens = policies::tokens(&mut reader);
        let web = transport::web(
            &mut reader,
            policies::secure_by_default(public_url.as_ref()),
        );
        let settings = Self {
            bind,
            workers: reader.number("SERVER_WORKERS", policies::cores(), 1..=1024),
            public_url,
            database: policies::database(&mut reader),
            store: StorePolicy {
                pool: reader.number("DATABASE_POOL", 8, 1..=1000),
                ..StorePolicy::default()
            },
            registration: policies::registration(&mut reader),
            password: policies::password(&mut reader),
            algorithm,
            secret: policies::secret(&mut reader, algorithm, bind),
            sessions: policies::sessions(&mut reader, tokens.refresh_expires),
            tokens: TokenPolicy {
                encode_csrf: transport::carries_csrf(&web),
                ..tokens
            },
            web,
            remember: !reader.truth("JWT_SESSION_COOKIE", true),
            log: reader.text_or("RUST_LOG", "info"),
            remarks,
        };
        checks::lifetimes(&mut reader, &settings);
        checks::parties(&mut reader, &settings.tokens);
        checks::cookies(&mut reader, &settings.web.cookies);
        reader.finish(settings.with_remarks())
    }

    /// Every setting with its value and where it came from, for a person; secrets are masked.
    pub fn show(sources: &Sources) -> Vec<Shown> {
        KNOWN
            .iter()
            .map(|known| Shown::new(known, sources))
            .collect()
    }

    fn with_remarks(mut self) -> Self {
        let public = !self.bind.ip().is_loopback();
        if public && !self.web.csrf.protect {
            self.remarks.push(
                "JWT_COOKIE_CSRF_PROTECT is false: any site can act for whoever is logged in"
                    .to_owned(),
            );
        }
        if public
            && !self.web.cookies.secure
            && self
                .public_url
                .as_ref()
                .is_none_or(|url| !policies::is_loopback(url))
        {
            self.remarks.push(
                "JWT_COOKIE_SECURE is false: tokens travel readable over plain http".to_owned(),
            );
        }
        self
    }
}

/// A setting as `tokenpair config show` prints it.
#[derive(Clone, Debug)]
pub struct Shown {
    name: &'static str,
    value: String,
    origin: Option<Origin>,
}

impl Shown {
    fn new(known: &Known, sources: &Sources) -> Self {
        let found = sources.get(known.name).ok().flatten();
        let origin = found.as_ref().map(|found| found.origin);
        let value = match found.map(|found| found.text) {
            None => known.default.to_owned(),
            Some(_) if known::SECRET.contains(&known.name) => "********".to_owned(),
            Some(text) if known.name == "DATABASE_URL" => without_password(&text),
            Some(text) => text,
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
        let origin = self
            .origin
            .map_or_else(|| "default".to_owned(), |origin| origin.to_string());
        write!(f, "{} = {}  ({origin})", self.name, self.value)
    }
}

fn without_password(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else {
        return "********".to_owned();
    };
    if url.password().is_some() && url.set_password(Some("********")).is_err() {
        return "********".to_owned();
    }
    // libpq takes a password in the query as well.
    if url.query_pairs().any(|(name, _)| name == "password") {
        url.set_query(Some("********"));
    }
    url.to_string()
}

impl Secret {
    /// The bytes that sign, if they are in the settings.
    pub fn given(&self) -> Option<&[u8]> {
        match self {
            Self::Given(text) => Some(text.expose_secret().as_bytes()),
            Self::Kept(_) => None,
        }
    }
}
