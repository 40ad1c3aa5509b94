//! Writes files atomically and readable by their owner only.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokenpair::random::random_text;

/// Creates the folder and its parents.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a new file beside `path` and syncs it, for the caller to rename.
pub(crate) fn draft(path: &Path, text: &str) -> io::Result<PathBuf> {
    let draft = path.with_file_name(format!(".draft-{}", random_text(8)));
    let mut file = owners(OpenOptions::new().write(true).create_new(true)).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(draft)
}

/// Replaces the file at `path` atomically.
pub(super) fn put(path: &Path, text: &str) -> io::Result<()> {
    fs::rename(draft(path, text)?, path)?;
    sync_folder(path)
}

pub(super) fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    sync_folder(path)
}

/// Syncs the folder, so that the name survives a power cut too.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Waits for the lock of that folder, which is released on drop.
pub(super) fn lock(folder: &Path) -> io::Result<File> {
    let path = folder.join(".lock");
    let file = owners(OpenOptions::new().write(true).create(true)).open(path)?;
    file.lock()?;
    Ok(file)
}

fn owners(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}

/// Returns whether other users can read it. Where another user, such as root, owns the file and
/// grants it to this process by its group, the group is no other user: Kubernetes, systemd and the
/// Debian package do so.
pub(crate) fn others_can_read(path: &Path) -> bool {
    let Ok(metadata) = fs::metadata(path) else {
        return false;
    };
    let owned = metadata.uid() == rustix::process::geteuid().as_raw();
    let group = metadata.gid();
    let granted = !owned && [0, rustix::process::getegid().as_raw()].contains(&group);
    let others = if granted { 0o007 } else { 0o077 };
    metadata.permissions().mode() & others != 0
}
