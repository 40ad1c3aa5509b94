//! Implements importing many users from another system, and reading all for an export.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use super::audit::NewEvent;
use super::connection::{Conn, in_transaction, on_its_own};
use super::models::UserRow;
use super::schema::users;
use super::store::DieselStore;
use super::user::{ImportedUser, User, UserError, Username};
use tokenpair::session::{RequestContext, StoreError};

/// Users per statement. A user has 8 values and its events up to 20, and SQLite takes 32,766 in a statement, PostgreSQL
/// 65,535.
const BATCH: usize = 500;

impl DieselStore {
    /// Returns which of these names are taken, by their keys. For a command: it has no time limit.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed.
    pub fn taken_names<'a>(
        &self,
        names: impl IntoIterator<Item = &'a Username>,
    ) -> Result<HashSet<String>, StoreError> {
        let keys: Vec<&str> = names.into_iter().map(Username::key).collect();
        let taken = self.blocking(|conn| {
            let mut taken = HashSet::new();
            for batch in keys.chunks(BATCH) {
                let found: Vec<String> = users::table
                    .filter(users::username_key.eq_any(batch.iter().copied()))
                    .select(users::username_key)
                    .load(conn)?;
                taken.extend(found);
            }
            Ok::<_, DieselError>(taken)
        })?;
        taken.map_err(StoreError::new)
    }

    /// Returns which of these ids are taken. For a command: it has no time limit.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed.
    pub fn taken_ids<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a str>,
    ) -> Result<HashSet<String>, StoreError> {
        let ids: Vec<&str> = ids.into_iter().collect();
        let taken = self.blocking(|conn| {
            let mut taken = HashSet::new();
            for batch in ids.chunks(BATCH) {
                let found: Vec<String> = users::table
                    .filter(users::id.eq_any(batch.iter().copied()))
                    .select(users::id)
                    .load(conn)?;
                taken.extend(found);
            }
            Ok::<_, DieselError>(taken)
        })?;
        taken.map_err(StoreError::new)
    }

    /// Returns the next users by id, some hundred at most, and none after the last. For a command:
    /// it has no time limit.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed.
    pub fn users_after(&self, id: &str) -> Result<Vec<User>, StoreError> {
        let page = self.blocking(|conn| {
            users::table
                .filter(users::id.gt(id))
                .order(users::id)
                .limit(BATCH as i64)
                .select(UserRow::as_select())
                .load::<UserRow>(conn)
        })?;
        let page = page.map_err(StoreError::new)?;
        Ok(page.into_iter().map(User::from).collect())
    }

    /// Creates all of these users in one transaction, or none. For a command: it has no time limit.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::session::RequestContext;
    /// # use tokenpair_store::{DatabaseUrl, DieselStore, StorePolicy};
    /// use tokenpair_store::password::{ForeignHash, Maker};
    /// use tokenpair_store::{NewUser, Username};
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let url = DatabaseUrl::parse(&format!("sqlite://{}", folder.path().join("users.db").display()))?;
    /// # let store = DieselStore::open(&url, StorePolicy::default())?;
    /// # store.migrate()?;
    /// # let context = RequestContext::at(Timestamp::from_unix(1_800_000_000));
    /// let names = [Username::parse("ada")?, Username::parse("grace")?];
    /// assert!(store.taken_names(&names)?.is_empty());
    /// # let text = "pbkdf2:sha256:600000$salt$0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    /// let mut users = Vec::new();
    /// for username in names.clone() {
    ///     let password_hash = ForeignHash::parse(text, Maker::Plain)?.into_hash();
    ///     users.push(NewUser { username, password_hash, roles: vec![] });
    /// }
    /// store.import_users(users, &context)?;
    /// assert_eq!(store.taken_names(&names)?.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`UserError`]; no user was created then.
    pub fn import_users<U: Into<ImportedUser>>(
        &self,
        users: Vec<U>,
        context: &RequestContext,
    ) -> Result<(), UserError> {
        let rows: Vec<UserRow> = users
            .into_iter()
            .map(|user| UserRow::imported(user.into(), context.at))
            .collect();
        let imported = self.blocking(|conn| {
            in_transaction(conn, |conn| {
                for batch in rows.chunks(BATCH) {
                    insert(batch, conn)?;
                    let events = batch.iter().flat_map(|row| row.created(context));
                    NewEvent::record_all(events, conn)?;
                }
                Ok(())
            })
        })?;
        imported.map_err(|error| match error {
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => UserError::Taken,
            error => UserError::Store(StoreError::new(error)),
        })
    }
}

fn insert(rows: &[UserRow], conn: &mut Conn) -> QueryResult<usize> {
    let insert = diesel::insert_into(users::table).values(rows);
    on_its_own!(conn => insert.execute(conn))
}
