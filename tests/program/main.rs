//! Tests the program as a person or a container runs it: its commands, its settings, and the
//! README.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

#[macro_use]
#[path = "../common/both.rs"]
mod both;
#[allow(dead_code, reason = "shared with other tests, which use the rest")]
#[path = "../common/database.rs"]
mod database;
#[allow(dead_code, reason = "shared with other tests, which use the rest")]
#[path = "../common/exchange.rs"]
mod exchange;
#[allow(dead_code, reason = "shared with other tests, which use the rest")]
#[path = "../common/jar.rs"]
mod jar;
#[path = "../common/python.rs"]
mod python;
#[allow(dead_code, reason = "shared with other tests, which use the rest")]
#[path = "../common/receiver.rs"]
mod receiver;
mod support;
#[path = "../common/wait.rs"]
mod wait;
#[path = "../common/walk.rs"]
mod walk;

mod backup;
mod cli;
mod client_commands;
mod clocks;
mod complaints;
mod containers;
mod crash;
mod deployment;
mod description;
mod doctor;
mod doctor_addresses;
mod exit_codes;
mod explain;
mod export;
mod file_limits;
mod forward_auth;
mod greeting;
mod import;
mod json_log;
mod json_output;
mod key_settings;
mod keys;
mod logs;
mod man_pages;
mod metrics;
mod migrations;
mod moving;
mod network_settings;
mod no_answer;
mod passwords;
mod proxy;
mod read_only;
mod readme;
mod restore;
mod setting_values;
mod settings;
mod sources;
mod start;
mod stop;
mod systemd;
mod terminal;
mod tls;
mod trace_headers;
mod user_commands;
mod user_races;
mod webhook;
