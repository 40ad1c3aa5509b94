//! Tests commands that change a user while requests and other commands of the same user run.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;

use crate::database::{Backend, Database};
use crate::support::{Program, Served};
use crate::wait::within;

const PASSWORD: &str = "correct horse battery";

on_both_databases!(
    roles_that_commands_add_at_once_are_all_kept,
    a_user_deleted_by_a_command_amid_requests_is_gone,
    a_role_taken_by_a_command_amid_requests_is_gone,
);

/// Returns the program with a user on a new database.
fn program_on(database: &Database, more: &[&str]) -> Program {
    let program = Program::new().env("DATABASE_URL", &database.url());
    let program = program.env("THROTTLE", "false").migrated();
    let command = [&["user", "add", "ada", "--password-stdin"], more].concat();
    program.run_with_input(&command, PASSWORD).done();
    program
}

fn roles_that_commands_add_at_once_are_all_kept(on: Backend) {
    let database = Database::create(on);
    let program = program_on(&database, &[]);
    let names = [
        "author",
        "editor",
        "proofreader",
        "translator",
        "typesetter",
    ];
    thread::scope(|scope| {
        for name in names {
            let program = &program;
            scope.spawn(move || program.run(&["user", "role", "ada", "--add", name]).done());
        }
    });
    let said = program.run(&["user", "role", "ada"]).done();
    let roles = said.trim_end().strip_prefix("the roles of ada: ");
    let roles: BTreeSet<&str> = roles.unwrap_or_default().split(", ").collect();
    assert_eq!(roles, BTreeSet::from(names), "{said}");
}

/// Uses and refreshes the tokens of a session.
fn refresh_until(served: &Served, tokens: [String; 2], over: &AtomicBool) -> Vec<u16> {
    let [mut access, mut refresh] = tokens;
    let mut statuses = Vec::new();
    while !over.load(Ordering::SeqCst) {
        statuses.push(served.get("/account", &access).0);
        let (status, answer) = served.send("POST", "/refresh", Some(&refresh), None);
        statuses.push(status);
        if let [Some(next), Some(after)] =
            ["access_token", "refresh_token"].map(|name| answer[name].as_str())
        {
            (access, refresh) = (next.to_owned(), after.to_owned());
        }
    }
    statuses
}

fn log_in_until(served: &Served, over: &AtomicBool) -> Vec<u16> {
    let user = json!({ "username": "ada", "password": PASSWORD, "tokens": "body" });
    let mut statuses = Vec::new();
    while !over.load(Ordering::SeqCst) {
        statuses.push(served.request("POST", "/login", Some(&user)).0);
    }
    statuses
}

/// Runs a command while the user's sessions refresh and new ones begin. Returns the statuses of all
/// requests.
fn amid_requests(served: &Served, command: impl FnOnce()) -> BTreeSet<u16> {
    let over = AtomicBool::new(false);
    let sessions = [(); 3].map(|()| served.log_in("ada", PASSWORD));
    thread::scope(|scope| {
        let over = &over;
        let refreshing =
            sessions.map(|tokens| scope.spawn(move || refresh_until(served, tokens, over)));
        let logging_in = scope.spawn(move || log_in_until(served, over));
        command();
        over.store(true, Ordering::SeqCst);
        let all = refreshing.into_iter().chain([logging_in]);
        all.flat_map(|thread| thread.join().unwrap()).collect()
    })
}

fn a_user_deleted_by_a_command_amid_requests_is_gone(on: Backend) {
    let database = Database::create(on);
    let program = program_on(&database, &[]);
    let served = program.serve();
    let [access, refresh] = served.log_in("ada", PASSWORD);
    let statuses = amid_requests(&served, || {
        program.run(&["user", "delete", "ada", "--yes"]).done();
    });
    assert!(
        statuses.is_subset(&BTreeSet::from([200, 401])),
        "{statuses:?}"
    );

    let user = json!({ "username": "ada", "password": PASSWORD });
    assert_eq!(served.request("POST", "/login", Some(&user)).0, 401);
    let refused = served.send("POST", "/refresh", Some(&refresh), None);
    assert_eq!(refused.0, 401, "{refused:?}");
    within(20, "the access token ends", || {
        served.get("/protected", &access).0 == 401
    });
    let sessions = program.run(&["session", "list", "ada"]).failed();
    assert!(sessions.contains("there is no user \"ada\""), "{sessions}");
}

fn a_role_taken_by_a_command_amid_requests_is_gone(on: Backend) {
    let database = Database::create(on);
    let program = program_on(&database, &["--admin"]);
    program
        .run_with_input(
            &["user", "add", "bob", "--admin", "--password-stdin"],
            PASSWORD,
        )
        .done();
    let served = program.serve();
    let [access, refresh] = served.log_in("ada", PASSWORD);
    assert_eq!(served.get("/admin/users", &access).0, 200);
    let statuses = amid_requests(&served, || {
        program
            .run(&["user", "role", "ada", "--remove", "admin"])
            .done();
    });
    assert!(
        statuses.is_subset(&BTreeSet::from([200, 401])),
        "{statuses:?}"
    );

    // The database decides who is an admin, and the session continues.
    assert_ne!(served.get("/admin/users", &access).0, 200);
    let (status, answer) = served.send("POST", "/refresh", Some(&refresh), None);
    assert_eq!(status, 200, "{answer}");
    let access = answer["access_token"].as_str().unwrap();
    let refused = served.get("/admin/users", access);
    assert_eq!(
        (refused.0, &refused.1["code"]),
        (403, &json!("admin_required"))
    );
}
