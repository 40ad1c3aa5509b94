//! Describes devices by their `User-Agent`, for people.

use woothee::parser::Parser;
use woothee::woothee::VALUE_UNKNOWN;

use crate::printable::printable;

/// A device by its `User-Agent`.
pub(super) enum Named {
    /// A browser and its system.
    Browser(String, String),
    Program(String),
    Unknown,
}

impl Named {
    pub(super) fn of(user_agent: Option<&str>) -> Self {
        let Some(words) = user_agent.filter(|words| !words.is_empty()) else {
            return Self::Unknown;
        };
        let known = |word: &str| !word.is_empty() && word != VALUE_UNKNOWN;
        match Parser::new().parse(words) {
            Some(found) if known(found.name) && known(found.os) => {
                Self::Browser(found.name.to_owned(), found.os.to_owned())
            }
            Some(found) if known(found.name) && found.name != "HTTP Library" => {
                Self::Program(found.name.to_owned())
            }
            _ => match words.split(['/', ' ']).find(|word| !word.is_empty()) {
                Some(word) => Self::Program(printable(word).into_owned()),
                None => Self::Unknown,
            },
        }
    }
}

/// Returns a description such as `Firefox on Linux`, or a program's name, such as `curl`.
pub(super) fn in_words(user_agent: Option<&str>) -> String {
    match Named::of(user_agent) {
        Named::Browser(name, system) => format!("{name} on {system}"),
        Named::Program(name) => name,
        Named::Unknown => "an unknown device".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn browsers_and_programs_are_named_as_people_name_them() {
        for (words, device) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
                "Chrome on Windows 10",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            ("curl/8.5.0", "curl"),
            ("PostmanRuntime/7.40.0", "PostmanRuntime"),
            ("", "an unknown device"),
            ("/", "an unknown device"),
            ("\u{202e}evil/1", "\\u202eevil"),
        ] {
            assert_eq!(in_words(Some(words)), device, "{words}");
        }
    }
}
