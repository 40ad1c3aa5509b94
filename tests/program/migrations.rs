//! Tests migrations: only `serve` and `migrate` run them. Every other command, and a program older
//! than the schema, fails with a fix.

use std::fs;

use crate::database::{Backend, Database, as_superuser};
use crate::support::{Ended, Program};

const PASSWORD: &str = "correct horse battery";
const FORGOTTEN: &str = "2026-11-28-000002_server_keys";

/// Commands that use the database and do not change its schema.
const COMMANDS: [&[&str]; 9] = [
    &["user", "list"],
    &["user", "add", "ada", "--password-stdin"],
    &["user", "password", "ada", "--password-stdin"],
    &["user", "disable", "ada"],
    &["user", "import", "users"],
    &["session", "list", "ada"],
    &["session", "revoke", "nothing"],
    &["purge"],
    &["events"],
];

fn program(database: &Database) -> Program {
    let program = Program::new().env("DATABASE_URL", &database.url());
    let hash = "$2b$12$KbQi5Cnn1yVvQ3yYpXqXYe5w8rQyPHGmJn1mX0X2kX8eFZrXo9m6W";
    fs::write(
        program.path("users"),
        format!("username,hash\nada,{hash}\n"),
    )
    .unwrap();
    program
}

/// An empty database; on SQLite, an empty file.
fn empty(on: Backend) -> Database {
    let database = Database::create(on);
    if let Database::Sqlite(folder) = &database {
        fs::write(folder.path().join("test.db"), "").unwrap();
    }
    database
}

fn tables(database: &Database) -> i64 {
    let query = match database {
        Database::Sqlite(_) => "SELECT count(*) AS n FROM sqlite_master WHERE type = 'table'",
        Database::Postgres(_) => {
            "SELECT count(*) AS n FROM information_schema.tables WHERE table_schema = 'public'"
        }
    };
    database.numbers(query)[0]
}

/// Sets the database back to an earlier version.
fn forget_a_migration(database: &Database) {
    database.execute("DROP TABLE server_keys");
    database.execute("DELETE FROM __diesel_schema_migrations WHERE version = '20261128000002'");
}

/// Marks the database as migrated by a newer version.
fn add_an_unknown_migration(database: &Database) {
    database.execute(
        "INSERT INTO __diesel_schema_migrations VALUES ('20990101000000', CURRENT_TIMESTAMP)",
    );
}

#[track_caller]
fn assert_pending(said: &str) {
    for part in [FORGOTTEN, "pending", "`tokenpair migrate`", "DATABASE_URL"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

fn a_command_migrates_nothing_and_names_what_is_pending(on: Backend) {
    let folder = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"));
    let all = folder.unwrap().count();
    let database = empty(on);
    let program = program(&database);
    for command in COMMANDS {
        let said = program.run_with_input(command, PASSWORD).failed();
        assert_pending(&said);
        assert!(
            said.contains(&format!("{all} migrations are pending")),
            "{said}"
        );
        assert_eq!(tables(&database), 0, "{command:?}");
    }
    program.run(&["migrate"]).done();
    forget_a_migration(&database);
    let before = tables(&database);
    for command in COMMANDS {
        let said = program.run_with_input(command, PASSWORD).failed();
        assert_pending(&said);
        assert!(said.contains("1 migration is pending"), "{said}");
        assert_eq!(tables(&database), before, "{command:?}");
    }
    // The server migrates by default, and commands work while it runs.
    let _served = program.serve();
    assert_eq!(tables(&database), before + 1);
    let add = ["user", "add", "ada", "--password-stdin"];
    program.run_with_input(&add, PASSWORD).done();
}

fn with_migrate_off_a_server_leaves_migrations_to_the_operator(on: Backend) {
    let database = empty(on);
    let program = program(&database).env("DATABASE_MIGRATE", "off");
    assert_pending(&program.run(&["serve"]).failed());
    assert_eq!(tables(&database), 0);
    program.run(&["migrate"]).done();
    let served = program.serve();
    assert_eq!(served.request("GET", "/health/ready", None).0, 200);
    served.stop();
    forget_a_migration(&database);
    assert_pending(&program.run(&["serve"]).failed());
}

fn a_schema_newer_than_the_program_is_refused(on: Backend) {
    let database = empty(on);
    let program = program(&database);
    program.run(&["migrate"]).done();
    add_an_unknown_migration(&database);
    let refused = |ended: Ended, code: i32| {
        assert_eq!(ended.code, Some(code), "{ended:?}");
        for part in ["20990101000000", "newer version", "restore a backup"] {
            assert!(ended.err.contains(part), "{part}: {ended:?}");
        }
    };
    for command in COMMANDS {
        refused(program.run_with_input(command, PASSWORD), 1);
    }
    refused(program.run(&["serve"]), 1);
    refused(program.run(&["migrate"]), 1);
    refused(program.run(&["migrate", "--check"]), 4);
    // Also if this program has pending migrations.
    forget_a_migration(&database);
    let before = tables(&database);
    refused(program.run(&["serve"]), 1);
    refused(program.run(&["migrate"]), 1);
    refused(program.run(&["migrate", "--check"]), 4);
    assert_eq!(tables(&database), before);
}

fn migrate_and_its_check_name_migrations_alike(on: Backend) {
    let database = empty(on);
    let program = program(&database);
    let check = program.run(&["migrate", "--check"]);
    assert_eq!(check.code, Some(3), "{check:?}");
    assert!(check.err.contains("`tokenpair migrate`"), "{check:?}");
    assert_eq!(tables(&database), 0, "to look makes nothing");
    let done = program.run(&["migrate"]).done();
    assert_eq!(check.out.replace(": pending", ": done"), done);
    assert!(
        done.lines()
            .any(|line| line == format!("{FORGOTTEN}: done"))
    );
    for again in [&["migrate", "--check"][..], &["migrate"]] {
        assert_eq!(program.run(again).done(), "the database is up to date\n");
    }
}

on_both_databases!(
    a_database_of_another_program_is_named_as_such,
    a_command_migrates_nothing_and_names_what_is_pending,
    with_migrate_off_a_server_leaves_migrations_to_the_operator,
    a_schema_newer_than_the_program_is_refused,
    migrate_and_its_check_name_migrations_alike,
);

#[test]
fn a_database_that_cannot_be_looked_at_is_no_pending_migration() {
    let program = Program::new().env("DATABASE_URL", "postgres://ada@127.0.0.1:1/nowhere");
    program.run(&["migrate", "--check"]).failed();
}

#[test]
fn without_a_database_a_command_says_how_to_make_one() {
    let program = Program::new();
    let list = program.run(&["user", "list"]).failed();
    let add = ["user", "add", "ada", "--password-stdin"];
    let add = program.run_with_input(&add, PASSWORD).failed();
    let off = program
        .command(&["serve"])
        .env("DATABASE_MIGRATE", "off")
        .output();
    let off = String::from_utf8(off.unwrap().stderr).unwrap();
    let check = program.run(&["migrate", "--check"]);
    assert_eq!(check.code, Some(3), "{check:?}");
    let empty = program.path("empty.db");
    std::fs::write(&empty, "").unwrap();
    let url = format!("sqlite://{}", empty.display());
    let on_empty = Program::new().env("DATABASE_URL", &url);
    let on_empty = on_empty.run(&["migrate", "--check"]).out;
    assert!(on_empty.contains("_users_sessions_revocations: pending"));
    assert_eq!(check.out, on_empty);
    for said in [list, add, off, check.err] {
        assert!(said.contains("there is no database yet at "), "{said}");
        assert!(said.contains("`tokenpair migrate`"), "{said}");
    }
    assert!(!program.path("data").exists());
}

/// Drops the role, even if the test fails.
struct Role(String);

impl Role {
    /// Creates a role without rights on any table.
    fn create(label: &str) -> Self {
        let role = Self(format!("tokenpair_{label}_{}", std::process::id()));
        as_superuser(&format!("CREATE ROLE {} LOGIN", role.0));
        role
    }

    /// Returns the URL with which this role uses the database.
    fn url_of(&self, database: &Database) -> String {
        let url = database.url();
        let (_, place) = url.rsplit_once('@').unwrap();
        format!("postgres://{}@{place}", self.0)
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        as_superuser(&format!("DROP ROLE {}", self.0));
    }
}

/// Operators who migrate manually may deny the server's role the right to create tables.
#[test]
fn a_server_starts_without_the_right_to_create_tables_if_nothing_is_pending() {
    let role = Role::create("server");
    let database = Database::create(Backend::Postgres);
    database.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    program(&database).run(&["migrate"]).done();
    database.execute(&format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}",
        role.0
    ));
    for migrate in ["auto", "off"] {
        let program = Program::new()
            .env("DATABASE_URL", &role.url_of(&database))
            .env("DATABASE_MIGRATE", migrate);
        let served = program.serve();
        assert_eq!(served.request("GET", "/health/ready", None).0, 200);
        program.run(&["user", "list"]).done();
    }
    drop(database);
}

/// PostgreSQL 15 lets only the owner of a database create tables in it.
#[test]
fn a_user_who_may_create_no_tables_is_told_how_to_get_the_right() {
    let role = Role::create("newcomer");
    let database = Database::create(Backend::Postgres);
    let url = role.url_of(&database);
    let cause = "permission denied for schema public";
    let newcomer = Program::new().env("DATABASE_URL", &url);
    for command in ["serve", "migrate"] {
        let said = newcomer.run(&[command]).failed();
        assert!(
            said.contains(cause)
                && said.contains(
                    "; make the user in DATABASE_URL the owner of the database, or let an administrator run \
                     GRANT CREATE ON SCHEMA public TO that user"
                ),
            "{said}"
        );
        assert_eq!(said.matches(cause).count(), 1, "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let said = Program::new()
        .migrated()
        .run(&["move", "--to", &url])
        .failed();
    assert!(
        said.contains(cause) && said.contains("; make the user in the target's URL the owner"),
        "{said}"
    );
    drop(database);
}

fn a_database_of_another_program_is_named_as_such(on: Backend) {
    let database = Database::create(on);
    database.execute("CREATE TABLE users (name TEXT)");
    let cure = "already exists; the database belongs to another program: name an empty one in";
    let program = Program::new().env("DATABASE_URL", &database.url());
    for command in ["serve", "migrate"] {
        let said = program.run(&[command]).failed();
        assert!(
            said.contains("users") && said.contains(&format!("{cure} DATABASE_URL")),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let source = Program::new().migrated();
    let said = source.run(&["move", "--to", &database.url()]).failed();
    assert!(
        said.contains("users") && said.contains(&format!("{cure} the target's URL")),
        "{said}"
    );
}
