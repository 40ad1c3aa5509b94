//! Defines [`Partial`], a file that is written beside the one it will become.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crate::cli::CommandError;

/// The files that SQLite may have left beside one, by the ends of their names.
const LEFTOVERS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// A file that is not complete yet: removed on drop, unless it becomes its target. A command that
/// is killed leaves it behind, and the next one begins it anew.
pub(super) struct Partial {
    path: PathBuf,
    /// Holds a lock, so that two commands do not write the same file.
    file: File,
}

impl Partial {
    /// Creates an empty file beside the target, which only its owner can access.
    pub(super) fn beside(target: &Path) -> Result<Self, CommandError> {
        let path = partial_path(target);
        let shown = path.display();
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).mode(0o600);
        let file = options.open(&path).map_err(|error| {
            let cure = match error.kind() {
                io::ErrorKind::NotFound => "create the folder first",
                _ => "make the folder writable for this user, or name another file",
            };
            format!("cannot write {shown}: {error}; {cure}")
        })?;
        match file.try_lock() {
            Ok(()) if is_at(&file, &path) => {}
            Ok(()) | Err(TryLockError::WouldBlock) => {
                return Err(format!("another command is writing {shown}; try again later").into());
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.set_len(0)?;
        let partial = Self { path, file };
        partial.remove_leftovers();
        Ok(partial)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn file(&self) -> &File {
        &self.file
    }

    /// Gives it the owner of the target, or of its folder: another user's server would not be able
    /// to read it.
    pub(super) fn take_owner_of(&self, target: &Path) -> Result<(), CommandError> {
        let folder = target.parent().unwrap_or(Path::new("."));
        let wanted = fs::metadata(target).or_else(|_| fs::metadata(folder))?;
        let own = self.file.metadata()?;
        if own.uid() == wanted.uid() {
            return Ok(());
        }
        chown(&self.path, Some(wanted.uid()), Some(wanted.gid())).map_err(|error| {
            let (path, owner) = (target.display(), wanted.uid());
            format!(
                "{path} belongs to the user with the id {owner}, who could not read its replacement ({error}); \
                 run this command as that user"
            )
            .into()
        })
    }

    /// Completes it under the name of the target, in one step.
    pub(super) fn become_file(self, target: &Path, replace: bool) -> Result<(), CommandError> {
        self.file.sync_all()?;
        if replace {
            fs::rename(&self.path, target)?;
        } else {
            // Unlike a rename, this never replaces a file that has just been created.
            fs::hard_link(&self.path, target)
                .map_err(|error| format!("cannot create {}: {error}", target.display()))?;
            fs::remove_file(&self.path)?;
        }
        let folder = target.parent().filter(|path| !path.as_os_str().is_empty());
        Ok(File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?)
    }

    fn remove_leftovers(&self) {
        for end in LEFTOVERS {
            let _missing = fs::remove_file(with_end(&self.path, end));
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Not if another command has begun a new file of this name.
        if is_at(&self.file, &self.path) {
            let _missing = fs::remove_file(&self.path);
            self.remove_leftovers();
        }
    }
}

/// Returns whether the path still names this file.
fn is_at(file: &File, path: &Path) -> bool {
    let ids = (file.metadata(), fs::metadata(path));
    matches!(ids, (Ok(one), Ok(other)) if (one.dev(), one.ino()) == (other.dev(), other.ino()))
}

/// Returns the path of the file that becomes the target.
pub(super) fn partial_path(target: &Path) -> PathBuf {
    with_end(target, ".partial")
}

/// Returns the path, and those of the files that SQLite keeps beside it.
pub(super) fn files_beside(path: &Path) -> impl Iterator<Item = PathBuf> {
    let beside = LEFTOVERS.iter().map(|end| with_end(path, end));
    std::iter::once(path.to_owned()).chain(beside)
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    PathBuf::from(name)
}
