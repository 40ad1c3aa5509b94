//! Lists and revokes many sessions of one user in the database, since a user may have too many to
//! load their ids.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text};
use uuid::Uuid;

use super::audit::NewEvent;
use super::connection::{Conn, numbered, on_its_own};
use super::models::SessionRow;
use super::noted::note;
use super::schema::{sessions, users};
use tokenpair::session::{ManySessions, Session, SessionPage, SessionQuery};

/// Maximum number of a user's ended sessions that are kept as tombstones. A login deletes older
/// ones; otherwise repeated logins and logouts would grow the table for as long as a session may
/// last.
const TOMBSTONES: i64 = 1000;

/// Maximum number of sessions revoked in one transaction. More than a person has, so that one
/// transaction nearly always suffices, and few enough that neither the request nor the writes
/// behind it wait for long.
pub(super) const TOGETHER: usize = 5000;

/// Maximum number of tombstones that a login deletes, so that it does not wait for very many.
const AT_ONCE: i64 = 1000;

fn sql_int(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Returns a page of a user's live sessions, and their total number.
pub(super) fn list(conn: &mut Conn, query: &SessionQuery) -> QueryResult<SessionPage> {
    let live = || {
        sessions::table
            .inner_join(users::table)
            .filter(sessions::user_id.eq(&query.user_id))
            .filter(sessions::revoked_at.is_null())
            .filter(sessions::expires_at.gt(query.now.unix()))
            .filter(sessions::last_used_at.gt(query.idle_since.unix()))
            .filter(sessions::epoch.ge(users::epoch))
            .filter(users::disabled_at.is_null())
    };
    let total: i64 = live().count().get_result(conn)?;
    let mut page = SessionPage {
        sessions: Vec::new(),
        total: usize::try_from(total).unwrap_or_default(),
    };
    if query.limit > 0 {
        let rows: Vec<SessionRow> = live()
            .order((sessions::created_at.desc(), sessions::id.desc()))
            .offset(sql_int(query.offset))
            .limit(sql_int(query.limit))
            .select(SessionRow::as_select())
            .load(conn)?;
        page.sessions = rows.into_iter().map(Session::from).collect();
    }
    Ok(page)
}

/// Deletes a user's oldest ended sessions. A token of such a session is still rejected as revoked.
pub(super) fn delete_old_tombstones(conn: &mut Conn, user_id: &str) -> QueryResult<usize> {
    let old = format!(
        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NOT NULL \
         ORDER BY revoked_at DESC, id DESC LIMIT {AT_ONCE} OFFSET {TOMBSTONES})"
    );
    on_its_own!(
        conn,
        postgres: conn => sql_query(old).bind::<Text, _>(user_id).execute(conn),
        sqlite: conn => sql_query(numbered(&old))
            .bind::<Text, _>(user_id)
            .execute(conn),
    )
}

#[derive(QueryableByName)]
struct Ended {
    #[diesel(sql_type = BigInt)]
    ended: i64,
}

const NEWEST_FIRST: &str = "created_at DESC, id DESC";

/// The parts of the statements that revoke sessions. Our own numbers and words are in the text; all
/// input is bound: `$1` is the user's id, `$2` the id of the session to keep, `$3` the actor and
/// `$4` the address.
struct Statements {
    chosen: String,
    revocations: String,
    events: String,
    end: String,
}

impl Statements {
    /// `hex` writes a number in 4 digits, and `order` is any order that is stable within a
    /// transaction.
    fn of(many: &ManySessions, hex: &str, order: &str) -> Self {
        let (at, reason) = (many.context.at.unix(), many.reason.word());
        let idle = many.idle_since.unix();
        let live = many
            .newest
            .map(|_| format!(" AND expires_at > {at} AND last_used_at > {idle}"))
            .unwrap_or_default();
        let order = match many.newest {
            Some(_) => NEWEST_FIRST,
            None => order,
        };
        let newest = sql_int(many.newest.unwrap_or_default());
        let event = NewEvent::of_end(many.reason, &many.context);
        let (kind, detail) = event.parts();
        let kind = kind.word();
        let alert_due = event
            .alert_due()
            .map_or_else(|| "NULL".to_owned(), |due| due.to_string());
        // The ids of events sort by time, and differ in their last 4 digits. The other 28
        // characters must all stay: their counter distinguishes requests in the same millisecond.
        let id: String = Uuid::now_v7().to_string().chars().take(32).collect();
        let number = "row_number() OVER (ORDER BY created_at, id)";
        Self {
            chosen: format!(
                "SELECT id FROM sessions WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL{live} \
                 ORDER BY {order} LIMIT {TOGETHER} OFFSET {newest}"
            ),
            // A session is revoked once, so its id serves as the revocation's too.
            revocations: format!(
                "INSERT INTO revocations (id, session_id, at) SELECT id, id, {at} FROM ended WHERE last_used_at > {} \
                 ON CONFLICT DO NOTHING",
                many.tokens_since.unix()
            ),
            events: format!(
                "INSERT INTO audit_events (id, at, kind, user_id, session_id, actor_id, ip, detail, alert_due) \
                 SELECT '{id}' || {}, {at}, '{kind}', user_id, id, $3, $4, nullif('{detail}', ''), {alert_due} FROM ended",
                hex.replace("{}", number)
            ),
            end: format!(
                "UPDATE sessions SET revoked_at = {at}, revoke_reason = '{reason}' \
                 WHERE id IN (SELECT id FROM chosen) AND revoked_at IS NULL"
            ),
        }
    }

    /// PostgreSQL does all in one statement, which sees each row as it is when it is locked: it
    /// also records the revocation of a session that was refreshed in the meantime. Rows are always
    /// locked in the same order, which prevents deadlocks.
    fn at_once(&self) -> String {
        let Self {
            chosen,
            revocations,
            events,
            end,
        } = self;
        format!(
            "WITH chosen AS ({chosen} FOR UPDATE), \
             ended AS ({end} RETURNING id, user_id, created_at, last_used_at), \
             noted AS ({revocations}), told AS ({events}) \
             SELECT count(*) AS ended FROM ended"
        )
    }

    /// SQLite has one writer, so nothing changes between the statements of a transaction. Its order
    /// of rows needs no sort: it is the order of the index on the user's id.
    fn in_turn(&self) -> [String; 3] {
        let Self { chosen, .. } = self;
        let ended = "ended AS (SELECT * FROM sessions WHERE id IN (SELECT id FROM chosen))";
        [
            format!("WITH chosen AS ({chosen}), {ended} {}", self.revocations),
            format!("WITH chosen AS ({chosen}), {ended} {}", self.events),
            format!("WITH chosen AS ({chosen}) {}", self.end),
        ]
        .map(|statement| numbered(&statement))
    }
}

/// Revokes at most [`TOGETHER`] of these sessions, each with its event and, if it may have a valid
/// access token, its revocation. Runs in a transaction; returns how many were revoked.
pub(super) fn end(conn: &mut Conn, many: &ManySessions) -> QueryResult<usize> {
    let user_id = many.user_id.as_str();
    let keep = many.keep.as_deref().unwrap_or_default();
    let actor = many.context.by.as_deref();
    let address = many.context.ip.map(|ip| ip.to_string());
    let ip = address.as_deref();
    let (kind, _) = NewEvent::of_end(many.reason, &many.context).parts();
    let ended: QueryResult<usize> = on_its_own!(
        conn,
        postgres: conn => {
            let all = Statements::of(many, "lpad(to_hex({}), 4, '0')", NEWEST_FIRST).at_once();
            let counted: Ended = sql_query(all)
                .bind::<Text, _>(user_id)
                .bind::<Text, _>(keep)
                .bind::<Nullable<Text>, _>(actor)
                .bind::<Nullable<Text>, _>(ip)
                .get_result(conn)?;
            Ok(usize::try_from(counted.ended).unwrap_or_default())
        },
        sqlite: conn => {
            let [revocations, events, end] =
                Statements::of(many, "printf('%04x', {})", "rowid").in_turn();
            sql_query(revocations)
                .bind::<Text, _>(user_id)
                .bind::<Text, _>(keep)
                .execute(conn)?;
            sql_query(events)
                .bind::<Text, _>(user_id)
                .bind::<Text, _>(keep)
                .bind::<Nullable<Text>, _>(actor)
                .bind::<Nullable<Text>, _>(ip)
                .execute(conn)?;
            sql_query(end)
                .bind::<Text, _>(user_id)
                .bind::<Text, _>(keep)
                .execute(conn)
        },
    );
    let ended = ended?;
    note(kind, ended);
    Ok(ended)
}
