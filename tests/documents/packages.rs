//! The packages hold their sources, examples, documentation and tests, and nothing else.

use super::cargo;

/// Returns the files of a package, by `cargo package`.
fn files(package: &str) -> Vec<String> {
    let list = ["package", "--list", "--offline", "--allow-dirty", "-p"];
    let list = cargo(&[&list[..], &[package]].concat());
    list.lines().map(str::to_owned).collect()
}

#[test]
fn packages_hold_sources_readmes_and_licences() {
    const MADE_BY_CARGO: [&str; 4] = [
        ".cargo_vcs_info.json",
        "Cargo.lock",
        "Cargo.toml",
        "Cargo.toml.orig",
    ];
    let wanted = [
        ("tokenpair", vec!["src/lib.rs", "examples/cookies.rs"]),
        (
            "tokenpair-store",
            vec!["src/lib.rs", "examples/accounts.rs", "migrations/"],
        ),
        (
            "tokenpair-server",
            vec!["src/main.rs", "docs/security.md", "examples/own_table.rs"],
        ),
    ];
    for (package, mut wanted) in wanted {
        wanted.extend(["README.md", "LICENSE-MIT", "LICENSE-APACHE"]);
        let files = files(package);
        for path in &wanted {
            let found = files.iter().any(|file| file.starts_with(path));
            assert!(found, "{package} lacks {path}: {files:#?}");
        }
        let folders = [
            "src/",
            "examples/",
            "tests/",
            "benches/",
            "migrations/",
            "docs/",
        ];
        for file in &files {
            let expected = file == "CHANGELOG.md"
                || MADE_BY_CARGO.contains(&file.as_str())
                || wanted.contains(&file.as_str())
                || folders.iter().any(|folder| file.starts_with(folder));
            assert!(expected, "{package} holds {file}");
        }
    }
}
