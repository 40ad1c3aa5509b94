//! Takes SQLite's file for one program alone, and replaces it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error as DieselError;

use super::connection::is_locked;
use super::sqlite_file::{PATIENCE, SqliteFile, SqliteFileError, companion, is_damage};

/// The files that SQLite keeps beside a database in use, by the ends of their names.
const COMPANIONS: [&str; 3] = ["-wal", "-journal", "-shm"];

impl SqliteFile {
    /// Takes the file for this program alone, if no other program has it open, and completes it: no
    /// commit is left in a log beside it.
    ///
    /// # Errors
    ///
    /// Returns [`SqliteFileError::InUse`] if another program has it open, or another
    /// [`SqliteFileError`].
    pub fn lock(&self) -> Result<SqliteLock, SqliteFileError> {
        let path = self.path.clone();
        if !path.exists() {
            let held = Held::Nothing;
            return Ok(SqliteLock { path, held });
        }
        // SQLite would discard the log of a file that it cannot read.
        let is_empty = fs::metadata(&path).is_ok_and(|file| file.len() == 0);
        if !is_empty && !self.is_sqlite().map_err(|cause| self.io(cause))? {
            let held = Held::File(self.lock_damaged()?);
            return Ok(SqliteLock { path, held });
        }
        match self.lock_by_sqlite() {
            Ok(conn) => {
                let held = Held::Connection(conn);
                Ok(SqliteLock { path, held })
            }
            Err(error) if is_locked(&error) => Err(SqliteFileError::InUse(path)),
            Err(error) if is_damage(&error) => {
                let held = Held::File(self.lock_damaged()?);
                Ok(SqliteLock { path, held })
            }
            Err(error) => Err(self.failure(error)),
        }
    }

    /// Leaves the mode with a log, which needs the file for this connection alone.
    fn lock_by_sqlite(&self) -> QueryResult<SqliteConnection> {
        let mut conn = SqliteConnection::establish(&self.path.to_string_lossy())
            .map_err(|error| DieselError::QueryBuilderError(Box::new(error)))?;
        conn.batch_execute(PATIENCE)?;
        conn.batch_execute("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE")?;
        Ok(conn)
    }

    /// SQLite cannot lock what it cannot read, but other programs that opened it earlier hold its
    /// locks.
    fn lock_damaged(&self) -> Result<File, SqliteFileError> {
        use rustix::fs::{FlockOperation, fcntl_lock};
        let mut options = File::options();
        let file = options.read(true).write(true).open(&self.path);
        let file = file.map_err(|cause| self.io(cause))?;
        fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| SqliteFileError::InUse(self.path.clone()))?;
        Ok(file)
    }
}

/// A database file that no other program uses. Released on drop.
#[must_use]
pub struct SqliteLock {
    path: PathBuf,
    held: Held,
}

enum Held {
    /// There is no file.
    Nothing,
    Connection(SqliteConnection),
    File(#[expect(dead_code, reason = "it holds the lock")] File),
}

impl std::fmt::Debug for SqliteLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SqliteLock({})", self.path.display())
    }
}

impl SqliteLock {
    /// Returns whether there is a file.
    pub const fn has_file(&self) -> bool {
        !matches!(self.held, Held::Nothing)
    }

    /// Returns a connection in a transaction that holds the lock.
    pub(super) fn into_connection(self) -> Result<SqliteConnection, SqliteFileError> {
        match self.held {
            Held::Connection(conn) => Ok(conn),
            Held::Nothing | Held::File(_) => Err(SqliteFileError::NotSqlite(self.path)),
        }
    }

    /// Replaces the file by another in the same folder, in one step: after a crash at any moment
    /// the path has either file, complete. The former file is kept at `former`, or deleted.
    ///
    /// A log that was left beside the former file never reaches the new one: it moves with the
    /// former file. That happens only if that file was damaged or missing; otherwise taking the
    /// lock has emptied the log.
    ///
    /// # Errors
    ///
    /// Returns the system's error; the file is then the former one.
    pub fn replace_by(self, new: &Path, former: Option<&Path>) -> io::Result<()> {
        File::open(new)?.sync_all()?;
        if let Some(former) = former.filter(|_| self.has_file()) {
            fs::hard_link(&self.path, former)?;
        }
        for end in COMPANIONS {
            let companion_file = companion(&self.path, end);
            if companion_file.exists() {
                match former.filter(|_| end != "-shm") {
                    Some(former) => fs::rename(companion_file, companion(former, end))?,
                    None => fs::remove_file(companion_file)?,
                }
            }
        }
        fs::rename(new, &self.path)?;
        sync_folder(&self.path)
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|path| !path.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
