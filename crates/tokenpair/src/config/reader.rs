//! Defines the reader of settings, which turns texts into values and collects every problem.

use std::fmt;
use std::num::IntErrorKind;
use std::time::Duration;

use thiserror::Error;

use crate::keys::Algorithm;
use crate::web::Rejection;

/// An invalid setting and its cure: one of [`Problems`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    name: String,
    complaint: String,
}

impl Problem {
    /// Creates a problem with the setting `name`. `complaint` follows the name in the message: "is
    /// \"soon\"; write …".
    pub fn new(name: impl Into<String>, complaint: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            complaint: complaint.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.complaint)
    }
}

/// All invalid settings.
///
/// ```
/// use tokenpair::config::JwtSettings;
///
/// let problems = JwtSettings::read(|name| match name {
///     "JWT_SECRET_KEY" => Some("too short".to_owned()),
///     "JWT_ACCESS_TOKEN_EXPIRES" => Some("soon".to_owned()),
///     _ => None,
/// });
/// assert_eq!(
///     problems.unwrap_err().to_string(),
///     "2 settings cannot work:
///   JWT_ACCESS_TOKEN_EXPIRES is \"soon\"; write a time such as 90, 90s, 15m, 1h or 30d
///   JWT_SECRET_KEY cannot be used: the secret has 9 bytes, and HS256 needs at least 32"
/// );
/// ```
#[derive(Clone, Error)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Returns the problems, in the order of their discovery.
    ///
    /// ```
    /// use tokenpair::config::JwtSettings;
    ///
    /// let problems = JwtSettings::read(|_| None).unwrap_err();
    /// let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    /// assert!(texts[0].starts_with("JWT_SECRET_KEY is required"), "{texts:?}");
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

/// Prints the sentences too, since this is how Rust prints an error that `main` returns.
impl fmt::Debug for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Settings that cannot work are our mistake, whatever the request was.
impl From<Problems> for Rejection {
    fn from(problems: Problems) -> Self {
        Self::internal(problems)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let settings = if count == 1 {
            "1 setting cannot work"
        } else {
            &format!("{count} settings cannot work")
        };
        write!(f, "{settings}:")?;
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

type Source<'a> = dyn Fn(&str) -> Result<Option<String>, Problem> + 'a;

/// A reader of settings that collects every problem, so that an app reports all of them at once.
///
/// An empty text counts as unset, except for [`Reader::raw`]. An invalid text adds a problem and
/// returns the default, so that reading continues.
///
/// ```
/// use std::time::Duration;
/// use tokenpair::config::Reader;
///
/// let source = |name: &str| Ok((name == "IDLE").then(|| "15m".to_owned()));
/// let mut reader = Reader::new(source, Vec::new());
/// let idle = reader.duration("IDLE", Duration::from_secs(60));
/// let workers = reader.number("WORKERS", 2, 1..=64);
/// assert_eq!(reader.finish((idle, workers))?, (Duration::from_secs(900), 2));
/// # Ok::<(), tokenpair::config::Problems>(())
/// ```
pub struct Reader<'a> {
    source: Box<Source<'a>>,
    problems: Vec<Problem>,
}

impl fmt::Debug for Reader<'_> {
    /// Omits the source, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("problems", &self.problems)
            .finish_non_exhaustive()
    }
}

impl<'a> Reader<'a> {
    /// Creates a reader that looks up texts in `source` by name, with the problems already known.
    pub fn new(
        source: impl Fn(&str) -> Result<Option<String>, Problem> + 'a,
        problems: Vec<Problem>,
    ) -> Self {
        Self {
            source: Box::new(source),
            problems,
        }
    }

    /// Adds a problem with the setting `name`.
    pub fn problem(&mut self, name: &str, complaint: impl Into<String>) {
        self.problems.push(Problem::new(name, complaint));
    }

    /// Returns whether there is a problem with the setting `name`, or with the file that `NAME_FILE`
    /// names, so far. A check of several settings together then has nothing to add.
    pub fn has_problem(&self, name: &str) -> bool {
        let is_of =
            |problem: &Problem| problem.name.strip_suffix("_FILE").unwrap_or(&problem.name) == name;
        self.problems.iter().any(is_of)
    }

    /// Returns the value if there were no problems.
    ///
    /// # Errors
    ///
    /// [`Problems`]: every problem so far.
    pub fn finish<T>(self, value: T) -> Result<T, Problems> {
        if self.problems.is_empty() {
            Ok(value)
        } else {
            Err(Problems(self.problems))
        }
    }

    /// Returns every problem so far.
    pub fn into_problems(self) -> Problems {
        Problems(self.problems)
    }

    /// Returns the text of a setting, even an empty one.
    pub fn raw(&mut self, name: &str) -> Option<String> {
        (self.source)(name).unwrap_or_else(|problem| {
            // A setting may be read more than once.
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
            None
        })
    }

    /// Returns the text of a setting.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.raw(name).filter(|text| !text.is_empty())
    }

    /// Returns the text of a setting, or `default`.
    pub fn text_or(&mut self, name: &str, default: &str) -> String {
        self.text(name).unwrap_or_else(|| default.to_owned())
    }

    /// Returns the value that `parse` makes of the text. If `parse` fails, the problem names the
    /// `wanted` form.
    pub fn parsed<T>(
        &mut self,
        name: &str,
        default: T,
        wanted: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> T {
        let Some(text) = self.text(name) else {
            return default;
        };
        parse(&text).unwrap_or_else(|| {
            self.problem(name, format!("is {}; {wanted}", shown(&text)));
            default
        })
    }

    /// Returns the value of one of these words, in any case.
    ///
    /// ```
    /// use tokenpair::config::Reader;
    ///
    /// let source = |name: &str| Ok((name == "COLOUR").then(|| "Blue".to_owned()));
    /// let mut reader = Reader::new(source, Vec::new());
    /// assert_eq!(reader.choice("COLOUR", 0, &[("red", 1), ("blue", 2)]), 2);
    /// ```
    pub fn choice<T: Copy>(&mut self, name: &str, default: T, choices: &[(&str, T)]) -> T {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let wanted = match words.as_slice() {
            [others @ .., last] if !others.is_empty() => {
                format!("write {} or {last}", others.join(", "))
            }
            words => format!("write {}", words.concat()),
        };
        self.parsed(name, default, &wanted, |text| {
            let mut choices = choices.iter();
            let chosen = choices.find(|(word, _)| word.eq_ignore_ascii_case(text));
            chosen.map(|(_, value)| *value)
        })
    }

    /// Returns a whole number in `range`.
    pub fn number<T: std::str::FromStr + PartialOrd + fmt::Display + Copy>(
        &mut self,
        name: &str,
        default: T,
        range: std::ops::RangeInclusive<T>,
    ) -> T {
        let wanted = format!(
            "write a whole number from {} to {}",
            range.start(),
            range.end()
        );
        self.parsed(name, default, &wanted, |text| {
            text.parse().ok().filter(|number| range.contains(number))
        })
    }

    /// Returns a boolean, as [`parse_bool`] reads it.
    pub fn truth(&mut self, name: &str, default: bool) -> bool {
        self.parsed(name, default, "write true or false", parse_bool)
    }

    /// Returns a duration, as [`parse_duration`] reads it.
    pub fn duration(&mut self, name: &str, default: Duration) -> Duration {
        let Some(text) = self.text(name) else {
            return default;
        };
        read_duration(&text).unwrap_or_else(|wanted| {
            self.problem(name, format!("is {}; {wanted}", shown(&text)));
            default
        })
    }

    /// Returns a duration other than zero.
    pub fn lifetime(&mut self, name: &str, default: Duration) -> Duration {
        let lifetime = self.duration(name, default);
        if lifetime.is_zero() {
            self.problem(name, "is 0; write a time such as 15m, 1h or 30d");
        }
        lifetime
    }

    /// Returns the items of a comma-separated list, trimmed and without empty items.
    pub fn list(&mut self, name: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        text.split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Returns a list whose every item `parse` accepts, or `default` if the list is empty.
    pub fn parsed_list<T>(
        &mut self,
        name: &str,
        default: Vec<T>,
        wanted: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let items = self.list(name);
        let parsed = items
            .iter()
            .map(|item| parse(item))
            .collect::<Option<Vec<T>>>();
        match parsed {
            Some(values) if values.is_empty() => default,
            Some(values) => values,
            None => {
                let items = shown(&items.join(","));
                self.problem(name, format!("is {items}; {wanted}"));
                default
            }
        }
    }
}

/// Returns a value for a message. A whole file may be in it by mistake.
fn shown(text: &str) -> String {
    const MOST: usize = 200;
    let length = text.chars().count();
    if length <= MOST {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(MOST).collect();
    format!("{start:?}… ({length} characters)")
}

/// Parses a boolean: `true`, `1`, `yes`, `on` or `false`, `0`, `no`, `off`, in any case.
///
/// ```
/// use tokenpair::config::parse_bool;
///
/// assert_eq!(parse_bool("Yes"), Some(true));
/// assert_eq!(parse_bool("auto"), None);
/// ```
pub fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// Parses the name of an algorithm, in any case. (In a token's header, the case matters: RFC 7515
/// section 4.1.1.)
///
/// ```
/// use tokenpair::config::parse_algorithm;
/// use tokenpair::keys::Algorithm;
///
/// assert_eq!(parse_algorithm("hs256"), Some(Algorithm::Hs256));
/// assert_eq!(parse_algorithm("none"), None);
/// ```
pub fn parse_algorithm(text: &str) -> Option<Algorithm> {
    let mut all = Algorithm::ALL.into_iter();
    all.find(|algorithm| algorithm.name().eq_ignore_ascii_case(text))
}

/// Parses a number of seconds, or a number followed by `s`, `m`, `h`, `d` or `w`. The maximum is
/// 36600 days: a hundred years.
pub fn parse_duration(text: &str) -> Option<Duration> {
    read_duration(text).ok()
}

/// A hundred years are enough for any token, and leave room for arithmetic.
const MAX_SECONDS: u64 = 36_600 * 86_400;

/// Parses a duration, or says what to write instead.
fn read_duration(text: &str) -> Result<Duration, &'static str> {
    const FORM: &str = "write a time such as 90, 90s, 15m, 1h or 30d";
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..).map(str::trim) {
        Some("" | "s") => 1,
        Some("m") => 60,
        Some("h") => 3600,
        Some("d") => 86_400,
        Some("w") => 7 * 86_400,
        _ => return Err(FORM),
    };
    let seconds = match digits.trim().parse::<u64>() {
        Ok(number) => number.checked_mul(unit),
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => None,
        Err(_) => return Err(FORM),
    };
    seconds
        .filter(|seconds| *seconds <= MAX_SECONDS)
        .map(Duration::from_secs)
        .ok_or("write a time of at most 36600d, which is a hundred years")
}
