//! What is written about the code agrees with it: READMEs, lists, and the files and tests that pages name.
//!
//! Generated files are rewritten by `UPDATE_DOCUMENTS=1 cargo test --test documents`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

mod client_script;
#[allow(dead_code, reason = "shared with other tests, which use the rest")]
#[path = "../common/exchange.rs"]
mod exchange;
mod links;
mod markdown;
mod packages;
mod paths;
mod public_api;
mod readmes;
mod reference;
mod rust_version;
mod security_table;
#[allow(
    dead_code,
    reason = "shared with the tests of the program, which use the rest"
)]
#[path = "../program/support.rs"]
mod support;
mod translations;
#[path = "../common/wait.rs"]
mod wait;
mod workflows;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The folder of each library crate.
const LIBRARIES: [&str; 2] = ["crates/tokenpair", "crates/tokenpair-store"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns the files directly in a folder, sorted, as paths from the root.
fn files(folder: &str, extension: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let paths = entries.map(|entry| PathBuf::from(folder).join(entry.unwrap().file_name()));
    let files = paths.filter(|path| path.extension().is_some_and(|found| found == extension));
    let mut files: Vec<String> = files.map(|path| path.display().to_string()).collect();
    files.sort();
    files
}

/// Runs a cargo command in the workspace and returns its output.
fn cargo(arguments: &[&str]) -> String {
    let output = std::process::Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Fails if a generated file is not as wanted. With `UPDATE_DOCUMENTS` in the environment, rewrites it instead.
fn check_generated(path: &str, wanted: &str) {
    if env::var_os("UPDATE_DOCUMENTS").is_some() {
        fs::write(root().join(path), wanted).unwrap();
        return;
    }
    let found = fs::read_to_string(root().join(path)).unwrap_or_default();
    assert!(
        found == wanted,
        "{path} is out of date; run UPDATE_DOCUMENTS=1 cargo test --test documents\n{}",
        changed_lines(&found, wanted)
    );
}

fn changed_lines(found: &str, wanted: &str) -> String {
    let [old, new] = [found, wanted].map(|text| text.lines().collect::<BTreeSet<&str>>());
    let removed = old.difference(&new).map(|line| format!("- {line}"));
    let added = new.difference(&old).map(|line| format!("+ {line}"));
    removed.chain(added).collect::<Vec<String>>().join("\n")
}
