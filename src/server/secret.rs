//! The signing secret: from the settings, or made on the first start and kept in a file that only its owner reads.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::StartError;
use crate::keys::KeyRing;
use crate::random::random_text;
use crate::settings::{Secret, Settings};

/// Enough for any algorithm (RFC 7518 section 3.2).
const LEN: usize = 64;

pub(super) fn key_ring(settings: &Settings) -> Result<KeyRing, StartError> {
    let secret = match &settings.secret {
        Secret::Given(_) => settings.secret.given().unwrap_or_default().to_vec(),
        Secret::Kept(path) => kept(path).map_err(|source| StartError::Secret {
            path: path.display().to_string(),
            source,
        })?,
    };
    Ok(KeyRing::from_secret(settings.algorithm, &secret)?)
}

fn kept(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path)?,
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    warn_if_readable(path)?;
    fs::read(path)
}

/// Written under another name first: of two servers that start together one makes the secret and both read it whole.
fn make(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let draft = path.with_extension(random_text(8));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(random_text(LEN).as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn warn_if_readable(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        log::warn!(
            "others can read the signing secret in {0}; run: chmod 600 {0}",
            path.display()
        );
    }
    Ok(())
}
