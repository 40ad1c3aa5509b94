//! Defines notes on files with secrets that other users of the machine can read.

use std::path::Path;

use crate::config::{KeySource, Settings, Sources, known};
use crate::keys::{KeyDirectory, files};

/// Returns notes on files and folders with too permissive a mode, each with a fix.
pub(super) fn remarks(sources: &Sources, settings: &Settings) -> Vec<String> {
    let mut remarks = Vec::new();
    let mut noted = Vec::new();
    let mut note = |path: &Path, what: &str| {
        if files::others_can_read(path) && !noted.iter().any(|known| known == path) {
            let path_shown = path.display();
            let mode = if path.is_dir() { 700 } else { 600 };
            remarks.push(format!(
                "other users can read {path_shown}, which holds {what}: run chmod {mode} {path_shown}"
            ));
            noted.push(path.to_owned());
        }
    };
    for known in known() {
        let found = sources.get(known.name).ok().flatten();
        let secret = found.filter(|found| known.masked(&found.text) != found.text);
        if let Some(file) = secret.and_then(|secret| secret.file) {
            note(&file, known.name);
        }
    }
    if let Some(tls) = &settings.tls {
        note(&tls.key, "the certificate's private key");
    }
    match &settings.keys {
        KeySource::KeptSecret(path) => note(path, "the signing secret"),
        KeySource::Folder(path) | KeySource::KeptFolder(path) => {
            note(path, "the signing keys");
            for key in KeyDirectory::new(path).exposed().unwrap_or_default() {
                note(&key, "a signing key");
            }
        }
        KeySource::Secret(_) | KeySource::PrivateKey(_) => {}
    }
    remarks
}
