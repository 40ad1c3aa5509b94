//! Tests the examples: starts each, and runs the curl commands in its head comment.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

#[path = "shared/example.rs"]
mod example;
#[path = "shared/example_walk.rs"]
mod example_walk;
#[path = "shared/walk.rs"]
mod walk;

use std::path::Path;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// The Flask flow has its own tests, the simulation is not a server, and the bare handler is for
/// measuring.
const WITHOUT_A_WALK: [&str; 3] = ["bare", "flask_flow", "session_rules"];

#[test]
fn every_example_does_what_its_head_says() {
    example_walk::follow_all(Path::new(EXAMPLES), &WITHOUT_A_WALK);
}
