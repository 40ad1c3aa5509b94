//! Runs each test on both databases.

/// Runs each test on SQLite and on PostgreSQL. A test that is not listed is dead code, which clippy
/// rejects.
macro_rules! on_both_databases {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[test] fn $test() { super::$test(super::Backend::Sqlite); })*
        }
        mod on_postgres {
            $(#[test] fn $test() { super::$test(super::Backend::Postgres); })*
        }
    };
}
