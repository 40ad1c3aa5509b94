//! What tests are written with: a server of one's own, and actors who talk to it.

mod app;
mod client;
#[path = "../../common/database.rs"]
mod database;
pub(crate) mod jwt;

pub(crate) use app::{ADA, START, TestApp, block_on};
pub(crate) use client::{Bearer, Browser, Response};
pub(crate) use database::{Backend, Database, as_superuser};

/// Runs each test on SQLite and on PostgreSQL. A test that is not named here is dead code, which clippy refuses.
macro_rules! on_both_databases {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[test] fn $test() { super::$test($crate::support::Backend::Sqlite); })*
        }
        mod on_postgres {
            $(#[test] fn $test() { super::$test($crate::support::Backend::Postgres); })*
        }
    };
}
