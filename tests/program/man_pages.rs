//! Tests the manual pages.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use crate::support::Program;

#[test]
fn each_command_has_a_manual_page_that_groff_renders_without_complaint() {
    let program = Program::new();
    fs::create_dir(program.path("man1")).unwrap();
    let written = program.run(&["man", "man1"]).done();
    let names: BTreeSet<&str> = written.lines().collect();
    for page in ["tokenpair", "tokenpair-user-add", "tokenpair-migrate"] {
        assert!(
            names.contains(format!("man1/{page}.1").as_str()),
            "{names:?}"
        );
    }
    assert!(!names.iter().any(|name| name.contains("help")), "{names:?}");
    let main = fs::read_to_string(program.path("man1/tokenpair.1")).unwrap();
    for section in [
        "NAME",
        "SYNOPSIS",
        "OPTIONS",
        "SUBCOMMANDS",
        "NOTES",
        "\"EXIT STATUS\"",
    ] {
        assert!(
            main.contains(&format!(".SH {section}\n")),
            "{section}: {main}"
        );
    }
    // Only where groff is, as on most machines with manual pages.
    if Command::new("groff")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_err()
    {
        return;
    }
    for name in names {
        let page = program.path(name);
        let groff = Command::new("groff")
            .args(["-man", "-ww", "-Kutf8", "-Tutf8"])
            .arg(&page)
            .output()
            .unwrap();
        assert!(groff.status.success());
        assert_eq!(String::from_utf8_lossy(&groff.stderr), "", "{name}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let refused = Program::new().run(&["man", "nowhere"]).failed();
    let expected = "there is no folder nowhere; create it first: mkdir -p nowhere";
    assert!(refused.contains(expected), "{refused}");
}
