//! Defines the rule for a reissue: whether the refresh token beside an access token permits
//! replacing it.

use std::time::Duration;

use super::rotation::{Rotation, RotationCase, RotationDecision, Row, SessionPolicy, decide};
use crate::clock::Timestamp;

/// The decision when an access token is due for a reissue and the session's refresh token came with
/// it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ReissueDecision {
    /// Reissue, after writing this rotation. It differs from the row's only in that `G` was
    /// presented.
    Permit(Rotation),
    /// Do not reissue, and write nothing.
    Refuse,
    /// A copy is in use: revoke this session, and only this one.
    Reused,
}

/// Decides about a reissue as [`decide`] does, without rotating.
///
/// A refresh token that would buy a pair permits the reissue, and a token that proves a copy ends
/// the session. A token from a commit that the database lost permits nothing: only a refresh moves
/// the row forward.
///
/// A reissue follows the handler, which may take long, so the row may have moved on in the
/// meantime. That proves nothing. A copy is proved only as of `arrived`, when the request came: the
/// row's generation must have begun by then, and the rule must have rejected the token then.
/// `arrived` is `None` for a request that may have been sent long before it came, such as an upload
/// through a buffering proxy; it never proves a copy.
///
/// ```
/// use tokenpair::clock::Timestamp;
/// use tokenpair::session::{ReissueDecision, Rotation, Row, SessionPolicy, decide_reissue};
///
/// let at = Timestamp::from_unix;
/// let rotation = Rotation { generation: 3, previous: Some(2), handed_at: Some(at(1000)), ..Rotation::first(at(1000)) };
/// let row = Row {
///     rotation,
///     revoked: false,
///     user_disabled: false,
///     last_used_at: at(1000),
///     expires_at: at(9000),
/// };
/// let decide = |generation, arrived| {
///     decide_reissue(&row, generation, arrived, at(1100), &SessionPolicy::default())
/// };
/// let seen = Rotation { confirmed_at: Some(at(1030)), ..rotation }; // half a window after it was handed out
/// assert_eq!(decide(3, Some(at(1100))), ReissueDecision::Permit(seen));
/// assert_eq!(decide(2, Some(at(1100))), ReissueDecision::Permit(rotation)); // the response with 3 may be lost
/// assert_eq!(decide(1, Some(at(1100))), ReissueDecision::Reused);
/// assert_eq!(decide(1, Some(at(999))), ReissueDecision::Refuse); // it came before 3 was issued
/// assert_eq!(decide(1, None), ReissueDecision::Refuse);
/// assert_eq!(decide(4, Some(at(1100))), ReissueDecision::Refuse);
/// ```
pub fn decide_reissue(
    row: &Row,
    presented: i64,
    arrived: Option<Timestamp>,
    now: Timestamp,
    policy: &SessionPolicy,
) -> ReissueDecision {
    let proved = |arrived| {
        row.rotation.rotated_at <= arrived
            && decide(row, presented, arrived, policy) == RotationDecision::Reused
    };
    match decide(row, presented, now, policy) {
        RotationDecision::Grant {
            case: RotationCase::LostCommit,
            ..
        }
        | RotationDecision::Superseded
        | RotationDecision::Ended(_) => ReissueDecision::Refuse,
        RotationDecision::Grant { .. } => {
            let confirmed_at = shown_at(row.rotation, presented, now, policy.rotation_window);
            ReissueDecision::Permit(Rotation {
                confirmed_at,
                ..row.rotation
            })
        }
        RotationDecision::Reused if arrived.is_some_and(proved) => ReissueDecision::Reused,
        RotationDecision::Reused => ReissueDecision::Refuse,
    }
}

/// Returns the time since which `G` counts as presented, after a reissue showed a token of the
/// generation `presented`.
///
/// The return of `G` must be recorded: otherwise a copy of `P` would pass for a lost response until
/// the next refresh. A reissue may be the first to show `G`, long after it was handed out. All
/// responses with `G` had arrived by then, and every request before them, so the half window in
/// which `P` is still honest does not begin at the reissue but ends with the window. Otherwise each
/// first reissue would open another half window, in which a thief with `P` is handed `G`.
fn shown_at(
    rotation: Rotation,
    presented: i64,
    now: Timestamp,
    window: Duration,
) -> Option<Timestamp> {
    if presented != rotation.generation {
        return rotation.confirmed_at;
    }
    let latest = rotation.handed_at.map(|handed| handed + window / 2);
    let first = latest.map_or(now, |latest| latest.min(now));
    rotation.confirmed_at.or(Some(first))
}
