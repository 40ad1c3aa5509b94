//! Implements changes of clients, and the writes that a client's credentials authorize.

use diesel::prelude::*;
use thiserror::Error;

use super::audit::NewEvent;
use super::client::{Client, ClientPermission, SecretDigest};
use super::clients::ClientRow;
use super::connection::{Conn, on_its_own};
use super::event_kind::EventKind;
use super::schema::clients;
use super::sessions::revoke;
use super::store::DieselStore;
use tokenpair::session::{EndReason, RequestContext, StoreError};

/// A change of a client.
#[derive(Clone, Debug)]
pub enum ClientChange {
    /// Sets a new secret. The one before is accepted too, until
    /// [`ClientChange::DropPreviousSecret`] or the next new secret.
    Secret(SecretDigest),
    /// Stops accepting the secret before the current one.
    DropPreviousSecret,
    /// Adds and removes permissions.
    Permissions {
        /// The permissions to add.
        add: Vec<ClientPermission>,
        /// The permissions to remove.
        remove: Vec<ClientPermission>,
    },
}

/// The reason a client's request was denied. Nothing was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ClientDenied {
    /// The client was deleted, or its secret is accepted no more.
    #[error("the client's secret is not accepted any more")]
    NotAuthenticated,
    /// The client lacks the permission.
    #[error("the client lacks the permission {0}")]
    NotPermitted(ClientPermission),
}

/// Loads a client. On PostgreSQL, `$lock` locks its row until the commit.
macro_rules! locked {
    ($conn:expr, $id:expr, $lock:ident) => {{
        let row: Option<ClientRow> = on_its_own!(
            $conn,
            postgres: postgres => clients::table
                .filter(clients::id.eq($id))
                .select(ClientRow::as_select())
                .$lock()
                .get_result(postgres)
                .optional(),
            sqlite: sqlite => clients::table
                .filter(clients::id.eq($id))
                .select(ClientRow::as_select())
                .get_result(sqlite)
                .optional(),
        )?;
        row.map(Client::from)
    }};
}

impl DieselStore {
    /// Applies a change to a client. Returns the client after it; `None` if there is no such
    /// client. A change that makes no difference writes nothing, not even an event.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::session::RequestContext;
    /// # use tokenpair_store::{DatabaseUrl, DieselStore, StorePolicy};
    /// use tokenpair_store::{ClientChange, ClientName, ClientSecret};
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let url = DatabaseUrl::parse(&format!("sqlite://{}", folder.path().join("users.db").display()))?;
    /// # let store = DieselStore::open(&url, StorePolicy::default())?;
    /// # store.migrate()?;
    /// # let context = RequestContext::at(Timestamp::from_unix(1_800_000_000));
    /// let (old, new) = (ClientSecret::random().digest(), ClientSecret::random().digest());
    /// let billing = store.create_client(ClientName::parse("billing")?, vec![], old.clone(), &context).await?;
    ///
    /// let rotate = ClientChange::Secret(new.clone());
    /// let both = store.change_client(&billing.id, rotate, &context).await?.unwrap();
    /// assert!(both.accepts(&old) && both.accepts(&new));
    /// let finish = ClientChange::DropPreviousSecret;
    /// let one = store.change_client(&billing.id, finish, &context).await?.unwrap();
    /// assert!(!one.accepts(&old) && one.accepts(&new));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed; nothing is changed then.
    pub async fn change_client(
        &self,
        id: &str,
        change: ClientChange,
        context: &RequestContext,
    ) -> Result<Option<Client>, StoreError> {
        let (id, context) = (id.to_owned(), context.clone());
        self.write(move |conn| {
            let Some(client) = locked!(conn, &id, for_update) else {
                return Ok(None);
            };
            apply(conn, client, &change, &context).map(Some)
        })
        .await
    }

    /// Deletes a client. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed; nothing is deleted then.
    pub async fn delete_client(
        &self,
        id: &str,
        context: &RequestContext,
    ) -> Result<bool, StoreError> {
        let (id, context) = (id.to_owned(), context.clone());
        self.write(move |conn| {
            let Some(client) = locked!(conn, &id, for_update) else {
                return Ok(false);
            };
            diesel::delete(clients::table.find(&id)).execute(conn)?;
            let event = NewEvent::new(EventKind::ClientDeleted, &context);
            let detail = format!("{} {}", client.name, client.id);
            event.detail(detail).record(conn).map(|()| true)
        })
        .await
    }

    /// Revokes a session for a client that was authenticated by the secret with this digest. The
    /// transaction checks again that the client exists, accepts the secret and may revoke. Returns
    /// whether the session was active.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed; nothing is revoked then.
    pub async fn revoke_for_client(
        &self,
        client_id: &str,
        digest: &SecretDigest,
        session_id: &str,
        context: &RequestContext,
    ) -> Result<Result<bool, ClientDenied>, StoreError> {
        let (client_id, digest) = (client_id.to_owned(), digest.clone());
        let session_id = session_id.to_owned();
        let context = RequestContext {
            by: Some(client_id.clone()),
            ..context.clone()
        };
        self.write(move |conn| {
            let client = locked!(conn, &client_id, for_share);
            let Some(client) = client.filter(|client| client.accepts(&digest)) else {
                return Ok(Err(ClientDenied::NotAuthenticated));
            };
            if !client.may(ClientPermission::Revoke) {
                return Ok(Err(ClientDenied::NotPermitted(ClientPermission::Revoke)));
            }
            revoke(conn, &session_id, EndReason::Client, &context).map(Ok)
        })
        .await
    }
}

fn apply(
    conn: &mut Conn,
    mut client: Client,
    change: &ClientChange,
    context: &RequestContext,
) -> QueryResult<Client> {
    let (kind, said) = match change {
        ClientChange::Secret(digest) => {
            let previous = std::mem::replace(&mut client.secret, digest.clone());
            client.previous_secret = Some(previous);
            client.secret_at = context.at;
            (EventKind::ClientSecretChanged, "new secret".to_owned())
        }
        ClientChange::DropPreviousSecret if client.previous_secret.is_none() => return Ok(client),
        ClientChange::DropPreviousSecret => {
            client.previous_secret = None;
            let said = "previous secret removed".to_owned();
            (EventKind::ClientSecretChanged, said)
        }
        ClientChange::Permissions { add, remove } => {
            let mut changed = [client.permissions.clone(), add.clone()].concat();
            changed.retain(|permission| !remove.contains(permission));
            changed.sort_unstable();
            changed.dedup();
            if changed == client.permissions {
                return Ok(client);
            }
            client.permissions = changed;
            let said = ClientPermission::join(&client.permissions);
            (EventKind::ClientPermissionsChanged, said)
        }
    };
    let previous = client.previous_secret.as_ref().map(SecretDigest::text);
    diesel::update(clients::table.find(&client.id))
        .set((
            clients::permissions.eq(ClientPermission::join(&client.permissions)),
            clients::secret.eq(client.secret.text()),
            clients::secret_at.eq(client.secret_at.unix()),
            clients::previous_secret.eq(previous),
        ))
        .execute(conn)?;
    let detail = format!("{} {}: {said}", client.name, client.id);
    NewEvent::new(kind, context).detail(detail).record(conn)?;
    Ok(client)
}
