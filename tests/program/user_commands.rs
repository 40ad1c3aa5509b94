//! Tests the commands that manage users, sessions and tokens, as an operator types them.

use serde_json::Value;

use crate::support::Program;

const PASSWORD: &str = "correct horse battery";

fn program_with(names: &[&str]) -> Program {
    let program = Program::new();
    program.run(&["migrate"]).done();
    for name in names {
        add(&program, name);
    }
    program
}

fn add(program: &Program, name: &str) {
    let command = ["user", "add", name, "--password-stdin"];
    program.run_with_input(&command, PASSWORD).done();
}

fn json(program: &Program, command: &[&str]) -> Value {
    let command = [command, &["--json"]].concat();
    serde_json::from_str(&program.run(&command).done()).unwrap()
}

fn kinds(program: &Program) -> Vec<String> {
    let events = json(program, &["events"]);
    let kinds = events.as_array().unwrap().iter();
    kinds
        .map(|event| event["kind"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_command_that_changes_nothing_says_so_and_writes_no_event() {
    let program = program_with(&["ada"]);
    let said = |command: &[&str]| program.run(command).done();
    assert_eq!(said(&["user", "enable", "ada"]), "ada is enabled already\n");
    assert_eq!(
        said(&["user", "disable", "ada"]),
        "ada is disabled and was logged out everywhere\n"
    );
    assert_eq!(
        said(&["user", "disable", "ada"]),
        "ada is disabled already\n"
    );
    assert_eq!(said(&["user", "enable", "ada"]), "ada is enabled\n");
    assert_eq!(
        said(&["user", "role", "ada", "--remove", "editor"]),
        "ada has no roles\n"
    );
    assert_eq!(
        kinds(&program),
        ["user_enabled", "user_disabled", "user_created"]
    );
}

#[test]
fn roles_are_added_and_removed_by_name() {
    let program = program_with(&["ada"]);
    let role = |rest: &[&str]| program.run(&[&["user", "role", "ada"], rest].concat());
    assert_eq!(role(&[]).done(), "ada has no roles\n");
    assert_eq!(
        role(&["--add", "admin", "--add", "editor"]).done(),
        "the roles of ada: admin, editor\n"
    );
    assert_eq!(
        role(&["--add", "editor"]).done(),
        "the roles of ada: admin, editor\n"
    );
    assert!(role(&["--remove", "admin"]).failed().contains("last admin"));
    assert!(
        role(&["--add", "Chief Editor"])
            .failed()
            .contains("1 to 32 lower-case letters")
    );
    add(&program, "grace");
    program
        .run(&["user", "role", "grace", "--add", "admin"])
        .done();
    assert_eq!(
        role(&["--remove", "admin"]).done(),
        "the roles of ada: editor\n"
    );
    let roles = kinds(&program)
        .iter()
        .filter(|kind| *kind == "roles_changed")
        .count();
    assert_eq!(roles, 3, "{:?}", kinds(&program));
}

#[test]
fn a_user_is_deleted_after_a_confirmation() {
    let program = program_with(&["ada"]);
    let asked = program.run(&["user", "delete", "ada"]).failed();
    assert!(
        asked.contains("without a terminal, confirm with --yes"),
        "{asked}"
    );
    let deleted = program.run(&["user", "delete", "ada", "--yes"]).done();
    assert_eq!(deleted, "ada is deleted and was logged out everywhere\n");
    let unknown = program.run(&["user", "delete", "ada", "--yes"]).failed();
    assert!(unknown.contains("there is no user \"ada\""), "{unknown}");
}

#[test]
fn a_taken_or_invalid_name_is_refused_before_the_password_is_read() {
    let program = program_with(&["ada"]);
    // Without a terminal and without --password-stdin there is no password to read.
    let taken = program.run(&["user", "add", "ADA"]).failed();
    assert_eq!(taken, "tokenpair: the username is taken\n");
    let invalid = program.run(&["user", "add", "a b"]).failed();
    assert!(!invalid.contains("password"), "{invalid}");
}

#[test]
fn listings_are_lines_for_people_and_json_for_programs() {
    let program = program_with(&["ada"]);
    let served = program.serve();
    served.log_in_a_new_user("grace", PASSWORD);
    let users = json(&program, &["user", "list"]);
    assert_eq!(
        (&users[0]["username"], &users[0]["roles"]),
        (&"ada".into(), &Value::Array(vec![]))
    );
    assert_eq!(users[1]["disabled_at"], Value::Null);
    let sessions = json(&program, &["session", "list", "grace"]);
    assert_eq!(
        (&sessions[0]["state"], &sessions[0]["ip"]),
        (&"active".into(), &"127.0.0.1".into())
    );
    let events = json(&program, &["events", "--user", "grace"]);
    assert_eq!(
        (&events[0]["kind"], &events[0]["user"]),
        (&"login".into(), &"grace".into())
    );
    assert_eq!(events[0]["session_id"], sessions[0]["id"]);

    let lines = program.run(&["events", "--user", "grace"]).done();
    let login = lines.lines().nth(1).unwrap();
    assert!(
        login.contains(" login ") && login.contains(" grace ") && login.len() < 120,
        "{lines}"
    );
    // A deleted user has no name any more.
    served.stop();
    program.run(&["user", "delete", "grace", "--yes"]).done();
    let events = json(&program, &["events"]);
    assert_eq!(
        (&events[0]["detail"], &events[0]["user"]),
        (&"grace".into(), &Value::Null)
    );
}

#[test]
fn keys_are_listed_as_json_too() {
    let program = Program::new().env("JWT_ALGORITHM", "ES256");
    program.run(&["keys", "generate"]).done();
    let keys = json(&program, &["keys", "list"]);
    assert_eq!(
        (&keys[0]["algorithm"], &keys[0]["state"]),
        (&"ES256".into(), &"signing".into())
    );
    assert!(keys[0]["file"].as_str().unwrap().ends_with(".pem"));
}

#[test]
fn a_token_of_a_session_that_has_ended_is_called_rejected() {
    let program = Program::new();
    let served = program.serve();
    let access = served.log_in_a_new_user("ada", PASSWORD);
    let inspect = || program.run_with_input(&["token", "inspect"], &access);
    let good = inspect().done();
    assert!(
        good.ends_with("session: active\nthe token is valid\n"),
        "{good}"
    );
    assert_eq!(served.send("POST", "/logout", Some(&access), None).0, 200);
    let ended = inspect();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.out.ends_with("session: it has ended (logout)\n"),
        "{ended:?}"
    );
    assert_eq!(ended.err, "tokenpair: the token is rejected\n");
    served.stop();
    std::fs::rename(
        program.path("data/tokenpair.db"),
        program.path("data/away.db"),
    )
    .unwrap();
    let unknown = inspect().done();
    assert!(
        unknown.contains("session: not checked: ")
            && unknown.contains("unless its session has ended"),
        "{unknown}"
    );
}

#[test]
fn a_token_whose_user_has_changed_and_a_text_that_is_no_token_get_the_cure() {
    let program = Program::new();
    let served = program.serve();
    let access = served.log_in_a_new_user("ada", PASSWORD);
    program
        .run(&["user", "role", "ada", "--add", "editor"])
        .done();
    let old = program.run_with_input(&["token", "inspect"], &access);
    assert!(
        old.out
            .contains("session: the token is older than a change of its user"),
        "{old:?}"
    );
    let text = program
        .run_with_input(&["token", "inspect"], "abc")
        .failed();
    assert_eq!(
        text,
        "tokenpair: malformed token: Not enough segments; paste the whole token, as it is in the cookie or after Bearer\n"
    );
}

#[test]
fn help_names_the_settings_and_has_examples() {
    let help = |command: &[&str]| Program::new().run(command).done();
    let all = help(&["--help"]);
    assert!(
        all.contains("config show") && all.contains("Examples:") && all.contains("Exit codes"),
        "{all}"
    );
    for command in [
        "user", "session", "events", "keys", "config", "token", "migrate",
    ] {
        let said = help(&[command, "--help"]);
        assert!(said.contains("Example"), "{said}");
    }
}
