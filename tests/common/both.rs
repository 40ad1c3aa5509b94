//! One test, two databases.

/// Runs each test on SQLite and on PostgreSQL. A test that is not named here is dead code, which clippy refuses.
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
