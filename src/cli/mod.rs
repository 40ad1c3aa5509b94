//! Implements the commands of the `tokenpair` program. [`EXIT_STATUSES`] lists its exit codes.

mod backup;
mod client;
mod config;
mod doctor;
mod events;
mod exit;
mod explain;
mod export;
mod greeting;
mod health;
mod import;
mod input;
mod keys;
mod listing;
mod man;
mod migrate;
mod output;
mod password;
mod purge;
mod serve;
mod session;
mod token;
mod user;
mod webhook;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

pub use self::exit::{EXIT_STATUSES, ExitStatus};
use crate::causes::with_causes;
use crate::config::{LogFormat, Settings, Sources};
use crate::printable::printable_lines;
use crate::server::{json_error, start_logging};

/// An authentication server that issues pairs of JSON Web Tokens.
#[derive(Debug, Parser)]
#[command(name = "tokenpair", version, about, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or Ctrl-C (the default command)
    Serve,
    /// Run the pending database migrations
    #[command(after_help = MIGRATE)]
    Migrate {
        /// Only list pending migrations; exit with 3 if there are any, with 4 if the database is
        /// newer than this program
        #[arg(long)]
        check: bool,
        #[command(flatten)]
        form: listing::ObjectForm,
    },
    /// Delete old records, as the server does every hour
    Purge {
        #[command(flatten)]
        form: listing::ObjectForm,
    },
    /// Copy SQLite's database into a file while servers use it, and check the copy
    #[command(after_help = BACKUP)]
    Backup(backup::Backup),
    /// Replace SQLite's database by a backup, and end all sessions
    #[command(after_help = RESTORE)]
    Restore(backup::Restore),
    /// Copy the database into another, empty one: from SQLite to PostgreSQL, or back
    #[command(after_help = MOVE)]
    Move(backup::Move),
    /// Write all users with their password hashes, for `user import` or another program
    #[command(after_help = EXPORT)]
    Export(export::Wanted),
    /// Manage users
    #[command(subcommand, after_help = USER)]
    User(user::Command),
    /// Manage sessions
    #[command(subcommand, after_help = SESSION)]
    Session(session::Command),
    /// Manage clients: services that ask about tokens or revoke them
    #[command(subcommand, after_help = CLIENT)]
    Client(client::Command),
    /// List audit events of users and sessions, newest first
    Events(events::Wanted),
    /// Manage the folder of signing keys, which running servers watch
    #[command(subcommand, after_help = KEYS)]
    Keys(keys::Command),
    /// Check or show the settings
    #[command(subcommand, after_help = CONFIG)]
    Config(config::Command),
    /// Inspect tokens
    #[command(subcommand, after_help = TOKEN)]
    Token(token::Command),
    /// Try the webhook that alerts are sent to
    #[command(subcommand, after_help = WEBHOOK)]
    Webhook(webhook::Command),
    /// Check whether a server is ready
    Healthcheck {
        /// The server's address, such as http://127.0.0.1:8080 [default: the one in SERVER_BIND]
        url: Option<String>,
    },
    /// Look at a running server from outside, as browsers and Postman see it, and name what fails
    Doctor(doctor::Wanted),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the manual pages of all commands into a folder
    Man {
        /// The folder, such as /usr/local/share/man/man1
        folder: PathBuf,
    },
}

const EXAMPLES: &str = "\
Settings come from the environment, from .env and from tokenpair.toml.
`tokenpair config show` lists them all with their values, and
docs/reference/settings.md explains each.

Examples:
  tokenpair                              serve on http://127.0.0.1:8080
  SERVER_BIND=0.0.0.0:8080 tokenpair     serve other machines too (this needs
                                         JWT_SECRET_KEY)
  tokenpair user add ada --admin         create a user, and ask for the password
  tokenpair events --kind login_failed   list failed logins

Exit codes: 0 success, 1 failure, 2 wrong usage. docs/reference/cli.md and the
manual page list them all.";

const MIGRATE: &str = "\
Examples:
  tokenpair migrate
  tokenpair migrate --check || echo 'not up to date'

DATABASE_URL names the database. With DATABASE_MIGRATE=off the server does not
migrate by itself.

Exit codes of --check: 0 up to date, 1 failure, 3 pending migrations,
4 the database is newer.";

const BACKUP: &str = "\
Example:
  tokenpair backup /var/backups/tokenpair.db

DATABASE_URL names the database, which any running server goes on using.

Exit codes: 0 success, 1 failure, 2 wrong usage, 3 the database is PostgreSQL:
run pg_dump as printed.";

const RESTORE: &str = "\
Example:
  tokenpair restore /var/backups/tokenpair.db

No server may use the database meanwhile. An older backup is migrated.

Exit codes: 0 success, 1 failure, 2 wrong usage, 3 the database is PostgreSQL:
run pg_restore as printed.";

const MOVE: &str = "\
Examples:
  tokenpair move --to postgres://tokenpair@db.example/tokenpair
  TARGET_DATABASE_URL=sqlite://data/tokenpair.db tokenpair move

DATABASE_URL names the source, which stays unchanged. The target is migrated,
and must be empty. After an error it is still empty. Stop the servers first.";

const EXPORT: &str = "\
Examples:
  tokenpair export users.jsonl
  tokenpair export | jq -r .username

Each line is a JSON object with a user. docs/backup.md describes the format.";

const USER: &str = "\
Examples:
  tokenpair user add ada --admin
  tokenpair user list --json
  tokenpair user role ada --add editor
  tokenpair user import users.csv --dry-run

DATABASE_URL names the database, and PASSWORD_MIN_LENGTH the minimum length of a
password. The last enabled admin can be neither disabled nor deleted, and keeps
the role admin: make another user an admin first.";

const SESSION: &str = "\
Examples:
  tokenpair session list ada
  tokenpair session explain 01a225a5-c24e-753c-b9e0-019406cfb550
  tokenpair session revoke 01a225a5-c24e-753c-b9e0-019406cfb550";

const CLIENT: &str = "\
Examples:
  tokenpair client add billing
  tokenpair client add support-desk --may introspect --may revoke
  tokenpair client rotate billing
  tokenpair client rotate billing --finish

docs/introspection.md shows what a client sends.";

const KEYS: &str = "\
Examples:
  tokenpair keys generate --algorithm ES256
  tokenpair keys rotate

JWT_ALGORITHM and JWT_KEYS_DIR name the algorithm of new keys and the folder.";

const CONFIG: &str = "\
Examples:
  tokenpair config check
  SERVER_BIND=0.0.0.0:8080 tokenpair config check
  tokenpair config show";

const TOKEN: &str = "\
Example:
  echo eyJhbGciOi… | tokenpair token inspect";

const WEBHOOK: &str = "\
Example:
  tokenpair webhook test

WEBHOOK_URL names the receiver, and WEBHOOK_SECRET signs the messages.
docs/alerts.md describes them.";

/// Maximum time to wait for standard error to accept the last error.
const ERROR_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a command failed. `main` prints it with its causes.
type CommandError = Box<dyn Error>;

/// Parses the command line, runs the command and returns the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let command = cli.command.unwrap_or(Command::Serve);
    let serves = matches!(command, Command::Serve);
    let done = run(command);
    log::logger().flush();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // The reader closed the output on purpose, as `head` does.
        Err(failure) if is_broken_pipe(failure.as_ref()) => ExitCode::SUCCESS,
        Err(failure) => {
            let format = if serves {
                LogFormat::of(&Sources::read())
            } else {
                LogFormat::Text
            };
            complain(failure.as_ref(), format);
            let code = migrate::exit_code(failure.as_ref());
            let code = code.or_else(|| doctor::exit_code(failure.as_ref()));
            let code = code.or_else(|| backup::exit_code(failure.as_ref()));
            code.unwrap_or(exit::FAILURE).into()
        }
    }
}

/// Prints the help that was asked for, or why the command line is wrong.
fn refuse(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
        let arguments: Vec<String> = arguments.collect();
        let _closed = doctor::report_usage(&arguments, &error.to_string());
    }
    let _closed = error.print();
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn run(command: Command) -> Result<(), CommandError> {
    let out = &mut output::Output::new();
    match command {
        // Returns early: flushing would wait for a reader of the greeting.
        Command::Serve => return serve::run(),
        Command::Migrate { check, form } => migrate::run(check, form, out),
        Command::Purge { form } => purge::run(form, out),
        Command::Backup(wanted) => backup::backup(&wanted, out),
        Command::Restore(wanted) => backup::restore(&wanted, out),
        Command::Move(wanted) => backup::transfer(&wanted, out),
        Command::Export(wanted) => export::run(&wanted, out),
        Command::User(command) => user::run(command, out),
        Command::Session(command) => session::run(command, out),
        Command::Client(command) => client::run(command, out),
        Command::Events(wanted) => events::run(wanted, out),
        Command::Keys(command) => keys::run(command, out),
        Command::Config(command) => config::run(&command, out),
        Command::Token(token::Command::Inspect { form }) => token::inspect(form, out),
        Command::Webhook(command) => webhook::run(&command, out),
        Command::Healthcheck { url } => health::run(url.as_deref(), out),
        Command::Doctor(wanted) => doctor::run(&wanted, out),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "tokenpair", &mut script);
            Ok(out.write_all(&script)?)
        }
        Command::Man { folder } => man::run(&folder, Cli::command(), out),
    }?;
    Ok(out.flush()?)
}

/// Loads the settings and starts the logger that they configure. Commands talk to people, so their
/// log is text.
fn settings() -> Result<Settings, CommandError> {
    let settings = Settings::load(&Sources::read())?;
    start_logging(&settings, LogFormat::Text);
    Ok(settings)
}

/// Runs asynchronous work to its end.
fn block_on<T>(work: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let system = actix_web::rt::System::new();
    let done = system.block_on(work);
    // Dropping it would block on threads that wait for a database, which may never respond. The
    // process is ending.
    std::mem::forget(system);
    done
}

fn is_broken_pipe(failure: &(dyn Error + 'static)) -> bool {
    failure
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn complain(failure: &dyn Error, format: LogFormat) {
    let text = with_causes(failure);
    // On a thread, because a failed program must end even if its standard error is not read.
    let (done, ended) = mpsc::channel::<()>();
    let say = move || {
        match format {
            LogFormat::Text => say(&text),
            LogFormat::Json => say_json(&text),
        }
        drop(done);
    };
    if thread::Builder::new().spawn(say).is_ok() {
        let _late = ended.recv_timeout(ERROR_TIMEOUT);
    }
}

#[expect(
    clippy::print_stderr,
    reason = "commands report failures on standard error"
)]
fn say(text: &str) {
    eprintln!("tokenpair: {}", printable_lines(text));
}

#[expect(
    clippy::print_stderr,
    reason = "a server that cannot start reports that on standard error"
)]
fn say_json(text: &str) {
    eprint!("{}", json_error(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
