//! Defines notes on settings that work, but may be a mistake.

mod browsers;
mod files;
mod transport;

use super::{Settings, Sources};

pub(super) use self::browsers::remarks_on_routes;

/// Returns the notes that hold wherever the routes are, each with a cure.
pub(super) fn remarks(settings: &Settings, sources: &Sources) -> Vec<String> {
    let mut remarks = Vec::new();
    remarks.extend(old_secrets(settings));
    remarks.extend(transport::remarks(settings));
    remarks.extend(browsers::remarks(settings));
    remarks.extend(files::remarks(sources, settings));
    remarks
}

fn old_secrets(settings: &Settings) -> Option<String> {
    let key_pair = settings.algorithm.min_secret_len().is_none();
    let secret = settings.previous.first().filter(|_| key_pair)?;
    let algorithm = secret.key.algorithm().name();
    Some(format!(
        "{algorithm} tokens signed with JWT_PREVIOUS_SECRET_KEYS are still accepted: remove the setting once the last of them \
         has expired, JWT_REFRESH_TOKEN_EXPIRES after the move"
    ))
}
