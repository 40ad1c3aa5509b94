//! Tests the schema: one folder of migrations creates the same tables on both databases, up, down
//! and up again, and they match Diesel's tables.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use diesel::sql_types::{Bool, Text};
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};
use tokenpair::session::{Delivery, SessionStore};
use tokenpair_store::{DatabaseUrl, DieselStore, StorePolicy};

use crate::database::{Backend, Database};
use crate::wait::within;

/// Table and column, with the column's type and whether it may be NULL.
type Columns = BTreeMap<(String, String), (String, bool)>;

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
    #[diesel(sql_type = Text)]
    data_type: String,
    #[diesel(sql_type = Bool)]
    nullable: bool,
}

fn columns_of(url: &str) -> Columns {
    let rows: Vec<Column> = if let Some(path) = url.strip_prefix("sqlite://") {
        let query = "SELECT t.name AS table_name, c.name AS column_name, c.type AS data_type, c.\"notnull\" = 0 AS nullable \
                     FROM sqlite_master t, pragma_table_info(t.name) c \
                     WHERE t.type = 'table' AND t.name NOT LIKE '\\_\\_%' ESCAPE '\\'";
        sql_query(query)
            .load(&mut SqliteConnection::establish(path).unwrap())
            .unwrap()
    } else {
        let query = "SELECT table_name::text, column_name::text, data_type::text, is_nullable = 'YES' AS nullable \
                     FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_%'";
        sql_query(query)
            .load(&mut PgConnection::establish(url).unwrap())
            .unwrap()
    };
    let place = |row: &Column| (row.table_name.clone(), row.column_name.clone());
    rows.iter()
        .map(|row| (place(row), (row.data_type.to_lowercase(), row.nullable)))
        .collect()
}

fn store(database: &Database) -> DieselStore {
    let url = DatabaseUrl::parse(&database.url()).unwrap();
    DieselStore::open(
        &url,
        StorePolicy {
            pool: 2,
            ..StorePolicy::default()
        },
    )
    .unwrap()
}

/// Migrates up, down to nothing, and up again, and returns the columns.
fn up_down_up(backend: Backend) -> Columns {
    let database = Database::create(backend);
    let store = store(&database);
    let names = store.pending_migrations().unwrap();
    assert!(!names.is_empty());
    assert_eq!(store.migrate().unwrap(), names);
    assert!(store.pending_migrations().unwrap().is_empty());
    assert!(
        store.migrate().unwrap().is_empty(),
        "a second run has nothing to do"
    );
    let first = columns_of(&database.url());
    store.revert_all_migrations().unwrap();
    assert!(
        columns_of(&database.url()).is_empty(),
        "down leaves nothing"
    );
    store.migrate().unwrap();
    assert_eq!(columns_of(&database.url()), first);
    first
}

#[test]
fn both_databases_have_the_same_columns_after_up_down_and_up() {
    let (sqlite, postgres) = (up_down_up(Backend::Sqlite), up_down_up(Backend::Postgres));
    assert_eq!(sqlite, postgres);
    let mut kinds: Vec<&str> = sqlite.values().map(|(kind, _)| kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(
        kinds,
        ["bigint", "boolean", "text"],
        "the types that are alike on both"
    );
}

/// Reads `users`, `id`, `Text` from the text of schema.rs.
fn columns_of_the_schema() -> Columns {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/schema.rs");
    let text = fs::read_to_string(path).unwrap();
    let mut columns = Columns::new();
    for table in text.split("diesel::table! {").skip(1) {
        let name = table.split('(').next().unwrap().trim();
        for line in table
            .lines()
            .take_while(|line| *line != "}")
            .filter(|line| line.contains("->"))
        {
            let (column, kind) = line
                .trim()
                .trim_end_matches(',')
                .split_once(" -> ")
                .unwrap();
            let bare = kind.trim_start_matches("Nullable<").trim_end_matches('>');
            let kind = match bare {
                "Bool" => "boolean".to_owned(),
                other => other.to_lowercase(),
            };
            columns.insert(
                (name.to_owned(), column.to_owned()),
                (kind, line.contains("Nullable<")),
            );
        }
    }
    columns
}

#[test]
fn the_tables_that_diesel_knows_are_those_that_the_migrations_make() {
    assert_eq!(columns_of_the_schema(), up_down_up(Backend::Sqlite));
}

#[test]
fn replicas_that_start_together_migrate_once() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let database = Database::create(backend);
        let runs: Vec<usize> = std::thread::scope(|scope| {
            let replicas: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| store(&database).migrate().unwrap().len()))
                .collect();
            replicas
                .into_iter()
                .map(|replica| replica.join().unwrap())
                .collect()
        });
        assert_eq!(
            runs.iter().filter(|run| **run > 0).count(),
            1,
            "{backend:?}: {runs:?}"
        );
    }
}

#[test]
fn a_user_s_sessions_go_with_the_user() {
    let insert = [
        "INSERT INTO users VALUES ('u', 'ada', 'ada', '', '', 0, 0, NULL)",
        "INSERT INTO sessions VALUES ('s', 'u', 0, 1, NULL, FALSE, 0, NULL, NULL, '', FALSE, 0, 0, 0, NULL, NULL, NULL, NULL, 'cookies')",
        "DELETE FROM users",
    ];
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let database = Database::create(backend);
        store(&database).migrate().unwrap();
        let url = database.url();
        let left: i64 = if let Some(path) = url.strip_prefix("sqlite://") {
            let mut conn = SqliteConnection::establish(path).unwrap();
            sql_query("PRAGMA foreign_keys = ON")
                .execute(&mut conn)
                .unwrap();
            insert
                .iter()
                .for_each(|statement| assert!(sql_query(*statement).execute(&mut conn).is_ok()));
            sql_query("SELECT count(*) AS n FROM sessions")
                .get_result::<Count>(&mut conn)
                .unwrap()
                .n
        } else {
            let mut conn = PgConnection::establish(&url).unwrap();
            insert
                .iter()
                .for_each(|statement| assert!(sql_query(*statement).execute(&mut conn).is_ok()));
            sql_query("SELECT count(*) AS n FROM sessions")
                .get_result::<Count>(&mut conn)
                .unwrap()
                .n
        };
        assert_eq!(left, 0, "{backend:?}");
    }
}

/// A server of an earlier version may still run while this one has already migrated.
#[actix_web::test]
async fn a_session_of_a_server_that_does_not_know_of_deliveries_is_a_browser_s() {
    let insert = [
        "INSERT INTO users VALUES ('u', 'ada', 'ada', '', '', 0, 0, NULL)",
        "INSERT INTO sessions (id, user_id, epoch, generation, previous_barred, rotated_at, seed, remember, created_at, \
         last_used_at, expires_at) VALUES ('s', 'u', 0, 1, FALSE, 0, '', FALSE, 0, 0, 0)",
    ];
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let database = Database::create(backend);
        let store = store(&database);
        store.migrate().unwrap();
        for statement in insert {
            let done = match database.url().strip_prefix("sqlite://") {
                Some(path) => {
                    sql_query(statement).execute(&mut SqliteConnection::establish(path).unwrap())
                }
                None => sql_query(statement)
                    .execute(&mut PgConnection::establish(&database.url()).unwrap()),
            };
            assert_eq!(done.unwrap(), 1);
        }
        let record = store.load("s").await.unwrap().unwrap();
        assert_eq!(record.session.delivery, Delivery::Cookies, "{backend:?}");
    }
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n: i64,
}

#[test]
fn a_refresh_changes_no_column_that_an_index_is_on() {
    let database = Database::create(Backend::Postgres);
    store(&database).migrate().unwrap();
    #[derive(QueryableByName)]
    struct Index {
        #[diesel(sql_type = Text)]
        indexdef: String,
    }
    let query = "SELECT indexdef FROM pg_indexes WHERE tablename = 'sessions' ORDER BY indexdef";
    let indexes: Vec<Index> = sql_query(query)
        .load(&mut PgConnection::establish(&database.url()).unwrap())
        .unwrap();
    let columns: Vec<&str> = indexes
        .iter()
        .map(|index| {
            index
                .indexdef
                .rsplit_once('(')
                .unwrap()
                .1
                .trim_end_matches(')')
        })
        .collect();
    assert_eq!(columns, ["expires_at", "user_id", "id"]);
}

/// A newer replica migrates while the other waits for the lock.
#[test]
fn a_replica_that_waits_behind_a_newer_one_migrates_nothing() {
    let database = Database::create(Backend::Postgres);
    let mut newer = PgConnection::establish(&database.url()).unwrap();
    let mut run = |statement: &str| sql_query(statement).execute(&mut newer).unwrap();
    run("BEGIN");
    run("SELECT pg_advisory_xact_lock(7305816620172804)");
    run(
        "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY, run_on TIMESTAMP DEFAULT now())",
    );
    run("INSERT INTO __diesel_schema_migrations VALUES ('20990101000000')");
    let store = store(&database);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| store.migrate());
        let locks = "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        within(20, "the other waits", || database.numbers(locks) == [1]);
        run("COMMIT");
        let refused = waiting.join().unwrap().unwrap_err();
        assert!(refused.to_string().contains("20990101000000"), "{refused}");
    });
    assert_eq!(columns_of(&database.url()), Columns::new());
}
