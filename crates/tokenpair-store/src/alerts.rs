//! Implements alerts: audit events that someone should look at soon. The events themselves are the
//! queue of messages to send, so an alert is neither lost between two writes nor stored twice.

use std::time::Duration;

use diesel::prelude::*;
use tokenpair::clock::Timestamp;
use tokenpair::session::{RequestContext, Step, StoreError};

use super::audit::{Event, EventRow, NewEvent};
use super::connection::{Conn, on_its_own};
use super::event_kind::EventKind;
use super::schema::{audit_events, throttle, users};
use super::store::DieselStore;

/// How long to wait after each failed attempt to send an alert. After the attempt that follows the
/// last of them, about three days after the event, the alert is given up.
pub const RETRIES: [Duration; 10] = [
    Duration::from_secs(30),
    Duration::from_secs(2 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(5 * 3600),
    Duration::from_secs(10 * 3600),
    Duration::from_secs(14 * 3600),
    Duration::from_secs(20 * 3600),
    Duration::from_secs(24 * 3600),
];

/// The recoveries of one session within [`RECOVERY_WINDOW`] that make an alert.
const RECOVERIES: usize = 5;

/// The user's newest events in which recoveries are counted, so that a user with many events costs
/// no more.
const EVENTS_CONSIDERED: i64 = 200;

/// The window in which recoveries are counted, and in which one alert is enough.
const RECOVERY_WINDOW: Duration = Duration::from_secs(3600);

/// How long before its expiry a certificate makes an alert, each time once.
const EXPIRY_NOTICES: [u64; 5] = [0, 1, 3, 7, 14];

const DAY: Duration = Duration::from_secs(86_400);

/// How long a notice is remembered after the expiry of its certificate.
const YEAR: Duration = Duration::from_secs(365 * DAY.as_secs());

/// An alert whose turn it is to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Alert {
    /// The event.
    pub event: Event,
    /// The name of its user, unless the user has been deleted.
    pub username: Option<String>,
    /// The number of this attempt to send it, from 1.
    pub attempt: i64,
    /// How long after this attempt the next one follows, if it fails. `None` if it is the last.
    pub retry_after: Option<Duration>,
}

impl DieselStore {
    /// Takes the alert that has waited longest, if one is due. Until the time of its next attempt
    /// no other server takes it. Call [`settle_alert`](Self::settle_alert) once it is sent.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair_store::password::PasswordHash;
    /// # use tokenpair::session::RequestContext;
    /// # use tokenpair_store::{ADMIN, DatabaseUrl, DieselStore, NewUser, StorePolicy, Username};
    /// use tokenpair_store::RETRIES;
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
    /// store.create_user(NewUser { username, password_hash, roles: vec![ADMIN.to_owned()] }, &context).await?;
    /// let alert = store.take_alert(context.at).await?.unwrap();
    /// assert_eq!((alert.event.kind.as_str(), alert.username.as_deref()), ("admin_granted", Some("ada")));
    ///
    /// // Not sent: it is due again later.
    /// assert!(store.take_alert(context.at).await?.is_none());
    /// let again = store.take_alert(context.at + RETRIES[0]).await?.unwrap();
    /// assert_eq!(again.attempt, 2);
    ///
    /// // Sent: it is never due again.
    /// store.settle_alert(&again.event.id).await?;
    /// assert!(store.take_alert(context.at + RETRIES[9]).await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed.
    pub async fn take_alert(&self, now: Timestamp) -> Result<Option<Alert>, StoreError> {
        loop {
            let Some(due) = self.read(move |conn| first_due(conn, now)).await? else {
                return Ok(None);
            };
            let attempts = usize::try_from(due.attempts).ok();
            let retry_after = attempts.and_then(|attempts| RETRIES.get(attempts).copied());
            let next = retry_after.map(|wait| (now + wait).unix());
            let (id, seen) = (due.event.id.clone(), due.due);
            // Of several servers, the one that finds the time unchanged has taken it.
            let is_taken = self
                .write_one(move |conn| take(conn, &id, seen, next))
                .await?;
            if is_taken {
                return Ok(Some(Alert {
                    event: due.event,
                    username: due.username,
                    attempt: due.attempts + 1,
                    retry_after,
                }));
            }
        }
    }

    /// Records that an alert was sent, or will never be.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed. The alert is then sent again.
    pub async fn settle_alert(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        let settle = move |conn: &mut Conn| {
            diesel::update(audit_events::table.find(&id))
                .set(audit_events::alert_due.eq(None::<i64>))
                .execute(conn)
                .map(|_| ())
        };
        self.write_one(settle).await
    }

    /// Records the event [`EventKind::CertificateExpiring`] if a certificate expires within 14 days,
    /// and again within 7, 3 and 1 days and once it has expired. A notice longer before the expiry
    /// than a third of the certificate's life is left out, since a short-lived certificate is renewed
    /// later. However many servers call this, each event is recorded once. Returns whether it was
    /// recorded now.
    ///
    /// # Errors
    ///
    /// Returns a [`StoreError`] if the database failed.
    pub async fn record_certificate_expiry(
        &self,
        certificate: &CertificateLife,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let expires = certificate.expires;
        let third = (expires.unix() - certificate.begins.unix()) / 3;
        let is_due = |days: &u64| {
            let notice = days_long(*days);
            i64::try_from(notice.as_secs()).is_ok_and(|notice| notice < third)
                && expires - notice <= now
        };
        let Some(days) = EXPIRY_NOTICES.into_iter().find(is_due) else {
            return Ok(false);
        };
        let verb = if days == 0 { "expired" } else { "expires" };
        let detail = format!("{verb} at {expires}");
        // The table of counters keeps what must not happen twice, and its purge forgets it.
        let once = (
            throttle::id.eq(format!("certificate {} {days}", certificate.fingerprint)),
            throttle::failures.eq(1),
            throttle::last_at.eq(now.unix()),
            throttle::until_at.eq((expires.max(now) + YEAR).unix()),
        );
        let context = RequestContext::at(now);
        self.write(move |conn| {
            let insert = diesel::insert_into(throttle::table).values(once.clone());
            let is_first = on_its_own!(conn => insert.on_conflict_do_nothing().execute(conn))? == 1;
            if is_first {
                let event = NewEvent::new(EventKind::CertificateExpiring, &context);
                event.detail(&detail).record(conn)?;
            }
            Ok(is_first)
        })
        .await
    }
}

/// The validity of a certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateLife {
    /// What tells it apart from others, such as its hash.
    pub fingerprint: String,
    /// The first second in which it is valid.
    pub begins: Timestamp,
    /// The last one.
    pub expires: Timestamp,
}

const fn days_long(days: u64) -> Duration {
    Duration::from_secs(days * DAY.as_secs())
}

/// An alert that may be sent.
struct Due {
    event: Event,
    username: Option<String>,
    due: i64,
    attempts: i64,
}

fn first_due(conn: &mut Conn, now: Timestamp) -> QueryResult<Option<Due>> {
    let first = audit_events::table
        .filter(audit_events::alert_due.le(now.unix()))
        .order((audit_events::alert_due, audit_events::id))
        .limit(1)
        .select((
            EventRow::as_select(),
            audit_events::alert_due.assume_not_null(),
            audit_events::alert_attempts,
        ))
        .get_result::<(EventRow, i64, i64)>(conn)
        .optional()?;
    let Some((event, due, attempts)) = first else {
        return Ok(None);
    };
    let event = Event::from(event);
    let username = match &event.user_id {
        Some(id) => users::table
            .find(id)
            .select(users::username)
            .get_result(conn)
            .optional()?,
        None => None,
    };
    Ok(Some(Due {
        event,
        username,
        due,
        attempts,
    }))
}

fn take(conn: &mut Conn, id: &str, seen: i64, next: Option<i64>) -> QueryResult<bool> {
    let unchanged = audit_events::table
        .find(id)
        .filter(audit_events::alert_due.eq(seen));
    diesel::update(unchanged)
        .set((
            audit_events::alert_due.eq(next),
            audit_events::alert_attempts.eq(audit_events::alert_attempts + 1),
        ))
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Records the event [`EventKind::RecoveryRepeated`] if this recovery of a session is the fifth
/// within an hour, at most once an hour.
pub(super) fn note_recovery(
    conn: &mut Conn,
    kind: EventKind,
    user_id: &str,
    step: &Step,
) -> QueryResult<()> {
    if kind != EventKind::RefreshRecovered {
        return Ok(());
    }
    let newest: Vec<(String, Option<String>, i64)> = audit_events::table
        .filter(audit_events::user_id.eq(user_id))
        .order(audit_events::id.desc())
        .limit(EVENTS_CONSIDERED)
        .select((
            audit_events::kind,
            audit_events::session_id,
            audit_events::at,
        ))
        .load(conn)?;
    let since = (step.context.at - RECOVERY_WINDOW).unix();
    let recent = |wanted: EventKind| {
        let of_session = newest.iter().filter(|(kind, session_id, at)| {
            kind == wanted.word() && session_id.as_ref() == Some(&step.id) && *at > since
        });
        of_session.count()
    };
    let recoveries = recent(kind);
    let repeated = EventKind::RecoveryRepeated;
    if recoveries < RECOVERIES || recent(repeated) > 0 {
        return Ok(());
    }
    NewEvent::new(repeated, &step.context)
        .user(user_id)
        .session(&step.id)
        .detail(format!("{recoveries} within an hour"))
        .record(conn)
}
