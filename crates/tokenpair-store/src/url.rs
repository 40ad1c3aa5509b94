//! Defines database URLs. The scheme selects the database, and a password is never shown.
//!
//! Input that libpq would reject is rejected here, since libpq's messages quote it. Hosts are left
//! to libpq, which accepts several with commas, and sockets.

mod error;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

pub use self::error::UrlError;

/// The location of the database. `Display` and `Debug` do not show a password.
///
/// ```
/// use tokenpair_store::{DatabaseUrl, UrlError};
///
/// let url = DatabaseUrl::parse("postgres://ada:secret@db.example/app")?;
/// assert_eq!(url.masked(), "postgres://ada:********@db.example/app");
/// assert_eq!(url.to_string(), "PostgreSQL, db.example/app");
/// assert!(matches!(DatabaseUrl::parse("sqlite://data/app.db")?, DatabaseUrl::Sqlite(_)));
///
/// assert_eq!(DatabaseUrl::parse("mysql://db.example/app").unwrap_err(), UrlError::Scheme);
/// assert_eq!(DatabaseUrl::parse("sqlite://:memory:").unwrap_err(), UrlError::NoFile);
/// assert_eq!(DatabaseUrl::parse("sqlite://app.db?mode=ro").unwrap_err(), UrlError::Parameters);
/// assert_eq!(DatabaseUrl::parse("postgres://ada:p@ss@db/app").unwrap_err(), UrlError::OddCharacters);
/// # Ok::<(), UrlError>(())
/// ```
#[derive(Clone)]
pub enum DatabaseUrl {
    /// `sqlite://path`: relative to the working directory, or absolute with a third slash.
    Sqlite(PathBuf),
    /// `postgres://user:password@host/database`, or `postgresql://`.
    Postgres(SecretString),
}

/// libpq's parameters that PostgreSQL's own programs need too, and that hold no secret.
const PLAIN_PARAMETERS: [&str; 9] = [
    "host",
    "hostaddr",
    "port",
    "user",
    "dbname",
    "sslmode",
    "sslrootcert",
    "connect_timeout",
    "target_session_attrs",
];

/// The parts of a PostgreSQL URL after the scheme.
struct Parts<'a> {
    user: Option<&'a str>,
    password: Option<&'a str>,
    hosts: &'a str,
    database: &'a str,
    query: Vec<(&'a str, &'a str)>,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Self {
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, authority),
        };
        let split = login.map(|login| login.split_once(':').unwrap_or((login, "")));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Self {
            user: split.map(|(user, _)| user),
            password: split
                .map(|(_, password)| password)
                .filter(|word| !word.is_empty()),
            hosts,
            database,
            query: pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .collect(),
        }
    }

    fn masked(&self) -> String {
        let login = match (self.user, self.password) {
            (Some(user), Some(_)) => format!("{user}:********@"),
            (Some(user), None) => format!("{user}@"),
            (None, _) => String::new(),
        };
        // libpq accepts passwords in the query as well, under several names.
        let query = if self.query.is_empty() {
            ""
        } else {
            "?********"
        };
        format!("postgres://{login}{}/{}{query}", self.hosts, self.database)
    }

    /// Keeps the parameters that are known to hold no secret.
    fn without_password(&self) -> String {
        let user = self.user.map(|user| format!("{user}@"));
        let plain = |(name, _): &&(&str, &str)| PLAIN_PARAMETERS.contains(name);
        let query = self.query.iter().filter(plain);
        let query: Vec<_> = query
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let joint = if query.is_empty() { "" } else { "?" };
        format!(
            "postgres://{}{}/{}{joint}{}",
            user.unwrap_or_default(),
            self.hosts,
            self.database,
            query.join("&")
        )
    }

    fn has_password(&self) -> bool {
        let hidden = |name: &str| name.contains("password");
        self.password.is_some() || self.query.iter().any(|(name, _)| hidden(name))
    }

    fn count_hosts(&self) -> u64 {
        let named = ["host", "hostaddr"].map(|name| self.parameter(name).unwrap_or_default());
        let counts =
            [self.hosts, named[0], named[1]].map(|list| with_commas(list).split(',').count());
        counts
            .into_iter()
            .max()
            .unwrap_or(1)
            .try_into()
            .unwrap_or(1)
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        let found = self.query.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value)
    }
}

impl DatabaseUrl {
    /// Parses a URL; its scheme selects the database.
    ///
    /// # Errors
    ///
    /// Returns a [`UrlError`] that tells how to write it.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let url = match text.split_once("://") {
            Some(("sqlite", path)) => Self::sqlite(path)?,
            Some(("postgres" | "postgresql", _)) => Self::postgres(text)?,
            _ => return Err(UrlError::Scheme),
        };
        match url {
            Self::Sqlite(_) if !cfg!(feature = "sqlite") => Err(url.left_out()),
            Self::Postgres(_) if !cfg!(feature = "postgres") => Err(url.left_out()),
            url => Ok(url),
        }
    }

    /// Returns the error that names the feature of this database.
    pub(super) const fn left_out(&self) -> UrlError {
        match self {
            Self::Sqlite(_) => UrlError::LeftOut("sqlite"),
            Self::Postgres(_) => UrlError::LeftOut("postgres"),
        }
    }

    fn sqlite(path: &str) -> Result<Self, UrlError> {
        // SQLite itself would treat `file:` as a URL.
        if path.is_empty() || path == ":memory:" || path.starts_with("file:") {
            return Err(UrlError::NoFile);
        }
        // It would be a part of the file's name, and the database a new and empty one.
        if path.contains('?') {
            return Err(UrlError::Parameters);
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }

    fn postgres(text: &str) -> Result<Self, UrlError> {
        let parts = Parts::of(text);
        let odd = text
            .chars()
            .any(|letter| letter.is_whitespace() || letter.is_control())
            || !percent_signs_are_codes(text)
            || text.matches('@').count() > usize::from(parts.user.is_some());
        if odd {
            return Err(UrlError::OddCharacters);
        }
        // libpq reads the variable if the URL has no mode.
        let mode = parts
            .parameter("sslmode")
            .map(str::to_owned)
            .or_else(|| std::env::var("PGSSLMODE").ok());
        match mode.filter(|mode| asks_for_tls(mode)) {
            Some(mode) if !cfg!(feature = "postgres-tls") => Err(UrlError::NoTls(mode)),
            _ => Ok(Self::Postgres(text.into())),
        }
    }

    /// Returns the URL, with everything that may be a password masked.
    pub fn masked(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres(url) => Parts::of(url.expose_secret()).masked(),
        }
    }

    /// Returns the URL without anything that may be a password, for a command line of PostgreSQL's
    /// own programs, which ask for it or read `PGPASSWORD`. `None` for SQLite.
    ///
    /// ```
    /// use tokenpair_store::DatabaseUrl;
    ///
    /// let url = "postgres://ada:secret@db.example/app?port=5433&password=secret";
    /// let plain = DatabaseUrl::parse(url)?.without_password();
    /// assert_eq!(plain.as_deref(), Some("postgres://ada@db.example/app?port=5433"));
    /// # Ok::<(), tokenpair_store::UrlError>(())
    /// ```
    pub fn without_password(&self) -> Option<String> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(url) => Some(Parts::of(url.expose_secret()).without_password()),
        }
    }

    /// Returns whether the URL itself has a password.
    pub fn has_password(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(url) => Parts::of(url.expose_secret()).has_password(),
        }
    }

    /// Returns the URL for libpq: with timeouts for connecting and for the network, and of several
    /// hosts the writable one, unless the URL or libpq's own variables set them. libpq tries the
    /// hosts starting with `first_host`.
    pub(super) fn for_libpq(url: &SecretString, wait: Duration, first_host: u64) -> String {
        let hosts = Parts::of(url.expose_secret()).count_hosts();
        let mut text = beginning_with(first_host % hosts, hosts, url.expose_secret());
        // libpq gives each host this long, and a request waits for all of them.
        let seconds = wait.as_secs().saturating_sub(1).max(1).div_ceil(hosts);
        let mut defaults = vec![
            ("connect_timeout", "PGCONNECT_TIMEOUT", seconds.to_string()),
            ("tcp_user_timeout", "", wait.as_millis().to_string()),
            ("keepalives_idle", "", "10".to_owned()),
            ("keepalives_interval", "", "3".to_owned()),
            ("keepalives_count", "", "3".to_owned()),
        ];
        if hosts > 1 {
            let writable = "read-write".to_owned();
            defaults.push(("target_session_attrs", "PGTARGETSESSIONATTRS", writable));
        }
        for (name, variable, value) in defaults {
            let said = !variable.is_empty() && std::env::var_os(variable).is_some();
            if !said && Parts::of(&text).parameter(name).is_none() {
                let joint = if text.contains('?') { '&' } else { '?' };
                text = format!("{text}{joint}{name}={value}");
            }
        }
        text
    }

    /// Returns the URL as [`for_libpq`](Self::for_libpq) does, for a session without a pooler: with
    /// a timeout for statements, since no request waits longer, and a mark to recognize the
    /// session. Options of the URL, or of libpq's variable, follow and so take precedence.
    pub(super) fn for_libpq_with_options(
        url: &SecretString,
        wait: Duration,
        first_host: u64,
    ) -> String {
        let text = Self::for_libpq(url, wait, first_host);
        let theirs = match Parts::of(&text).parameter("options") {
            Some(options) => options.to_owned(),
            None => percent_encoded(&std::env::var("PGOPTIONS").unwrap_or_default()),
        };
        let millis = wait.as_millis();
        // libpq takes the second of two equal parameters.
        format!(
            "{text}&options=-c%20statement_timeout%3D{millis}%20-c%20tokenpair.session%3Down%20{theirs}"
        )
    }
}

/// Returns how many hosts an attempt to connect of this duration timed out on, by this URL for
/// libpq.
pub(super) fn hosts_that_hung(for_libpq: &str, took: Duration) -> u64 {
    let timeout = Parts::of(for_libpq)
        .parameter("connect_timeout")
        .and_then(|seconds| seconds.parse().ok())
        .filter(|seconds| *seconds > 0);
    timeout.map_or(0, |timeout: u64| took.as_secs() / timeout)
}

/// Returns the URL with its lists of hosts and ports rotated.
fn beginning_with(first: u64, hosts: u64, url: &str) -> String {
    if first == 0 {
        return url.to_owned();
    }
    let turned = |list: &str| turned(list, first, hosts);
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, list) = match authority.rsplit_once('@') {
        Some((login, list)) => (format!("{login}@"), list),
        None => (String::new(), authority),
    };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name @ ("host" | "hostaddr" | "port"), list)) => format!("{name}={}", turned(list)),
        _ => pair.to_owned(),
    });
    let query = pairs.collect::<Vec<_>>().join("&");
    let list = turned(list);
    let joint = if query.is_empty() { "" } else { "?" };
    format!("{scheme}://{login}{list}/{database}{joint}{query}")
}

/// A list of one port is for all hosts.
fn turned(list: &str, first: u64, hosts: u64) -> String {
    let list = with_commas(list);
    let entries: Vec<&str> = list.split(',').collect();
    if u64::try_from(entries.len()) != Ok(hosts) {
        return list;
    }
    let first = usize::try_from(first).unwrap_or_default();
    let from_first = entries.iter().cycle().skip(first).take(entries.len());
    from_first.copied().collect::<Vec<_>>().join(",")
}

fn with_commas(list: &str) -> String {
    list.replace("%2C", ",").replace("%2c", ",")
}

/// Encodes any bytes for a value in a URL.
fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn asks_for_tls(mode: &str) -> bool {
    matches!(mode, "require" | "verify-ca" | "verify-full")
}

fn percent_signs_are_codes(text: &str) -> bool {
    text.split('%').skip(1).all(|code| {
        let code = code.as_bytes();
        code.len() >= 2 && code.iter().take(2).all(u8::is_ascii_hexdigit)
    })
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "SQLite, {}", path.display()),
            Self::Postgres(url) => {
                let parts = Parts::of(url.expose_secret());
                write!(f, "PostgreSQL, {}/{}", parts.hosts, parts.database)
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
