//! Tests the API over HTTP, with the server as `main` builds it, on SQLite and on PostgreSQL.
//!
//! Each file tests a group of routes. A test gets its database and starts a server on it.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

#[macro_use]
mod support;

mod account;
mod admin;
mod alerts;
mod at_rest;
mod attacks;
mod authority;
mod bad_tokens;
mod cache;
mod client_revocation;
mod client_script;
mod connections;
mod database_away;
mod database_wait;
mod device_cookie;
mod docs;
mod events;
mod flood;
mod forward_auth;
mod headers;
mod health;
mod http;
mod introspection;
mod keys;
mod login;
mod logout;
mod lost_answers;
mod metrics;
mod mounted;
mod openapi;
mod origins;
mod page;
mod page_forms;
mod page_settings;
mod passwords;
mod pooler;
mod protected;
mod proxies;
mod races;
mod rebinding;
mod refresh;
mod register;
mod reissue;
mod replaced;
mod replicas;
mod revocation;
mod session_state;
mod sessions;
mod statements;
mod throttle;
mod twins;
mod wire_format;
