//! Tests what the README and the guide to clients show: their curl and HTTPie commands run and print the output shown there.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::database::{Backend, Database};
use crate::python::python;
use crate::support::{Program, Served};
use crate::walk;

const README: &str = "README.md";
const CLIENTS: &str = "docs/postman.md";

fn page(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Returns the page's code blocks in a language.
fn blocks(path: &str, language: &str) -> Vec<String> {
    let text = page(path);
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

/// Runs a page's walk against a server of this program, whose address replaces the page's.
fn take_the_walk(path: &str, program: &Program) {
    let steps = &blocks(path, "sh")[0];
    let served = program.serve();
    walk::follow(steps, served.address);
}

#[test]
fn the_walk_with_curl_prints_what_the_readme_says_on_sqlite() {
    take_the_walk(README, &Program::new());
}

#[test]
fn the_walk_with_curl_prints_what_the_readme_says_on_postgresql() {
    let database = Database::create(Backend::Postgres);
    take_the_walk(README, &Program::new().env("DATABASE_URL", &database.url()));
}

#[test]
fn the_walk_with_curl_prints_what_the_guide_to_clients_says() {
    take_the_walk(CLIENTS, &Program::new());
}

/// Runs HTTPie commands in an empty folder, as in a terminal: HTTPie does not read its input there.
fn run_httpie(commands: &str, server: &Served) -> String {
    let folder = tempfile::tempdir().unwrap();
    let options = r#"{ "default_options": ["--ignore-stdin", "--check-status"] }"#;
    fs::write(folder.path().join("config.json"), options).unwrap();
    let python = python();
    let programs = Path::new(&python).parent().unwrap().display();
    let path = std::env::var("PATH").unwrap();
    let script = commands.replace(":8080", &format!(":{}", server.address.port()));
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .env("PATH", format!("{programs}:{path}"))
        .env("HTTPIE_CONFIG_DIR", folder.path())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{commands}\n{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_commands_with_httpie_work() {
    for path in [README, CLIENTS] {
        let served = Program::new().serve();
        let ada = json!({ "username": "ada", "password": "correct horse" });
        served.post("/register", &ada);
        for commands in blocks(path, "bash") {
            let printed = run_httpie(&commands, &served);
            assert!(printed.contains(r#""logged_in_as":"ada""#), "{printed}");
            assert!(printed.contains(r#""refresh":true"#), "{printed}");
        }
    }
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
fn every_route_in_the_reference_is_there() {
    let reference = page("docs/reference/routes.md");
    let program = Program::new();
    let served = program.serve();
    let mut count = 0;
    for row in reference.lines().filter(|line| {
        ["GET", "POST", "PATCH", "DELETE"]
            .iter()
            .any(|method| line.starts_with(&format!("| `{method} /")))
    }) {
        let routes = row.split('|').nth(1).unwrap().split(',');
        for route in routes {
            let (method, path) = route.trim().trim_matches('`').split_once(' ').unwrap();
            count += 1;
            if path == "/" {
                continue;
            }
            let (status, _) = served.request(method, path, None);
            assert!(!matches!(status, 404 | 405), "{method} {path}: {status}");
        }
    }
    assert!(count > 15, "{count}");
}

/// The commands of the README that the program runs itself.
#[test]
fn every_command_in_the_readme_is_there() {
    let readme = page(README);
    let starts = [
        "    cargo run --release -- ",
        "    docker compose exec server tokenpair ",
    ];
    let commands = readme
        .lines()
        .filter_map(|line| starts.iter().find_map(|start| line.strip_prefix(start)));
    let mut count = 0;
    for command in commands {
        let words = command
            .split_whitespace()
            .filter(|word| !word.starts_with('-'));
        let words: Vec<&str> = words.take(2).chain(["--help"]).collect();
        let help = Program::new().run(&words).done();
        for option in command
            .split_whitespace()
            .filter(|word| word.starts_with("--"))
        {
            assert!(help.contains(option), "{command}");
        }
        count += 1;
    }
    assert_eq!(count, 2);
}
