//! Implements opening SQLite's file.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, QueryResult, SqliteConnection};
use thiserror::Error;

use super::connection::{Conn, ConnectError, Opened, Session, is_locked};
use tokenpair::session::StoreError;

/// How long a statement, or the opening of a connection, waits for the lock of another.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause between attempts to set the journal mode.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// In WAL mode readers and the writer do not wait for each other.
const WAL: &str = "PRAGMA journal_mode = WAL";

/// FULL: a commit survives a power cut.
const SETUP: &str = "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";

pub(super) fn connect(path: &Path) -> Result<Opened, ConnectError> {
    let mut conn = SqliteConnection::establish(&path.to_string_lossy())?;
    let busy_timeout = BUSY_TIMEOUT.as_millis();
    conn.batch_execute(&format!("PRAGMA busy_timeout = {busy_timeout}"))?;
    set_wal_mode(&mut conn)?;
    conn.batch_execute(SETUP)?;
    Ok(Opened {
        conn: Conn::Sqlite(conn),
        session: Session::Own,
    })
}

/// Switches the file to WAL mode. Retried here: SQLite asks its busy timeout only before a
/// connection holds a lock, and this statement reads before it writes. So of several programs that
/// open a new file together, some would fail at once with "database is locked".
fn set_wal_mode(conn: &mut SqliteConnection) -> QueryResult<()> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match conn.batch_execute(WAL) {
            Err(error) if is_locked(&error) && Instant::now() < deadline => {
                std::thread::sleep(BUSY_PAUSE);
            }
            done => return done,
        }
    }
}

/// Creates the file and its folder if they do not exist.
pub(super) fn make_file(path: &Path) -> Result<(), StoreError> {
    make_private_file(path).map_err(|error| {
        StoreError::new(Unwritable {
            path: path.to_owned(),
            error,
        })
    })
}

/// The file behind a path at one moment: another one may take its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FileBehind {
    path: PathBuf,
    /// Its device and inode. `None` if there was no such file.
    id: Option<(u64, u64)>,
}

impl FileBehind {
    pub(super) fn of(path: &Path) -> Self {
        use std::os::unix::fs::MetadataExt;
        let id = std::fs::metadata(path).ok();
        Self {
            path: path.to_owned(),
            id: id.map(|file| (file.dev(), file.ino())),
        }
    }

    /// Returns whether the path still names this file.
    pub(super) fn is_there(&self) -> bool {
        *self == Self::of(&self.path)
    }
}

#[derive(Debug, Error)]
#[error("{} cannot be created or written", .path.display())]
struct Unwritable {
    path: PathBuf,
    #[source]
    error: std::io::Error,
}

/// The database holds password hashes, so only the owner may access its file and a new folder.
fn make_private_file(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    Ok(())
}
