//! Users: their names, and how they are made and found.

use std::fmt;

use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;
use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::PrecisFastInvocation;
use thiserror::Error;

use super::connection::{Conn, DieselStore};
use super::rows::UserRow;
use super::schema::users;
use crate::password::PasswordHash;
use tokenpair::clock::Timestamp;
use tokenpair::session::{Act, StoreError, Subject};

/// A username in good form: as typed, and the key under which it is unique and found.
///
/// ```
/// use tokenpair_store::{Username, UsernameError};
///
/// let name = Username::parse("Ada.Lovelace")?;
/// assert_eq!(name.as_str(), "Ada.Lovelace");
/// assert_eq!(name.key(), "ada.lovelace"); // so nobody else is ADA.LOVELACE
/// assert_eq!(Username::parse("Ada Lovelace"), Err(UsernameError::NotAnIdentifier));
/// assert_eq!(Username::parse(&"a".repeat(255)), Err(UsernameError::TooLong));
/// # Ok::<(), UsernameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Username {
    pub(super) typed: String,
    pub(super) key: String,
}

/// Why a text is no username.
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
    /// The longest name, in characters: as long as the longest e-mail address (RFC 3696, erratum 1690).
    pub const MAX_CHARS: usize = 254;

    /// The longest name, in bytes of UTF-8: two for each character. A token with it, with all roles, and signed by an RSA
    /// key of 4096 bits then fits into a cookie, which has at most 4096 bytes (RFC 6265bis section 5.6).
    pub const MAX_BYTES: usize = 2 * Self::MAX_CHARS;

    /// Reads a name by PRECIS's UsernameCaseMapped profile (RFC 8265 section 3.3): width and case are folded in the
    /// key, normalised by NFC, and spaces, control and invisible characters are refused. Letters of other scripts that
    /// look alike are not told apart.
    ///
    /// # Errors
    ///
    /// [`UsernameError`].
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

    /// As typed.
    pub fn as_str(&self) -> &str {
        &self.typed
    }

    /// The one form under which it is unique and found.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.typed)
    }
}

/// A user as kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// What tokens say of it.
    pub subject: Subject,
    /// What its password is verified against.
    pub password_hash: PasswordHash,
    /// The registration.
    pub created_at: Timestamp,
    /// Since when it may not log in.
    pub disabled_at: Option<Timestamp>,
}

/// A user to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The name.
    pub username: Username,
    /// The hash of its password.
    pub password_hash: PasswordHash,
    /// What it may do.
    pub roles: Vec<String>,
}

/// Why a user was not made.
#[derive(Debug, Error)]
pub enum UserError {
    /// Someone has that name.
    #[error("the username is taken")]
    Taken,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which part of a long list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// From 1.
    pub number: i64,
    /// Entries on it.
    pub size: i64,
}

impl Page {
    /// Returns how many entries come before it.
    pub const fn offset(self) -> i64 {
        (self.number - 1).saturating_mul(self.size)
    }
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

/// Why a text is no role.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("a role has 1 to 32 small letters, digits, - and _")]
pub struct RoleError;

impl Role {
    /// How many a user may have.
    pub const MOST: usize = 16;

    /// Reads a role's name.
    ///
    /// # Errors
    ///
    /// [`RoleError`].
    pub fn parse(text: &str) -> Result<Self, RoleError> {
        let plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        let good = (1..=32).contains(&text.len()) && text.bytes().all(plain);
        good.then(|| Self(text.to_owned())).ok_or(RoleError)
    }

    /// The name.
    pub fn into_string(self) -> String {
        self.0
    }
}

/// So that `%` and `_` in a search mean themselves.
fn escaped(search: &str) -> String {
    search
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}

impl DieselStore {
    /// Makes a user. Whether the name is taken is the database's to say, so of many at once one wins.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair_store::password::PasswordHash;
    /// # use tokenpair::session::Act;
    /// # use tokenpair_store::{DatabaseUrl, DieselStore, NewUser, StorePolicy, Username};
    /// use tokenpair_store::UserError;
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let url = DatabaseUrl::parse(&format!("sqlite://{}", folder.path().join("users.db").display()))?;
    /// # let store = DieselStore::open(&url, StorePolicy::default())?;
    /// # store.migrate()?;
    /// # let act = Act::at(Timestamp::from_unix(1_800_000_000));
    /// let user = |name: &str| {
    ///     let username = Username::parse(name)?;
    ///     let password_hash = PasswordHash::from_text("$2b$12$...".to_owned());
    ///     Ok::<_, tokenpair_store::UsernameError>(NewUser { username, password_hash, roles: vec![] })
    /// };
    /// store.create_user(user("ada")?, &act).await?;
    /// assert!(matches!(store.create_user(user("ADA")?, &act).await, Err(UserError::Taken)));
    /// let found = store.user_by_name(&Username::parse("Ada")?).await?.unwrap();
    /// assert_eq!(found.subject.username, "ada");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`UserError`].
    pub async fn create_user(&self, user: NewUser, act: &Act) -> Result<Subject, UserError> {
        let act = act.clone();
        let row = UserRow::new(user, act.at);
        self.write(
            move |conn| match diesel::insert_into(users::table).values(&row).execute(conn) {
                Err(diesel::result::Error::DatabaseError(
                    DatabaseErrorKind::UniqueViolation,
                    _,
                )) => Ok(None),
                inserted => {
                    inserted?;
                    row.created(&act).record(conn)?;
                    Ok(Some(row.subject.clone().into()))
                }
            },
        )
        .await?
        .ok_or(UserError::Taken)
    }

    /// The user of that name.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the database failed.
    pub async fn user_by_name(&self, username: &Username) -> Result<Option<User>, StoreError> {
        let key = username.key.clone();
        let find = move |conn: &mut Conn| {
            users::table
                .filter(users::username_key.eq(&key))
                .select(UserRow::as_select())
                .get_result(conn)
                .optional()
        };
        Ok(self.read(find).await?.map(User::from))
    }

    /// The user of that id.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the database failed.
    pub async fn user_by_id(&self, id: &str) -> Result<Option<User>, StoreError> {
        let id = id.to_owned();
        let find = move |conn: &mut Conn| {
            users::table
                .find(&id)
                .select(UserRow::as_select())
                .get_result(conn)
                .optional()
        };
        Ok(self.read(find).await?.map(User::from))
    }

    /// Puts another hash of the same password in place of `old`, unless that is no longer there: it must not undo a change
    /// of the password. What the user holds goes on.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the database failed.
    pub async fn replace_hash(
        &self,
        id: &str,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<(), StoreError> {
        let (id, old, new) = (id.to_owned(), old.clone(), new.clone());
        let replace = move |conn: &mut Conn| {
            let user = users::table
                .find(&id)
                .filter(users::password_hash.eq(old.expose()));
            diesel::update(user)
                .set(users::password_hash.eq(new.expose()))
                .execute(conn)
                .map(|_| ())
        };
        self.write_one(replace).await
    }

    /// A page of the users whose name contains `search` in any case, by name, and how many there are in all.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the database failed.
    pub async fn search_users(
        &self,
        search: &str,
        page: Page,
    ) -> Result<(Vec<User>, i64), StoreError> {
        let pattern = format!("%{}%", escaped(&search.to_lowercase()));
        let found: (Vec<UserRow>, i64) = self
            .read(move |conn| {
                let matching = || {
                    let like = users::username_key.like(pattern.clone()).escape('\\');
                    users::table.filter(like)
                };
                let rows = matching()
                    .order(users::username_key)
                    .offset(page.offset())
                    .limit(page.size)
                    .select(UserRow::as_select())
                    .load(conn)?;
                Ok((rows, matching().count().get_result(conn)?))
            })
            .await?;
        Ok((found.0.into_iter().map(User::from).collect(), found.1))
    }

    /// All users, by name.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the database failed.
    pub async fn users(&self) -> Result<Vec<User>, StoreError> {
        let list = |conn: &mut Conn| {
            users::table
                .order(users::username_key)
                .select(UserRow::as_select())
                .load(conn)
        };
        Ok(self.read(list).await?.into_iter().map(User::from).collect())
    }
}
