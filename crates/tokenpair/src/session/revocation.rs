//! Revocation without asking the database: the set of what was ended before its time, held in memory.
//!
//! An access token is verified without the database, so what has ended must be known here: the sessions revoked, and
//! the users whose epoch moved, within one access token's lifetime. The set grows at once on the replica that revokes,
//! and on every other by reading the recorded revocations again and again. What a server knows to have been recorded, it
//! also notices when the store has lost it.

use std::collections::{HashMap as Map, HashSet};
use std::time::Duration;

use papaya::HashMap;

use crate::clock::Timestamp;
use crate::token::{Claims, TokenPolicy};

/// A recorded revocation. How long it matters is the reader's to say, who knows how long it believes a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revocation {
    /// What was ended.
    pub subject: Revoked,
    /// When.
    pub at: Timestamp,
}

/// What a revocation ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Revoked {
    /// The tokens of one session.
    Session(String),
    /// The tokens of a user from before an epoch.
    User {
        /// The user's id.
        id: String,
        /// The lowest epoch still valid.
        lowest_epoch: i64,
    },
}

/// The set: what was ended, and when. Look-ups take no lock.
///
/// ```
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::keys::{Algorithm, KeyRing};
/// # use tokenpair::session::{Login, MemoryStore, SessionPolicy, Sessions, Subject};
/// # use tokenpair::token::{Expiry, TokenPolicy, Tokens};
/// use tokenpair::session::{RequestContext, Revocation, Revoked};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let ada = Subject { id: "1".into(), username: "ada".into(), roles: vec![], epoch: 0, disabled: false };
/// # let store = MemoryStore::default();
/// # store.put_subject(ada.clone());
/// # let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
/// # let sessions = Sessions::new(store.clone(), Tokens::new(keys, TokenPolicy::default()), SessionPolicy::default());
/// # let now = Timestamp::from_unix(1_800_000_000);
/// # let pair = sessions.login(&ada, Login::default(), now).await?;
/// # let token = sessions.tokens().verify(pair.access.token.as_str(), now, Expiry::Enforced)?;
/// let revoked = sessions.revocations();
/// assert!(!revoked.is_revoked(&token));
///
/// let subject = Revoked::User { id: "1".to_owned(), lowest_epoch: 1 };
/// sessions.record_revocation(&Revocation { subject, at: now });
/// assert!(revoked.is_revoked(&token));
/// assert!(!revoked.is_session_revoked(&token)); // which may go on in epoch 1
/// sessions.end_all("1", &RequestContext::at(now)).await?;
/// assert!(revoked.is_session_revoked(&token));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Revocations {
    sessions: HashMap<String, Ended>,
    users: HashMap<String, (i64, Timestamp)>,
    keep: Duration,
}

/// When a session ended, as far as this server knows.
#[derive(Clone, Copy, Debug)]
struct Ended {
    at: Timestamp,
    /// The instant under which the store has its revocation. `None` if it may have none: many sessions end without one.
    recorded_at: Option<Timestamp>,
}

impl Revocations {
    /// An empty set for tokens under this policy. A token is believed for an access token's lifetime at most, so by
    /// then every token that a revocation concerns is past its end.
    pub(super) fn new(tokens: &TokenPolicy) -> Self {
        Self {
            sessions: HashMap::new(),
            users: HashMap::new(),
            keep: tokens.access_expires.unwrap_or(FOR_EVER) + tokens.leeway + OVERLAP,
        }
    }

    /// Whether the session or the user of these claims was revoked. Keyed by ids, never by a token's text, since
    /// a text can have a twin.
    pub fn is_revoked(&self, claims: &Claims) -> bool {
        let older = |(lowest, _): &(i64, Timestamp)| claims.epoch.unwrap_or(0) < *lowest;
        self.is_session_revoked(claims) || self.users.pin().get(claims.sub()).is_some_and(older)
    }

    /// Whether the session of these claims was revoked. One that goes on in its user's new epoch was not, though its
    /// older access tokens were.
    pub fn is_session_revoked(&self, claims: &Claims) -> bool {
        let sid = claims.sid.as_ref();
        sid.is_some_and(|sid| self.sessions.pin().contains_key(sid))
    }

    /// Takes note of a revocation that the store has recorded.
    pub(super) fn add(&self, revocation: &Revocation) {
        let at = revocation.at;
        match &revocation.subject {
            Revoked::Session(id) => self.add_session(id, at, Some(at)),
            Revoked::User { id, lowest_epoch } => {
                let later = |(epoch, known): &(i64, Timestamp)| {
                    ((*epoch).max(*lowest_epoch), (*known).max(at))
                };
                let users = self.users.pin();
                users.update_or_insert(id.clone(), later, (*lowest_epoch, at));
            }
        }
    }

    /// Takes note of a session that another request had ended before.
    pub(super) fn add_ended(&self, sid: &str, at: Timestamp) {
        self.add_session(sid, at, None);
    }

    fn add_session(&self, sid: &str, at: Timestamp, recorded_at: Option<Timestamp>) {
        let new = Ended { at, recorded_at };
        let later = |known: &Ended| Ended {
            at: known.at.max(at),
            recorded_at: known.recorded_at.max(recorded_at),
        };
        let sessions = self.sessions.pin();
        sessions.update_or_insert(sid.to_owned(), later, new);
    }

    /// Returns what the store has recorded at or after `since`, as far as this server knows.
    pub(super) fn recorded_since(&self, since: Timestamp) -> Vec<Revocation> {
        let (sessions, users) = (self.sessions.pin(), self.users.pin());
        let sessions = sessions.iter().filter_map(|(id, ended)| {
            let at = ended.recorded_at.filter(|at| *at >= since)?;
            let subject = Revoked::Session(id.clone());
            Some(Revocation { subject, at })
        });
        let users = users.iter().filter(|(_, (_, at))| *at >= since);
        let users = users.map(|(id, (lowest_epoch, at))| {
            let (id, lowest_epoch) = (id.clone(), *lowest_epoch);
            let subject = Revoked::User { id, lowest_epoch };
            Revocation { subject, at: *at }
        });
        sessions.chain(users).collect()
    }

    /// Forgets those whose tokens have all ended.
    pub(super) fn forget(&self, now: Timestamp) {
        let oldest = self.oldest(now);
        self.sessions.pin().retain(|_, ended| ended.at > oldest);
        self.users.pin().retain(|_, (_, at)| *at > oldest);
    }

    /// Since when revocations matter.
    pub(super) fn oldest(&self, now: Timestamp) -> Timestamp {
        now - self.keep
    }
}

/// Returns those of the known revocations that are not among the recorded ones.
pub(super) fn lost(known: Vec<Revocation>, recorded: &[Revocation]) -> Vec<Revocation> {
    if known.is_empty() {
        return known;
    }
    let (mut sessions, mut users) = (HashSet::new(), Map::new());
    for revocation in recorded {
        match &revocation.subject {
            Revoked::Session(id) => {
                sessions.insert(id);
            }
            Revoked::User { id, lowest_epoch } => {
                let highest = users.entry(id).or_insert(*lowest_epoch);
                *highest = (*highest).max(*lowest_epoch);
            }
        }
    }
    let is_lost = |revocation: &Revocation| match &revocation.subject {
        Revoked::Session(id) => !sessions.contains(id),
        Revoked::User { id, lowest_epoch } => {
            users.get(id).is_none_or(|epoch| epoch < lowest_epoch)
        }
    };
    known.into_iter().filter(is_lost).collect()
}

/// A hundred years: what a token that never ends needs.
const FOR_EVER: Duration = Duration::from_secs(100 * 366 * 86_400);

/// A replica's commit may become visible, and its clock may run, later than ours by this much: so far back is read again.
pub(super) const OVERLAP: Duration = Duration::from_secs(60);
