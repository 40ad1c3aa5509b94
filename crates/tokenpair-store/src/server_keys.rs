//! Implements the key that all servers on one database share: encrypted, once under each key that
//! may open it.

use diesel::prelude::*;

use super::connection::{Conn, on_its_own};
use super::schema::server_keys;
use super::store::DieselStore;
use tokenpair::clock::Timestamp;
use tokenpair::session::StoreError;

/// A key, encrypted under another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedKey {
    /// The id of the key that can open it, which reveals nothing about that key.
    pub id: String,
    /// The encrypted key.
    pub sealed: String,
    /// The time it was sealed.
    pub created_at: Timestamp,
}

impl DieselStore {
    /// Returns the existing keys with these ids.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed.
    pub async fn sealed_keys(&self, ids: Vec<String>) -> Result<Vec<SealedKey>, StoreError> {
        let select = move |conn: &mut Conn| {
            server_keys::table
                .filter(server_keys::id.eq_any(&ids))
                .select((
                    server_keys::id,
                    server_keys::sealed,
                    server_keys::created_at,
                ))
                .load::<(String, String, i64)>(conn)
        };
        let rows = self.read(select).await?.into_iter();
        let keys = rows.map(|(id, sealed, created_at)| SealedKey {
            id,
            sealed,
            created_at: Timestamp::from_unix(created_at),
        });
        Ok(keys.collect())
    }

    /// Stores these keys in one transaction. An existing key stays unchanged, so of several servers
    /// that start together the first one's is kept.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed; nothing is stored then.
    pub async fn keep_sealed_keys(&self, mut keys: Vec<SealedKey>) -> Result<(), StoreError> {
        // Always in the same order, so that no two transactions deadlock.
        keys.sort_by(|one, other| one.id.cmp(&other.id));
        self.write(move |conn| keys.iter().try_for_each(|key| keep(conn, key)))
            .await
    }
}

fn keep(conn: &mut Conn, key: &SealedKey) -> QueryResult<()> {
    on_its_own!(conn => {
        diesel::insert_into(server_keys::table)
            .values((
                server_keys::id.eq(&key.id),
                server_keys::sealed.eq(&key.sealed),
                server_keys::created_at.eq(key.created_at.unix()),
            ))
            .on_conflict_do_nothing()
            .execute(conn)
            .map(|_| ())
    })
}
