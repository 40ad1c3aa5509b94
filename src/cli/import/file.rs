//! Parses the file of an import: CSV, or a JSON object on each line. Errors never quote the file,
//! since a hash may be in the wrong column.

use std::collections::HashMap;

use csv::{ByteRecord, ReaderBuilder};
use serde::Deserialize;
use thiserror::Error;

use tokenpair::clock::Timestamp;
use tokenpair_store::password::{ForeignHash, ForeignHashError, Maker};
use tokenpair_store::{ImportedUser, NewUser, Role, RoleError, Username, UsernameError};

/// A line of the file: a user, or the reason why it is invalid.
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) user: Result<UserLine, Fault>,
}

/// A valid user.
pub(super) struct UserLine {
    username: Username,
    hash: ForeignHash,
    roles: Vec<String>,
    id: Option<String>,
    created_at: Option<Timestamp>,
    disabled_at: Option<Timestamp>,
}

impl UserLine {
    pub(super) const fn username(&self) -> &Username {
        &self.username
    }

    /// Returns the id to keep, if the line has one.
    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns the kind of its hash.
    pub(super) const fn kind(&self) -> &'static str {
        self.hash.kind()
    }

    pub(super) fn into_user(self) -> ImportedUser {
        ImportedUser {
            user: NewUser {
                username: self.username,
                password_hash: self.hash.into_hash(),
                roles: self.roles,
            },
            id: self.id,
            created_at: self.created_at,
            disabled_at: self.disabled_at,
        }
    }
}

/// Why a line is invalid.
#[derive(Debug, Error)]
pub(super) enum Fault {
    #[error("it is not UTF-8")]
    NotText,
    #[error("it has {0} fields, and the first line has {1}")]
    Fields(usize, usize),
    #[error(
        "it is not a JSON object of the strings username and hash, and optionally roles, a list of strings, and the other members of an export"
    )]
    NotAUser,
    #[error(transparent)]
    Username(#[from] UsernameError),
    #[error(transparent)]
    Hash(#[from] ForeignHashError),
    #[error(transparent)]
    Role(#[from] RoleError),
    #[error("a user has at most {} roles", Role::MOST)]
    TooManyRoles,
    #[error("line {0} has the same username")]
    Again(u64),
    #[error("the username is taken")]
    Taken,
    #[error("its version is {0}, and this program reads version 1")]
    Version(u64),
    #[error("an id has 1 to 64 letters, digits, -, _ and .")]
    Id,
    #[error("line {0} has the same id")]
    IdAgain(u64),
    #[error("the id is taken")]
    IdTaken,
    #[error("{0} is not a time such as 2026-11-29T18:00:00Z")]
    Time(&'static str),
    #[error("bcrypt_of is none of password, sha256 and tokenpair")]
    BcryptOf,
}

/// The file does not list users.
#[derive(Debug, Error)]
#[error(
    "the first line is neither username,hash,roles (roles is optional) nor a JSON object, in UTF-8"
)]
pub(super) struct NotUsers;

/// The fields of a line, not yet checked. All but the first three are those of an export.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    username: String,
    hash: String,
    #[serde(default)]
    roles: Vec<String>,
    version: Option<u64>,
    id: Option<String>,
    bcrypt_of: Option<String>,
    created_at: Option<String>,
    disabled_at: Option<String>,
}

impl Fields {
    fn id(&self) -> Result<Option<String>, Fault> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_good = |id: &str| (1..=64).contains(&id.len()) && id.bytes().all(plain);
        match &self.id {
            Some(id) if !is_good(id) => Err(Fault::Id),
            id => Ok(id.clone()),
        }
    }

    /// Returns what bcrypt was given, if the line says it.
    fn maker(&self) -> Result<Option<Maker>, Fault> {
        match self.bcrypt_of.as_deref() {
            None => Ok(None),
            Some(word) => maker_of(word).map(Some).ok_or(Fault::BcryptOf),
        }
    }
}

/// The words of `bcrypt_of`.
const MAKERS: [(&str, Maker); 3] = [
    ("password", Maker::Plain),
    ("sha256", Maker::Sha256First),
    ("tokenpair", Maker::Tokenpair),
];

fn maker_of(word: &str) -> Option<Maker> {
    let found = MAKERS.iter().find(|(known, _)| *known == word);
    found.map(|(_, maker)| *maker)
}

/// Returns the word for what bcrypt was given.
pub(in crate::cli) fn word_of(maker: Maker) -> &'static str {
    let found = MAKERS.iter().find(|(_, known)| *known == maker);
    found.map_or("", |(word, _)| word)
}

fn time(text: Option<&str>, name: &'static str) -> Result<Option<Timestamp>, Fault> {
    let parse = |text: &str| {
        let time = chrono::DateTime::parse_from_rfc3339(text).map_err(|_| Fault::Time(name))?;
        Ok(Timestamp::from_unix(time.timestamp()))
    };
    text.map(parse).transpose()
}

/// The version of the format of an export.
pub(in crate::cli) const VERSION: u64 = 1;

/// The lines where each username and id comes first.
#[derive(Default)]
struct Seen {
    names: HashMap<String, u64>,
    ids: HashMap<String, u64>,
}

/// A line's number and its fields.
type Numbered = (u64, Result<Fields, Fault>);

/// Returns all lines of the file in order, valid or not. Of users with the same name, the first is
/// valid.
pub(super) fn lines(content: &[u8], bcrypt: Maker) -> Result<Vec<Line>, NotUsers> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let fields = match content.trim_ascii_start().first() {
        None => Vec::new(),
        Some(b'{') => json_lines(content),
        Some(_) => csv_records(content)?,
    };
    let mut seen = Seen::default();
    let line = |(number, fields): Numbered| Line {
        number,
        user: fields.and_then(|fields| check(&fields, bcrypt, number, &mut seen)),
    };
    Ok(fields.into_iter().map(line).collect())
}

fn check(fields: &Fields, bcrypt: Maker, number: u64, seen: &mut Seen) -> Result<UserLine, Fault> {
    if let Some(version) = fields.version.filter(|version| *version != VERSION) {
        return Err(Fault::Version(version));
    }
    let username = Username::parse(&fields.username)?;
    let first = *seen
        .names
        .entry(username.key().to_owned())
        .or_insert(number);
    if first != number {
        return Err(Fault::Again(first));
    }
    let id = fields.id()?;
    if let Some(id) = &id {
        let first = *seen.ids.entry(id.clone()).or_insert(number);
        if first != number {
            return Err(Fault::IdAgain(first));
        }
    }
    if fields.roles.len() > Role::MOST {
        return Err(Fault::TooManyRoles);
    }
    let roles = fields.roles.iter();
    Ok(UserLine {
        username,
        hash: ForeignHash::parse(&fields.hash, fields.maker()?.unwrap_or(bcrypt))?,
        roles: roles
            .map(|role| Role::parse(role).map(Role::into_string))
            .collect::<Result<_, _>>()?,
        id,
        created_at: time(fields.created_at.as_deref(), "created_at")?,
        disabled_at: time(fields.disabled_at.as_deref(), "disabled_at")?,
    })
}

fn json_lines(content: &[u8]) -> Vec<Numbered> {
    let lines = (1..).zip(content.split(|byte| *byte == b'\n'));
    lines
        .filter(|(_, line)| !line.trim_ascii().is_empty())
        .map(|(number, line)| (number, json_fields(line)))
        .collect()
}

fn json_fields(line: &[u8]) -> Result<Fields, Fault> {
    let text = std::str::from_utf8(line).map_err(|_| Fault::NotText)?;
    // serde's error may quote a hash.
    serde_json::from_str(text).map_err(|_| Fault::NotAUser)
}

/// The positions of the columns.
struct Columns {
    username: usize,
    hash: usize,
    roles: Option<usize>,
    count: usize,
}

impl Columns {
    fn of(head: &ByteRecord) -> Result<Self, NotUsers> {
        let column = |name: &str| head.iter().position(|field| field == name.as_bytes());
        let roles = column("roles");
        let known = if roles.is_some() { 3 } else { 2 };
        if head.len() != known {
            return Err(NotUsers);
        }
        Ok(Self {
            username: column("username").ok_or(NotUsers)?,
            hash: column("hash").ok_or(NotUsers)?,
            roles,
            count: known,
        })
    }

    fn fields(&self, record: &ByteRecord) -> Result<Fields, Fault> {
        if record.len() != self.count {
            return Err(Fault::Fields(record.len(), self.count));
        }
        let field = |column| {
            let text = std::str::from_utf8(record.get(column).unwrap_or_default());
            text.map_err(|_| Fault::NotText)
        };
        let roles = self.roles.map(field).transpose()?.unwrap_or_default();
        Ok(Fields {
            username: field(self.username)?.to_owned(),
            hash: field(self.hash)?.to_owned(),
            roles: roles.split_whitespace().map(str::to_owned).collect(),
            ..Fields::default()
        })
    }
}

fn csv_records(content: &[u8]) -> Result<Vec<Numbered>, NotUsers> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(content);
    let records: Result<Vec<ByteRecord>, _> = reader.byte_records().collect();
    let records = records.map_err(|_| NotUsers)?;
    let (head, records) = records.split_first().ok_or(NotUsers)?;
    let columns = Columns::of(head)?;
    let numbered = records
        .iter()
        .map(|record| (line_of(record, content), columns.fields(record)));
    Ok(numbered.collect())
}

/// Returns the line where a record begins. The reader reports where the previous record ended: at
/// the end of its line, or at empty lines after it.
fn line_of(record: &ByteRecord, content: &[u8]) -> u64 {
    let Some(position) = record.position() else {
        return 0;
    };
    let begin = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let rest = content.get(begin..).unwrap_or_default().iter();
    let ends = rest.take_while(|byte| matches!(byte, b'\r' | b'\n'));
    (position.line()..)
        .zip(ends.filter(|byte| **byte == b'\n'))
        .map(|(line, _)| line + 1)
        .last()
        .unwrap_or(position.line())
}
