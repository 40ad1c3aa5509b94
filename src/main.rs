//! The `tokenpair` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    tokenpair::cli::main()
}
