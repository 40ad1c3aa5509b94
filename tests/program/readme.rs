//! Tests the README: its curl commands run and print the output shown there.

use std::fs;
use std::process::Command;

use crate::database::{Backend, Database};
use crate::support::Program;
use crate::walk;

fn readme() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap()
}

/// Runs the walk against a server of this program, whose address replaces the README's.
fn take_the_walk(program: &Program) {
    let readme = readme();
    let steps = readme
        .split("```sh\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let served = program.serve();
    walk::follow(steps, served.address);
}

#[test]
fn the_walk_with_curl_prints_what_the_readme_says_on_sqlite() {
    take_the_walk(&Program::new());
}

#[test]
fn the_walk_with_curl_prints_what_the_readme_says_on_postgresql() {
    let database = Database::create(Backend::Postgres);
    take_the_walk(&Program::new().env("DATABASE_URL", &database.url()));
}

#[test]
fn the_line_that_the_server_prints_to_try_works() {
    let program = Program::new();
    let served = program.serve();
    let line = served
        .greeting
        .lines()
        .find_map(|line| line.strip_prefix("try: "))
        .unwrap();
    let output = Command::new("sh")
        .args(["-c", &format!("{line} -sS -w ' %{{http_code}}'")])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        printed.ends_with(" 201"),
        "{line}: {printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn every_command_and_every_route_in_the_readme_is_there() {
    let readme = readme();
    let help = Program::new().run(&["--help"]).done();
    let commands = readme
        .lines()
        .filter_map(|line| line.strip_prefix("    tokenpair "));
    for word in commands
        .filter_map(|rest| rest.split_whitespace().next())
        .filter(|word| word.chars().all(char::is_lowercase))
    {
        assert!(
            help.contains(&format!("  {word}")) || word == "serve",
            "{word}"
        );
    }
    let program = Program::new();
    let served = program.serve();
    for row in readme.lines().filter(|line| {
        ["GET", "POST", "PATCH", "DELETE"]
            .iter()
            .any(|method| line.starts_with(&format!("| `{method} /")))
    }) {
        let routes = row.split('|').nth(1).unwrap().split(',');
        for route in routes {
            let (method, path) = route.trim().trim_matches('`').split_once(' ').unwrap();
            // They answer with a page and a redirect to it.
            if path == "/" || path == "/page/logout" {
                continue;
            }
            let (status, _) = served.request(method, path, None);
            assert!(!matches!(status, 404 | 405), "{method} {path}: {status}");
        }
    }
}
