//! Defines the rotation rule: the response to a presented refresh token, and the session's next
//! row.
//!
//! The rule is a pure function of the row, the presented generation, the current time and the
//! policy. `G` is the row's generation, `P` the one before, `W` the window. It tolerates several
//! tabs, repeated requests and lost responses, and still ends a session whose token has two holders
//! (RFC 9700 section 4.14.2).

use std::time::Duration;

use crate::clock::Timestamp;

/// The interpretation of a refresh token that was already replaced.
///
/// ```
/// # use tokenpair::clock::Timestamp;
/// use tokenpair::session::{RotationCase, RotationDecision, ReusePolicy, Rotation, Row, SessionPolicy, decide};
///
/// # let now = Timestamp::from_unix(1_800_000_000);
/// # let rotation = Rotation { generation: 2, previous: Some(1), handed_at: Some(now), ..Rotation::first(now) };
/// # let expires_at = Timestamp::from_unix(1_900_000_000);
/// # let row = Row { rotation, revoked: false, user_disabled: false, last_used_at: now, expires_at };
/// // The token of generation 1 bought that of 2, and is presented again at once.
/// let recover = decide(&row, 1, now, &SessionPolicy::default());
/// assert!(matches!(recover, RotationDecision::Grant { case: RotationCase::ReplayPrevious, .. }));
/// let strict = SessionPolicy { reuse: ReusePolicy::Strict, ..SessionPolicy::default() };
/// assert_eq!(decide(&row, 1, now, &strict), RotationDecision::Reused);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ReusePolicy {
    /// A tab, a retry or a lost response, as long as that is possible; after that, theft.
    #[default]
    Recover,
    /// Always theft. Tabs that refresh at once, and lost responses, then log users out.
    Strict,
}

/// The lifetimes and limits of sessions.
///
/// ```
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::session::{Login, Sessions};
/// # use tokenpair::token::{TokenPolicy, Tokens};
/// use std::time::Duration;
/// use tokenpair::session::SessionPolicy;
///
/// # tokenpair::sample::run(async {
/// let policy = SessionPolicy {
///     limit: Some(2),
///     idle: Duration::from_secs(7 * 86_400),
///     ..SessionPolicy::default()
/// };
/// # let (ada, store) = tokenpair::sample::user();
/// # let keys = tokenpair::sample::keys()?;
/// # let sessions = Sessions::new(store.clone(), Tokens::new(keys, TokenPolicy::default()), policy);
/// # let now = Timestamp::from_unix(1_800_000_000);
/// for _ in 0..3 {
///     sessions.login(&ada, Login::default(), now).await?;
/// }
/// assert_eq!(sessions.list("1", now).await?.len(), 2);
/// assert!(sessions.list("1", now + Duration::from_secs(7 * 86_400)).await?.is_empty());
/// # Ok(()) });
/// ```
#[derive(Clone, Debug)]
pub struct SessionPolicy {
    /// `W`: for this long, repeating the previous token returns the same successor
    /// (`SESSION_ROTATION_WINDOW`). Default: 60 s. Seven sixteenths of it (26 s) must exceed the
    /// longest exchange that still completes and the difference between the clocks of replicas,
    /// taken together.
    pub rotation_window: Duration,
    /// The interpretation of a token older than the current one (`SESSION_REUSE_POLICY`). Default:
    /// recover.
    pub reuse: ReusePolicy,
    /// The maximum number of a user's live sessions. Past it the oldest ends. Default: `None`,
    /// unlimited. (The server's `SESSION_LIMIT` has 100 instead.)
    pub limit: Option<usize>,
    /// The idle timeout: a session not used for this long expires (`JWT_REFRESH_TOKEN_EXPIRES`).
    /// Default: 30 d.
    pub idle: Duration,
    /// The absolute timeout of a session (`SESSION_MAX_AGE`). Default: 90 d.
    pub max_age: Duration,
    /// Rejects access tokens, without logging out users, once revocations have not synced for this
    /// long (`REVOCATION_STALE_LIMIT`). Default: never.
    pub stale_limit: Option<Duration>,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self {
            rotation_window: Duration::from_secs(60),
            reuse: ReusePolicy::Recover,
            limit: None,
            idle: Duration::from_secs(30 * 86_400),
            max_age: Duration::from_secs(90 * 86_400),
            stale_limit: None,
        }
    }
}

/// The part of a session's row that rotation changes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rotation {
    /// `G`: the number of rotations of the refresh token.
    pub generation: i64,
    /// `P`: the previous generation, whose late holders are still served. `None` before the first
    /// rotation, and after going forward, when it is unknown.
    pub previous: Option<i64>,
    /// Whether a change of password ended `P` and everything before it: such a token buys nothing,
    /// and raises no alarm.
    pub previous_barred: bool,
    /// The start of `G`; the `iat` of its token.
    pub rotated_at: Timestamp,
    /// The time a token of `G` was last handed out for an older one.
    pub handed_at: Option<Timestamp>,
    /// The time `G` was first presented. If a reissue was the first to show it, half a window after
    /// `handed_at` at the latest.
    pub confirmed_at: Option<Timestamp>,
}

impl Rotation {
    /// Returns a session's first generation. No older token exists, so the first refresh rotates at
    /// once.
    pub const fn first(now: Timestamp) -> Self {
        Self {
            generation: 1,
            previous: None,
            previous_barred: false,
            rotated_at: now,
            handed_at: None,
            confirmed_at: None,
        }
    }

    pub(super) const fn successor(generation: i64, previous: Option<i64>, now: Timestamp) -> Self {
        Self {
            generation,
            previous,
            previous_barred: false,
            rotated_at: now,
            handed_at: Some(now),
            confirmed_at: None,
        }
    }

    /// Returns the time since which the session is quiet: nothing was handed out for an older token.
    pub(super) fn last_handed(&self) -> Option<Timestamp> {
        // A change of password hands nothing to an older token, but an earlier request may still be
        // in flight.
        let began = self.previous.map(|_| self.rotated_at);
        self.handed_at.or(began)
    }
}

/// The input of the rule.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Row {
    /// The state of the rotation.
    pub rotation: Rotation,
    /// Whether the session was revoked, by itself or with all sessions of its user.
    pub revoked: bool,
    /// Whether the user is disabled.
    pub user_disabled: bool,
    /// The time of the last refresh or reissue.
    pub last_used_at: Timestamp,
    /// The absolute timeout.
    pub expires_at: Timestamp,
}

/// The reason a session has ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum End {
    /// The session has no row: it was purged, or never existed.
    Unknown,
    /// Logged out or revoked.
    Revoked,
    /// Past its idle or its absolute timeout.
    Expired,
    /// The user is disabled.
    UserDisabled,
}

/// The case of the rule that granted a pair.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RotationCase {
    /// A new generation.
    Rotate,
    /// The current token repeated within the window: it stays.
    RepeatCurrent,
    /// The previous token, late: the same successor as was handed out first.
    ReplayPrevious,
    /// The previous token, and its successor was never presented: the response was lost.
    LostResponse,
    /// A generation that the row no longer has: the database lost a commit.
    LostCommit,
    /// An access token was reissued: the generation stays, and the session was used. [`decide`]
    /// never returns it.
    Reissue,
}

/// The decision about a presented refresh token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RotationDecision {
    /// Hand out the pair of the row's generation, after writing `next` if there is one.
    Grant {
        /// The case of the rule.
        case: RotationCase,
        /// The row's next rotation. `None`: nothing to write.
        next: Option<Rotation>,
    },
    /// A copy is in use: revoke this session, and only this one.
    Reused,
    /// Out of date, without a sign of theft: the client must log in, or use the newer cookie.
    Superseded,
    /// The session has ended.
    Ended(End),
}

/// A row that fell back further than this did not do so by a failover; it has another history.
const FORWARD_LIMIT: i64 = 16;

/// Decides about a verified token of the generation `presented` at `now`.
///
/// ```
/// use tokenpair::clock::Timestamp;
/// use tokenpair::session::{RotationCase, RotationDecision, End, Rotation, Row, SessionPolicy, decide};
///
/// // The token of generation 3 was handed out at second 1000, and has not come back yet.
/// let at = Timestamp::from_unix;
/// let unseen = Row {
///     rotation: Rotation { generation: 3, previous: Some(2), handed_at: Some(at(1000)), ..Rotation::first(at(1000)) },
///     revoked: false,
///     user_disabled: false,
///     last_used_at: at(1000),
///     expires_at: at(9000),
/// };
/// let with = |change: fn(&mut Row)| { let mut row = unseen; change(&mut row); row };
/// let seen = with(|row| row.rotation.confirmed_at = Some(Timestamp::from_unix(1010)));
/// let forgot = with(|row| row.rotation.previous = None);
/// let revoked = with(|row| row.revoked = true);
/// let disabled = with(|row| row.user_disabled = true);
///
/// let table = [
///     (unseen, 3, 1060, Ok(RotationCase::Rotate)), // the window of 60 s has ended
///     (unseen, 3, 1059, Ok(RotationCase::RepeatCurrent)),
///     (unseen, 2, 1059, Ok(RotationCase::ReplayPrevious)),
///     (unseen, 2, 1060, Ok(RotationCase::LostResponse)),
///     (unseen, 5, 1060, Ok(RotationCase::LostCommit)),
///     (seen, 2, 1039, Ok(RotationCase::ReplayPrevious)),
///     (seen, 2, 1040, Err(RotationDecision::Reused)), // 3 came back half a window ago
///     (unseen, 1, 1001, Err(RotationDecision::Reused)),
///     (forgot, 1, 1001, Err(RotationDecision::Superseded)),
///     (unseen, 3, 9000, Err(RotationDecision::Ended(End::Expired))),
///     (revoked, 3, 1060, Err(RotationDecision::Ended(End::Revoked))),
///     (disabled, 3, 1060, Err(RotationDecision::Ended(End::UserDisabled))),
/// ];
/// for (row, presented, now, answer) in table {
///     let decision = match decide(&row, presented, at(now), &SessionPolicy::default()) {
///         RotationDecision::Grant { case, .. } => Ok(case),
///         other => Err(other),
///     };
///     assert_eq!(decision, answer);
/// }
/// ```
pub fn decide(
    row: &Row,
    presented: i64,
    now: Timestamp,
    policy: &SessionPolicy,
) -> RotationDecision {
    if let Some(end) = ended(row, now, policy) {
        return RotationDecision::Ended(end);
    }
    let rotation = row.rotation;
    if presented == rotation.generation {
        return current(rotation, now, policy.rotation_window);
    }
    if presented > rotation.generation {
        return ahead(rotation, presented, now);
    }
    if Some(presented) == rotation.previous {
        return previous(rotation, presented, now, policy);
    }
    if proves_a_copy(rotation) {
        RotationDecision::Reused
    } else {
        RotationDecision::Superseded
    }
}

/// Returns the reason if the session has ended, whatever token is presented.
pub(super) fn ended(row: &Row, now: Timestamp, policy: &SessionPolicy) -> Option<End> {
    // A disabled user's sessions are revoked too, and this reason is more precise.
    if row.user_disabled {
        return Some(End::UserDisabled);
    }
    if row.revoked {
        return Some(End::Revoked);
    }
    let over = now >= row.expires_at || now >= row.last_used_at + policy.idle;
    over.then_some(End::Expired)
}

fn current(rotation: Rotation, now: Timestamp, window: Duration) -> RotationDecision {
    if quiet(rotation, now, window) {
        let next = Rotation::successor(rotation.generation + 1, Some(rotation.generation), now);
        return grant(RotationCase::Rotate, Some(next));
    }
    let confirmed = Rotation {
        confirmed_at: Some(now),
        ..rotation
    };
    grant(
        RotationCase::RepeatCurrent,
        rotation.confirmed_at.is_none().then_some(confirmed),
    )
}

fn previous(
    rotation: Rotation,
    presented: i64,
    now: Timestamp,
    policy: &SessionPolicy,
) -> RotationDecision {
    if rotation.previous_barred {
        return RotationDecision::Superseded;
    }
    if policy.reuse == ReusePolicy::Strict {
        return RotationDecision::Reused;
    }
    let window = policy.rotation_window;
    match rotation.confirmed_at {
        // `G` was presented so long ago that an honest client can no longer have sent `P`.
        Some(confirmed) if now.since(confirmed) >= window / 2 => RotationDecision::Reused,
        None if quiet(rotation, now, window) => {
            // The unseen `G` becomes an orphan: presenting it later shows a theft.
            let next = Rotation::successor(rotation.generation + 1, Some(presented), now);
            grant(RotationCase::LostResponse, Some(next))
        }
        _ => grant(
            RotationCase::ReplayPrevious,
            handed_again(rotation, now, window),
        ),
    }
}

/// Written at most once in an eighth of a window, so that many tabs cost one write.
fn handed_again(rotation: Rotation, now: Timestamp, window: Duration) -> Option<Rotation> {
    let due = rotation
        .handed_at
        .is_none_or(|handed| now.since(handed) >= window / 8);
    due.then_some(Rotation {
        handed_at: Some(now),
        ..rotation
    })
}

fn ahead(rotation: Rotation, presented: i64, now: Timestamp) -> RotationDecision {
    if presented - rotation.generation > FORWARD_LIMIT {
        return RotationDecision::Superseded;
    }
    let next = Rotation {
        confirmed_at: Some(now),
        ..Rotation::successor(presented, None, now)
    };
    grant(RotationCase::LostCommit, Some(next))
}

/// Returns whether a token from before `P` can only be a copy. It need not be if a change of
/// password ended every token before `G` at once, or if the row went forward and the previous token
/// is unknown.
const fn proves_a_copy(rotation: Rotation) -> bool {
    rotation.previous.is_some() && !rotation.previous_barred
}

fn quiet(rotation: Rotation, now: Timestamp, window: Duration) -> bool {
    let handed = rotation.last_handed();
    handed.is_none_or(|handed| now.since(handed) >= window)
}

const fn grant(case: RotationCase, next: Option<Rotation>) -> RotationDecision {
    RotationDecision::Grant { case, next }
}
