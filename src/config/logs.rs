//! Defines the settings of the log.

use env_filter::Builder;
use log::LevelFilter;
use strsim::damerau_levenshtein;

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
    |reader, name| {
        let wanted = "write a level (error, warn, info, debug or trace), or MODULE=LEVEL with commas, as in info,actix_http=off";
        reader.parsed(name, DEFAULT.to_owned(), wanted, |text| {
            let is_valid = Builder::new().try_parse(text).is_ok() && !is_misspelt(text);
            is_valid.then(|| text.to_owned())
        })
    },
);

/// Returns whether a lone word is probably a misspelt level. It would count as a module, and nothing
/// else would be logged.
fn is_misspelt(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let letters =
        |level: LevelFilter| damerau_levenshtein(&level.as_str().to_ascii_lowercase(), &text);
    let is_word = text.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_word && matches!(LevelFilter::iter().map(letters).min(), Some(1..=3))
}

const DEFAULT: &str = "info,actix_http=off,actix_server=warn";

/// Which requests are logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccessLog {
    /// All requests.
    On,
    /// Only requests that fail with a 5xx.
    Off,
}
