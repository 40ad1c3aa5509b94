//! Defines [`QuietRotation`]: the common case of the rotation rule as bounds on a row, for stores
//! that can check them and write in one statement.

use std::time::Duration;

use super::record::SessionRecord;
use super::rotation::{Rotation, RotationCase, RotationDecision, SessionPolicy};
use crate::clock::Timestamp;

/// The common case of the rotation rule, as data: the current token is presented, and the session
/// has been quiet for a window.
///
/// [`decide`](super::decide) is the authority. In this case, its decision depends on no more of the
/// row than these bounds, and the next rotation on nothing of the row. So a database can read,
/// check and write in one statement, which saves a round trip. Every other case is left to
/// [`RotationRule::decide`](super::RotationRule::decide).
///
/// A session within the bounds is exactly one about which the rule decides
/// [`RotationCase::Rotate`], with the same [`next`](Self::next). Only a session with a newer epoch
/// than its user is left to the rule as well: the user was read before a change that the session
/// has seen, so both have to be read again.
///
/// ```
/// use tokenpair::session::{QuietRotation, RotationCase, RotationDecision, SessionPolicy, decide};
///
/// # use std::time::Duration;
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::session::{Login, SessionStore};
/// # tokenpair::sample::run(async {
/// # let (ada, store) = tokenpair::sample::user();
/// # let sessions = tokenpair::sample::sessions_in(&store)?;
/// # let now = Timestamp::from_unix(1_800_000_000);
/// # sessions.login(&ada, Login::default(), now).await?;
/// # let id = sessions.list("1", now).await?.remove(0).id;
/// # let record = store.load(&id).await?.unwrap();
/// let policy = SessionPolicy::default();
/// let quiet = QuietRotation::new("1", 1, now, &policy).unwrap();
/// assert!(quiet.permits(&record));
/// assert_eq!(decide(&record.row(), 1, now, &policy), quiet.decision());
///
/// let other = QuietRotation::new("1", 2, now, &policy).unwrap();
/// assert!(!other.permits(&record)); // the row has generation 1
/// # Ok(()) });
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct QuietRotation {
    /// The session's user.
    pub user_id: String,
    /// The row's generation.
    pub generation: i64,
    /// The last time at which a token may have been handed out for an older one:
    /// [`Rotation::handed_at`], or without it [`Rotation::rotated_at`] if there is a
    /// [`Rotation::previous`] generation. A row that has neither is quiet.
    pub handed_until: Timestamp,
    /// The session was used after this time, so its idle timeout has not passed.
    pub used_after: Timestamp,
    /// The current time, which becomes `last_used_at`. The session expires after it.
    pub now: Timestamp,
    /// The row's next rotation.
    pub next: Rotation,
}

impl QuietRotation {
    /// Returns the case for a user who presents the generation `presented` at `now`. `None` if a
    /// bound is no time that an `i64` can hold.
    pub fn new(
        user_id: &str,
        presented: i64,
        now: Timestamp,
        policy: &SessionPolicy,
    ) -> Option<Self> {
        // The latest time counts as after every idle timeout.
        now.unix().checked_add(1)?;
        Some(Self {
            user_id: user_id.to_owned(),
            generation: presented,
            handed_until: quiet_since(now, policy.rotation_window)?,
            // As when it is added to a time, which saturates.
            used_after: before(now, policy.idle.as_secs().min(i64::MAX as u64))?,
            now,
            next: Rotation::successor(presented.checked_add(1)?, Some(presented), now),
        })
    }

    /// Returns whether the session is within the bounds.
    pub fn permits(&self, record: &SessionRecord) -> bool {
        let row = record.row();
        let handed = row.rotation.last_handed();
        record.subject.id == self.user_id
            && row.rotation.generation == self.generation
            && handed.is_none_or(|handed| handed <= self.handed_until)
            && row.last_used_at > self.used_after
            && row.expires_at > self.now
            && !row.revoked
            && !row.user_disabled
            && record.session.epoch == record.subject.epoch
    }

    /// Returns the rule's decision about a session within the bounds.
    pub const fn decision(&self) -> RotationDecision {
        RotationDecision::Grant {
            case: RotationCase::Rotate,
            next: Some(self.next),
        }
    }
}

/// Returns the last time that is a window ago. Times are whole seconds, so a fraction of a second
/// in the window takes a whole one.
fn quiet_since(now: Timestamp, window: Duration) -> Option<Timestamp> {
    if window.is_zero() {
        // Even if the clock was set back.
        return Some(Timestamp::from_unix(i64::MAX));
    }
    let fraction = u64::from(window.subsec_nanos() > 0);
    before(now, window.as_secs().checked_add(fraction)?)
}

fn before(now: Timestamp, seconds: u64) -> Option<Timestamp> {
    let earlier = now.unix().checked_sub(i64::try_from(seconds).ok()?)?;
    Some(Timestamp::from_unix(earlier))
}
