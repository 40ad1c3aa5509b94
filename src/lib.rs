//! Implements the tokenpair server: accounts, routes and settings on top of the crates `tokenpair`
//! and `tokenpair-store`.
//!
//! The program calls [`cli::main`]; tests and benchmarks build [`server::Server`] as the program
//! does. An app of your own mounts the routes of accounts and sessions with
//! [`server::AccountRoutes`]. Modules import only from modules below them: `printable`; `command`;
//! `authorities`; [`keys`]; [`config`];
//! [`server`]; [`cli`].

mod authorities;
mod causes;
pub mod cli;
mod command;
pub mod config;
pub mod keys;
mod no_answer;
mod printable;
pub mod server;

/// Compiles the Rust code in the guide.
#[cfg(doctest)]
#[doc = include_str!("../docs/coming-from-flask.md")]
mod coming_from_flask {}
