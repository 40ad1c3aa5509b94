//! The structure of the workspace: crates import downwards by their manifests, and files without cycles by these tests.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

mod imports;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use imports::Imports;

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

/// Returns the imports that are part of a cycle.
fn cycles(graph: &BTreeMap<&Path, BTreeSet<&Path>>) -> Vec<String> {
    let edges = graph
        .iter()
        .flat_map(|(file, imports)| imports.iter().map(move |import| (file, import)));
    let circular = edges.filter(|(file, import)| reachable(graph, import).contains(*file));
    let lines = circular.map(|(file, import)| format!("{} imports {}", shown(file), shown(import)));
    lines.collect()
}

fn reachable<'a>(
    graph: &BTreeMap<&'a Path, BTreeSet<&'a Path>>,
    from: &'a Path,
) -> BTreeSet<&'a Path> {
    let mut reached = BTreeSet::new();
    let mut next = vec![from];
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(graph[file].iter().copied());
        }
    }
    reached
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

#[test]
fn no_files_import_each_other_in_a_cycle() {
    let cycles = CRATES.iter().flat_map(|name| {
        let imports = Imports::of(&root().join(name).join("src"));
        cycles(&imports.graph())
    });
    let cycles = Vec::from_iter(cycles);
    assert!(cycles.is_empty(), "{}", cycles.join("\n"));
}

/// The codes in the reference's table, which is compared with the description of the API.
fn codes() -> Vec<String> {
    let page = fs::read_to_string(root().join("docs/reference/errors.md")).unwrap();
    let (_, table) = page.split_once("| code | status | what to do |\n").unwrap();
    let rows = table.lines().skip(1);
    let rows = rows.map_while(|line| line.strip_prefix("| "));
    let cells = rows.filter_map(|row| row.split('|').next());
    cells
        .flat_map(|cell| cell.split(','))
        .map(|code| code.trim().trim_matches('`').to_owned())
        .collect()
}

#[test]
fn the_codes_of_errors_stand_in_their_enums_alone() {
    let codes = codes();
    assert!(codes.len() > 40);
    let folders = ["src/server", "crates/tokenpair/src"];
    for path in folders
        .iter()
        .flat_map(|folder| sources(&root().join(folder)))
    {
        if path.ends_with("error_code.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let program = text.split("#[cfg(test)]").next().unwrap();
        for line in program.lines() {
            let line = line.trim_start();
            let found = codes
                .iter()
                .find(|code| line.contains(&format!("\"{code}\"")));
            assert!(
                found.is_none() || line.starts_with("//"),
                "{}: {line}",
                path.display()
            );
        }
    }
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
