//! Tests the greeting of a starting server.

use crate::database::{Backend, Database};
use crate::exchange::SECRET;
use crate::support::Program;

/// Returns the line with this title.
fn line(program: &Program, title: &str) -> Option<String> {
    let greeting = program.serve().greeting.clone();
    let mut lines = greeting.lines();
    let line = lines.find_map(|line| line.strip_prefix(&format!("{title}: ")));
    line.map(str::to_owned)
}

fn the_first_user_is_offered_until_there_is_one(on: Backend) {
    let database = Database::create(on);
    let program = Program::new().env("DATABASE_URL", &database.url());
    let offer = line(&program, "users").unwrap();
    assert_eq!(
        offer,
        "none yet; add the first with: tokenpair user add NAME --admin"
    );
    // The command works as it is offered.
    let add = ["user", "add", "ada", "--admin", "--password-stdin"];
    program.run_with_input(&add, "correct horse battery").done();
    assert_eq!(line(&program, "users"), None);
}

on_both_databases!(the_first_user_is_offered_until_there_is_one);

#[test]
fn it_is_short_and_names_what_to_open() {
    let program = Program::new();
    let served = program.serve();
    let lines: Vec<&str> = served.greeting.lines().collect();
    let titles: Vec<&str> = lines
        .iter()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        titles,
        [
            "tokenpair",
            "database:",
            "open:",
            "users:",
            "cookies:",
            "try:"
        ]
    );
    // The last line is to be copied.
    let wide = lines
        .iter()
        .rev()
        .skip(1)
        .find(|line| line.chars().count() > 80);
    assert_eq!(wide, None);
    let open = format!("open: http://{}/", served.address);
    assert_eq!(lines[2], format!("{open} (also /docs, /demo)"));
    let without = program.env("SERVER_DOCS", "off");
    assert!(!line(&without, "open").unwrap().contains("also"));
    assert!(lines[0].ends_with(&format!(" listens on http://{}", served.address)));
}

#[test]
fn it_says_which_clients_keep_the_cookies_under_the_settings() {
    let public = "0.0.0.0:0";
    for (settings, who) in [
        (
            &[][..],
            "browsers, curl and Postman keep them (localhost and 127.0.0.1 apart)",
        ),
        (
            &[("JWT_COOKIE_SECURE", "true")],
            "Secure; Chrome, Firefox and curl keep them here, Safari and Postman do not",
        ),
        (
            &[("SERVER_BIND", public)],
            "Secure, so browsers, curl and Postman drop them over http; serve https",
        ),
        (
            &[("SERVER_BIND", public), ("JWT_COOKIE_SECURE", "false")],
            "all clients keep them, also over http, where others can read them",
        ),
        (
            &[("JWT_TOKEN_LOCATION", "headers")],
            "none; tokens travel in headers, so browsers cannot log in on the page /",
        ),
    ] {
        let program = Program::new().env("JWT_SECRET_KEY", SECRET);
        let program = settings
            .iter()
            .fold(program, |program, (name, value)| program.env(name, value));
        assert_eq!(
            line(&program, "cookies").as_deref(),
            Some(who),
            "{settings:?}"
        );
    }
}
