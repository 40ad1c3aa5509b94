//! Implements revocation without the database: a set in memory of all that was revoked.
//!
//! An access token is verified without the database, so the set must hold every session revoked and
//! every user whose epoch increased within one access token's lifetime. The set grows at once on
//! the replica that revokes, and on every other replica as it syncs the recorded revocations. A
//! server that knows a recorded revocation also notices when the store loses it.

use std::collections::{BTreeMap, HashMap as Map, HashSet};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::ended_sessions::{Ended, EndedSessions};
use super::known_rows::KnownRows;
use super::revoked::{Revocation, Revoked};
use super::sharded_map::ShardedMap;
use crate::clock::Timestamp;
use crate::token::{Claims, TokenPolicy};

/// The set of revocations and their times.
///
/// ```
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::session::Login;
/// # use tokenpair::token::Expiry;
/// use tokenpair::session::{RequestContext, Revocation, Revoked};
///
/// # tokenpair::sample::run(async {
/// # let (ada, sessions) = (tokenpair::sample::ada(), tokenpair::sample::sessions()?);
/// # let now = Timestamp::from_unix(1_800_000_000);
/// # let pair = sessions.login(&ada, Login::default(), now).await?;
/// # let token = sessions.tokens().verify(pair.access.token.as_str(), now, Expiry::Enforced)?;
/// let revoked = sessions.revocations();
/// assert!(!revoked.is_revoked(&token));
///
/// let subject = Revoked::User { id: "1".to_owned(), lowest_epoch: 1 };
/// sessions.record_revocation(&Revocation { subject, at: now });
/// assert!(revoked.is_revoked(&token));
/// assert!(!revoked.is_session_revoked(&token)); // which may continue in epoch 1
/// sessions.end_all("1", &RequestContext::at(now)).await?;
/// assert!(revoked.is_session_revoked(&token));
/// # Ok(()) });
/// ```
#[derive(Debug)]
pub struct Revocations {
    sessions: EndedSessions,
    users: ShardedMap<String, (i64, Timestamp)>,
    /// The time up to which every token is revoked, or [`NEVER`].
    all_until: AtomicI64,
    known: KnownRows,
    keep: Duration,
    /// When expired revocations were last forgotten.
    forgot_at: AtomicI64,
    /// Tells of each revocation that was not known before.
    news: watch::Sender<()>,
}

impl Revocations {
    /// Returns an empty set for tokens under this policy. A token is valid for an access token's
    /// lifetime at most, so a revocation can be forgotten after that.
    pub(super) fn new(tokens: &TokenPolicy) -> Self {
        Self {
            sessions: EndedSessions::default(),
            users: ShardedMap::default(),
            all_until: AtomicI64::new(NEVER),
            known: KnownRows::default(),
            keep: tokens.access_expires.unwrap_or(FOR_EVER) + tokens.leeway + OVERLAP,
            forgot_at: AtomicI64::new(0),
            news: watch::Sender::new(()),
        }
    }

    /// Returns whether the session or the user of these claims was revoked. Keyed by ids, never by
    /// a token's text, since two texts may be one token.
    pub fn is_revoked(&self, claims: &Claims) -> bool {
        let older = |(lowest, _): (i64, Timestamp)| claims.epoch.unwrap_or(0) < lowest;
        // A lookup costs more than the number of entries, which is mostly none.
        let is_user_older =
            || !self.users.is_empty() && self.users.get(claims.sub()).is_some_and(older);
        self.is_session_revoked(claims) || is_user_older()
    }

    /// Returns whether the session of these claims was revoked. A session that continues in its
    /// user's new epoch was not, although its older access tokens were.
    pub fn is_session_revoked(&self, claims: &Claims) -> bool {
        let sid = claims.sid.as_ref();
        self.is_too_old(claims) || sid.is_some_and(|sid| self.sessions.get(sid).is_some())
    }

    /// Returns whether the token is older than a revocation of all tokens. A token that does not
    /// say when it was issued may be.
    fn is_too_old(&self, claims: &Claims) -> bool {
        let until = self.all_until.load(Ordering::Relaxed);
        until != NEVER && claims.iat.is_none_or(|iat| iat.unix() <= until)
    }

    /// Returns the number of revocations in the set: of sessions and of users. It is bounded by those
    /// of one access token's lifetime.
    pub fn len(&self) -> usize {
        self.sessions.len() + self.users.len()
    }

    /// Returns whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until the session or the user of these claims is revoked, as far as this server knows.
    pub(crate) async fn revoked(&self, claims: &Claims) {
        // Before the lookup, so that it misses none.
        let mut news = self.news.subscribe();
        while !self.is_revoked(claims) {
            // Fails only without a sender, and this set is one.
            news.changed().await.ok();
        }
    }

    /// Adds a revocation that the store has recorded.
    pub(super) fn add(&self, revocation: &Revocation) {
        let at = revocation.at;
        let known = match &revocation.subject {
            Revoked::Session(id) => return self.add_session(id, Ended::recorded(at)),
            Revoked::User { id, lowest_epoch } => {
                let latest = |known: Option<(i64, Timestamp)>| match known {
                    Some((epoch, known)) => (epoch.max(*lowest_epoch), known.max(at)),
                    None => (*lowest_epoch, at),
                };
                let (before, _) = self.users.update(id.clone(), latest);
                before.is_some_and(|(epoch, _)| epoch >= *lowest_epoch)
            }
            Revoked::All => self.all_until.fetch_max(at.unix(), Ordering::Relaxed) >= at.unix(),
        };
        self.known.add(revocation);
        self.tell_unless(known);
    }

    /// Adds a session that another request had ended before.
    pub(super) fn add_ended(&self, sid: &str, at: Timestamp) {
        self.add_session(sid, Ended::unrecorded(at));
    }

    fn add_session(&self, sid: &str, ended: Ended) {
        let added = self.sessions.add(sid, ended);
        let before = added.before.and_then(Ended::recorded_at);
        self.known.moved(before, added.after.recorded_at());
        self.tell_unless(added.before.is_some());
    }

    /// Each sync reads known revocations again, which must not wake every open connection.
    fn tell_unless(&self, known: bool) {
        if !known {
            self.news.send_replace(());
        }
    }

    /// Returns how many revocations the store recorded in each second at or after `since`, as far as
    /// this server knows.
    pub(super) fn known_since(&self, since: Timestamp) -> BTreeMap<Timestamp, usize> {
        self.known.since(since)
    }

    /// Returns whether this server knows that the store has recorded this revocation.
    pub(super) fn knows(&self, Revocation { subject, at }: &Revocation) -> bool {
        match subject {
            Revoked::Session(id) => {
                let known = self.sessions.get(id).and_then(Ended::recorded_at);
                known == Some(*at)
            }
            Revoked::User { .. } | Revoked::All => self.known.has(subject, *at),
        }
    }

    /// Returns the revocations that the store recorded in these seconds, as far as this server
    /// knows. Reads the whole set.
    pub(super) fn recorded_in(&self, seconds: &RangeInclusive<Timestamp>) -> Vec<Revocation> {
        let mut recorded = self.sessions.recorded_in(seconds);
        self.users.for_each(|id, (lowest_epoch, at)| {
            if seconds.contains(&at) {
                let id = id.clone();
                let subject = Revoked::User { id, lowest_epoch };
                recorded.push(Revocation { subject, at });
            }
        });
        let until = self.all_until.load(Ordering::Relaxed);
        let all = (until != NEVER).then(|| Revocation {
            subject: Revoked::All,
            at: Timestamp::from_unix(until),
        });
        recorded.extend(all.filter(|all| seconds.contains(&all.at)));
        recorded
    }

    /// Forgets revocations whose tokens have all expired, at most once a minute: it reads the whole
    /// set.
    pub(super) fn forget(&self, now: Timestamp) {
        let last = Timestamp::from_unix(self.forgot_at.load(Ordering::Relaxed));
        // Unless the clock was set back, since it may have been far ahead.
        if now >= last && now.since(last) < OVERLAP {
            return;
        }
        self.forgot_at.store(now.unix(), Ordering::Relaxed);
        let oldest = self.oldest(now);
        self.sessions.forget(oldest);
        self.users.retain(|(_, at)| *at > oldest);
        self.known.forget(oldest);
        let until = self.all_until.load(Ordering::Relaxed);
        if until <= oldest.unix() {
            // If another thread has just added a later one, that one stays.
            let stay = Ordering::Relaxed;
            let _later = self.all_until.compare_exchange(until, NEVER, stay, stay);
        }
    }

    /// Returns the oldest time whose revocations still matter.
    pub(super) fn oldest(&self, now: Timestamp) -> Timestamp {
        now - self.keep
    }
}

/// Returns the known revocations that are not among the recorded ones.
pub(super) fn lost(known: Vec<Revocation>, recorded: &[Revocation]) -> Vec<Revocation> {
    if known.is_empty() {
        return known;
    }
    let (mut sessions, mut users, mut all_until) = (HashSet::new(), Map::new(), None);
    for revocation in recorded {
        match &revocation.subject {
            Revoked::Session(id) => {
                sessions.insert(id);
            }
            Revoked::User { id, lowest_epoch } => {
                let highest = users.entry(id).or_insert(*lowest_epoch);
                *highest = (*highest).max(*lowest_epoch);
            }
            Revoked::All => all_until = all_until.max(Some(revocation.at)),
        }
    }
    let is_lost = |revocation: &Revocation| match &revocation.subject {
        Revoked::Session(id) => !sessions.contains(id),
        Revoked::User { id, lowest_epoch } => {
            users.get(id).is_none_or(|epoch| epoch < lowest_epoch)
        }
        Revoked::All => all_until < Some(revocation.at),
    };
    known.into_iter().filter(is_lost).collect()
}

/// No revocation of all tokens.
const NEVER: i64 = i64::MIN;

/// A hundred years, for tokens that never expire.
const FOR_EVER: Duration = Duration::from_secs(100 * 366 * 86_400);

/// Each sync reads this much of the past again, because a replica's commit may become visible late,
/// and its clock may differ from ours.
pub(super) const OVERLAP: Duration = Duration::from_secs(60);
