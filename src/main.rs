//! Runs the `tokenpair` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    tokenpair_server::cli::main()
}
