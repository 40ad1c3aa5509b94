//! Tests that each exit code of the reference is what the program exits with.

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use tokenpair_server::cli::EXIT_STATUSES;

use crate::support::Program;

/// Returns the code of a command, as a shell sees it.
fn code(program: &Program, arguments: &[&str]) -> String {
    program.run(arguments).code.unwrap().to_string()
}

#[test]
fn each_exit_code_of_the_reference_is_the_program_s() {
    let fresh = Program::new();
    let migrated = Program::new().migrated();
    let on_postgres = Program::new().env("DATABASE_URL", "postgres://127.0.0.1:1/nothing");
    let closed = "http://127.0.0.1:1";
    let mut seen = vec![
        code(&migrated, &["user", "list"]),
        code(&migrated, &["migrate", "--check"]),
        code(&fresh, &["user", "list"]),
        code(&fresh, &["healthcheck", closed]),
        code(&fresh, &["nonsense"]),
        code(&fresh, &["events", "--limit", "0"]),
        code(&fresh, &["doctor", closed]),
        code(&fresh, &["migrate", "--check"]),
        code(&on_postgres, &["backup", "copy.dump"]),
        code(&on_postgres, &["restore", "copy.dump"]),
    ];
    let expected = ["0", "0", "1", "1", "2", "2", "2", "3", "3", "3"];
    assert_eq!(seen, expected);
    let served = migrated.serve();
    seen.push(served.signal("-INT").code().unwrap().to_string());
    assert_eq!(seen.last().unwrap(), "0");
    for (signal, code) in [("-INT", 130), ("-KILL", 137)] {
        // It waits for a password.
        let mut command = migrated.command(&["user", "add", "ada", "--password-stdin"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let id = child.id().to_string();
        let killed = std::process::Command::new("kill")
            .args([signal, &id])
            .status();
        assert!(killed.unwrap().success());
        let ended = child.wait().unwrap();
        let shell_code = 128 + ended.signal().unwrap();
        assert_eq!(shell_code, code);
        seen.push(shell_code.to_string());
    }
    // A newer database has a test in migrations.rs, and no command is known to panic.
    seen.extend(["4".to_owned(), "101".to_owned()]);
    seen.sort();
    seen.dedup();
    let mut listed: Vec<_> = EXIT_STATUSES.iter().map(|status| status.code).collect();
    listed.sort_unstable();
    // `migrate --check` and `backup` give 3 different meanings, and the table a row for each.
    listed.dedup();
    assert_eq!(seen, listed);
}

#[test]
fn a_reader_that_closes_the_output_is_no_failure() {
    let program = Program::new();
    let mut command = program.command(&["config", "show"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stderr, b"");
}
