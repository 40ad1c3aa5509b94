//! Copies and checks the file of an SQLite database, for backups.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use thiserror::Error;

use super::connection::Conn;
use super::migrations::{self, MigrationError};
use tokenpair::clock::Timestamp;

/// The first bytes of every SQLite database.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// How long to wait for the lock of another program, such as a server that is starting.
pub(super) const PATIENCE: &str = "PRAGMA busy_timeout = 2000";

/// The file of an SQLite database.
///
/// ```
/// # use tokenpair_store::{DatabaseUrl, DieselStore, StorePolicy};
/// use tokenpair_store::SqliteFile;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let (path, copy) = (folder.path().join("users.db"), folder.path().join("copy.db"));
/// let url = DatabaseUrl::parse(&format!("sqlite://{}", path.display()))?;
/// let store = DieselStore::open(&url, StorePolicy::default())?;
/// store.migrate()?;
///
/// // While servers use it.
/// SqliteFile::at(&path).copy_to(&copy)?;
/// let contents = SqliteFile::at(&copy).check()?;
/// assert!(contents.pending.is_empty() && contents.unknown.is_empty());
/// assert!(contents.rows.contains(&("users".to_owned(), 0)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SqliteFile {
    pub(super) path: PathBuf,
}

/// The contents of a database file that was checked.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Contents {
    /// The version of the newest migration that has run.
    pub schema: String,
    /// The migrations that this program would run.
    pub pending: Vec<String>,
    /// The versions of migrations that a newer program has run.
    pub unknown: Vec<String>,
    /// The number of rows of each table, by name.
    pub rows: Vec<(String, i64)>,
    /// The time of the newest audit event.
    pub newest_event: Option<Timestamp>,
    newest_event_id: Option<String>,
}

/// The reason a database file cannot be copied, checked or replaced.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SqliteFileError {
    /// It cannot be read or written.
    #[error("{}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It is another kind of file.
    #[error("{} is not an SQLite database", .0.display())]
    NotSqlite(PathBuf),
    /// It is an SQLite database of another program.
    #[error("{} is not a database of tokenpair", .0.display())]
    NotOurs(PathBuf),
    /// SQLite's own check fails.
    #[error("{} is damaged: {problem}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first finding of SQLite's check.
        problem: String,
    },
    /// Another program has it open.
    #[error("another program uses {}", .0.display())]
    InUse(PathBuf),
    /// The copy cannot be read or written completely.
    #[error("cannot copy {} to {}", .from.display(), .to.display())]
    Copy {
        /// The database.
        from: PathBuf,
        /// The copy.
        to: PathBuf,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// SQLite failed.
    #[error("SQLite cannot use {}", .path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The events that a restore undoes. Their ids sort by time.
const CHANGES: &str = "SELECT kind, count(*) AS n FROM audit_events WHERE id > ? AND kind IN \
    ('user_created', 'user_deleted', 'user_disabled', 'user_enabled', 'password_changed', 'roles_changed', \
    'client_created', 'client_deleted', 'client_secret_changed', 'client_permissions_changed') \
    GROUP BY kind ORDER BY kind";

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[derive(QueryableByName)]
struct LastEvent {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = BigInt)]
    at: i64,
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Text)]
    word: String,
}

impl SqliteFile {
    /// Returns the file at this path. Opens nothing.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Writes a complete and compact copy into a new or empty file, while other programs read and
    /// write the database. They do not wait, and the copy is of one moment.
    ///
    /// # Errors
    ///
    /// Returns a [`SqliteFileError`]; the new file is then incomplete.
    pub fn copy_to(&self, new: &Path) -> Result<(), SqliteFileError> {
        self.copy(self.open("mode=rw")?, new)
    }

    /// Writes a copy as [`copy_to`](Self::copy_to) does, of a file that no program writes to: a
    /// backup. Only reads.
    ///
    /// # Errors
    ///
    /// Returns a [`SqliteFileError`]; the new file is then incomplete.
    pub fn copy_backup_to(&self, new: &Path) -> Result<(), SqliteFileError> {
        self.copy(self.open_backup()?, new)
    }

    fn copy(&self, mut conn: SqliteConnection, new: &Path) -> Result<(), SqliteFileError> {
        let new = std::path::absolute(new).map_err(|cause| self.io(cause))?;
        let copied = sql_query("VACUUM INTO ?")
            .bind::<Text, _>(new.to_string_lossy())
            .execute(&mut conn);
        copied.map(|_| ()).map_err(|error| match is_damage(&error) {
            true => self.failure(error),
            false => SqliteFileError::Copy {
                from: self.path.clone(),
                to: new,
                cause: Box::new(error),
            },
        })
    }

    /// Checks that it is an undamaged database of this program, and returns what it contains. Only
    /// reads.
    ///
    /// # Errors
    ///
    /// Returns a [`SqliteFileError`] if it is not.
    pub fn check(&self) -> Result<Contents, SqliteFileError> {
        self.refuse_others()?;
        let mut conn = self.open_backup()?;
        if let Some(problem) = problem(&mut conn).map_err(|error| self.failure(error))? {
            let path = self.path.clone();
            return Err(SqliteFileError::Damaged { path, problem });
        }
        let tables = tables(&mut conn).map_err(|error| self.failure(error))?;
        if !["users", "__diesel_schema_migrations"]
            .iter()
            .all(|ours| tables.iter().any(|table| table == ours))
        {
            return Err(SqliteFileError::NotOurs(self.path.clone()));
        }
        self.contents(conn, &tables)
    }

    /// Returns how many changes of users and clients this database records that the backup does not, by the
    /// kind of the event. Only reads.
    ///
    /// # Errors
    ///
    /// Returns a [`SqliteFileError`] if the file cannot be read.
    pub fn changes_since(&self, backup: &Contents) -> Result<Vec<(String, i64)>, SqliteFileError> {
        self.refuse_others()?;
        let mut conn = self.open_backup()?;
        let counted = sql_query(CHANGES)
            .bind::<Text, _>(backup.newest_event_id.as_deref().unwrap_or_default())
            .load::<Counted>(&mut conn);
        let counted = counted.map_err(|error| self.failure(error))?;
        Ok(counted.into_iter().map(|row| (row.kind, row.n)).collect())
    }

    fn contents(
        &self,
        mut conn: SqliteConnection,
        tables: &[String],
    ) -> Result<Contents, SqliteFileError> {
        let mut rows = Vec::new();
        for table in tables.iter().filter(|table| !table.starts_with("__")) {
            let count = format!("SELECT '{table}' AS kind, count(*) AS n FROM \"{table}\"");
            let count = sql_query(count).get_result::<Counted>(&mut conn);
            let count = count.map_err(|error| self.failure(error))?;
            rows.push((count.kind, count.n));
        }
        let mut newest_event = None;
        if tables.iter().any(|table| table == "audit_events") {
            let query = "SELECT id, at FROM audit_events ORDER BY id DESC LIMIT 1";
            let found = sql_query(query).get_result::<LastEvent>(&mut conn);
            newest_event = found.optional().map_err(|error| self.failure(error))?;
        }
        let newest = "SELECT max(version) AS word FROM __diesel_schema_migrations";
        let schema = sql_query(newest).get_result::<Word>(&mut conn);
        let schema = schema.map_err(|error| self.failure(error))?.word;
        let (pending, unknown) = match migrations::pending(&mut Conn::Sqlite(conn)) {
            Ok(pending) => (pending, Vec::new()),
            Err(MigrationError::Unknown(unknown)) => (Vec::new(), unknown),
            Err(error) => return Err(self.sqlite(Box::new(error))),
        };
        Ok(Contents {
            schema,
            pending,
            unknown,
            rows,
            newest_event: newest_event
                .as_ref()
                .map(|event| Timestamp::from_unix(event.at)),
            newest_event_id: newest_event.map(|event| event.id),
        })
    }

    /// SQLite creates files beside any file that it opens.
    fn refuse_others(&self) -> Result<(), SqliteFileError> {
        match self.is_sqlite() {
            Ok(true) => Ok(()),
            Ok(false) => Err(SqliteFileError::NotSqlite(self.path.clone())),
            Err(cause) => Err(self.io(cause)),
        }
    }

    /// Returns whether it begins as an SQLite database does.
    pub(super) fn is_sqlite(&self) -> io::Result<bool> {
        let mut first = [0; MAGIC.len()];
        match File::open(&self.path)?.read_exact(&mut first) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
            Err(_) => Ok(false),
            Ok(()) => Ok(first == *MAGIC),
        }
    }

    /// Opens it without writing to it. A file without a log is complete by itself, and is opened as
    /// one that never changes: SQLite then needs no files beside it.
    pub(super) fn open_backup(&self) -> Result<SqliteConnection, SqliteFileError> {
        let has_log = ["-wal", "-journal"]
            .iter()
            .any(|end| companion(&self.path, end).exists());
        self.open(match has_log {
            true => "mode=ro",
            false => "mode=ro&immutable=1",
        })
    }

    fn open(&self, mode: &str) -> Result<SqliteConnection, SqliteFileError> {
        let path = std::path::absolute(&self.path).map_err(|cause| self.io(cause))?;
        let uri = format!("file:{}?{mode}", percent_encoded(&path));
        let conn = SqliteConnection::establish(&uri);
        let mut conn = conn.map_err(|error| self.sqlite(Box::new(error)))?;
        let set = conn.batch_execute(PATIENCE);
        set.map_err(|error| self.failure(error)).map(|()| conn)
    }

    pub(super) fn io(&self, cause: io::Error) -> SqliteFileError {
        let path = self.path.clone();
        SqliteFileError::Io { path, cause }
    }

    pub(super) fn sqlite(
        &self,
        cause: Box<dyn std::error::Error + Send + Sync>,
    ) -> SqliteFileError {
        let path = self.path.clone();
        SqliteFileError::Sqlite { path, cause }
    }

    pub(super) fn failure(&self, error: DieselError) -> SqliteFileError {
        if is_damage(&error) {
            let (path, problem) = (self.path.clone(), error.to_string());
            return SqliteFileError::Damaged { path, problem };
        }
        self.sqlite(Box::new(error))
    }
}

/// Returns whether both are one file, by whatever names.
pub(super) fn is_same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |path: &Path| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.dev(), found.ino()))
    };
    id(one).is_some_and(|found| Some(found) == id(other))
}

/// Returns the path of a file that SQLite keeps beside the database.
pub(super) fn companion(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Encodes a path for a URI, where `?`, `#` and `%` have meanings.
fn percent_encoded(path: &Path) -> String {
    let path = path.to_string_lossy();
    path.replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23")
}

pub(super) fn is_damage(error: &DieselError) -> bool {
    let text = error.to_string();
    ["not a database", "malformed"]
        .iter()
        .any(|words| text.contains(words))
}

/// Returns the first finding of SQLite's check.
fn problem(conn: &mut SqliteConnection) -> QueryResult<Option<String>> {
    let check = "SELECT integrity_check AS word FROM pragma_integrity_check LIMIT 1";
    let word = sql_query(check).get_result::<Word>(conn)?.word;
    if word != "ok" {
        return Ok(Some(word));
    }
    let check = "SELECT \"table\" || ' refers to missing ' || parent AS word FROM pragma_foreign_key_check LIMIT 1";
    let found = sql_query(check).get_result::<Word>(conn).optional()?;
    Ok(found.map(|found| found.word))
}

/// Returns the names of all tables.
fn tables(conn: &mut SqliteConnection) -> QueryResult<Vec<String>> {
    let names = "SELECT name AS word FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let names = sql_query(names).load::<Word>(conn)?;
    Ok(names.into_iter().map(|row| row.word).collect())
}
