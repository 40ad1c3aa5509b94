//! Lists all settings, and tells what an unknown name may have meant.

use super::setting::Known;
use super::{
    accounts, cookies, database, forward_auth, keys, logs, metrics, page, server, sessions, tokens,
    traces, webhook,
};

/// Returns the documentation of all settings, by group.
pub fn known() -> impl Iterator<Item = &'static Known> {
    let groups = [
        server::KNOWN,
        metrics::KNOWN,
        page::KNOWN,
        forward_auth::KNOWN,
        database::KNOWN,
        accounts::KNOWN,
        sessions::KNOWN,
        keys::KNOWN,
        tokens::KNOWN,
        cookies::KNOWN,
        logs::KNOWN,
        webhook::KNOWN,
        traces::KNOWN,
    ];
    groups.into_iter().flatten()
}

/// Prefixes of this program's settings. An unknown name with such a prefix is probably a typo.
pub(super) const PREFIXES: &[&str] = &[
    "JWT_",
    "SERVER_",
    "METRICS_",
    "FORWARD_AUTH_",
    "SESSION_",
    "PASSWORD_",
    "THROTTLE",
    "REVOCATION_",
    "AUDIT_",
    "WEBHOOK_",
];

/// Settings of Flask-JWT-Extended that this server lacks. It rejects them instead of silently ignoring them.
pub(super) const NOT_HERE: &[&str] = &[
    "JWT_ACCESS_CSRF_FIELD_NAME",
    "JWT_CSRF_CHECK_FORM",
    "JWT_DECODE_ALGORITHMS",
    "JWT_ERROR_MESSAGE_KEY",
    "JWT_IDENTITY_CLAIM",
    "JWT_JSON_KEY",
    "JWT_PUBLIC_KEY",
    "JWT_QUERY_STRING_NAME",
    "JWT_QUERY_STRING_VALUE_PREFIX",
    "JWT_REFRESH_CSRF_FIELD_NAME",
    "JWT_REFRESH_JSON_KEY",
    "JWT_VERIFY_SUB",
];

/// Returns the known name closest to an unknown one, and their edit distance.
pub(super) fn nearest(name: &str) -> Option<(&'static str, usize)> {
    let distance = |known: &Known| strsim::damerau_levenshtein(known.name, name);
    known()
        .map(|known| (known.name, distance(known)))
        .min_by_key(|(_, letters)| *letters)
}
