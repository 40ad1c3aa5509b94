//! Adds, finds and lists clients.

use diesel::prelude::*;
use diesel::result::DatabaseErrorKind;
use uuid::Uuid;

use super::audit::NewEvent;
use super::client::{Client, ClientError, ClientName, ClientPermission, SecretDigest};
use super::connection::{Conn, MultiBackend, on_its_own};
use super::event_kind::EventKind;
use super::schema::clients;
use super::store::DieselStore;
use tokenpair::clock::Timestamp;
use tokenpair::session::{RequestContext, StoreError};

#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = clients, check_for_backend(MultiBackend), treat_none_as_default_value = false)]
pub(super) struct ClientRow {
    id: String,
    name: String,
    permissions: String,
    secret: String,
    secret_at: i64,
    previous_secret: Option<String>,
    created_at: i64,
}

impl From<ClientRow> for Client {
    fn from(row: ClientRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            permissions: ClientPermission::split(&row.permissions),
            secret: SecretDigest::from_text(row.secret),
            secret_at: Timestamp::from_unix(row.secret_at),
            previous_secret: row.previous_secret.map(SecretDigest::from_text),
            created_at: Timestamp::from_unix(row.created_at),
        }
    }
}

impl DieselStore {
    /// Adds a client with the digest of its secret.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::session::RequestContext;
    /// # use tokenpair_store::{DatabaseUrl, DieselStore, StorePolicy};
    /// use tokenpair_store::{ClientName, ClientPermission, ClientSecret};
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let url = DatabaseUrl::parse(&format!("sqlite://{}", folder.path().join("users.db").display()))?;
    /// # let store = DieselStore::open(&url, StorePolicy::default())?;
    /// # store.migrate()?;
    /// # let context = RequestContext::at(Timestamp::from_unix(1_800_000_000));
    /// let secret = ClientSecret::random();
    /// let (name, may) = (ClientName::parse("billing")?, vec![ClientPermission::Introspect]);
    /// let billing = store.create_client(name, may, secret.digest(), &context).await?;
    ///
    /// let found = store.client(&billing.id).await?.unwrap();
    /// assert!(found.accepts(&secret.digest()) && found.may(ClientPermission::Introspect));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`ClientError::Taken`] if another client has the name, or [`ClientError::Store`] if
    /// the database failed.
    pub async fn create_client(
        &self,
        name: ClientName,
        permissions: Vec<ClientPermission>,
        secret: SecretDigest,
        context: &RequestContext,
    ) -> Result<Client, ClientError> {
        let row = ClientRow {
            id: Uuid::now_v7().to_string(),
            name: name.into_string(),
            permissions: ClientPermission::join(&permissions),
            secret: secret.text().to_owned(),
            secret_at: context.at.unix(),
            previous_secret: None,
            created_at: context.at.unix(),
        };
        let context = context.clone();
        self.write(move |conn| {
            let insert = diesel::insert_into(clients::table).values(&row);
            match insert.execute(conn) {
                Err(diesel::result::Error::DatabaseError(
                    DatabaseErrorKind::UniqueViolation,
                    _,
                )) => Ok(None),
                inserted => {
                    inserted?;
                    let detail = format!("{} {}: {}", row.name, row.id, row.permissions);
                    let event = NewEvent::new(EventKind::ClientCreated, &context);
                    event.detail(detail).record(conn)?;
                    Ok(Some(row.clone().into()))
                }
            }
        })
        .await?
        .ok_or(ClientError::Taken)
    }

    /// Returns the client with this id.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed.
    pub async fn client(&self, id: &str) -> Result<Option<Client>, StoreError> {
        let id = id.to_owned();
        let find = move |conn: &mut Conn| {
            on_its_own!(conn => {
                clients::table
                    .filter(clients::id.eq(&id))
                    .select(ClientRow::as_select())
                    .get_result(conn)
                    .optional()
            })
        };
        Ok(self.read(find).await?.map(Client::from))
    }

    /// Returns the client with this name.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed.
    pub async fn client_by_name(&self, name: &str) -> Result<Option<Client>, StoreError> {
        let name = name.to_owned();
        let find = move |conn: &mut Conn| {
            clients::table
                .filter(clients::name.eq(&name))
                .select(ClientRow::as_select())
                .get_result(conn)
                .optional()
        };
        Ok(self.read(find).await?.map(Client::from))
    }

    /// Returns all clients, by name.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed.
    pub async fn clients(&self) -> Result<Vec<Client>, StoreError> {
        let list = |conn: &mut Conn| {
            clients::table
                .order(clients::name)
                .select(ClientRow::as_select())
                .load(conn)
        };
        let rows = self.read(list).await?.into_iter();
        Ok(rows.map(Client::from).collect())
    }
}
