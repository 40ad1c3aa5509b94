//! Defines a [`User`], its [`Username`] and its [`Role`]s.

use std::fmt;

use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::PrecisFastInvocation;
use thiserror::Error;

use crate::password::PasswordHash;
use tokenpair::clock::Timestamp;
use tokenpair::session::{StoreError, Subject};

/// The role of administrators, who may manage other users.
pub const ADMIN: &str = "admin";

/// A valid username: as typed, and the key under which it is unique and found.
///
/// ```
/// use tokenpair_store::{Username, UsernameError};
///
/// let name = Username::parse("Ada.Lovelace")?;
/// assert_eq!(name.as_str(), "Ada.Lovelace");
/// assert_eq!(name.key(), "ada.lovelace"); // so ADA.LOVELACE is taken
/// assert_eq!(Username::parse("Ada Lovelace"), Err(UsernameError::NotAnIdentifier));
/// assert_eq!(Username::parse(&"a".repeat(255)), Err(UsernameError::TooLong));
/// # Ok::<(), UsernameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Username {
    pub(super) typed: String,
    pub(super) key: String,
}

/// The reason a text is not a username.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UsernameError {
    /// More characters than [`Username::MAX_CHARS`], or bytes than [`Username::MAX_BYTES`].
    #[error(
        "a username has at most {} characters ({} bytes)",
        Username::MAX_CHARS,
        Username::MAX_BYTES
    )]
    TooLong,
    /// Not an identifier by RFC 8265.
    #[error(
        "a username has letters, digits and signs such as . _ - @, and no spaces, control or invisible characters"
    )]
    NotAnIdentifier,
}

impl Username {
    /// The longest name, in characters: as long as the longest e-mail address (RFC 3696, erratum
    /// 1690).
    pub const MAX_CHARS: usize = 254;

    /// The longest name, in bytes of UTF-8: two for each character. A token with it, with all
    /// roles, and signed by an RSA key of 4096 bits then fits into a cookie, which has at most 4096
    /// bytes (RFC 6265bis section 5.6).
    pub const MAX_BYTES: usize = 2 * Self::MAX_CHARS;

    /// Parses a name by PRECIS's UsernameCaseMapped profile (RFC 8265 section 3.3): width and case
    /// are folded in the key, which is normalised by NFC. Spaces, control and invisible characters
    /// are rejected. Letters of other scripts that look alike are not distinguished.
    ///
    /// # Errors
    ///
    /// Returns a [`UsernameError`] if it is not valid.
    pub fn parse(typed: &str) -> Result<Self, UsernameError> {
        let too_long =
            |name: &str| name.len() > Self::MAX_BYTES || name.chars().count() > Self::MAX_CHARS;
        if too_long(typed) {
            return Err(UsernameError::TooLong);
        }
        let key = UsernameCaseMapped::enforce(typed).map_err(|_| UsernameError::NotAnIdentifier)?;
        if key.len() > Self::MAX_BYTES {
            return Err(UsernameError::TooLong);
        }
        Ok(Self {
            typed: typed.to_owned(),
            key: key.into_owned(),
        })
    }

    /// Returns the name as typed.
    pub fn as_str(&self) -> &str {
        &self.typed
    }

    /// Returns the form under which it is unique and found.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.typed)
    }
}

/// A stored user.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct User {
    /// The data of the user in tokens.
    pub subject: Subject,
    /// The hash that passwords are verified against.
    pub password_hash: PasswordHash,
    /// The time of registration.
    pub created_at: Timestamp,
    /// The time it was disabled, if it is.
    pub disabled_at: Option<Timestamp>,
}

/// A user to create.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The name.
    pub username: Username,
    /// The hash of its password.
    pub password_hash: PasswordHash,
    /// The user's roles.
    pub roles: Vec<String>,
}

/// A user of another system to create.
#[derive(Clone, Debug)]
pub struct ImportedUser {
    /// The name, the password and the roles.
    pub user: NewUser,
    /// Its id there, to keep: the `sub` of its tokens. `None` for a new one.
    pub id: Option<String>,
    /// The time of its registration. `None` for the time of the import.
    pub created_at: Option<Timestamp>,
    /// The time it was disabled, if it is.
    pub disabled_at: Option<Timestamp>,
}

impl From<NewUser> for ImportedUser {
    fn from(user: NewUser) -> Self {
        Self {
            user,
            id: None,
            created_at: None,
            disabled_at: None,
        }
    }
}

/// The reason a user was not created.
#[derive(Debug, Error)]
pub enum UserError {
    /// The name is taken.
    #[error("the username is taken")]
    Taken,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The name of a role.
///
/// ```
/// use tokenpair_store::{Role, RoleError};
///
/// assert_eq!(Role::parse("admin").map(Role::into_string), Ok("admin".to_owned()));
/// assert_eq!(Role::parse("Admin"), Err(RoleError));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Role(String);

/// The reason a text is not a role.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("a role has 1 to 32 lower-case letters, digits, - and _")]
pub struct RoleError;

impl Role {
    /// The maximum number of roles of a user.
    pub const MOST: usize = 16;

    /// Parses a role's name.
    ///
    /// # Errors
    ///
    /// Returns a [`RoleError`] if it is not valid.
    pub fn parse(text: &str) -> Result<Self, RoleError> {
        let plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        let good = (1..=32).contains(&text.len()) && text.bytes().all(plain);
        good.then(|| Self(text.to_owned())).ok_or(RoleError)
    }

    /// Returns the name.
    pub fn into_string(self) -> String {
        self.0
    }
}
