//! Tests the start on a database that accepts no writes.

use crate::database::{Backend, Database, as_superuser};
use crate::support::{Program, Served};

const PASSWORD: &str = "correct horse";

const SECRET: &str = "a signing secret of at least 32 bytes";

const NEXT_SECRET: &str = "another signing secret of 32 bytes or more";

fn program(database: &Database) -> Program {
    Program::new()
        .env("DATABASE_URL", &database.url())
        .env("DATABASE_START_WAIT", "0")
        .env("JWT_SECRET_KEY", SECRET)
}

/// Makes the database reject writes of connections that begin from now on.
fn make_read_only(database: &Database) {
    match database {
        Database::Sqlite(_) => {
            for table in ["server_keys", "sessions", "throttle"] {
                database.execute(&format!(
                    "CREATE TRIGGER read_only_{table} BEFORE INSERT ON {table} \
                     BEGIN SELECT RAISE(ABORT, 'attempt to write a readonly database'); END"
                ));
            }
        }
        Database::Postgres(name) => as_superuser(&format!(
            "ALTER DATABASE {name} SET default_transaction_read_only = on"
        )),
    }
}

/// Returns a database that a server has used, and an access token.
fn used(on: Backend) -> (Database, String) {
    let database = Database::create(on);
    let served = program(&database).serve();
    let access = served.log_in_a_new_user("ada", PASSWORD);
    served.stop();
    (database, access)
}

#[track_caller]
fn verifies_but_is_not_ready(served: &Served, access: &str) {
    assert_eq!(served.get("/protected", access).0, 200);
    let login = serde_json::json!({ "username": "ada", "password": PASSWORD });
    assert_eq!(served.request("POST", "/login", Some(&login)).0, 503);
    let (status, answer) = served.request("GET", "/health/ready", None);
    assert_eq!(status, 503, "{answer}");
    assert_eq!(answer["code"], "database_read_only");
}

fn a_server_starts_and_verifies_tokens(on: Backend) {
    let (database, access) = used(on);
    make_read_only(&database);
    let served = program(&database).serve();
    verifies_but_is_not_ready(&served, &access);
    let log = served.stop_and_read_log();
    assert!(!log.contains("server_keys"), "{log}");
}

fn with_new_signing_keys_a_server_starts_with_a_warning(on: Backend) {
    let (database, access) = used(on);
    make_read_only(&database);
    let served = program(&database)
        .env("JWT_SECRET_KEY", NEXT_SECRET)
        .env("JWT_PREVIOUS_SECRET_KEYS", SECRET)
        .serve();
    verifies_but_is_not_ready(&served, &access);
    let log = served.stop_and_read_log();
    assert!(
        log.contains("under the new signing keys in the table server_keys: ")
            && log.contains("; restart this server once the database accepts writes"),
        "{log}"
    );
    assert_eq!(
        database.numbers("SELECT count(*) AS n FROM server_keys"),
        [1]
    );
}

fn without_the_shared_key_the_start_fails_with_the_cure(on: Backend) {
    let (database, _) = used(on);
    database.execute("DELETE FROM server_keys");
    make_read_only(&database);
    let said = program(&database).run(&["serve"]).failed();
    assert!(
        said.contains("cannot create the key that all servers share")
            && said.contains("; start the first server while the database accepts writes"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
}

on_both_databases!(
    a_server_starts_and_verifies_tokens,
    with_new_signing_keys_a_server_starts_with_a_warning,
    without_the_shared_key_the_start_fails_with_the_cure,
);

#[test]
fn with_several_hosts_that_are_read_only_the_cure_is_to_name_one_that_is_not() {
    let (database, _) = used(Backend::Postgres);
    make_read_only(&database);
    let url = database.url();
    let (user, place) = url.rsplit_once('@').unwrap();
    let hosts = format!("{user}@127.0.0.1:1,{place}");
    let program = program(&database).env("DATABASE_URL", &hosts);
    let said = program.run(&["serve"]).failed();
    assert!(
        said.contains("read-only; promote the standby, name the primary in DATABASE_URL"),
        "{said}"
    );
    assert!(!said.contains("check that PostgreSQL is running"), "{said}");
}

#[test]
fn migrations_on_a_read_only_database_name_the_cure() {
    let database = Database::create(Backend::Postgres);
    make_read_only(&database);
    for command in ["migrate", "serve"] {
        let said = program(&database).run(&[command]).failed();
        assert!(
            said.contains("read-only transaction; promote the standby"),
            "{said}"
        );
    }
}
