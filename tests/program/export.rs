//! Tests `tokenpair export`: what it writes comes back with `user import`, and other programs verify its hashes.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::backup::{PASSWORD, program, run_on_a_full_disk};
use crate::database::{Backend, Database};
use crate::support::Program;

const SCRYPT: &str = "scrypt:1024:4:2$xpEQgl2$bafcf5e9bf62a13e5217858fde91f6b771df1cb17b74b400507040d8acfe510c6990db5bbbb08e5a4aa254fb467ce18b99b57bd120774b8240cc56d2ee41fd17";
const BCRYPT: &str = "$2b$06$G.Lm92Ax/EkegLuE1zqgt.8YsJ5a4/YQ8qExTx8tVVnnOGTgMX.xi";

/// Users with hashes of every kind, a disabled one, and one with roles.
fn with_users(database: &Database) -> Program {
    let program = program().env("DATABASE_URL", &database.url()).migrated();
    let add = ["user", "add", "ada", "--admin", "--password-stdin"];
    program.run_with_input(&add, PASSWORD).done();
    let long = "long ".repeat(30);
    let add = ["user", "add", "long", "--password-stdin"];
    program.run_with_input(&add, &long).done();
    let lines = [("grace", SCRYPT), ("linus", BCRYPT)];
    let lines = lines.map(|(name, hash)| json!({ "username": name, "hash": hash }).to_string());
    fs::write(program.path("others"), lines.join("\n")).unwrap();
    program.run(&["user", "import", "others"]).done();
    let handled = json!({ "username": "alan", "hash": BCRYPT }).to_string();
    fs::write(program.path("handled"), handled).unwrap();
    let import = ["user", "import", "handled", "--flask-bcrypt-long-passwords"];
    program.run(&import).done();
    program.run(&["user", "disable", "alan"]).done();
    program
}

fn lines(text: &str) -> Vec<Value> {
    let parse = |line| serde_json::from_str::<Value>(line).unwrap();
    let mut lines: Vec<Value> = text.lines().map(parse).collect();
    lines.sort_by_key(|line| line["username"].as_str().unwrap().to_owned());
    lines
}

fn an_export_comes_back_whole_on_the_other_database(on: Backend) {
    let database = Database::create(on);
    let program = with_users(&database);
    let said = program.run(&["export", "users.jsonl"]).done();
    assert_eq!(said, "users.jsonl: 5 users\n");
    let file = program.path("users.jsonl");
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let exported = fs::read_to_string(&file).unwrap();
    assert_eq!(program.run(&["export"]).done(), exported);
    assert_eq!(program.run(&["export", "-"]).done(), exported);

    let other = Database::create(match on {
        Backend::Sqlite => Backend::Postgres,
        Backend::Postgres => Backend::Sqlite,
    });
    let target = crate::backup::program()
        .env("DATABASE_URL", &other.url())
        .migrated();
    let import = ["user", "import", "-"];
    let said = target.run_with_input(&import, &exported).done();
    assert!(said.contains("5 users ("), "{said}");
    assert!(said.contains("2 bcrypt of tokenpair"), "{said}");
    let again = target.run(&["export"]).done();
    assert_eq!(lines(&again), lines(&exported));

    let served = target.serve();
    for (name, password) in [("ada", PASSWORD), ("long", &"long ".repeat(30))] {
        let [access, _] = served.log_in(name, password);
        let (status, answer) = served.get("/protected", &access);
        assert_eq!(status, 200, "{answer}");
    }
    let alan = json!({ "username": "alan", "password": PASSWORD });
    assert_eq!(served.request("POST", "/login", Some(&alan)).0, 401);

    // A second import changes nothing.
    let said = target.run_with_input(&import, &exported).failed();
    assert!(said.contains("5 of 5 are invalid"), "{said}");
}

on_both_databases!(an_export_comes_back_whole_on_the_other_database);

#[test]
fn an_export_has_the_format_that_its_page_describes() {
    let database = Database::create(Backend::Sqlite);
    let program = with_users(&database);
    let lines = lines(&program.run(&["export"]).done());
    let [ada, alan, grace, linus, _] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    assert_eq!(ada["version"], 1);
    assert_eq!(ada["roles"], json!(["admin"]));
    assert_eq!(ada["bcrypt_of"], "tokenpair");
    assert_eq!(ada["disabled_at"], Value::Null);
    // Any program with bcrypt verifies it.
    let hash = ada["hash"].as_str().unwrap();
    assert_eq!(bcrypt::verify(PASSWORD, hash).ok(), Some(true));
    assert_eq!(
        (&alan["hash"], &alan["bcrypt_of"]),
        (&json!(BCRYPT), &json!("sha256"))
    );
    assert!(alan["disabled_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(
        (&linus["hash"], &linus["bcrypt_of"]),
        (&json!(BCRYPT), &json!("password"))
    );
    assert_eq!(grace["hash"], SCRYPT);
    assert_eq!(grace.get("bcrypt_of"), None);
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/backup.md")).unwrap();
    for member in ada.as_object().unwrap().keys() {
        assert!(page.contains(&format!("| `{member}` |")), "{member}");
    }
}

#[test]
fn a_line_that_cannot_be_kept_as_it_is_is_named() {
    let database = Database::create(Backend::Sqlite);
    let program = program().env("DATABASE_URL", &database.url()).migrated();
    let line = |members: Value| {
        let mut line = json!({ "username": "ada", "hash": BCRYPT });
        let into = line.as_object_mut().unwrap();
        into.extend(members.as_object().unwrap().clone());
        line.to_string()
    };
    for (members, part) in [
        (json!({ "version": 2 }), "its version is 2"),
        (json!({ "id": "" }), "an id has 1 to 64"),
        (json!({ "id": "a/b" }), "an id has 1 to 64"),
        (json!({ "id": 42 }), "not a JSON object"),
        (
            json!({ "created_at": "yesterday" }),
            "created_at is not a time",
        ),
        (
            json!({ "disabled_at": "2026-13-01T00:00:00Z" }),
            "disabled_at is not a time",
        ),
        (json!({ "bcrypt_of": "md5" }), "bcrypt_of is none of"),
        (
            json!({ "bcrypt_of": "tokenpair", "hash": "$2b$12$short" }),
            "damaged",
        ),
        (json!({ "unknown": 1 }), "not a JSON object"),
    ] {
        let said = program.run_with_input(&["user", "import", "-"], &line(members));
        let said = said.failed();
        assert!(said.contains(part), "{part}: {said}");
    }
    let two = format!(
        "{}\n{}",
        line(json!({ "id": "42" })),
        line(json!({ "id": "42", "username": "grace" }))
    );
    let said = program
        .run_with_input(&["user", "import", "-"], &two)
        .failed();
    assert!(said.contains("line 1 has the same id"), "{said}");
    // An id of another system is kept.
    let said = program.run_with_input(&["user", "import", "-"], &line(json!({ "id": "42" })));
    assert!(said.done().contains("1 user"));
    let listed = program.run(&["user", "list", "--json"]).done();
    assert!(listed.contains("\"id\": \"42\""), "{listed}");
    let taken = line(json!({ "id": "42", "username": "grace" }));
    let said = program.run_with_input(&["user", "import", "-"], &taken);
    assert!(said.failed().contains("the id is taken"));
}

#[test]
fn an_export_replaces_no_file_and_leaves_none_incomplete() {
    let database = Database::create(Backend::Sqlite);
    let program = with_users(&database);
    let said = program.run(&["export", "others"]).failed();
    assert!(said.contains("others exists"), "{said}");
    let said = program.run(&["export", "missing/users"]).failed();
    assert!(said.contains("cannot write missing/users"), "{said}");
    let many: Vec<String> = (0..600)
        .map(|n| json!({ "username": format!("user-{n}"), "hash": BCRYPT }).to_string())
        .collect();
    program
        .run_with_input(&["user", "import", "-"], &many.join("\n"))
        .done();
    let said = run_on_a_full_disk(&program, "export users.jsonl").failed();
    assert!(said.contains("cannot write users.jsonl"), "{said}");
    assert!(!program.path("users.jsonl").exists());
}
