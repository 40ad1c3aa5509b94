//! Tests that the page about the rules, and its picture, match the simulation.

#![allow(missing_docs, clippy::unwrap_used, reason = "test helpers")]

use std::fs;
use std::path::Path;

#[path = "../examples/session_rules/main.rs"]
#[allow(dead_code, reason = "its main, which only cargo run calls")]
mod session_rules;

#[test]
fn the_page_and_its_picture_are_what_the_simulation_gives() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let page = fs::read_to_string(docs.join("session_rules.md")).unwrap();
    let picture = fs::read_to_string(docs.join("session_rules.svg")).unwrap();
    let (tables, drawn) = session_rules::report();
    let again = "cargo run --release --example session_rules -- --write docs";
    assert_eq!(
        session_rules::put_into(&page, &tables).unwrap(),
        page,
        "{again}"
    );
    assert!(picture == drawn, "the picture is an old one: {again}");
}
