//! Implements `tokenpair export`: all users with their password hashes, so that no operator depends
//! on this program.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::import::file::{VERSION, word_of};
use super::{CommandError, backup, settings};
use crate::server::open_current_store;
use tokenpair_store::password::ForeignHash;
use tokenpair_store::{DieselStore, User};

#[derive(Debug, Args)]
pub(super) struct Wanted {
    /// The new file, which only its owner can read [default: standard output]
    file: Option<PathBuf>,
}

/// A user, as `user import` reads it.
#[derive(Serialize)]
struct Line<'a> {
    version: u64,
    id: &'a str,
    username: &'a str,
    hash: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bcrypt_of: Option<&'static str>,
    roles: &'a [String],
    created_at: String,
    disabled_at: Option<String>,
}

impl<'a> From<&'a User> for Line<'a> {
    fn from(user: &'a User) -> Self {
        let (hash, maker) = ForeignHash::exported(&user.password_hash);
        Self {
            version: VERSION,
            id: &user.subject.id,
            username: &user.subject.username,
            hash,
            bcrypt_of: maker.map(word_of),
            roles: &user.subject.roles,
            created_at: user.created_at.to_string(),
            disabled_at: user.disabled_at.map(|at| at.to_string()),
        }
    }
}

pub(super) fn run(wanted: &Wanted, out: &mut dyn Write) -> Result<(), CommandError> {
    backup::fail_at_limits()?;
    let store = open_current_store(&settings()?)?;
    let Some(path) = wanted.file.as_ref().filter(|path| path.as_os_str() != "-") else {
        return write_all(&store, &mut BufWriter::new(out)).map(|_| ());
    };
    let shown = path.display();
    let mut options = File::options();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => format!("{shown} exists; name another file"),
        _ => format!("cannot write {shown}: {error}; name another file"),
    })?;
    let written = write_all(&store, &mut BufWriter::new(&file));
    match written.and_then(|count| Ok(file.sync_all().map(|()| count)?)) {
        Ok(count) => Ok(writeln!(out, "{shown}: {count} users")?),
        Err(error) => {
            // Half an export looks like a whole one.
            let _gone = std::fs::remove_file(path);
            Err(format!("cannot write {shown}: {error}").into())
        }
    }
}

/// Returns the number of users.
fn write_all(store: &DieselStore, out: &mut dyn Write) -> Result<u64, CommandError> {
    let (mut count, mut after) = (0, String::new());
    loop {
        let page = store.users_after(&after)?;
        let Some(last) = page.last() else {
            out.flush()?;
            return Ok(count);
        };
        after.clone_from(&last.subject.id);
        for user in &page {
            serde_json::to_writer(&mut *out, &Line::from(user)).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
            count += 1;
        }
    }
}
