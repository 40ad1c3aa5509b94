//! Defines a [`Table`] as its database describes it, for copying rows whose columns are not known
//! here. A row travels as a JSON array, which both databases read and write.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Text};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::connection::{Conn, on_its_own};

/// Rows that are read or written at once, so that memory stays bounded.
const PAGE: usize = 500;

const MIGRATIONS: &str = "__diesel_schema_migrations";

/// The reason a table cannot be copied.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TableError {
    /// The two databases have other columns.
    #[error("the table {0} has other columns in the target")]
    OtherColumns(String),
    /// A column has a type that is not copied.
    #[error("the column {table}.{column} has the type {kind}, which cannot be copied")]
    Type {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Its type.
        kind: String,
    },
    /// Rows are read in the order of a key of one column.
    #[error("the table {0} has no primary key of one column")]
    Key(String),
    /// Tables refer to each other.
    #[error("the tables {0} refer to each other")]
    Circle(String),
    /// The database wrote a row that is not JSON.
    #[error("a row of the table {0} cannot be read")]
    Row(String),
}

/// A table, with all its columns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    /// By name.
    columns: Vec<Column>,
    key: Column,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Column {
    name: String,
    kind: String,
}

/// A row, as the database wrote it.
#[derive(QueryableByName)]
pub(super) struct Row {
    /// The primary key, as text.
    #[diesel(sql_type = Text)]
    pub(super) key: String,
    /// The values in the order of the columns: a JSON array.
    #[diesel(sql_type = Text)]
    json: String,
}

/// The number of rows, and the sum of their hashes: the databases sort text in different orders.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Digest {
    pub(super) rows: u64,
    sum: [u64; 4],
}

impl Digest {
    pub(super) fn add(&mut self, table: &str, row: &Row) -> Result<(), TableError> {
        // The databases separate values and escape characters in different ways.
        let values: Value =
            serde_json::from_str(&row.json).map_err(|_| TableError::Row(table.to_owned()))?;
        let hash = Sha256::digest(values.to_string());
        for (sum, bytes) in self.sum.iter_mut().zip(hash.chunks(8)) {
            let word = bytes
                .iter()
                .fold(0, |word, byte| (word << 8) | u64::from(*byte));
            *sum = sum.wrapping_add(word);
        }
        self.rows += 1;
        Ok(())
    }
}

#[derive(QueryableByName)]
struct Described {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Bool)]
    is_key: bool,
}

#[derive(QueryableByName)]
struct Reference {
    #[diesel(sql_type = Text)]
    child: String,
    #[diesel(sql_type = Text)]
    parent: String,
}

#[derive(QueryableByName)]
struct Schema {
    #[diesel(sql_type = Text)]
    schema: String,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// The columns of all tables of a database, and which of them are the primary key.
pub(super) struct Tables(BTreeMap<String, Vec<(Column, bool)>>);

/// Returns every table of the database, of other programs too.
pub(super) fn all(conn: &mut Conn) -> QueryResult<Tables> {
    let query = on_its_own!(
        conn,
        postgres: _ => {
            "SELECT t.relname::text AS table_name, a.attname::text AS column_name, \
             upper(format_type(a.atttypid, NULL)) AS kind, \
             coalesce(a.attnum = ANY (i.indkey), false) AS is_key \
             FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped \
             LEFT JOIN pg_index i ON i.indrelid = t.oid AND i.indisprimary \
             WHERE t.relkind = 'r' AND pg_table_is_visible(t.oid) \
             AND t.relnamespace <> 'pg_catalog'::regnamespace ORDER BY 1, 2"
        },
        sqlite: _ => {
            "SELECT t.name AS table_name, c.name AS column_name, upper(c.type) AS kind, c.pk > 0 AS is_key \
             FROM sqlite_master t JOIN pragma_table_info(t.name) c \
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY 1, 2"
        },
    );
    let mut tables = BTreeMap::new();
    for row in sql_query(query).load::<Described>(conn)? {
        let column = Column {
            name: row.column_name,
            kind: row.kind,
        };
        let columns: &mut Vec<_> = tables.entry(row.table_name).or_default();
        columns.push((column, row.is_key));
    }
    Ok(Tables(tables))
}

/// Returns the names of the tables that the target has and the source does not.
pub(super) fn foreign(source: &BTreeSet<String>, target: &BTreeSet<String>) -> Vec<String> {
    let others = target.difference(source);
    others.filter(|name| *name != MIGRATIONS).cloned().collect()
}

/// Returns the names of the tables in the schema in use, except those of PostgreSQL's extensions.
pub(super) fn all_names(conn: &mut Conn) -> QueryResult<BTreeSet<String>> {
    let query = on_its_own!(
        conn,
        postgres: _ => {
            "SELECT t.relname::text AS name FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace \
             WHERE t.relkind IN ('r', 'p', 'f') AND n.nspname = current_schema() AND NOT EXISTS \
             (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = t.oid AND d.deptype = 'e')"
        },
        sqlite: _ => {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        },
    );
    let rows = sql_query(query).load::<Name>(conn)?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

/// Returns the tables that both databases have. A table of another program is in one of them.
pub(super) fn common(source: &Tables, target: &Tables) -> Result<Vec<Table>, TableError> {
    let both = source.0.iter().filter_map(|(name, columns)| {
        let theirs = target.0.get(name).filter(|_| name != MIGRATIONS)?;
        Some((name, columns, theirs))
    });
    both.map(|(name, columns, theirs)| {
        let mut names: Vec<_> = columns.iter().collect();
        let mut others: Vec<_> = theirs.iter().collect();
        names.sort_by(|one, other| one.0.name.cmp(&other.0.name));
        others.sort_by(|one, other| one.0.name.cmp(&other.0.name));
        if names != others {
            return Err(TableError::OtherColumns(name.clone()));
        }
        Table::of(name, &names)
    })
    .collect()
}

/// Sorts the tables so that each follows those it refers to.
pub(super) fn parents_first(
    conn: &mut Conn,
    tables: Vec<Table>,
) -> QueryResult<Result<Vec<Table>, TableError>> {
    let query = on_its_own!(
        conn,
        postgres: _ => {
            "SELECT c.relname::text AS child, p.relname::text AS parent FROM pg_constraint f \
             JOIN pg_class c ON c.oid = f.conrelid JOIN pg_class p ON p.oid = f.confrelid WHERE f.contype = 'f'"
        },
        sqlite: _ => {
            "SELECT t.name AS child, f.\"table\" AS parent \
             FROM sqlite_master t JOIN pragma_foreign_key_list(t.name) f WHERE t.type = 'table'"
        },
    );
    let references = sql_query(query).load::<Reference>(conn)?;
    Ok(sorted(tables, &references))
}

fn sorted(mut left: Vec<Table>, references: &[Reference]) -> Result<Vec<Table>, TableError> {
    let mut sorted: Vec<Table> = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let waiting: BTreeSet<String> = left.iter().map(|table| table.name.clone()).collect();
        let waits = |table: &Table| {
            references.iter().any(|reference| {
                reference.child == table.name
                    && reference.parent != table.name
                    && waiting.contains(&reference.parent)
            })
        };
        let (still, ready): (Vec<_>, Vec<_>) = left.into_iter().partition(waits);
        if ready.is_empty() {
            return Err(TableError::Circle(names(&still)));
        }
        sorted.extend(ready);
        left = still;
    }
    Ok(sorted)
}

/// Returns how many other clients are connected to the database. SQLite's file is locked instead.
pub(super) fn other_connections(conn: &mut Conn) -> QueryResult<i64> {
    let query = on_its_own!(
        conn,
        postgres: _ => {
            "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() \
             AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        },
        sqlite: _ => "SELECT 0 AS n",
    );
    Ok(sql_query(query).get_result::<Number>(conn)?.n)
}

/// Takes an advisory lock of PostgreSQL's database until the end of the transaction. Returns the
/// schema of the tables.
pub(super) fn take_advisory_lock(conn: &mut Conn, key: i64) -> QueryResult<String> {
    let lock =
        "SELECT coalesce(current_schema()::text, '') AS schema FROM pg_advisory_xact_lock($1)";
    let taken = sql_query(lock).bind::<BigInt, _>(key);
    Ok(taken.get_result::<Schema>(conn)?.schema)
}

/// Returns whether another transaction holds no such lock in the database and the schema of this
/// connection.
pub(super) fn is_lock_free(conn: &mut Conn, key: i64, schema: &str) -> QueryResult<bool> {
    let try_lock = "SELECT CASE WHEN pg_try_advisory_xact_lock($1) OR coalesce(current_schema()::text, '') <> $2 \
                    THEN 1 ELSE 0 END::bigint AS n";
    let tried = sql_query(try_lock)
        .bind::<BigInt, _>(key)
        .bind::<Text, _>(schema);
    Ok(tried.get_result::<Number>(conn)?.n == 1)
}

/// Returns the names of the tables, for a statement.
pub(super) fn names(tables: &[Table]) -> String {
    let names = tables.iter().map(|table| quoted(&table.name));
    names.collect::<Vec<_>>().join(", ")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Table {
    fn of(name: &str, columns: &[&(Column, bool)]) -> Result<Self, TableError> {
        let known = |kind: &str| ["TEXT", "BIGINT", "BOOLEAN"].contains(&kind);
        if let Some((column, _)) = columns.iter().find(|(column, _)| !known(&column.kind)) {
            return Err(TableError::Type {
                table: name.to_owned(),
                column: column.name.clone(),
                kind: column.kind.clone(),
            });
        }
        let keys: Vec<_> = columns.iter().filter(|(_, is_key)| *is_key).collect();
        let [(key, _)] = keys.as_slice() else {
            return Err(TableError::Key(name.to_owned()));
        };
        Ok(Self {
            name: name.to_owned(),
            columns: columns.iter().map(|(column, _)| column.clone()).collect(),
            key: key.clone(),
        })
    }

    fn list(&self, each: impl Fn(usize, &Column) -> String) -> String {
        let columns = self.columns.iter().enumerate();
        let texts: Vec<_> = columns.map(|(index, column)| each(index, column)).collect();
        texts.join(", ")
    }

    /// Returns the rows that follow a key, in the order of the key.
    pub(super) fn page(&self, conn: &mut Conn, after: Option<&str>) -> QueryResult<Vec<Row>> {
        let (table, key, kind) = (quoted(&self.name), quoted(&self.key.name), &self.key.kind);
        let query = |json: String, parameter: &str| {
            let following = match after {
                Some(_) => format!("WHERE {key} > CAST({parameter} AS {kind})"),
                // Every statement has the parameter.
                None => format!("WHERE {parameter} = ''"),
            };
            format!(
                "SELECT CAST({key} AS TEXT) AS key, {json} AS json FROM {table} {following} ORDER BY {key} LIMIT {PAGE}"
            )
        };
        let after = after.unwrap_or_default();
        on_its_own!(
            conn,
            postgres: conn => {
                let json = self.list(|_, column| quoted(&column.name));
                sql_query(query(format!("CAST(json_build_array({json}) AS TEXT)"), "$1"))
                    .bind::<Text, _>(after)
                    .load(conn)
            },
            sqlite: conn => {
                let json = self.list(|_, column| {
                    let name = quoted(&column.name);
                    match column.kind.as_str() {
                        "BOOLEAN" => format!(
                            "json(CASE WHEN {name} IS NULL THEN 'null' WHEN {name} THEN 'true' ELSE 'false' END)"
                        ),
                        _ => name,
                    }
                });
                sql_query(query(format!("json_array({json})"), "?"))
                    .bind::<Text, _>(after)
                    .load(conn)
            },
        )
    }

    /// Inserts these rows.
    pub(super) fn insert(&self, conn: &mut Conn, rows: &[Row]) -> QueryResult<()> {
        let rows: Vec<&str> = rows.iter().map(|row| row.json.as_str()).collect();
        let json = format!("[{}]", rows.join(","));
        let into = format!(
            "INSERT INTO {} ({})",
            quoted(&self.name),
            self.list(|_, column| quoted(&column.name))
        );
        on_its_own!(
            conn,
            postgres: conn => {
                let values =
                    self.list(|index, column| format!("CAST(value->>{index} AS {})", column.kind));
                sql_query(format!("{into} SELECT {values} FROM json_array_elements(CAST($1 AS json))"))
                    .bind::<Text, _>(json)
                    .execute(conn)
            },
            sqlite: conn => {
                let values = self.list(|index, _| format!("json_extract(value, '$[{index}]')"));
                sql_query(format!("{into} SELECT {values} FROM json_each(?)"))
                    .bind::<Text, _>(json)
                    .execute(conn)
            },
        )
        .map(|_| ())
    }
}
