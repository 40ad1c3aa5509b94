//! Many users at once, from another system.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use super::audit::NewEvent;
use super::connection::{Conn, DieselStore, in_transaction};
use super::schema::users;
use super::users::{NewUser, UserError, UserRow, Username};
use crate::session::{Act, StoreError};

/// Users in a statement. A row has 8 values, and SQLite takes 32,766 in a statement, PostgreSQL 65,535.
const BATCH: usize = 500;

impl DieselStore {
    /// Which of these names someone has, by their keys. For a command: it waits as long as it takes.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the database failed.
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

    /// Makes all of these users in one transaction, or none. For a command: it waits as long as it takes.
    ///
    /// # Errors
    ///
    /// [`UserError`]; nobody was made then.
    pub fn import_users(&self, users: Vec<NewUser>, act: &Act) -> Result<(), UserError> {
        let rows: Vec<UserRow> = users
            .into_iter()
            .map(|user| UserRow::new(user, act.at))
            .collect();
        let imported = self.blocking(|conn| {
            in_transaction(conn, |conn| {
                for batch in rows.chunks(BATCH) {
                    insert(batch, conn)?;
                    NewEvent::record_all(batch.iter().map(|row| row.created(act)), conn)?;
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
    match conn {
        Conn::Postgres(postgres) => insert.execute(postgres),
        Conn::Sqlite(sqlite) => insert.execute(sqlite),
    }
}
