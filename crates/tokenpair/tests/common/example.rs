//! The examples, as cargo has built them.

use std::path::{Path, PathBuf};

/// Cargo puts examples beside the folder of the tests, and builds them for `cargo test`, but for no test alone.
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
