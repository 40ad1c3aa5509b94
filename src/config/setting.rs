//! Defines [`Setting`]: one declaration of a setting's name, default and meaning, and of how to read
//! it.

use std::ops::RangeInclusive;
use std::time::Duration;

use url::Url;

use tokenpair::config::Reader;

/// The documentation of a setting.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The name, in the environment and in files.
    pub name: &'static str,
    /// The default as a person would write it, or the behaviour without a value.
    pub default: &'static str,
    /// The meaning, in one line.
    pub meaning: &'static str,
    mask: Mask,
}

/// Returns a value as a person may see it.
type Mask = fn(&str) -> String;

impl Known {
    /// Documents a setting that the library reads.
    pub(super) const fn new(
        name: &'static str,
        default: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self {
            name,
            default,
            meaning,
            mask: str::to_owned,
        }
    }

    /// Returns the value without secrets.
    pub(super) fn masked(&self, text: &str) -> String {
        (self.mask)(text)
    }
}

/// The mask of a value that is never shown.
pub(super) const SECRET: Mask = |_| "********".to_owned();

/// The mask of an address whose path may be a secret, or which may hold a password.
pub(super) const WITHOUT_PATH: Mask = |text| match Url::parse(text) {
    Ok(url) if url.has_host() => format!("{}/********", url.origin().ascii_serialization()),
    _ => SECRET(text),
};

/// A setting: its documentation, and how it is read. An invalid value adds a problem to the reader,
/// and the default is returned.
pub(super) struct Setting<T> {
    known: Known,
    read: Read<T>,
}

type Read<T> = fn(&mut Reader<'_>, &'static str) -> T;

impl<T> Setting<T> {
    pub(super) const fn new(
        name: &'static str,
        default: &'static str,
        meaning: &'static str,
        read: Read<T>,
    ) -> Self {
        Self {
            known: Known::new(name, default, meaning),
            read,
        }
    }

    /// Returns the setting with this mask for its value.
    pub(super) const fn shown_by(self, mask: Mask) -> Self {
        Self {
            known: Known { mask, ..self.known },
            read: self.read,
        }
    }

    pub(super) const fn known(&self) -> Known {
        self.known
    }

    pub(super) const fn name(&self) -> &'static str {
        self.known.name
    }

    pub(super) fn read(&self, reader: &mut Reader<'_>) -> T {
        (self.read)(reader, self.known.name)
    }
}

/// Reads a duration of so many seconds; `range` says the same in words.
pub(super) fn duration_within(
    reader: &mut Reader<'_>,
    name: &str,
    default: Duration,
    seconds: RangeInclusive<u64>,
    range: &str,
) -> Duration {
    let duration = reader.duration(name, default);
    if !seconds.contains(&duration.as_secs()) {
        reader.problem(name, format!("has to be {range}"));
        return default;
    }
    duration
}

pub(super) fn is_off(text: &str) -> bool {
    text.eq_ignore_ascii_case("off")
}

pub(super) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}
