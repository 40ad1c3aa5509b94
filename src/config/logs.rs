//! Defines the settings of the log.

use super::setting::{Known, Setting};

pub(super) const KNOWN: &[Known] = &[ACCESS_LOG.known(), LEVELS.known()];

pub(super) const ACCESS_LOG: Setting<AccessLog> = Setting::new(
    "SERVER_ACCESS_LOG",
    "on",
    "on: log every request. off: log only requests that fail with a 5xx.",
    |reader, name| {
        if reader.truth(name, true) {
            AccessLog::On
        } else {
            AccessLog::Off
        }
    },
);

pub(super) const LEVELS: Setting<String> = Setting::new(
    "RUST_LOG",
    DEFAULT,
    "Log level: error, warn, info or debug, also by module (env_logger); tokenpair::request logs one line per request.",
    |reader, name| reader.text_or(name, DEFAULT),
);

const DEFAULT: &str = "info,actix_http=off,actix_server=warn";

/// Which requests are logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccessLog {
    /// All requests.
    On,
    /// Only requests that fail with a 5xx.
    Off,
}
