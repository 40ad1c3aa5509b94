//! Implements the loop of a rotation: a rule decides about a session, the store writes, and the rule
//! decides again if another request wrote first.

use std::sync::{Arc, Mutex, PoisonError};

use super::context::RequestContext;
use super::error::SessionError;
use super::record::SessionRecord;
use super::reissue_rule::ReissueDecision;
use super::rotation::{Rotation, RotationCase, RotationDecision};
use super::store::{Advanced, RotationRule, SessionStore, Step};

/// The maximum number of decisions for one request, before its client must retry. The searches in
/// `tests/rotation` never need more than five.
const DECISIONS: usize = 8;

/// A decision of a rule about a session.
pub(super) trait Decision: Copy + Send + 'static {
    /// Returns the rotation to write, and its case. `None` if there is nothing to write.
    fn write(self) -> Option<Write>;
}

/// A session's next rotation.
pub(super) struct Write {
    case: RotationCase,
    next: Rotation,
}

impl Decision for RotationDecision {
    fn write(self) -> Option<Write> {
        match self {
            Self::Grant { case, next } => next.map(|next| Write { case, next }),
            Self::Reused | Self::Superseded | Self::Ended(_) => None,
        }
    }
}

impl Decision for ReissueDecision {
    fn write(self) -> Option<Write> {
        match self {
            Self::Permit(next) => Some(Write {
                case: RotationCase::Reissue,
                next,
            }),
            Self::Refuse | Self::Reused => None,
        }
    }
}

/// A decision that stands, and the session as it was before the write.
pub(super) struct Settled<D> {
    pub(super) record: SessionRecord,
    pub(super) decision: D,
}

/// Executes a rule's decision about a user's session, and decides again as long as other requests
/// write first. Returns the last decision; `None` if the user has no such session.
pub(super) async fn settle<D: Decision>(
    store: &dyn SessionStore,
    sid: &str,
    user_id: &str,
    context: &RequestContext,
    rule: impl Fn(&SessionRecord) -> D + Clone + Send + 'static,
) -> Result<Option<Settled<D>>, SessionError> {
    for _ in 0..DECISIONS {
        let decided = Decided::default();
        let step = step(rule.clone(), user_id, context, decided.clone());
        let advanced = store.advance(sid, step).await?;
        let (Some(Advanced { record, done }), Some(decision)) = (advanced, decided.last()) else {
            return Ok(None);
        };
        if done {
            return Ok(Some(Settled { record, decision }));
        }
    }
    Err(SessionError::Busy)
}

/// The last decision of a rule, which the store calls, perhaps on a thread of its own.
#[derive(Clone)]
struct Decided<D>(Arc<Mutex<Option<D>>>);

impl<D> Default for Decided<D> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(None)))
    }
}

impl<D: Copy> Decided<D> {
    fn last(&self) -> Option<D> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, decision: D) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(decision);
    }
}

/// Returns the store's side of a rule: the write that it decides on. Sessions of other users are
/// left alone.
fn step<D: Decision>(
    rule: impl Fn(&SessionRecord) -> D + Send + 'static,
    user_id: &str,
    context: &RequestContext,
    decided: Decided<D>,
) -> RotationRule {
    let (user_id, context) = (user_id.to_owned(), context.clone());
    Box::new(move |record| {
        if record.subject.id != user_id {
            return None;
        }
        let decision = rule(record);
        decided.set(decision);
        let Write { case, next } = decision.write()?;
        Some(Step {
            id: record.session.id.clone(),
            expected: record.session.rotation,
            next,
            case,
            context: context.clone(),
        })
    })
}
