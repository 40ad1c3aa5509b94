//! Opens the database: waits for it at the start, runs migrations or checks them, and explains
//! failures.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::database_error::DatabaseError;
use super::start_error::StartError;
use crate::config::{Migrate, Settings};
use tokenpair_store::{DatabaseUrl, DieselStore};

/// The pause after the first failed attempt to connect. Each later pause is twice as long, up to
/// [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

fn open_store(settings: &Settings) -> Result<DieselStore, DatabaseError> {
    let url = &settings.database;
    DieselStore::open(url, settings.store).map_err(|cause| DatabaseError::Connect {
        url: url.clone(),
        cause,
    })
}

/// Opens an existing database with the schema of this program. Changes nothing in it.
///
/// # Errors
///
/// [`DatabaseError`], also if migrations are pending or unknown to this program.
pub fn open_current_store(settings: &Settings) -> Result<DieselStore, DatabaseError> {
    let url = &settings.database;
    if let Some(missing) = missing_file(url) {
        return Err(DatabaseError::Missing(missing));
    }
    let store = open_store(settings)?;
    let pending = store.pending_migrations();
    let names = pending.map_err(|error| DatabaseError::of(error, url))?;
    if names.is_empty() {
        return Ok(store);
    }
    let url = url.clone();
    Err(DatabaseError::Pending { url, names })
}

/// Opens the database and runs the migrations that are pending.
///
/// # Errors
///
/// [`DatabaseError`]; the schema is then unchanged.
pub fn open_migrated_store(
    settings: &Settings,
) -> Result<(DieselStore, Vec<String>), DatabaseError> {
    let store = open_store(settings)?;
    let names = store.migrate();
    let names = names.map_err(|error| DatabaseError::of(error, &settings.database))?;
    Ok((store, names))
}

/// Opens the database for a server, as `DATABASE_MIGRATE` says. Retries for `DATABASE_START_WAIT`
/// while PostgreSQL is not available.
pub(super) async fn ready_store(settings: &Settings) -> Result<DieselStore, StartError> {
    let (began, wait) = (Instant::now(), settings.start_wait);
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match attempt(settings.clone()).await? {
            Ok(store) if pause > FIRST_PAUSE => {
                let waited = began.elapsed().as_secs_f64();
                log::info!("the database is available after {waited:.1} s");
                return Ok(store);
            }
            Ok(store) => return Ok(store),
            Err(error) => error,
        };
        let left = wait.saturating_sub(began.elapsed());
        if left.is_zero() || !error.may_pass() {
            return Err(error.into());
        }
        if pause == FIRST_PAUSE {
            let seconds = wait.as_secs();
            log::warn!("waiting up to {seconds} s for the database (DATABASE_START_WAIT): {error}");
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Runs on another thread, so that signals are handled meanwhile.
async fn attempt(settings: Settings) -> Result<Result<DieselStore, DatabaseError>, StartError> {
    let opened = tokio::task::spawn_blocking(move || match settings.migrate {
        Migrate::Off => open_current_store(&settings),
        Migrate::Auto => {
            let (store, names) = open_migrated_store(&settings)?;
            for name in names {
                log::info!("migration {name} done");
            }
            Ok(store)
        }
    });
    opened.await.map_err(|_| StartError::Stopped)
}

fn missing_file(url: &DatabaseUrl) -> Option<PathBuf> {
    match url {
        DatabaseUrl::Sqlite(path) if !path.exists() => Some(absolute(path)),
        _ => None,
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
