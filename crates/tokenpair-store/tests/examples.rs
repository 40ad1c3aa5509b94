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

#[test]
fn every_example_does_what_its_head_says() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    example_walk::follow_all(Path::new(examples), &[]);
}
