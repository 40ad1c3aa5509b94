//! Creates, finds and lists users.

use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;

use super::connection::Conn;
use super::models::UserRow;
use super::schema::users;
use super::store::DieselStore;
use super::user::{NewUser, User, UserError, Username};
use crate::password::PasswordHash;
use tokenpair::session::{RequestContext, StoreError, Subject};

/// A page of a long list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// The page number, from 1.
    pub number: i64,
    /// The number of entries per page.
    pub size: i64,
}

/// A page of users.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct UserPage {
    /// The users of this page, by name.
    pub users: Vec<User>,
    /// The number of users on all pages.
    pub total: i64,
}

impl Page {
    /// Returns the number of entries before the page.
    pub const fn offset(self) -> i64 {
        (self.number - 1).saturating_mul(self.size)
    }
}

/// Escapes `%` and `_`, so that a search treats them as text.
fn escaped(search: &str) -> String {
    search
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}

impl DieselStore {
    /// Creates a user. The database decides whether the name is taken, so only one of several
    /// concurrent requests succeeds.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair_store::password::PasswordHash;
    /// # use tokenpair::session::RequestContext;
    /// # use tokenpair_store::{DatabaseUrl, DieselStore, NewUser, StorePolicy, Username};
    /// use tokenpair_store::UserError;
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let url = DatabaseUrl::parse(&format!("sqlite://{}", folder.path().join("users.db").display()))?;
    /// # let store = DieselStore::open(&url, StorePolicy::default())?;
    /// # store.migrate()?;
    /// # let context = RequestContext::at(Timestamp::from_unix(1_800_000_000));
    /// let user = |name: &str| {
    ///     let username = Username::parse(name)?;
    ///     let password_hash = PasswordHash::from_text("$2b$12$...".to_owned());
    ///     Ok::<_, tokenpair_store::UsernameError>(NewUser { username, password_hash, roles: vec![] })
    /// };
    /// store.create_user(user("ada")?, &context).await?;
    /// assert!(matches!(store.create_user(user("ADA")?, &context).await, Err(UserError::Taken)));
    /// let found = store.user_by_name(&Username::parse("Ada")?).await?.unwrap();
    /// assert_eq!(found.subject.username, "ada");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`UserError`] if the name is taken or the database failed.
    pub async fn create_user(
        &self,
        user: NewUser,
        context: &RequestContext,
    ) -> Result<Subject, UserError> {
        let context = context.clone();
        let row = UserRow::new(user, context.at);
        self.write(
            move |conn| match diesel::insert_into(users::table).values(&row).execute(conn) {
                Err(diesel::result::Error::DatabaseError(
                    DatabaseErrorKind::UniqueViolation,
                    _,
                )) => Ok(None),
                inserted => {
                    inserted?;
                    row.created(&context)
                        .try_for_each(|event| event.record(conn))?;
                    Ok(Some(row.subject.clone().into()))
                }
            },
        )
        .await?
        .ok_or(UserError::Taken)
    }

    /// Returns the user with this name.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed.
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

    /// Returns the user with this id.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed.
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

    /// Replaces `old` by another hash of the same password, unless `old` has been replaced already:
    /// it must not undo a change of the password. The user's sessions and tokens are not affected.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed.
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

    /// Returns a page of the users whose name contains `search` in any case, by name, and their
    /// total number.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed.
    pub async fn search_users(&self, search: &str, page: Page) -> Result<UserPage, StoreError> {
        let pattern = format!("%{}%", escaped(&search.to_lowercase()));
        self.read(move |conn| {
            let matching = || {
                let like = users::username_key.like(pattern.clone()).escape('\\');
                users::table.filter(like)
            };
            let rows = matching()
                .order(users::username_key)
                .offset(page.offset())
                .limit(page.size)
                .select(UserRow::as_select())
                .load::<UserRow>(conn)?;
            Ok(UserPage {
                users: rows.into_iter().map(User::from).collect(),
                total: matching().count().get_result(conn)?,
            })
        })
        .await
    }

    /// Returns whether there is a user, without counting them.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed.
    pub async fn has_users(&self) -> Result<bool, StoreError> {
        let first = |conn: &mut Conn| {
            let ids = users::table.select(users::id).limit(1);
            ids.first::<String>(conn).optional()
        };
        Ok(self.read(first).await?.is_some())
    }

    /// Returns all users, by name.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed.
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
