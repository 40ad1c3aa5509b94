//! Tests what a person sees at a terminal of 80 columns, and types there.

use std::fs;
use std::process::{Command, Output};

use crate::support::Program;

/// Runs the program on a terminal. Each line of the first argument answers a prompt.
const ON_A_TERMINAL: &str = r#"
import fcntl, os, pty, struct, sys, termios
answers = sys.argv[1].encode().split(b"\n")
pid, end = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.execv(sys.argv[2], sys.argv[3:])
seen = b""
while True:
    try:
        part = os.read(end, 4096)
    except OSError:
        break
    if not part:
        break
    seen += part
    if seen.endswith((b"for ada: ", b"the password: ")) and answers:
        # A person types after the prompt, when the terminal no longer shows what is typed.
        while termios.tcgetattr(end)[3] & termios.ECHO:
            pass
        os.write(end, answers.pop(0) + b"\n")
sys.stdout.buffer.write(seen.replace(b"\r\n", b"\n"))
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

/// Returns what the terminal shows, and the exit code. `typed` is what the person calls the program.
fn at_a_terminal(
    program: &Program,
    typed: &str,
    arguments: &[&str],
    answers: &str,
) -> (String, Option<i32>) {
    let mut command = Command::new("python3");
    command.args(["-c", ON_A_TERMINAL, answers]);
    command
        .args([env!("CARGO_BIN_EXE_tokenpair"), typed])
        .args(arguments);
    let Output {
        stdout,
        stderr,
        status,
    } = program.environment(&mut command).output().unwrap();
    assert_eq!(String::from_utf8(stderr).unwrap(), "");
    (String::from_utf8(stdout).unwrap(), status.code())
}

#[test]
fn a_password_that_is_refused_is_not_asked_for_again() {
    let program = Program::new().migrated();
    let add =
        |answers: &str| at_a_terminal(&program, "tokenpair", &["user", "add", "ada"], answers);
    for (password, why) in [
        ("short", "a password has at least 8 characters"),
        (
            "iloveyou",
            "this password is too easy to guess; choose several words that do not belong together",
        ),
        ("", "a password has at least 8 characters"),
    ] {
        let (seen, code) = add(&format!("{password}\n{password}"));
        assert_eq!(seen, format!("New password for ada: \ntokenpair: {why}\n"));
        assert_eq!(code, Some(1));
    }
    let (seen, code) = add("amber kettle window\namber kettle windoww");
    let asked = "New password for ada: \nRepeat the password: \n";
    let why = "tokenpair: the passwords do not match; nothing was changed\n";
    assert_eq!((seen, code), (format!("{asked}{why}"), Some(1)));
    let (seen, code) = add("amber kettle window\namber kettle window");
    assert!(
        seen.starts_with(&format!("{asked}ada added, id ")),
        "{seen}"
    );
    assert_eq!(code, Some(0));
    let change = ["user", "password", "ada"];
    let (seen, _) = at_a_terminal(&program, "tokenpair", &change, "short\nshort");
    assert!(!seen.contains("Repeat"), "{seen}");
}

/// Returns the paths of all commands below this one.
fn commands(program: &Program, path: &[String]) -> Vec<Vec<String>> {
    let help = help(program, path);
    let list = help.split_once("\nCommands:\n").map(|(_, rest)| rest);
    let list = list.unwrap_or_default().lines();
    let rows = list.take_while(|line| !line.is_empty());
    let names = rows.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.map(|line| line.split_whitespace().next().unwrap().to_owned());
    let mut all = vec![path.to_vec()];
    for name in names.filter(|name| name != "help") {
        all.extend(commands(program, &[path, &[name]].concat()));
    }
    all
}

fn help(program: &Program, path: &[String]) -> String {
    let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
    arguments.push("--help");
    at_a_terminal(program, "tokenpair", &arguments, "").0
}

#[test]
fn the_help_of_every_command_fits_a_terminal() {
    let program = Program::new();
    let all = commands(&program, &[]);
    assert!(all.len() > 25, "{all:?}");
    for path in all {
        let help = help(&program, &path);
        assert!(help.contains("Usage: tokenpair"), "{help}");
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{path:?}: {line}");
        }
        // A line that the terminal's width has broken goes on at its beginning.
        let (_, text) = help.split_once("Print help").unwrap();
        let broken = text.lines().filter(|line| !line.starts_with("  "));
        for (line, next) in broken.clone().zip(broken.skip(1)) {
            let first = next.split(' ').next().unwrap().chars().count();
            let is_full = line.chars().count() + 1 + first > 80;
            let ends = line.is_empty() || line.ends_with(['.', ':', ',']) || next.is_empty();
            assert!(ends || is_full, "{path:?}: {line:?} {next:?}");
        }
    }
}

#[test]
fn commands_are_named_as_their_reader_types_them() {
    let program = Program::new().migrated();
    fs::create_dir_all(program.path("target/release")).unwrap();
    let built = program.path("target/release/tokenpair");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tokenpair"), built).unwrap();
    for (typed, named) in [
        ("tokenpair", "tokenpair"),
        ("target/release/tokenpair", "target/release/tokenpair"),
        ("./tokenpair", "./tokenpair"),
        ("/opt/my tools/tokenpair", "'/opt/my tools/tokenpair'"),
    ] {
        let (seen, _) = at_a_terminal(&program, typed, &["user", "role", "eve"], "");
        let told =
            format!("tokenpair: there is no user \"eve\"; list all with `{named} user list`\n");
        assert_eq!(seen, told);
    }
    let mut served = Command::new("target/release/tokenpair");
    program.environment(&mut served);
    let greeting = Program::served_by(served).greeting.clone();
    let offer =
        "users: none yet; add the first with: target/release/tokenpair user add NAME --admin";
    assert!(greeting.lines().any(|line| line == offer), "{greeting}");
}

#[test]
fn the_last_admin_stays_and_the_way_out_is_named() {
    let program = Program::new().migrated();
    let add = ["user", "add", "ada", "--admin", "--password-stdin"];
    program.run_with_input(&add, "amber kettle window").done();
    let told = "tokenpair: ada is the last admin; make another user an admin first, with `tokenpair user role NAME --add admin`\n";
    for command in [
        &["user", "role", "ada", "--remove", "admin"][..],
        &["user", "disable", "ada"],
        &["user", "delete", "ada", "--yes"],
    ] {
        assert_eq!(program.run(command).failed(), told, "{command:?}");
    }
    let add = ["user", "add", "eve", "--password-stdin"];
    program.run_with_input(&add, "amber kettle window").done();
    program
        .run(&["user", "role", "eve", "--add", "admin"])
        .done();
    program
        .run(&["user", "role", "ada", "--remove", "admin"])
        .done();
}
