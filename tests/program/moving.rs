//! Tests `tokenpair move`: all rows arrive, sessions continue on the other database, and nothing is half copied.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::backup::{PASSWORD, program};
use crate::database::{Backend, Database};
use crate::support::{Ended, Program};

fn other(on: Backend) -> Backend {
    match on {
        Backend::Sqlite => Backend::Postgres,
        Backend::Postgres => Backend::Sqlite,
    }
}

/// Moves the program's database, whose URL may have a password.
fn move_to(program: &Program, target: &Database) -> Ended {
    fs::write(program.path("target"), target.url() + "\n").unwrap();
    program.run(&["move", "--to-file", "target"])
}

/// A table of `schema.rs`, with the type of each column.
type Columns = Vec<(String, String)>;

/// Returns the tables that the store knows, in the order of their declaration: parents first.
fn tables() -> Vec<(String, Columns)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/tokenpair-store/src/schema.rs");
    let text = fs::read_to_string(path).unwrap();
    let tables = text.split("diesel::table! {").skip(1).map(|table| {
        let name = table.split('(').next().unwrap().trim().to_owned();
        let lines = table.lines().take_while(|line| *line != "}");
        let columns = lines.filter_map(|line| line.trim().split_once(" -> "));
        let columns = columns.map(|(column, kind)| {
            let column = column.trim_matches('"').to_owned();
            (column, kind.trim_end_matches(',').to_owned())
        });
        (name, columns.collect())
    });
    tables.collect()
}

/// Text that every part of the way must leave as it is.
const AWKWARD: &str = "ü 🐎 \"quoted\" \\ back\tslash\nline";

/// Returns a value for the column: `row` differs from row to row, and is null where it may be.
fn value(kind: &str, row: usize, is_key: bool) -> String {
    match kind {
        kind if kind.starts_with("Nullable<") && row == 2 => "NULL".to_owned(),
        kind if kind.contains("Text") && is_key => format!("'row-{row}'"),
        kind if kind.contains("Text") => format!("'{AWKWARD} {row}'"),
        // Larger than the integers that JSON numbers keep in JavaScript.
        kind if kind.contains("BigInt") => format!("{}", 9_007_199_254_740_993 + row),
        kind if kind.contains("Bool") => if row == 1 { "true" } else { "false" }.to_owned(),
        kind => panic!("this test does not know the type {kind}: can `move` copy it?"),
    }
}

/// Fills every column of every table. A new table or column is filled too.
fn fill(database: &Database) {
    for (table, columns) in tables() {
        for row in 1..=3 {
            let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
            let values = columns.iter().map(|(name, kind)| {
                let is_key = name == "id" || name.ends_with("_id");
                value(kind, row, is_key)
            });
            let values: Vec<String> = values.collect();
            let (names, values) = (names.join(", "), values.join(", "));
            database.execute(&format!("INSERT INTO {table} ({names}) VALUES ({values})"));
        }
    }
}

/// Counts the rows of a table with exactly these values.
fn same_rows(database: &Database, table: &str, columns: &Columns) -> i64 {
    let rows = (1..=3).map(|row| {
        let conditions = columns.iter().map(|(name, kind)| {
            let is_key = name == "id" || name.ends_with("_id");
            match value(kind, row, is_key).as_str() {
                "NULL" => format!("{name} IS NULL"),
                value => format!("{name} = {value}"),
            }
        });
        conditions.collect::<Vec<_>>().join(" AND ")
    });
    let rows: Vec<String> = rows.map(|row| format!("({row})")).collect();
    let query = format!(
        "SELECT count(*) AS n FROM {table} WHERE {}",
        rows.join(" OR ")
    );
    database.numbers(&query)[0]
}

fn every_column_of_every_table_arrives(on: Backend) {
    let (source, target) = (Database::create(on), Database::create(other(on)));
    let program = program().env("DATABASE_URL", &source.url()).migrated();
    fill(&source);
    let said = move_to(&program, &target).done();
    for (table, columns) in tables() {
        assert!(
            said.contains(&format!("{table}: 3 rows")),
            "{table}: {said}"
        );
        assert_eq!(same_rows(&target, &table, &columns), 3, "{table}");
        assert_eq!(same_rows(&source, &table, &columns), 3, "{table}");
    }
    // And back, into an empty database of the first kind.
    let back = Database::create(on);
    let program = program.env("DATABASE_URL", &target.url());
    move_to(&program, &back).done();
    for (table, columns) in tables() {
        assert_eq!(same_rows(&back, &table, &columns), 3, "{table}");
    }
}

fn sessions_continue_on_the_other_database(on: Backend) {
    let (source, target) = (Database::create(on), Database::create(other(on)));
    let program = program().env("DATABASE_URL", &source.url());
    let served = program.serve();
    served.log_in_a_new_user("ada", PASSWORD);
    let [access, mut refresh] = served.log_in("ada", PASSWORD);
    let ended = served.log_in("ada", PASSWORD);
    assert_eq!(served.send("POST", "/logout", Some(&ended[0]), None).0, 200);
    let (_, answer) = served.send("POST", "/refresh", Some(&refresh), None);
    if let Some(next) = answer["refresh_token"].as_str() {
        refresh = next.to_owned();
    }
    served.stop();
    move_to(&program, &target).done();
    let served = program.env("DATABASE_URL", &target.url()).serve();
    assert_eq!(served.get("/protected", &access).0, 200);
    let (status, answer) = served.send("POST", "/refresh", Some(&refresh), None);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(served.get("/protected", &ended[0]).0, 401);
    served.log_in("ada", PASSWORD);
}

fn many_rows_are_copied_in_pages(on: Backend) {
    let (source, target) = (Database::create(on), Database::create(other(on)));
    let program = program().env("DATABASE_URL", &source.url()).migrated();
    let rows = (0..1234).map(|n| format!("('id-{n}', {n}, 'login')"));
    let rows: Vec<String> = rows.collect();
    source.execute(&format!(
        "INSERT INTO audit_events (id, at, kind) VALUES {}",
        rows.join(", ")
    ));
    let said = move_to(&program, &target).done();
    assert!(said.contains("audit_events: 1234 rows"), "{said}");
    let counted = target.numbers("SELECT CAST(sum(at) AS BIGINT) AS n FROM audit_events");
    assert_eq!(counted, [1233 * 1234 / 2]);
}

fn a_target_with_rows_is_refused_and_unchanged(on: Backend) {
    let (source, target) = (Database::create(on), Database::create(other(on)));
    let program = program().env("DATABASE_URL", &source.url()).migrated();
    fill(&source);
    let there = crate::backup::program()
        .env("DATABASE_URL", &target.url())
        .migrated();
    let add = ["user", "add", "grace", "--password-stdin"];
    there.run_with_input(&add, PASSWORD).done();
    let said = move_to(&program, &target).failed();
    assert!(said.contains("the target is not empty"), "{said}");
    let counts: BTreeMap<String, i64> = tables()
        .into_iter()
        .map(|(table, _)| {
            let count = target.numbers(&format!("SELECT count(*) AS n FROM {table}"))[0];
            (table, count)
        })
        .collect();
    assert_eq!(counts["users"], 1);
    assert_eq!(
        counts.values().sum::<i64>(),
        2,
        "with its event: {counts:?}"
    );
}

fn a_target_of_another_program_is_refused_and_unchanged(on: Backend) {
    let (source, target) = (Database::create(on), Database::create(other(on)));
    let program = program().env("DATABASE_URL", &source.url()).migrated();
    target.execute("CREATE TABLE notes (text TEXT)");
    let file = |target: &Database| match target {
        Database::Sqlite(folder) => fs::read(folder.path().join("test.db")).unwrap(),
        Database::Postgres(_) => Vec::new(),
    };
    let before = file(&target);
    let refused = || {
        let said = move_to(&program, &target).failed();
        let cause = "the target has tables of another program (notes); name an empty database";
        assert!(said.contains(cause), "{said}");
    };
    refused();
    assert!(file(&target) == before, "the file has changed");
    let tables = match &target {
        Database::Sqlite(_) => "SELECT count(*) AS n FROM sqlite_master WHERE type = 'table'",
        Database::Postgres(_) => {
            "SELECT count(*) AS n FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        }
    };
    assert_eq!(target.numbers(tables), [1]);
    let there = crate::backup::program().env("DATABASE_URL", &target.url());
    there.migrated();
    refused();
}

#[test]
fn tables_of_another_schema_do_not_matter() {
    let target = Database::create(Backend::Postgres);
    target.execute("CREATE SCHEMA app");
    target.execute("CREATE TABLE app.notes (text TEXT)");
    let program = program().migrated();
    let said = move_to(&program, &target).done();
    assert!(said.contains("users: 0 rows"), "{said}");
}

fn while_a_server_uses_the_source_nothing_is_copied(on: Backend) {
    let (source, target) = (Database::create(on), Database::create(other(on)));
    let program = program().env("DATABASE_URL", &source.url());
    let served = program.serve();
    served.log_in_a_new_user("ada", PASSWORD);
    let said = move_to(&program, &target).failed();
    assert!(said.contains("stop"), "{said}");
    served.log_in("ada", PASSWORD);
    served.stop();
    move_to(&program, &target).done();
}

on_both_databases!(
    every_column_of_every_table_arrives,
    sessions_continue_on_the_other_database,
    many_rows_are_copied_in_pages,
    a_target_with_rows_is_refused_and_unchanged,
    a_target_of_another_program_is_refused_and_unchanged,
    while_a_server_uses_the_source_nothing_is_copied,
);

#[test]
fn a_failure_in_the_middle_leaves_the_target_empty() {
    let (source, target) = (
        Database::create(Backend::Sqlite),
        Database::create(Backend::Postgres),
    );
    let program = program().env("DATABASE_URL", &source.url()).migrated();
    fill(&source);
    // PostgreSQL keeps no such text.
    source.execute("UPDATE sessions SET user_agent = 'a' || char(0) || 'b' WHERE id = 'row-3'");
    let said = move_to(&program, &target).failed();
    assert!(said.contains("a database rejected a statement"), "{said}");
    assert_eq!(target.numbers("SELECT count(*) AS n FROM users"), [0]);
    source.execute("UPDATE sessions SET user_agent = 'ab' WHERE id = 'row-3'");
    move_to(&program, &target).done();
}

#[test]
fn a_password_is_never_shown_nor_taken_from_the_command_line() {
    let source = Database::create(Backend::Sqlite);
    let program = program().env("DATABASE_URL", &source.url()).migrated();
    let secret = "postgres://ada:not-shown@127.0.0.1:1/nothing";
    let said = program.run(&["move", "--to", secret]).failed();
    for part in ["list of processes", "TARGET_DATABASE_URL", "--to-file"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said_without = program.run(&["move"]).failed();
    assert!(said_without.contains("name the target"), "{said_without}");
    fs::write(program.path("odd"), "postgres://ada:not@shown@db/app").unwrap();
    let odd = program.run(&["move", "--to-file", "odd"]).failed();
    assert!(odd.contains("odd is not the URL of a database"), "{odd}");
    let program = program.env("TARGET_DATABASE_URL", secret);
    let away = program.run(&["move"]).failed();
    assert!(away.contains("the target"), "{away}");
    assert!(!away.contains("DATABASE_URL"), "{away}");
    for said in [said, odd, away] {
        assert!(
            !said.contains("not-shown") && !said.contains("not@shown"),
            "{said}"
        );
    }
    let both = program.run(&["move", "--to", "sqlite://x.db", "--to-file", "odd"]);
    assert_eq!(both.code, Some(2), "{both:?}");
}

#[test]
fn the_database_is_not_moved_into_itself() {
    let program = program().migrated();
    let add = ["user", "add", "ada", "--password-stdin"];
    program.run_with_input(&add, PASSWORD).done();
    symlink("data/tokenpair.db", program.path("link.db")).unwrap();
    fs::hard_link(program.path("data/tokenpair.db"), program.path("other.db")).unwrap();
    for file in [
        "data/tokenpair.db",
        "data/../data/tokenpair.db",
        "link.db",
        "other.db",
    ] {
        let said = program
            .run(&["move", "--to", &format!("sqlite://{file}")])
            .failed();
        assert!(said.contains(SAME), "{file}: {said}");
    }
    assert!(program.run(&["user", "list"]).done().contains("ada"));
}

const SAME: &str = "source and target are the same database; name another target";

#[test]
fn one_postgresql_by_two_names_is_neither_copied_nor_locked() {
    let source = Database::create(Backend::Postgres);
    let program = program().env("DATABASE_URL", &source.url()).migrated();
    let other_name = source.url().replace("127.0.0.1", "localhost");
    for empty in [true, false] {
        for url in [source.url(), other_name.clone()] {
            for flags in [&[][..], &["--ignore-connections"]] {
                let arguments = [&["move", "--to", &url][..], flags].concat();
                let said = program.run(&arguments).failed();
                assert!(said.contains(SAME), "{arguments:?}: {said}");
            }
        }
        if empty {
            let add = ["user", "add", "ada", "--password-stdin"];
            program.run_with_input(&add, PASSWORD).done();
        }
    }
    assert!(program.run(&["user", "list"]).done().contains("ada"));
}

#[test]
fn one_other_connection_is_one() {
    let source = Database::create(Backend::Postgres);
    let program = program().env("DATABASE_URL", &source.url()).migrated();
    let _held = source.begin();
    let said = program.run(&["move", "--to", "sqlite://moved.db"]).failed();
    let expected = "1 other connection to the source is open: stop the servers";
    assert!(said.contains(expected), "{said}");
}
