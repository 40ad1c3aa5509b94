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

/// A session's next rotation.
pub(super) struct Write {
    case: RotationCase,
    next: Rotation,
}

/// A rule, and the write that its decision asks for. `None` if there is nothing to write.
#[derive(Clone)]
pub(super) struct Rule<F, D> {
    pub(super) decide: F,
    pub(super) write: fn(D) -> Option<Write>,
}

/// Returns the write of a refresh.
pub(super) fn rotation_of(decision: RotationDecision) -> Option<Write> {
    match decision {
        RotationDecision::Grant { case, next } => next.map(|next| Write { case, next }),
        RotationDecision::Reused | RotationDecision::Superseded | RotationDecision::Ended(_) => {
            None
        }
    }
}

/// Returns the write of a reissue.
pub(super) fn use_of(decision: ReissueDecision) -> Option<Write> {
    match decision {
        ReissueDecision::Permit(next) => Some(Write {
            case: RotationCase::Reissue,
            next,
        }),
        ReissueDecision::Refuse | ReissueDecision::Reused => None,
    }
}

/// A decision that stands, and the session as it was before the write.
pub(super) struct Settled<D> {
    pub(super) record: SessionRecord,
    pub(super) decision: D,
}

/// Executes a rule's decision about a user's session, and decides again as long as other requests
/// write first. Returns the last decision; `None` if the user has no such session.
pub(super) async fn settle<D: Copy + Send + 'static>(
    store: &dyn SessionStore,
    sid: &str,
    user_id: &str,
    context: &RequestContext,
    rule: Rule<impl Fn(&SessionRecord) -> D + Clone + Send + 'static, D>,
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
fn step<D: Copy + Send + 'static>(
    rule: Rule<impl Fn(&SessionRecord) -> D + Send + 'static, D>,
    user_id: &str,
    context: &RequestContext,
    decided: Decided<D>,
) -> RotationRule {
    let (user_id, context) = (user_id.to_owned(), context.clone());
    Box::new(move |record| {
        if record.subject.id != user_id {
            return None;
        }
        let decision = (rule.decide)(record);
        decided.set(decision);
        let Write { case, next } = (rule.write)(decision)?;
        Some(Step {
            id: record.session.id.clone(),
            expected: record.session.rotation,
            next,
            case,
            context: context.clone(),
        })
    })
}
