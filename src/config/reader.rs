//! Reading texts as values. Every problem is collected, so that all are reported at once.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

/// A setting that cannot work, and the cure: one of [`Problems`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    name: String,
    complaint: String,
}

impl Problem {
    pub(crate) fn new(name: impl Into<String>, complaint: impl Into<String>) -> Self {
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

/// All the settings that cannot work.
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
#[derive(Clone, Debug, Error)]
pub struct Problems(pub(crate) Vec<Problem>);

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

/// Reads settings one by one and remembers what was wrong.
pub(crate) struct Reader<'a> {
    source: Box<Source<'a>>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// Over whatever gives texts by name, with the problems that are known already.
    pub(crate) fn new(
        source: impl Fn(&str) -> Result<Option<String>, Problem> + 'a,
        problems: Vec<Problem>,
    ) -> Self {
        Self {
            source: Box::new(source),
            problems,
        }
    }

    pub(crate) fn problem(&mut self, name: &str, complaint: impl Into<String>) {
        self.problems.push(Problem::new(name, complaint));
    }

    /// The value, or the problems that stand in its way.
    pub(crate) fn finish<T>(self, value: T) -> Result<T, Problems> {
        if self.problems.is_empty() {
            Ok(value)
        } else {
            Err(Problems(self.problems))
        }
    }

    /// What was wrong.
    pub(crate) fn into_problems(self) -> Problems {
        Problems(self.problems)
    }

    /// What was given, be it empty.
    pub(crate) fn raw(&mut self, name: &str) -> Option<String> {
        (self.source)(name).unwrap_or_else(|problem| {
            self.problems.push(problem);
            None
        })
    }

    /// What was given; an empty value counts as none.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.raw(name).filter(|text| !text.is_empty())
    }

    pub(crate) fn text_or(&mut self, name: &str, default: &str) -> String {
        self.text(name).unwrap_or_else(|| default.to_owned())
    }

    /// A value that `parse` understands, or else `default` and a problem that says what was `wanted`.
    pub(crate) fn parsed<T>(
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
            self.problem(name, format!("is {text:?}; {wanted}"));
            default
        })
    }

    pub(crate) fn number<T: std::str::FromStr + PartialOrd + fmt::Display + Copy>(
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

    pub(crate) fn truth(&mut self, name: &str, default: bool) -> bool {
        self.parsed(name, default, "write true or false", |text| {
            match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Some(true),
                "false" | "0" | "no" | "off" => Some(false),
                _ => None,
            }
        })
    }

    pub(crate) fn duration(&mut self, name: &str, default: Duration) -> Duration {
        self.parsed(
            name,
            default,
            "write a time such as 90, 90s, 15m, 1h or 30d",
            parse_duration,
        )
    }

    pub(crate) fn list(&mut self, name: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        text.split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// A list of which every item has to be understood; `default` if there is none.
    pub(crate) fn parsed_list<T>(
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
                self.problem(name, format!("is {:?}; {wanted}", items.join(",")));
                default
            }
        }
    }
}

/// Seconds, or a number with s, m, h, d or w behind it.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..)?.trim() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return None,
    };
    let seconds = digits.trim().parse::<u64>().ok()?.checked_mul(unit)?;
    // A hundred years are enough for any token, and leave room for arithmetic.
    (seconds <= 100 * 366 * 86_400).then(|| Duration::from_secs(seconds))
}
