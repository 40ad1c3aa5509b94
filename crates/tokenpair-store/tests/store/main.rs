//! Tests the stores: their common contract, and the tables that the migrations create.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

#[allow(dead_code, reason = "shared with other tests, which use the rest")]
#[path = "../shared/database.rs"]
mod database;

#[path = "../shared/wait.rs"]
mod wait;

mod contract;
mod end_all;
mod fixture;
mod lost;
mod migrations;
mod quiet;
mod replaced;
#[cfg(feature = "postgres-tls")]
mod tls;
mod together;
mod users;
