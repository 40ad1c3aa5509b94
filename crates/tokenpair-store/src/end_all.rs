//! Ends all sessions of all users: after a restore of an older state, which may lack revocations,
//! and whenever an operator wants everybody to log in again.

use std::time::Instant;

use diesel::prelude::*;
use diesel::sql_query;

use super::audit::NewEvent;
use super::connection::{Conn, in_transaction, on_its_own};
use super::event_kind::EventKind;
use super::revocations;
use super::schema::sessions;
use super::store::DieselStore;
use tokenpair::clock::Timestamp;
use tokenpair::session::{EndReason, RequestContext, Revocation, Revoked, StoreError};

/// Every write locks users before sessions, each by id. The statements may take longer than a
/// request's.
const LOCKS: &str = "\
    SET LOCAL statement_timeout = 0; \
    SELECT count(*) FROM (SELECT id FROM users ORDER BY id FOR UPDATE) AS locked_users; \
    SELECT count(*) FROM (SELECT id FROM sessions WHERE revoked_at IS NULL AND expires_at > {now} \
    ORDER BY id FOR UPDATE) AS locked_sessions";

impl DieselStore {
    /// Ends every session and revokes every token issued until now, in one transaction. Returns the
    /// number of sessions ended. Running servers notice when they next sync their revocations.
    ///
    /// Each user's epoch becomes at least the current time in seconds. So it is higher than the
    /// epoch of any token, even if the database was restored and has lost the latest epochs. For a
    /// command: it has no time limit.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair_store::password::PasswordHash;
    /// # use tokenpair::session::RequestContext;
    /// # use tokenpair_store::{DatabaseUrl, DieselStore, NewUser, StorePolicy, Username};
    /// use tokenpair::session::EndReason;
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let url = DatabaseUrl::parse(&format!("sqlite://{}", folder.path().join("users.db").display()))?;
    /// # let store = DieselStore::open(&url, StorePolicy::default())?;
    /// # store.migrate()?;
    /// # let context = RequestContext::at(Timestamp::from_unix(1_800_000_000));
    /// # let password_hash = PasswordHash::from_text("$2b$12$...".to_owned());
    /// # let username = Username::parse("ada")?;
    /// # let ada = store.create_user(NewUser { username, password_hash, roles: vec![] }, &context).await?;
    /// let ended = store.end_all_sessions(EndReason::Admin, &context)?;
    /// assert_eq!(ended, 0); // nobody had logged in
    /// let ada = store.user_by_id(&ada.id).await?.unwrap();
    /// assert_eq!(ada.subject.epoch, 1_800_000_000);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed; nothing is ended then.
    pub fn end_all_sessions(
        &self,
        reason: EndReason,
        context: &RequestContext,
    ) -> Result<usize, StoreError> {
        let began = Instant::now();
        let now = || context.at + began.elapsed();
        let ended: QueryResult<usize> = self.blocking(|conn| {
            in_transaction(conn, |conn| {
                lock(conn, context.at)?;
                // Tokens issued while this waited for the locks end too.
                let ended = end_all(conn, now(), reason, context)?;
                // Last, since the statements may take longer than a sync looks back. Nobody has
                // logged in since the locks.
                let (subject, at) = (Revoked::All, now());
                revocations::record(conn, &Revocation { subject, at })?;
                Ok(ended)
            })
        })?;
        ended.map_err(StoreError::new)
    }
}

/// Revokes again all tokens from before a revocation that was lost. Returns false if it was not
/// lost.
pub(super) fn restore(
    conn: &mut Conn,
    lost: &Revocation,
    context: &RequestContext,
) -> QueryResult<bool> {
    if !revocations::record_lost(conn, lost)? {
        return Ok(false);
    }
    lock(conn, context.at)?;
    end_all(conn, lost.at, EndReason::Restored, context).map(|_| true)
}

/// Locks what [`end_all`] writes. Nobody can log in or refresh until the commit.
fn lock(conn: &mut Conn, now: Timestamp) -> QueryResult<()> {
    on_its_own!(
        conn,
        postgres: postgres => {
            use diesel::connection::SimpleConnection;
            postgres.batch_execute(&LOCKS.replace("{now}", &now.unix().to_string()))
        },
        // It has one writer, and it is this transaction.
        sqlite: _ => Ok(()),
    )
}

/// Ends the sessions that began until then. Records one event for all. Expired sessions are left to
/// the purge, which could otherwise lock the same rows in another order.
fn end_all(
    conn: &mut Conn,
    until: Timestamp,
    reason: EndReason,
    context: &RequestContext,
) -> QueryResult<usize> {
    let now = context.at.unix();
    let at = until.unix();
    let raise = "UPDATE users SET epoch = CASE WHEN epoch < {at} THEN {at} ELSE epoch + 1 END";
    sql_query(raise.replace("{at}", &at.to_string())).execute(conn)?;
    let live = sessions::table
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::expires_at.gt(now))
        .filter(sessions::created_at.le(at));
    let ended = diesel::update(live)
        .set((
            sessions::revoked_at.eq(now),
            sessions::revoke_reason.eq(reason.word()),
        ))
        .execute(conn)?;
    let event = NewEvent::new(EventKind::AllSessionsRevoked, context);
    event.detail(reason.word()).record(conn)?;
    Ok(ended)
}
