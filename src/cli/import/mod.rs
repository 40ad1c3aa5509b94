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
use serde::Serialize;

use self::file::{Fault, Line, UserLine};
use super::listing::ObjectForm;
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
    #[command(flatten)]
    form: ObjectForm,
}

/// What an import has done, or would do.
#[derive(Serialize)]
struct Summary {
    /// Whether the users are in the database now.
    imported: bool,
    users: usize,
    /// The number of users by kind of hash.
    hashes: BTreeMap<&'static str, usize>,
    /// The lines that were skipped, or that stopped the import.
    invalid: Vec<InvalidLine>,
}

#[derive(Clone, Serialize)]
struct InvalidLine {
    line: u64,
    reason: String,
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
    let invalid = invalid_lines(&lines);
    let skipped = invalid.len();
    let users = match users_of(lines, wanted.skip_invalid) {
        Ok(users) => users,
        Err(faults) => {
            let summary = Summary {
                imported: false,
                users: 0,
                hashes: BTreeMap::new(),
                invalid,
            };
            wanted.form.print(&summary, String::new, out)?;
            out.flush()?;
            return Err(faults.into());
        }
    };
    let summary = Summary {
        imported: !wanted.dry_run,
        users: users.len(),
        hashes: kinds(&users),
        invalid,
    };
    let done = || {
        let verb = if wanted.dry_run {
            "can be imported"
        } else {
            "imported"
        };
        let end = if wanted.dry_run {
            "; nothing was written"
        } else {
            ""
        };
        format!("{} {verb}{}{end}\n", summary.text(), skipped_text(skipped))
    };
    if wanted.dry_run {
        return wanted.form.print(&summary, done, out);
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
    wanted.form.print(&summary, done, out)
}

fn invalid_lines(lines: &[Line]) -> Vec<InvalidLine> {
    let invalid = |line: &Line| {
        let fault = line.user.as_ref().err()?;
        Some(InvalidLine {
            line: line.number,
            reason: fault.to_string(),
        })
    };
    lines.iter().filter_map(invalid).collect()
}

fn skipped_text(skipped: usize) -> String {
    match skipped {
        0 => String::new(),
        1 => ", 1 line skipped".to_owned(),
        many => format!(", {many} lines skipped"),
    }
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

/// Returns the users to import, without those of skipped lines.
fn users_of(lines: Vec<Line>, skip_invalid: bool) -> Result<Vec<UserLine>, Faults> {
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
        return Ok(users);
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

/// Returns the number of hashes of each kind.
fn kinds(users: &[UserLine]) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    for user in users {
        *kinds.entry(user.kind()).or_insert(0_usize) += 1;
    }
    kinds
}

impl Summary {
    /// Returns the number of users, and of hashes of each kind.
    fn text(&self) -> String {
        let kinds = self.hashes.iter();
        let kinds: Vec<String> = kinds
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        let users = match self.users {
            1 => "1 user".to_owned(),
            many => format!("{many} users"),
        };
        format!("{users} ({})", kinds.join(", "))
    }
}
