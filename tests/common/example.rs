//! Finds the programs of the examples that Cargo has built.

use std::path::{Path, PathBuf};

/// Returns the program of an example. Cargo puts examples beside the folder of the tests. It builds
/// them for a plain `cargo test`, but not for `cargo test --test NAME`.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let built = test.parent().and_then(Path::parent).unwrap();
    let program = built.join("examples").join(name);
    assert!(
        program.exists(),
        "{} is not built: cargo build --examples",
        program.display()
    );
    program
}
