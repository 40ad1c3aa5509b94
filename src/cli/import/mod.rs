//! Implements `tokenpair user import`: users of another program, with their password hashes. It
//! checks all lines before it writes. One invalid line stops the import, unless invalid lines are
//! skipped.

pub(super) mod file;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use clap::Args;

use self::file::{Fault, Line, UserLine};
use super::{CommandError, say, settings};
use crate::config::Settings;
use crate::server::open_current_store;
use tokenpair::clock::Clock;
use tokenpair::session::RequestContext;
use tokenpair_store::password::Maker;
use tokenpair_store::{DatabaseUrl, ImportedUser, UserError};

#[derive(Debug, Args)]
pub(super) struct Wanted {
    /// CSV with the header username,hash,roles (roles separated by spaces), or a JSON object with
    /// these members on each line (roles as a list), as `export` writes it, which keeps ids, times
    /// and disabled users; - for standard input
    file: PathBuf,
    /// Skip invalid lines, report each on standard error, and import the others; exit with 1 only
    /// if no user is left
    #[arg(long)]
    skip_invalid: bool,
    /// Only check whether all users can be imported
    #[arg(long)]
    dry_run: bool,
    /// The bcrypt hashes are Flask-Bcrypt's with BCRYPT_HANDLE_LONG_PASSWORDS, which look like any
    /// others
    #[arg(long)]
    flask_bcrypt_long_passwords: bool,
}

impl Wanted {
    fn read(&self) -> Result<Vec<u8>, CommandError> {
        if self.file.as_os_str() == "-" {
            let mut content = Vec::new();
            io::stdin().lock().read_to_end(&mut content)?;
            return Ok(content);
        }
        std::fs::read(&self.file)
            .map_err(|error| format!("cannot read {}: {error}", self.file.display()).into())
    }

    fn maker(&self) -> Maker {
        if self.flask_bcrypt_long_passwords {
            Maker::Sha256First
        } else {
            Maker::Plain
        }
    }
}

pub(super) fn run(wanted: &Wanted, out: &mut dyn Write) -> Result<(), CommandError> {
    let settings = settings()?;
    let mut lines = file::lines(&wanted.read()?, wanted.maker())?;
    if lines.is_empty() {
        return Err("the file has no users".into());
    }
    mark_taken(&mut lines, &settings)?;
    let (users, skipped) = users_of(lines, wanted.skip_invalid)?;
    let summary = summarize(&users);
    let skipped = match skipped {
        0 => String::new(),
        1 => ", 1 line skipped".to_owned(),
        many => format!(", {many} lines skipped"),
    };
    if wanted.dry_run {
        return Ok(writeln!(
            out,
            "{summary} can be imported{skipped}; nothing was written"
        )?);
    }
    let users: Vec<ImportedUser> = users.into_iter().map(UserLine::into_user).collect();
    let context = RequestContext::of_operator(Clock::system().now());
    open_current_store(&settings)?
        .import_users(users, &context)
        .map_err(|error| -> CommandError {
            match error {
                UserError::Taken => {
                    "another user has just taken one of these names or ids; no users were imported: run it again"
                        .into()
                }
                error @ UserError::Store(_) => error.into(),
            }
        })?;
    Ok(writeln!(out, "{summary} imported{skipped}")?)
}

/// Marks the lines whose usernames or ids are in the database. A dry run needs no database.
fn mark_taken(lines: &mut [Line], settings: &Settings) -> Result<(), CommandError> {
    if matches!(&settings.database, DatabaseUrl::Sqlite(path) if !path.exists()) {
        return Ok(());
    }
    let store = open_current_store(settings)?;
    let good = || lines.iter().filter_map(|line| line.user.as_ref().ok());
    let names = store.taken_names(good().map(UserLine::username))?;
    let ids = store.taken_ids(good().filter_map(UserLine::id))?;
    for line in lines {
        let Ok(user) = &line.user else { continue };
        if names.contains(user.username().key()) {
            line.user = Err(Fault::Taken);
        } else if user.id().is_some_and(|id| ids.contains(id)) {
            line.user = Err(Fault::IdTaken);
        }
    }
    Ok(())
}

/// Returns the users to import and the number of skipped lines.
fn users_of(lines: Vec<Line>, skip_invalid: bool) -> Result<(Vec<UserLine>, usize), Faults> {
    let all = lines.len();
    let (mut users, mut faults) = (Vec::with_capacity(all), Vec::new());
    for line in lines {
        match line.user {
            Ok(user) => users.push(user),
            Err(fault) => faults.push((line.number, fault)),
        }
    }
    let bad = faults.len();
    if skip_invalid {
        for (number, fault) in faults.drain(..) {
            say(&format!("line {number} skipped: {fault}"));
        }
    }
    if bad == 0 || (skip_invalid && !users.is_empty()) {
        return Ok((users, bad));
    }
    Err(Faults { faults, bad, all })
}

/// The invalid lines that stop the import.
#[derive(Debug)]
struct Faults {
    /// Those not reported yet.
    faults: Vec<(u64, Fault)>,
    bad: usize,
    all: usize,
}

impl Error for Faults {}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in &self.faults {
            writeln!(f, "line {number}: {fault}")?;
        }
        let (bad, all) = (self.bad, self.all);
        write!(f, "no users were imported: {bad} of {all} are invalid")
    }
}

/// Returns the number of users, and of hashes of each kind.
fn summarize(users: &[UserLine]) -> String {
    let mut kinds = BTreeMap::new();
    for user in users {
        *kinds.entry(user.kind()).or_insert(0_usize) += 1;
    }
    let kinds: Vec<String> = kinds
        .into_iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    let users = match users.len() {
        1 => "1 user".to_owned(),
        many => format!("{many} users"),
    };
    format!("{users} ({})", kinds.join(", "))
}
