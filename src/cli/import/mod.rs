//! `tokenpair user import`: users of another program, with the hashes of their passwords. All lines are checked before
//! anything is written, and everybody comes in or nobody, unless bad lines are to be skipped.

mod file;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use clap::Args;

use self::file::{Fault, Line, UserLine};
use super::{CommandError, say, settings};
use crate::server::open_current_store;
use crate::settings::Settings;
use tokenpair::clock::Clock;
use tokenpair::session::RequestContext;
use tokenpair_store::password::Maker;
use tokenpair_store::{DatabaseUrl, NewUser, UserError};

#[derive(Debug, Args)]
pub(super) struct Wanted {
    /// CSV that begins with the line username,hash,roles (roles with spaces between them), or a JSON object with these
    /// names in each line (roles as a list); - for standard input
    file: PathBuf,
    /// Leave out the lines that cannot be imported, name each on standard error, and import the others; exit with 1
    /// only if nobody is left
    #[arg(long)]
    skip_invalid: bool,
    /// Only look whether all could be imported
    #[arg(long)]
    dry_run: bool,
    /// The bcrypt hashes are Flask-Bcrypt's with BCRYPT_HANDLE_LONG_PASSWORDS, which cannot be told from others
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
            .map_err(|error| format!("{} cannot be read: {error}", self.file.display()).into())
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
        return Err("there is nobody in the file".into());
    }
    mark_taken(&mut lines, &settings)?;
    let (users, skipped) = users_of(lines, wanted.skip_invalid)?;
    let told = tell(&users);
    let skipped = match skipped {
        0 => String::new(),
        1 => ", 1 line skipped".to_owned(),
        many => format!(", {many} lines skipped"),
    };
    if wanted.dry_run {
        return Ok(writeln!(out, "{told} can be imported{skipped}; none was")?);
    }
    let users: Vec<NewUser> = users.into_iter().map(UserLine::into_user).collect();
    let context = RequestContext::of_operator(Clock::system().now());
    open_current_store(&settings)?
        .import_users(users, &context)
        .map_err(|error| -> CommandError {
            match error {
                UserError::Taken => {
                    "one of these names was taken meanwhile; nobody was imported: run it again"
                        .into()
                }
                error @ UserError::Store(_) => error.into(),
            }
        })?;
    Ok(writeln!(out, "{told} imported{skipped}")?)
}

/// Marks the lines whose names someone in the database has. A dry run needs no database.
fn mark_taken(lines: &mut [Line], settings: &Settings) -> Result<(), CommandError> {
    if matches!(&settings.database, DatabaseUrl::Sqlite(path) if !path.exists()) {
        return Ok(());
    }
    let names = lines.iter().filter_map(|line| line.user.as_ref().ok());
    let taken = open_current_store(settings)?.taken_names(names.map(UserLine::username))?;
    for line in lines {
        let key = line.user.as_ref().ok().map(|user| user.username().key());
        if key.is_some_and(|key| taken.contains(key)) {
            line.user = Err(Fault::Taken);
        }
    }
    Ok(())
}

/// The users to import, and how many lines are left out for that.
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

/// The lines that keep everybody out.
#[derive(Debug)]
struct Faults {
    /// Those that were not named yet.
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
        write!(f, "nobody was imported: of {all} users, {bad} cannot be")
    }
}

/// How many, and how many hashes of which kind.
fn tell(users: &[UserLine]) -> String {
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
