//! Provides the tools of the tests: a server per test, and clients.

mod app;
#[macro_use]
#[path = "../../common/both.rs"]
mod both;
mod bouncer;
mod client;
mod cluster;
#[allow(dead_code, reason = "shared with other tests, which use the rest")]
#[path = "../../common/database.rs"]
mod database;
mod description;
#[path = "../../common/exchange.rs"]
mod exchange;
mod held;
#[path = "../../common/jar.rs"]
mod jar;
pub(crate) mod jwt;
#[path = "../../common/openssl.rs"]
mod openssl;
pub(crate) mod pair;
#[path = "../../common/python.rs"]
pub(crate) mod python;
#[path = "../../common/receiver.rs"]
pub(crate) mod receiver;
pub(crate) mod recorder;
#[path = "../../common/wait.rs"]
mod wait;
mod wire;

pub(crate) use app::{START, TestApp, block_on, settings_for};
pub(crate) use bouncer::Bouncer;
pub(crate) use client::{Bearer, Browser};
pub(crate) use cluster::Cluster;
pub(crate) use database::{Backend, Database, as_superuser, postgres_programs};
pub(crate) use description::Description;
pub(crate) use exchange::{ADA, Request, Response, SECRET};
pub(crate) use held::Held;
pub(crate) use jar::{Jar, Tabs};
pub(crate) use wait::within;
pub(crate) use wire::Wire;

/// Asserts that the database was unavailable, and that no cookie was removed.
#[track_caller]
pub(crate) fn unavailable(response: &Response) {
    response.refused(503, "unavailable", "Temporarily unavailable");
    assert!(response.header("retry-after").is_some());
    assert_eq!(response.json()["retry_after"], 1);
    assert!(response.cookies().is_empty(), "nobody is logged out");
}
