//! Implements the signing secret that the server creates on its first start, in a file that only
//! its owner can read.

use std::fs;
use std::io;
use std::path::Path;

use crate::keys::files;
use tokenpair::random::random_text;

/// Length of the secret, enough for any algorithm (RFC 7518 section 3.2).
const LEN: usize = 64;

/// Returns the secret. `None` if it has not been created.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// Creates the secret. Writes it under another name first, so that of two servers that start
/// together one creates it and both read it whole.
pub(super) fn make(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        files::make_folder(folder)?;
    }
    let draft = files::draft(path, &random_text(LEN))?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
