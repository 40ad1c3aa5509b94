//! Defines the commands of the `tokenpair` program. Exit codes: 0 done, 1 failed, 2 wrong usage; `migrate --check` has more.

mod config;
mod events;
mod health;
mod import;
mod keys;
mod migrate;
mod purge;
mod serve;
mod session;
mod token;
mod user;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::printable::printable_lines;
use crate::server::start_logging;
use crate::settings::{Settings, Sources};

/// Logs people in with a pair of JSON Web Tokens.
#[derive(Debug, Parser)]
#[command(name = "tokenpair", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or Ctrl-C (what happens without a command)
    Serve,
    /// Bring the database up to date
    Migrate {
        /// Only list what would run; exit with 3 if anything would, with 4 if the database is newer than this program
        #[arg(long)]
        check: bool,
    },
    /// Delete what is long over, as the server does every hour
    Purge,
    /// Manage users
    #[command(subcommand)]
    User(user::Command),
    /// Manage sessions
    #[command(subcommand)]
    Session(session::Command),
    /// List what happened to users and sessions, the latest first
    Events(events::Wanted),
    /// Manage the folder of signing keys, which running servers follow
    #[command(subcommand)]
    Keys(keys::Command),
    /// Look at the settings
    #[command(subcommand)]
    Config(config::Command),
    /// Look at tokens
    #[command(subcommand)]
    Token(token::Command),
    /// Ask a server whether it is ready
    Healthcheck {
        /// Its address, as in http://127.0.0.1:8080; default: the one at SERVER_BIND
        url: Option<String>,
    },
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// How long the program waits for a reader of its last error.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What stopped a command. `main` prints it with its causes.
type CommandError = Box<dyn Error>;

/// Parses the command line, runs the command, and gives the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = run(cli.command.unwrap_or(Command::Serve));
    log::logger().flush();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has read enough.
        Err(failure) if is_broken_pipe(failure.as_ref()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(failure.as_ref());
            migrate::exit_code(failure.as_ref()).map_or(ExitCode::FAILURE, ExitCode::from)
        }
    }
}

fn run(command: Command) -> Result<(), CommandError> {
    let out = &mut io::stdout();
    match command {
        // Returns early: flushing would wait for a reader of the greeting.
        Command::Serve => return serve::run(),
        Command::Migrate { check } => migrate::run(check, out),
        Command::Purge => purge::run(out),
        Command::User(command) => user::run(command, out),
        Command::Session(command) => session::run(command, out),
        Command::Events(wanted) => events::run(wanted, out),
        Command::Keys(command) => keys::run(command, out),
        Command::Config(command) => config::run(&command, out),
        Command::Token(token::Command::Inspect) => token::inspect(out),
        Command::Healthcheck { url } => health::run(url.as_deref(), out),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "tokenpair", &mut script);
            Ok(out.write_all(&script)?)
        }
    }?;
    Ok(out.flush()?)
}

/// The settings, and the logger they ask for.
fn settings() -> Result<Settings, CommandError> {
    let settings = Settings::load(&Sources::read())?;
    start_logging(&settings);
    Ok(settings)
}

/// Runs what waits for the database.
fn block_on<T>(work: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let system = actix_web::rt::System::new();
    let done = system.block_on(work);
    // Dropped, it would wait for threads that wait for a database which may never answer. The process is ending.
    std::mem::forget(system);
    done
}

fn is_broken_pipe(failure: &(dyn Error + 'static)) -> bool {
    failure
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn complain(failure: &dyn Error) {
    let mut text = failure.to_string();
    let mut next = failure.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // Some errors quote their cause already.
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    // On a thread, because a program that has failed must end even if nobody reads why.
    let (done, ended) = mpsc::channel::<()>();
    let say = move || {
        say(&text);
        drop(done);
    };
    if thread::Builder::new().spawn(say).is_ok() {
        let _late = ended.recv_timeout(LAST_WORDS);
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a command says on standard error what went wrong"
)]
fn say(text: &str) {
    eprintln!("tokenpair: {}", printable_lines(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
