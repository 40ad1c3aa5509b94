//! Tests the commands that manage clients, as an operator types them.

use serde_json::{Value, json};

use crate::database::{Backend, Database};
use crate::support::Program;

struct Desk {
    program: Program,
    database: Database,
}

impl Desk {
    fn new(on: Backend) -> Self {
        let database = Database::create(on);
        let program = Program::new().env("DATABASE_URL", &database.url());
        Self {
            program: program.migrated(),
            database,
        }
    }

    fn done(&self, command: &[&str]) -> String {
        self.program.run(&[&["client"], command].concat()).done()
    }

    fn failed(&self, command: &[&str]) -> String {
        self.program.run(&[&["client"], command].concat()).failed()
    }

    fn json(&self, command: &[&str]) -> Value {
        serde_json::from_str(&self.done(&[command, &["--json"]].concat())).unwrap()
    }

    fn events(&self) -> Vec<Value> {
        let events = self.program.run(&["events", "--json"]).done();
        serde_json::from_str::<Vec<Value>>(&events).unwrap()
    }
}

fn a_client_is_added_with_a_secret_that_is_shown_once(on: Backend) {
    let desk = Desk::new(on);
    let added = desk.done(&["add", "billing"]);
    let secret = added
        .lines()
        .find_map(|line| line.strip_prefix("client_secret: "));
    let secret = secret.unwrap();
    assert!(secret.starts_with("tpc_") && secret.len() == 47, "{added}");
    assert!(added.contains("it is not shown again"), "{added}");
    let listed = desk.json(&["list"]);
    let id = listed[0]["id"].as_str().unwrap();
    assert!(added.contains(&format!("client_id:     {id}\n")), "{added}");
    assert_eq!(
        (
            &listed[0]["name"],
            &listed[0]["permissions"],
            &listed[0]["accepts_previous_secret"]
        ),
        (&json!("billing"), &json!(["introspect"]), &json!(false))
    );
    let lines = desk.done(&["list"]);
    assert!(
        lines.lines().nth(1).unwrap().starts_with("billing "),
        "{lines}"
    );
    let events = desk.events();
    assert_eq!(
        (&events[0]["kind"], &events[0]["actor_id"]),
        (&json!("client_created"), &json!("operator"))
    );
    assert_eq!(events[0]["detail"], format!("billing {id}: introspect"));
    let kept = "SELECT count(*) AS n FROM clients WHERE secret LIKE 'tpc%' OR length(secret) <> 43";
    assert_eq!(desk.database.numbers(kept), [0], "only a digest");
    for said in [listed.to_string(), lines, json!(events).to_string()] {
        assert!(!said.contains(secret), "{said}");
    }
}

fn a_name_is_taken_once_and_has_plain_letters(on: Backend) {
    let desk = Desk::new(on);
    desk.done(&["add", "billing", "--may", "revoke", "--may", "introspect"]);
    assert_eq!(
        desk.json(&["list"])[0]["permissions"],
        json!(["introspect", "revoke"])
    );
    assert_eq!(
        desk.failed(&["add", "billing"]),
        "tokenpair: another client has this name\n"
    );
    let invalid = desk.failed(&["add", "Billing API"]);
    assert!(invalid.contains("1 to 64 lower-case letters"), "{invalid}");
    let wrong = desk
        .program
        .run(&["client", "add", "x", "--may", "refresh"]);
    assert!(
        wrong.code == Some(2) && wrong.err.contains("write one of introspect, revoke"),
        "{wrong:?}"
    );
    for command in [
        &["rotate", "nobody"][..],
        &["permissions", "nobody"],
        &["delete", "nobody", "--yes"],
        &["rotate", "no body", "--finish"],
    ] {
        let unknown = desk.failed(command);
        assert!(
            unknown.contains("there is no client") && unknown.contains("client list"),
            "{unknown}"
        );
    }
}

fn permissions_and_secrets_change_and_each_change_is_an_event(on: Backend) {
    let desk = Desk::new(on);
    let first = desk.json(&["add", "billing"]);
    let said = |command: &[&str]| desk.done(command);
    assert_eq!(
        said(&["permissions", "billing"]),
        "the permissions of billing: introspect\n"
    );
    let listed = desk.json(&["permissions", "billing"]);
    assert_eq!(listed, desk.json(&["list"])[0]);
    assert_eq!(
        said(&["permissions", "billing", "--add", "revoke"]),
        "the permissions of billing: introspect, revoke\n"
    );
    assert_eq!(
        said(&[
            "permissions",
            "billing",
            "--remove",
            "revoke",
            "--remove",
            "introspect"
        ]),
        "billing has no permissions\n"
    );
    let second = desk.json(&["rotate", "billing"]);
    assert_eq!(first["client_id"], second["client_id"]);
    assert_ne!(first["client_secret"], second["client_secret"]);
    assert_eq!(desk.json(&["list"])[0]["accepts_previous_secret"], true);
    assert_eq!(
        said(&["rotate", "billing", "--finish"]),
        "billing has one secret: the newest; the one before is rejected\n"
    );
    assert_eq!(
        said(&["rotate", "billing", "--finish"]),
        "billing has one secret already\n"
    );
    let rotated = said(&["rotate", "billing"]);
    assert!(
        rotated.contains("until you run `tokenpair client rotate billing --finish`"),
        "{rotated}"
    );
    let asked = desk.failed(&["delete", "billing"]);
    assert!(asked.contains("confirm with --yes"), "{asked}");
    assert_eq!(
        said(&["delete", "billing", "--yes"]),
        "billing is deleted\n"
    );
    assert_eq!(desk.json(&["list"]), json!([]));
    let events = desk.events();
    let kinds: Vec<_> = events
        .iter()
        .map(|event| event["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "client_deleted",
            "client_secret_changed",
            "client_secret_changed",
            "client_secret_changed",
            "client_permissions_changed",
            "client_permissions_changed",
            "client_created"
        ]
    );
}

fn a_running_server_takes_the_change_of_a_client_at_once_and_logs_no_secret(on: Backend) {
    let desk = Desk::new(on);
    let served = desk.program.serve();
    let access = served.log_in_a_new_user("ada", "correct horse battery");
    let client = desk.json(&["add", "desk", "--may", "revoke", "--may", "introspect"]);
    let [id, secret] = ["client_id", "client_secret"].map(|name| client[name].as_str().unwrap());
    let ask = |path: &str| {
        let form = format!("token={access}&client_id={id}&client_secret={secret}");
        crate::exchange::Request::new(served.address, "POST", path)
            .form(&form)
            .send()
    };
    assert_eq!(ask("/introspect").json()["username"], "ada");
    desk.done(&["permissions", "desk", "--remove", "introspect"]);
    assert_eq!(ask("/introspect").status, 403);
    assert_eq!(ask("/revoke").status, 200);
    let events = desk.events();
    assert_eq!(
        (
            &events[0]["kind"],
            &events[0]["actor"],
            &events[0]["detail"]
        ),
        (&json!("session_revoked"), &json!("desk"), &json!("client"))
    );
    desk.done(&["delete", "desk", "--yes"]);
    assert_eq!(ask("/revoke").status, 401);
    let log = served.stop_and_read_log();
    assert!(log.contains("/introspect"), "{log}");
    assert!(!log.contains(secret) && !log.contains(&access), "{log}");
}

on_both_databases!(
    a_client_is_added_with_a_secret_that_is_shown_once,
    a_name_is_taken_once_and_has_plain_letters,
    permissions_and_secrets_change_and_each_change_is_an_event,
    a_running_server_takes_the_change_of_a_client_at_once_and_logs_no_secret,
);

#[test]
fn a_secret_that_nobody_saw_is_named_with_the_way_to_another() {
    let desk = Desk::new(Backend::Sqlite);
    let into_full = |arguments: &[&str]| {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let mut command = desk.program.command(arguments);
        let output = command.stdout(full.unwrap()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let first = "cannot write to standard output: No space left on device";
    for flags in [&[][..], &["--json"]] {
        let name = if flags.is_empty() { "billing" } else { "desk" };
        for (verb, what) in [
            ("add", format!("the client {name} exists")),
            ("rotate", format!("the client {name} has a new secret")),
        ] {
            let said = into_full(&[&["client", verb, name], flags].concat());
            let cure = format!("`tokenpair client rotate {name}`");
            for part in [first, &what, "not shown", &cure] {
                assert!(said.contains(part), "{part}: {said}");
            }
        }
    }
    let said = into_full(&["client", "list"]);
    assert!(said.contains(first), "{said}");
}
