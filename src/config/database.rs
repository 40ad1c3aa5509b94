//! Defines the settings of the database.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::setting::{Known, Setting, duration_within, seconds};
use tokenpair::config::Reader;
use tokenpair_store::{DatabaseUrl, Pooler, StorePolicy};

pub(super) const KNOWN: &[Known] = &[
    URL.known(),
    POOL.known(),
    WAIT.known(),
    START_WAIT.known(),
    MIGRATE.known(),
    POOLER.known(),
];

pub(super) const URL: Setting<DatabaseUrl> = Setting::new(
    "DATABASE_URL",
    DEFAULT,
    "sqlite://path, or postgres://user:password@host/database.",
    url,
)
.shown_by(masked);

const DEFAULT: &str = "sqlite://data/tokenpair.db";

const POOL: Setting<u32> = Setting::new(
    "DATABASE_POOL",
    "8",
    "Maximum size of the connection pool.",
    |reader, name| reader.number(name, StorePolicy::default().pool, 1..=1000),
);

/// The maximum is a minute, since clients and proxies give up by then.
const WAIT: Setting<Duration> = Setting::new(
    "DATABASE_WAIT",
    "4s",
    "How long a request waits for the database before it gets 503; 1s to 60s.",
    |reader, name| {
        let default = StorePolicy::default().wait;
        duration_within(reader, name, default, 1..=60, "from 1s to 60s")
    },
);

/// The default is long enough for PostgreSQL to start, and short enough for supervisors.
pub(super) const START_WAIT: Setting<Duration> = Setting::new(
    "DATABASE_START_WAIT",
    "30s",
    "How long a starting server retries connecting to PostgreSQL; 0 to 1h. 0: fail at once.",
    |reader, name| duration_within(reader, name, seconds(30), 0..=3600, "from 0s to 1h"),
);

pub(super) const MIGRATE: Setting<Migrate> = Setting::new(
    "DATABASE_MIGRATE",
    "auto",
    "auto: run migrations at start. off: refuse to start while migrations are pending; run `tokenpair migrate`.",
    |reader, name| {
        let choices = [("auto", Migrate::Auto), ("off", Migrate::Off)];
        reader.choice(name, Migrate::Auto, &choices)
    },
);

const POOLER: Setting<Pooler> = Setting::new(
    "DATABASE_POOLER",
    "auto",
    "transaction: PostgreSQL is behind a transaction pooler such as PgBouncer. off: it is not. auto: detected on connecting.",
    |reader, name| {
        let choices = [
            ("auto", Pooler::Auto),
            ("off", Pooler::Off),
            ("transaction", Pooler::Transaction),
        ];
        reader.choice(name, StorePolicy::default().pooler, &choices)
    },
);

/// When migrations run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Migrate {
    /// At the server's start, or when the operator runs `tokenpair migrate`.
    Auto,
    /// Only when the operator runs `tokenpair migrate`. The server refuses to start while
    /// migrations are pending.
    Off,
}

pub(super) fn store(reader: &mut Reader<'_>) -> StorePolicy {
    StorePolicy {
        pool: POOL.read(reader),
        wait: WAIT.read(reader),
        pooler: POOLER.read(reader),
    }
}

fn url(reader: &mut Reader<'_>, name: &'static str) -> DatabaseUrl {
    let text = reader.text_or(name, DEFAULT);
    let url = DatabaseUrl::parse(&text).unwrap_or_else(|error| {
        // Not quoted: it may hold a password.
        reader.problem(name, format!("cannot be used: {error}"));
        DatabaseUrl::Sqlite(PathBuf::new())
    });
    let DatabaseUrl::Sqlite(path) = &url else {
        return url;
    };
    if let Some((folder, owner)) = closed_folder(path) {
        let (path, folder) = (path.display(), folder.display());
        let complaint = format!(
            "names {path}, and permission is denied: the folder {folder} belongs to the user {owner}; \
             run this as that user, with sudo -u {owner}"
        );
        reader.problem(name, complaint);
    } else if let Some(folder) = missing_folder(path) {
        let (path, folder) = (path.display(), folder.display());
        let complaint = format!(
            "names {path}, and there is no folder {folder}; create it, or correct the path"
        );
        reader.problem(name, complaint);
    }
    url
}

/// An invalid URL may still hold a password, so it is not shown.
fn masked(text: &str) -> String {
    DatabaseUrl::parse(text).map_or_else(
        |problem| format!("******** (cannot be used: {problem})"),
        |url| url.masked(),
    )
}

/// The folder of the default path, the only folder that the server creates.
const DATA: &str = "data";

/// Returns the folder on the way to this file that this user may not look into, and its owner. The
/// file would seem to be missing.
fn closed_folder(path: &Path) -> Option<(PathBuf, String)> {
    let error = path.try_exists().err()?;
    if error.kind() != ErrorKind::PermissionDenied {
        return None;
    }
    let path = std::path::absolute(path).ok()?;
    let mut folders = path.ancestors().skip(1);
    let found = folders.find_map(|folder| Some((folder, fs::metadata(folder).ok()?)));
    let (folder, data) = found?;
    Some((folder.to_owned(), user_name(data.uid())))
}

/// Returns the name of a user on this machine, or how sudo names one by its number.
fn user_name(id: u32) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let id = id.to_string();
    let mut fields = users.lines().map(|line| line.split(':'));
    let found = fields.find_map(|mut fields| {
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| format!("'#{id}'"))
}

/// Returns the folder of this path if it is missing. Creating it would start an empty database
/// after a typo.
fn missing_folder(path: &Path) -> Option<&Path> {
    let folder = path.parent()?;
    let named = !folder.as_os_str().is_empty() && folder != Path::new(DATA);
    (named && !folder.is_dir()).then_some(folder)
}
