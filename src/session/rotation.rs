//! The rotation rule: what a presented refresh token is answered with, and what the session's row becomes.
//!
//! A pure function of the row, the presented generation, the present instant and the policy. `G` is the row's
//! generation, `P` the one before, `W` the window. The rule bears several tabs, repeated requests and lost answers,
//! and still ends a session whose token has two holders (RFC 9700 section 4.14.2).

use std::time::Duration;

use crate::clock::Timestamp;

/// What a refresh token is taken for that was replaced by its successor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ReusePolicy {
    /// A tab, a retry or a lost answer, as long as that can be; else theft.
    #[default]
    Recover,
    /// Theft, always. Tabs that refresh at once, and lost answers, then log people out.
    Strict,
}

/// How sessions live and end.
#[derive(Clone, Debug)]
pub struct SessionPolicy {
    /// `W`: for how long the same successor is handed to whoever repeats the token before
    /// (`SESSION_ROTATION_WINDOW`, 60 s). Seven sixteenths of it (26 s) must exceed the longest exchange that still
    /// completes and the difference between the clocks of replicas, taken together.
    pub rotation_window: Duration,
    /// What a token before the current one is taken for (`SESSION_REUSE_POLICY`, recover).
    pub reuse: ReusePolicy,
    /// How many sessions a user may have at once; past it the oldest ends (`SESSION_LIMIT`, any number).
    pub limit: Option<usize>,
    /// The end of a session that is not used (`JWT_REFRESH_TOKEN_EXPIRES`, 30 d).
    pub idle: Duration,
    /// The end that nothing moves (`SESSION_MAX_AGE`, 90 d).
    pub max_age: Duration,
    /// Access tokens are refused, and nobody logged out, once for this long it could not be read what was revoked
    /// elsewhere (`REVOCATION_STALE_LIMIT`, never).
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

/// The part of a session's row that rotation moves.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rotation {
    /// `G`: how often the refresh token was rotated.
    pub generation: i64,
    /// `P`: the generation before, whose late holders are still served; none before the first rotation, and none that
    /// is known after going forward.
    pub previous: Option<i64>,
    /// `P`, and what came before it, was ended by a change of password: it buys nothing, and raises no alarm.
    pub previous_barred: bool,
    /// When `G` began; the `iat` of its token.
    pub rotated_at: Timestamp,
    /// When a token of `G` was last handed to someone who presented an older one.
    pub handed_at: Option<Timestamp>,
    /// When `G` was first presented.
    pub confirmed_at: Option<Timestamp>,
}

impl Rotation {
    /// A session's first generation. Nobody holds an older token, so the first refresh rotates at once.
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

    const fn successor(self, generation: i64, previous: Option<i64>, now: Timestamp) -> Self {
        Self {
            generation,
            previous,
            previous_barred: false,
            rotated_at: now,
            handed_at: Some(now),
            confirmed_at: None,
        }
    }
}

/// What the rule looks at.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Row {
    /// Where rotation stands.
    pub rotation: Rotation,
    /// Ended before its time, by itself or with all that its user had.
    pub revoked: bool,
    /// The user may not log in.
    pub user_disabled: bool,
    /// The last refresh or reissue.
    pub last_used_at: Timestamp,
    /// The absolute end.
    pub expires_at: Timestamp,
}

/// Why a session is over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum End {
    /// No row: purged, or never ours.
    Unknown,
    /// Logged out or revoked.
    Revoked,
    /// Past its idle or its absolute end.
    Expired,
    /// The user is disabled.
    UserDisabled,
}

/// Which line of the rule granted a pair.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Case {
    /// A new generation.
    Rotate,
    /// The current token once more, within the window: it stays.
    Again,
    /// The token before, late: the same successor as the first one got.
    Same,
    /// The token before, and its successor never seen: the answer was lost.
    Recover,
    /// A generation that the row has forgotten: the database lost a commit.
    Forward,
}

/// What to do with a presented refresh token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Decision {
    /// Hand out the pair of the row's generation, after writing `next` if there is one.
    Grant {
        /// The line of the rule.
        case: Case,
        /// What the row becomes; none: nothing to write.
        next: Option<Rotation>,
    },
    /// Someone holds a copy: revoke this session, and only this one.
    Reused,
    /// Out of date, and no sign of theft: log in, or take the newer cookie.
    Superseded,
    /// The session is over.
    Ended(End),
}

/// A row that fell back further than this was not healed by a failover; it is another history.
const FORWARD_LIMIT: i64 = 16;

/// The rule.
pub fn decide(row: &Row, presented: i64, now: Timestamp, policy: &SessionPolicy) -> Decision {
    if let Some(end) = ended(row, now, policy) {
        return Decision::Ended(end);
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
        Decision::Reused
    } else {
        Decision::Superseded
    }
}

/// Whether, and why, the session is over, whatever is presented.
pub(super) fn ended(row: &Row, now: Timestamp, policy: &SessionPolicy) -> Option<End> {
    // A disabled user's sessions are revoked too, and this says more.
    if row.user_disabled {
        return Some(End::UserDisabled);
    }
    if row.revoked {
        return Some(End::Revoked);
    }
    let over = now >= row.expires_at || now >= row.last_used_at + policy.idle;
    over.then_some(End::Expired)
}

fn current(rotation: Rotation, now: Timestamp, window: Duration) -> Decision {
    if quiet(rotation, now, window) {
        let next = rotation.successor(rotation.generation + 1, Some(rotation.generation), now);
        return grant(Case::Rotate, Some(next));
    }
    let confirmed = Rotation {
        confirmed_at: Some(now),
        ..rotation
    };
    grant(
        Case::Again,
        rotation.confirmed_at.is_none().then_some(confirmed),
    )
}

fn previous(
    rotation: Rotation,
    presented: i64,
    now: Timestamp,
    policy: &SessionPolicy,
) -> Decision {
    if rotation.previous_barred {
        return Decision::Superseded;
    }
    if policy.reuse == ReusePolicy::Strict {
        return Decision::Reused;
    }
    let window = policy.rotation_window;
    match rotation.confirmed_at {
        // `G` was presented so long ago that nobody honest can still have sent `P`.
        Some(confirmed) if now.since(confirmed) >= window / 2 => Decision::Reused,
        None if quiet(rotation, now, window) => {
            // The unseen `G` becomes an orphan: whoever holds it will show up as theft.
            let next = rotation.successor(rotation.generation + 1, Some(presented), now);
            grant(Case::Recover, Some(next))
        }
        _ => grant(Case::Same, handed_again(rotation, now, window)),
    }
}

/// Not written more often than every eighth of a window, so that a crowd of tabs costs one write.
fn handed_again(rotation: Rotation, now: Timestamp, window: Duration) -> Option<Rotation> {
    let due = rotation
        .handed_at
        .is_none_or(|handed| now.since(handed) >= window / 8);
    due.then_some(Rotation {
        handed_at: Some(now),
        ..rotation
    })
}

fn ahead(rotation: Rotation, presented: i64, now: Timestamp) -> Decision {
    if presented - rotation.generation > FORWARD_LIMIT {
        return Decision::Superseded;
    }
    let next = Rotation {
        confirmed_at: Some(now),
        ..rotation.successor(presented, None, now)
    };
    grant(Case::Forward, Some(next))
}

/// Whether a token from before `P` can only be a copy. It need not be if a change of password ended every token before
/// `G` at once, or if the row went forward and nobody knows which token came before.
const fn proves_a_copy(rotation: Rotation) -> bool {
    rotation.previous.is_some() && !rotation.previous_barred
}

fn quiet(rotation: Rotation, now: Timestamp, window: Duration) -> bool {
    // A change of password hands nothing to an older token, yet a request from before it may still be under way.
    let began = rotation.previous.map(|_| rotation.rotated_at);
    let handed = rotation.handed_at.or(began);
    handed.is_none_or(|handed| now.since(handed) >= window)
}

const fn grant(case: Case, next: Option<Rotation>) -> Decision {
    Decision::Grant { case, next }
}
