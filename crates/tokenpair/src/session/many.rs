//! Defines the operations on many sessions of one user: [`SessionQuery`] lists them,
//! [`ManySessions`] revokes them.

use super::context::RequestContext;
use super::record::{EndReason, Session, SessionRecord};
use crate::clock::Timestamp;

/// A query for a page of a user's live sessions, newest login first.
///
/// A session is live if it is not revoked, not expired, not past its idle timeout, and of its
/// user's current epoch, and its user is not disabled.
///
/// ```
/// use std::time::Duration;
/// use tokenpair::session::{SessionQuery, SessionStore};
///
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::session::Login;
/// # tokenpair::sample::run(async {
/// # let (ada, store) = tokenpair::sample::user();
/// # let sessions = tokenpair::sample::sessions_in(&store)?;
/// # let now = Timestamp::from_unix(1_800_000_000);
/// for _ in 0..3 {
///     sessions.login(&ada, Login::default(), now).await?;
/// }
/// let query = SessionQuery {
///     user_id: "1".to_owned(),
///     now,
///     idle_since: now - Duration::from_secs(30 * 86_400),
///     offset: 0,
///     limit: 2,
/// };
/// let page = store.list(&query).await?;
/// assert_eq!((page.sessions.len(), page.total), (2, 3));
/// # Ok(()) });
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionQuery {
    /// The user's id.
    pub user_id: String,
    /// The current time. A session with an `expires_at` that is not later has expired.
    pub now: Timestamp,
    /// The start of the idle timeout. A session with a `last_used_at` that is not later is past it.
    pub idle_since: Timestamp,
    /// The number of sessions to skip.
    pub offset: usize,
    /// The maximum number of sessions to return; 0 only counts them.
    pub limit: usize,
}

impl SessionQuery {
    /// Returns the page out of all sessions of a store in memory.
    pub fn page(&self, all: impl IntoIterator<Item = SessionRecord>) -> SessionPage {
        let live = self.live(all);
        SessionPage {
            total: live.len(),
            sessions: live
                .into_iter()
                .skip(self.offset)
                .take(self.limit)
                .collect(),
        }
    }

    fn live(&self, all: impl IntoIterator<Item = SessionRecord>) -> Vec<Session> {
        let live = |record: &SessionRecord| {
            let row = record.row();
            record.subject.id == self.user_id
                && !row.revoked
                && !row.user_disabled
                && row.expires_at > self.now
                && row.last_used_at > self.idle_since
        };
        let live = all.into_iter().filter(live);
        let mut live: Vec<Session> = live.map(|record| record.session).collect();
        live.sort_by(|one, other| (other.created_at, &other.id).cmp(&(one.created_at, &one.id)));
        live
    }
}

/// A page of a user's live sessions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SessionPage {
    /// The sessions on this page, newest login first.
    pub sessions: Vec<Session>,
    /// The number of sessions on all pages.
    pub total: usize,
}

/// More sessions than a user can have, in the numbers of every database.
const ALL: usize = 1 << 30;

/// Sessions of one user to revoke together.
///
/// ```
/// use tokenpair::session::{RequestContext, EndReason, ManySessions, SessionStore};
///
/// # use std::time::Duration;
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::session::Login;
/// # tokenpair::sample::run(async {
/// # let (ada, store) = tokenpair::sample::user();
/// # let sessions = tokenpair::sample::sessions_in(&store)?;
/// # let now = Timestamp::from_unix(1_800_000_000);
/// for _ in 0..5 {
///     sessions.login(&ada, Login::default(), now).await?;
/// }
/// // Ends all but the two newest.
/// let many = ManySessions {
///     user_id: "1".to_owned(),
///     keep: None,
///     newest: Some(2),
///     idle_since: now - Duration::from_secs(30 * 86_400),
///     tokens_since: now - Duration::from_secs(3600),
///     reason: EndReason::Limit,
///     context: RequestContext::at(now),
/// };
/// assert_eq!(store.revoke_many(&many).await?, Ok(3));
/// assert_eq!(store.revocations_since(now).await?.len(), 3);
/// # Ok(()) });
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ManySessions {
    /// The user's id.
    pub user_id: String,
    /// The id of a session to keep, if any.
    pub keep: Option<String>,
    /// Revokes only live sessions ([`SessionQuery`]) and keeps this many of the newest, not
    /// counting `keep`. `None`: revokes all sessions not revoked yet, expired or not.
    pub newest: Option<usize>,
    /// The start of the idle timeout. A session with a `last_used_at` that is not later is past it.
    pub idle_since: Timestamp,
    /// The oldest use that can have left a valid access token. A session not used since then needs
    /// no recorded revocation.
    pub tokens_since: Timestamp,
    /// The reason for revoking them.
    pub reason: EndReason,
    /// The time and the request.
    pub context: RequestContext,
}

impl ManySessions {
    /// Returns the query that finds the sessions to revoke, and those to keep.
    pub(super) fn candidates(&self) -> SessionQuery {
        let any_use = Timestamp::from_unix(0);
        SessionQuery {
            user_id: self.user_id.clone(),
            now: self.context.at,
            idle_since: self.newest.map_or(any_use, |_| self.idle_since),
            offset: 0,
            limit: ALL,
        }
    }

    /// Returns the ids of the sessions to revoke among the candidates.
    pub(super) fn chosen(&self, candidates: SessionPage) -> Vec<String> {
        let ids = candidates.sessions.into_iter().map(|session| session.id);
        ids.filter(|id| self.keep.as_ref() != Some(id))
            .skip(self.newest.unwrap_or_default())
            .collect()
    }

    /// Returns the ids of the sessions to revoke out of all in a store in memory.
    pub fn ids(&self, all: impl IntoIterator<Item = SessionRecord>) -> Vec<String> {
        let kept = |session: &Session| self.keep.as_ref() == Some(&session.id);
        let Some(newest) = self.newest else {
            let own = all.into_iter().map(|record| record.session);
            let own = own.filter(|session| {
                session.user_id == self.user_id && session.revoked.is_none() && !kept(session)
            });
            return own.map(|session| session.id).collect();
        };
        let query = SessionQuery {
            user_id: self.user_id.clone(),
            now: self.context.at,
            idle_since: self.idle_since,
            offset: 0,
            limit: 0,
        };
        let others = query
            .live(all)
            .into_iter()
            .filter(|session| !kept(session))
            .skip(newest);
        others.map(|session| session.id).collect()
    }
}
