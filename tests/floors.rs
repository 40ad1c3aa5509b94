//! The house stands: a module imports only from floors below it.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "test helpers"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each module, and the modules it may import.
const FLOORS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("json", &[]),
    ("random", &[]),
    ("printable", &[]),
    ("keys", &["clock"]),
    ("token", &["clock", "json", "keys"]),
    ("password", &["clock", "random"]),
    ("throttle", &["clock"]),
    ("session", &["clock", "random", "token"]),
    (
        "web",
        &["clock", "json", "keys", "random", "session", "token"],
    ),
    (
        "store",
        &["clock", "password", "session", "throttle", "token"],
    ),
    ("config", &["keys", "session", "token", "web"]),
    ("testing", &["clock", "keys", "session", "token", "web"]),
    ("key_folder", &["clock", "keys", "random"]),
    (
        "settings",
        &[
            "clock",
            "config",
            "key_folder",
            "keys",
            "password",
            "session",
            "store",
            "throttle",
            "token",
            "web",
        ],
    ),
    (
        "server",
        &[
            "clock",
            "json",
            "key_folder",
            "keys",
            "password",
            "printable",
            "random",
            "session",
            "settings",
            "store",
            "throttle",
            "token",
            "web",
        ],
    ),
    (
        "cli",
        &[
            "clock",
            "key_folder",
            "keys",
            "password",
            "printable",
            "server",
            "session",
            "settings",
            "store",
            "token",
            "web",
        ],
    ),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                sources(&path)
            } else {
                let ours = path.extension().is_some_and(|extension| extension == "rs");
                Vec::from_iter(ours.then_some(path))
            }
        })
        .collect()
}

/// The first name after each `crate::`, comments left out.
fn imports(text: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let names = code.split("crate::").skip(1);
    names
        .map(|rest| {
            rest.chars()
                .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                .collect()
        })
        .collect()
}

#[test]
fn every_module_imports_only_from_floors_below_it() {
    let floors: BTreeMap<&str, &[&str]> = FLOORS.iter().copied().collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = BTreeSet::new();
    for path in sources(&root) {
        let place = path.strip_prefix(&root).unwrap();
        let module = place
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs")
            .to_owned();
        if matches!(module.as_str(), "lib" | "main") {
            continue;
        }
        let Some(allowed) = floors.get(module.as_str()) else {
            panic!("{module} has no floor")
        };
        for import in imports(&fs::read_to_string(&path).unwrap()) {
            let fine = import == module || allowed.contains(&import.as_str());
            assert!(
                fine,
                "{}: {module} must not import {import:?}",
                place.display()
            );
        }
        seen.insert(module);
    }
    assert_eq!(seen.len(), FLOORS.len(), "a floor without a module");
}

#[test]
fn every_file_says_what_it_is_for_and_none_is_too_long() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in ["src", "tests", "examples"]
        .iter()
        .flat_map(|folder| sources(&root.join(folder)))
        .filter(|path| path.extension().is_some_and(|kind| kind == "rs"))
    {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{}", path.display());
        let limit = if path.starts_with(root.join("tests")) {
            700
        } else {
            400
        };
        assert!(
            text.lines().count() <= limit,
            "{} has more than {limit} lines",
            path.display()
        );
    }
}
