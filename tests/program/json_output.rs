//! Tests that every command that lists or reports has a form for programs.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Ended, Program};

const PASSWORD: &str = "correct horse battery";

fn parsed(ended: &Ended) -> Value {
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

fn done(program: &Program, arguments: &[&str]) -> Value {
    let ended = program.run(&[arguments, &["--json"]].concat());
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    parsed(&ended)
}

#[test]
fn settings_are_an_array_without_secrets() {
    let secret = "a secret that is long enough to sign with";
    let program = Program::new()
        .env("JWT_SECRET_KEY", secret)
        .env("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hidden-word");
    let shown = done(&program, &["config", "show"]);
    let entry = |name: &str| {
        let mut entries = shown.as_array().unwrap().iter();
        entries.find(|entry| entry["name"] == name).unwrap().clone()
    };
    let bind = json!({ "name": "SERVER_BIND", "value": "127.0.0.1:0", "source": "environment" });
    assert_eq!(entry("SERVER_BIND"), bind);
    assert_eq!(entry("LOG_FORMAT")["source"], "default");
    for text in [secret, "hidden-word"] {
        assert!(!shown.to_string().contains(text), "{shown}");
    }
}

#[test]
fn a_check_of_the_settings_lists_problems_and_notes() {
    let program = Program::new().env("SESSION_MANAGER", "of a desktop");
    let check = done(&program, &["config", "check"]);
    assert_eq!(check["valid"], true);
    assert_eq!(check["problems"], json!([]));
    let note = check["notes"][0].as_str().unwrap();
    assert!(note.starts_with("SESSION_MANAGER"), "{note}");

    let program = program.env("SERVER_WORKERS", "0").env("THROTTLE", "maybe");
    let ended = program.run(&["config", "check", "--json"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("2 settings cannot work"), "{ended:?}");
    let check = parsed(&ended);
    assert_eq!(check["valid"], false);
    let problems = check["problems"].as_array().unwrap();
    let texts: Vec<&str> = problems.iter().filter_map(Value::as_str).collect();
    assert_eq!(texts.len(), 2, "{check}");
    for name in ["SERVER_WORKERS", "THROTTLE"] {
        assert!(texts.iter().any(|text| text.starts_with(name)), "{check}");
    }
}

#[test]
fn migrations_and_their_check_are_objects() {
    let program = Program::new();
    let check = |program: &Program| program.run(&["migrate", "--check", "--json"]);
    let missing = check(&program);
    assert_eq!(missing.code, Some(3));
    let missing = parsed(&missing);
    assert_eq!(missing["state"], "missing");
    let pending = missing["pending"].as_array().unwrap();
    assert_eq!(pending[0], "2026-11-20-000001_users_sessions_revocations");
    assert_eq!(missing["unknown"], json!([]));
    let first = done(&program, &["migrate"]);
    assert!(!first["done"].as_array().unwrap().is_empty(), "{first}");
    assert_eq!(done(&program, &["migrate"]), json!({ "done": [] }));
    let now = check(&program);
    assert_eq!(
        (now.code, &parsed(&now)["state"]),
        (Some(0), &json!("up_to_date"))
    );
}

#[test]
fn a_purge_counts_the_rows_of_each_table() {
    let program = Program::new().migrated();
    let expected = json!({ "sessions": 0, "revocations": 0, "events": 0, "tallies": 0 });
    assert_eq!(done(&program, &["purge"]), expected);
}

#[test]
fn a_token_is_taken_apart_into_an_object() {
    let program = Program::new();
    let served = program.serve();
    let token = served.log_in_a_new_user("ada", PASSWORD);
    let inspect = |token: &str| program.run_with_input(&["token", "inspect", "--json"], token);
    let good = inspect(&token);
    assert_eq!(good.code, Some(0), "{good:?}");
    let report = parsed(&good);
    assert_eq!(report["header"]["alg"], "HS256");
    assert_eq!(report["claims"]["type"], "access");
    assert_eq!(
        (&report["session"], &report["valid"]),
        (&json!("active"), &json!(true))
    );
    let checks = report["checks"].as_array().unwrap();
    assert!(
        checks
            .iter()
            .all(|check| check["valid"] == true && check["error"].is_null())
    );
    assert!(!good.out.contains(&token), "{good:?}");
    let forged = inspect(&format!("{}AAAA", &token[..token.len() - 4]));
    assert_eq!(forged.code, Some(1));
    let report = parsed(&forged);
    assert_eq!(
        (&report["session"], &report["valid"]),
        (&Value::Null, &json!(false))
    );
    let ended = json!("revoked");
    drop(served);
    let id = parsed(&good)["claims"]["sid"].as_str().unwrap().to_owned();
    program.run(&["session", "revoke", &id]).done();
    let report = parsed(&inspect(&token));
    assert_eq!(report["valid"], false, "{report} {ended}");
    assert!(
        report["session"]
            .as_str()
            .unwrap()
            .starts_with("it has ended"),
        "{report}"
    );
}

#[test]
fn an_import_is_summed_up_and_names_invalid_lines() {
    let program = Program::new().migrated();
    let hash = "$2b$04$8B1WUl2l2RRjTnLdhQnbQOxMHx3HB.jEjBhPKDxGlEdOYIfIBn3Ou";
    fs::write(
        program.path("good.csv"),
        format!("username,hash\nada,{hash}\n"),
    )
    .unwrap();
    fs::write(
        program.path("mixed.csv"),
        format!("username,hash\nalan,{hash}\nbad,none\n"),
    )
    .unwrap();
    let look = done(&program, &["user", "import", "good.csv", "--dry-run"]);
    let mut expected =
        json!({ "imported": false, "users": 1, "hashes": { "bcrypt": 1 }, "invalid": [] });
    assert_eq!(look, expected);
    expected["imported"] = json!(true);
    assert_eq!(done(&program, &["user", "import", "good.csv"]), expected);

    let stopped = program.run(&["user", "import", "mixed.csv", "--json"]);
    assert_eq!(stopped.code, Some(1));
    let summary = parsed(&stopped);
    assert_eq!(summary["imported"], false);
    assert_eq!(summary["invalid"][0]["line"], 3);
    assert!(!stopped.out.contains("none"), "{stopped:?}");
    let skipping = program.run(&["user", "import", "mixed.csv", "--skip-invalid", "--json"]);
    let summary = parsed(&skipping);
    assert_eq!((skipping.code, &summary["users"]), (Some(0), &json!(1)));
    assert_eq!(summary["invalid"].as_array().unwrap().len(), 1);
}

#[test]
fn the_roles_of_a_user_are_an_object() {
    let program = Program::new().migrated();
    let add = ["user", "add", "ada", "--password-stdin"];
    program.run_with_input(&add, PASSWORD).done();
    let roles = done(&program, &["user", "role", "ada", "--add", "editor"]);
    assert_eq!(roles, json!({ "username": "ada", "roles": ["editor"] }));
}

/// Every command that says anything about the state takes `--json`, except those named here.
#[test]
fn every_listing_command_takes_json() {
    let program = Program::new();
    for command in [
        &["user", "list"][..],
        &["user", "role"],
        &["user", "import"],
        &["session", "list"],
        &["session", "explain"],
        &["events"],
        &["keys", "list"],
        &["config", "show"],
        &["config", "check"],
        &["migrate"],
        &["purge"],
        &["token", "inspect"],
        &["doctor"],
    ] {
        let help = program.run(&[command, &["--help"]].concat()).done();
        assert!(help.contains("--json"), "{command:?}: {help}");
    }
}
