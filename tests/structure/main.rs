//! The files of the workspace: each says what it is for.

#![allow(missing_docs, clippy::unwrap_used, reason = "test helpers")]

use std::fs;
use std::path::{Path, PathBuf};

const CRATES: [&str; 3] = [".", "crates/tokenpair", "crates/tokenpair-store"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let sources = paths.flat_map(|path| {
        if path.is_dir() {
            return sources(&path);
        }
        let ours = path.extension().is_some_and(|extension| extension == "rs");
        Vec::from_iter(ours.then_some(path))
    });
    sources.collect()
}

#[test]
fn every_file_says_what_it_is_for_and_none_is_too_long() {
    for (folder, limit) in [("src", 400), ("examples", 400), ("tests", 700)] {
        let folders = CRATES.iter().map(|name| root().join(name).join(folder));
        for path in folders.flat_map(|folder| sources(&folder)) {
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("//! "), "{}", path.display());
            let lines = text.lines().count();
            assert!(
                lines <= limit,
                "{} has {lines} lines, more than {limit}",
                path.display()
            );
        }
    }
}
