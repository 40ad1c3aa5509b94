//! Where values come from: the environment, `.env`, and `tokenpair.toml`, in that order of strength.
//!
//! This is the low side: texts under names, nothing understood yet.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::known::{KNOWN, NOT_HERE, PREFIXES, nearest};
use crate::config::Problem;

/// The texts that were found, the strongest source first.
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

/// Where a value came from.
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
            Self::DotEnv => ".env",
            Self::Toml => "tokenpair.toml",
        })
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Layer({}, {} values)", self.origin, self.values.len())
    }
}

/// A value, and where it came from.
pub(super) struct Found {
    pub(super) text: String,
    pub(super) origin: Origin,
}

impl Sources {
    /// All three, read from the process and from the working directory.
    pub fn read() -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| {
                Some((
                    name.into_string().ok()?,
                    value.to_string_lossy().into_owned(),
                ))
            })
            .collect();
        let mut sources = Self::from_values(environment);
        sources.read_dot_env(Path::new(".env"));
        sources.read_toml(Path::new("tokenpair.toml"));
        sources
    }

    /// Only these values, as if they were the environment.
    pub fn from_values(values: BTreeMap<String, String>) -> Self {
        Self {
            layers: vec![Layer {
                origin: Origin::Environment,
                values,
            }],
            problems: Vec::new(),
        }
    }

    fn read_dot_env(&mut self, path: &Path) {
        if !path.exists() {
            return;
        }
        let entries =
            dotenvy::from_path_iter(path).and_then(Iterator::collect::<Result<BTreeMap<_, _>, _>>);
        match entries {
            Ok(values) => self.layers.push(Layer {
                origin: Origin::DotEnv,
                values,
            }),
            // dotenvy's message quotes the line, which may hold a secret.
            Err(_) => self.problems.push(Problem::new(
                ".env",
                "cannot be read; every line has to be NAME=value",
            )),
        }
    }

    fn read_toml(&mut self, path: &Path) {
        let Ok(text) = std::fs::read_to_string(path) else {
            if path.exists() {
                self.problems.push(Problem::new(
                    "tokenpair.toml",
                    "cannot be read; check its permissions",
                ));
            }
            return;
        };
        let Ok(table) = text.parse::<toml::Table>() else {
            self.problems.push(Problem::new(
                "tokenpair.toml",
                "is not TOML; write NAME = \"value\" on each line",
            ));
            return;
        };
        let mut values = BTreeMap::new();
        for (name, value) in table {
            match toml_text(&value) {
                Some(text) => drop(values.insert(name, text)),
                None => self.problems.push(Problem::new(
                    name,
                    "has to be a text, a number, true, false, or a list of texts",
                )),
            }
        }
        self.layers.push(Layer {
            origin: Origin::Toml,
            values,
        });
    }

    /// The strongest value of that name, from `NAME` or from the file that `NAME_FILE` names. An empty text counts as
    /// none, since that is how compose files spell an unset variable.
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
                    }));
                }
                (None, Some(path)) => {
                    return file(name, path).map(|text| Some(Found { text, origin }));
                }
                (None, None) => {}
            }
        }
        Ok(None)
    }

    /// What is wrong with the sources themselves, names that are probably slips among it; and milder remarks.
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
    if KNOWN.iter().any(|known| known.name == name) {
        name
    } else {
        without_suffix
    }
}

fn is_unknown(name: &str, origin: Origin) -> bool {
    let known = KNOWN.iter().any(|known| known.name == setting_of(name));
    !known && (origin == Origin::Toml || begins_like_ours(name) || nearest_letters(name) <= SLIP)
}

fn begins_like_ours(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn nearest_letters(name: &str) -> usize {
    nearest(setting_of(name)).map_or(usize::MAX, |(_, letters)| letters)
}

/// So many letters a slip of the pen can be.
const SLIP: usize = 2;

/// A name that only looks like ours may belong to another program in the environment (desktops set `SESSION_MANAGER`,
/// others `DATABASE_URI`), so it is refused where it begins like ours and is close to one we know, or where nobody else
/// could have meant it.
fn remark(name: &str, origin: Origin) -> Result<String, Problem> {
    if NOT_HERE.contains(&setting_of(name)) {
        return Err(Problem::new(
            name,
            "is a Flask-JWT-Extended setting that this server does not have; remove it",
        ));
    }
    let near = nearest(setting_of(name)).map_or("", |(near, _)| near);
    let letters = nearest_letters(name);
    let close = letters <= SLIP;
    if origin == Origin::Toml && !close {
        return Err(Problem::new(
            name,
            "is not known; the README lists all names",
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
    let text = std::fs::read_to_string(path).map_err(|error| {
        Problem::new(
            format!("{name}_FILE"),
            format!("names {path}, which cannot be read: {error}"),
        )
    })?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.trim().is_empty() {
        return Err(Problem::new(
            format!("{name}_FILE"),
            format!("names {path}, which is empty"),
        ));
    }
    Ok(text.to_owned())
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
