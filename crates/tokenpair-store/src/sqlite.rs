//! Implements opening SQLite's file.

use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use thiserror::Error;

use super::connection::{Conn, ConnectError, Opened, Session};
use tokenpair::session::StoreError;

/// FULL: a commit survives a power cut. In WAL mode readers and the writer do not wait for each
/// other.
const SETUP: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; \
                            PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";

pub(super) fn connect(path: &Path) -> Result<Opened, ConnectError> {
    let mut conn = SqliteConnection::establish(&path.to_string_lossy())?;
    conn.batch_execute(SETUP)?;
    Ok(Opened {
        conn: Conn::Sqlite(conn),
        session: Session::Own,
    })
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
