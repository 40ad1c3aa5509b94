//! Runs documented curl commands. Lines that begin with `#>` are the expected output of the line
//! before, with `…` for text that varies.

use std::net::SocketAddr;
use std::process::Command;

/// Runs the commands against the server at this address, which replaces 127.0.0.1:8080.
pub(crate) fn follow(walk: &str, server: SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    let script = walk.replace("127.0.0.1:8080", &server.to_string());
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said: Vec<&str> = walk
        .lines()
        .filter_map(|line| line.strip_prefix("#> "))
        .collect();
    assert_eq!(printed.lines().count(), said.len(), "{printed}");
    for (line, said) in printed.lines().zip(said) {
        assert!(
            is_as_said(line, said),
            "it is said\n{said}\nand the server says\n{line}"
        );
    }
}

/// Returns whether a line matches the expected output.
fn is_as_said(line: &str, said: &str) -> bool {
    let parts: Vec<&str> = said.split('…').collect();
    let mut rest = line;
    for (index, part) in parts.iter().enumerate() {
        let Some(found) = rest.find(part) else {
            return false;
        };
        if index == 0 && found != 0 {
            return false;
        }
        rest = &rest[found + part.len()..];
    }
    rest.is_empty() || said.ends_with('…')
}
