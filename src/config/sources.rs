//! Reads settings from the environment, `.env` and `tokenpair.toml`, in that order of precedence.
//!
//! Values are strings here; other modules parse them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::dot_env;
use super::names::{NOT_HERE, PREFIXES, known, nearest};
use super::text;
use tokenpair::config::Problem;

/// The values found, by source in order of precedence.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    layers: Vec<Layer>,
    problems: Vec<Problem>,
}

#[derive(Clone)]
struct Layer {
    origin: Origin,
    values: BTreeMap<String, String>,
}

/// The source of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The process's environment.
    Environment,
    /// The file `.env` in the working directory.
    DotEnv,
    /// The file `tokenpair.toml` in the working directory.
    Toml,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "environment",
            Self::DotEnv => DOT_ENV,
            Self::Toml => TOML,
        })
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Layer({}, {} values)", self.origin, self.values.len())
    }
}

impl Origin {
    const fn file(self) -> Option<&'static str> {
        match self {
            Self::Environment => None,
            Self::DotEnv => Some(DOT_ENV),
            Self::Toml => Some(TOML),
        }
    }
}

const DOT_ENV: &str = ".env";
const TOML: &str = "tokenpair.toml";

/// A value and its source.
pub(super) struct Found {
    pub(super) text: String,
    pub(super) origin: Origin,
    /// The file that holds the value, if any.
    pub(super) file: Option<PathBuf>,
}

impl Sources {
    /// Reads all three sources, from the process and the working directory.
    pub fn read() -> Self {
        let (values, problems) = environment();
        let mut sources = Self::from_values(values);
        sources.problems = problems;
        sources.read_dot_env();
        sources.read_toml();
        sources
    }

    /// Returns sources with only these values, as if they were the environment.
    pub fn from_values(values: BTreeMap<String, String>) -> Self {
        Self {
            layers: vec![Layer {
                origin: Origin::Environment,
                values,
            }],
            problems: Vec::new(),
        }
    }

    fn read_dot_env(&mut self) {
        let Some(text) = self.text_of(DOT_ENV) else {
            return;
        };
        match dot_env::parse(&text, is_known) {
            Ok(values) => self.layers.push(Layer {
                origin: Origin::DotEnv,
                values,
            }),
            Err(malformed) => self.problems.push(Problem::new(
                DOT_ENV,
                format!("line {} {}", malformed.line, malformed.complaint),
            )),
        }
    }

    /// Returns the text of a file in the working directory, if it exists and can be read.
    fn text_of(&mut self, file: &str) -> Option<String> {
        text::read_if_there(Path::new(file)).unwrap_or_else(|complaint| {
            self.problems.push(Problem::new(file, complaint));
            None
        })
    }

    fn read_toml(&mut self) {
        let Some(text) = self.text_of(TOML) else {
            return;
        };
        let table = match text.parse::<toml::Table>() {
            Ok(table) => table,
            Err(error) => {
                self.problems
                    .push(Problem::new(TOML, not_toml(&text, &error)));
                return;
            }
        };
        let mut values = BTreeMap::new();
        for (name, value) in table {
            match toml_text(&value) {
                Some(text) => drop(values.insert(name, text)),
                None => self.problems.push(Problem::new(
                    name,
                    "has to be a string, a number, true, false, or a list of strings",
                )),
            }
        }
        self.layers.push(Layer {
            origin: Origin::Toml,
            values,
        });
    }

    /// Returns the value of that name with the highest precedence, from `NAME` or from the file
    /// that `NAME_FILE` names. An empty value counts as unset, since compose files write unset
    /// variables that way.
    pub(super) fn get(&self, name: &str) -> Result<Option<Found>, Problem> {
        for layer in &self.layers {
            let named = |name: &str| {
                layer
                    .values
                    .get(name)
                    .filter(|text| !text.trim().is_empty())
            };
            let origin = layer.origin;
            match (named(name), named(&format!("{name}_FILE"))) {
                (Some(_), Some(_)) => {
                    return Err(Problem::new(
                        name,
                        format!("and {name}_FILE are both set; keep one of them"),
                    ));
                }
                (Some(text), None) => {
                    return Ok(Some(Found {
                        text: text.trim().to_owned(),
                        origin,
                        file: origin.file().map(PathBuf::from),
                    }));
                }
                (None, Some(path)) => {
                    let text = file(name, path)?;
                    let file = Some(PathBuf::from(path));
                    return Ok(Some(Found { text, origin, file }));
                }
                (None, None) => {}
            }
        }
        Ok(None)
    }

    /// Returns the problems with files and variables that could not be read.
    pub(super) fn unread(&self) -> &[Problem] {
        &self.problems
    }

    /// Returns the problems of the sources themselves, including probable typos in names, and notes
    /// on the rest.
    pub(super) fn complaints(&self) -> (Vec<Problem>, Vec<String>) {
        let mut problems = self.problems.clone();
        let mut remarks = Vec::new();
        for layer in &self.layers {
            for name in layer
                .values
                .keys()
                .filter(|name| is_unknown(name, layer.origin))
            {
                match remark(name, layer.origin) {
                    Ok(remark) => remarks.push(remark),
                    Err(problem) => problems.push(problem),
                }
            }
        }
        (problems, remarks)
    }
}

fn setting_of(name: &str) -> &str {
    let without_suffix = name.strip_suffix("_FILE").unwrap_or(name);
    if known().any(|known| known.name == name) {
        name
    } else {
        without_suffix
    }
}

fn is_known(name: &str) -> bool {
    known().any(|known| known.name == setting_of(name))
}

fn is_unknown(name: &str, origin: Origin) -> bool {
    !is_known(name)
        && (origin == Origin::Toml || begins_like_ours(name) || nearest_letters(name) <= TYPO)
}

fn begins_like_ours(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn nearest_letters(name: &str) -> usize {
    nearest(setting_of(name)).map_or(usize::MAX, |(_, letters)| letters)
}

/// Maximum number of wrong letters in a typo.
const TYPO: usize = 2;

/// Returns the note or problem of an unknown name. A similar name in the environment may belong to
/// another program (desktops set `SESSION_MANAGER`, others `DATABASE_URI`). It is a problem only if
/// it has our prefix and is close to a known name, or if only this program reads its source.
fn remark(name: &str, origin: Origin) -> Result<String, Problem> {
    if NOT_HERE.contains(&setting_of(name)) {
        return Err(Problem::new(
            name,
            "is a Flask-JWT-Extended setting that this server does not have; remove it",
        ));
    }
    let near = nearest(setting_of(name)).map_or("", |(near, _)| near);
    let letters = nearest_letters(name);
    let close = letters <= TYPO;
    if origin == Origin::Toml && !close {
        return Err(Problem::new(
            name,
            "is not known; use one of the names in docs/reference/settings.md",
        ));
    }
    if origin == Origin::Toml || (close && begins_like_ours(name)) {
        return Err(Problem::new(
            name,
            format!("is not known; did you mean {near}?"),
        ));
    }
    let nearest = format!("the nearest one is {near}");
    Ok(format!(
        "{name} ({origin}) is not a setting of tokenpair and is ignored; {nearest}"
    ))
}

fn file(name: &str, path: &str) -> Result<String, Problem> {
    let problem = |complaint: &str| {
        Problem::new(
            format!("{name}_FILE"),
            format!("names {path}, which {complaint}"),
        )
    };
    let text = text::read(Path::new(path)).map_err(|complaint| problem(&complaint))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.trim().is_empty() {
        return Err(problem("is empty"));
    }
    Ok(text.to_owned())
}

/// Reads the process's environment. A setting of this server that is not UTF-8 is a problem; other
/// variables are ignored.
fn environment() -> (BTreeMap<String, String>, Vec<Problem>) {
    let mut values = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else {
            continue;
        };
        match value.into_string() {
            Ok(text) => drop(values.insert(name, text)),
            Err(_) if is_known(&name) => {
                problems.push(Problem::new(name, "is not UTF-8 text; write it in UTF-8"));
            }
            Err(_) => {}
        }
    }
    (values, problems)
}

/// Names the line without quoting it, since it may hold a secret.
fn not_toml(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.bytes().take(start);
    let line = before.filter(|byte| *byte == b'\n').count() + 1;
    if error.message().starts_with("duplicate key") {
        return format!("line {line} sets a name a second time; keep one of them");
    }
    format!("line {line} is not TOML; write NAME = \"value\" on each line")
}

fn toml_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        toml::Value::Array(items) => items
            .iter()
            .map(|item| item.as_str())
            .collect::<Option<Vec<_>>>()
            .map(|items| items.join(",")),
        _ => None,
    }
}
