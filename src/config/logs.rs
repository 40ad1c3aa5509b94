//! Defines the settings of the log.

use env_filter::Builder;
use log::LevelFilter;
use strsim::damerau_levenshtein;

use super::Sources;
use super::setting::{Known, Setting};

pub(super) const KNOWN: &[Known] = &[FORMAT.known(), ACCESS_LOG.known(), LEVELS.known()];

pub(super) const FORMAT: Setting<LogFormat> = Setting::new(
    "LOG_FORMAT",
    "text",
    "Form of the log of `serve`: text, or json for one JSON object per line (docs/logs-and-traces.md).",
    |reader, name| reader.choice(name, LogFormat::Text, &FORMATS),
);

const FORMATS: [(&str, LogFormat); 2] = [("text", LogFormat::Text), ("json", LogFormat::Json)];

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
            let is_valid = Builder::new().try_parse(text).is_ok();
            (is_valid && !is_misspelt(text) && names_modules(text)).then(|| text.to_owned())
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

/// Returns whether every name is one that a module can have. Any other text, such as `info;warn`,
/// would count as a module that never logs, and its level as that of nothing.
fn names_modules(text: &str) -> bool {
    // A pattern follows the slash.
    let directives = text.split('/').next().unwrap_or_default().split(',');
    let names = directives.filter_map(|directive| directive.split('=').next());
    let is_letter =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | ':' | '-' | '.');
    names.map(str::trim).all(|name| name.chars().all(is_letter))
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

/// The form of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// Lines for a person.
    Text,
    /// One JSON object per line.
    Json,
}

impl LogFormat {
    /// Returns the format that `LOG_FORMAT` sets, for the report of other settings that cannot work.
    /// An invalid value is reported as text.
    pub fn of(sources: &Sources) -> Self {
        let found = sources.get(FORMAT.name()).ok().flatten();
        let is_json = found.is_some_and(|found| found.text.eq_ignore_ascii_case("json"));
        if is_json { Self::Json } else { Self::Text }
    }
}
