//! Lists the events of one session.

use diesel::prelude::*;

use super::audit::{Event, EventRow};
use super::connection::Conn;
use super::schema::audit_events;
use super::store::DieselStore;
use tokenpair::session::StoreError;

impl DieselStore {
    /// Returns the first `most` events of one session of a user, oldest first.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed.
    pub async fn session_events(
        &self,
        user_id: &str,
        session_id: &str,
        most: i64,
    ) -> Result<Vec<Event>, StoreError> {
        let (user_id, session_id) = (user_id.to_owned(), session_id.to_owned());
        let select = move |conn: &mut Conn| {
            audit_events::table
                // The index begins with the user.
                .filter(audit_events::user_id.eq(&user_id))
                .filter(audit_events::session_id.eq(&session_id))
                .order(audit_events::id)
                .limit(most)
                .select(EventRow::as_select())
                .load(conn)
        };
        let rows: Vec<EventRow> = self.read(select).await?;
        Ok(rows.into_iter().map(Event::from).collect())
    }
}
