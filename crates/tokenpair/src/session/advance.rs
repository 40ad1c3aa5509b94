//! Defines the step of a refresh between the rule and a store: a [`RotationRule`] decides about a
//! session that the store has read, and an [`Advanced`] says what became of it.

use std::fmt;

use super::context::RequestContext;
use super::quiet::QuietRotation;
use super::record::SessionRecord;
use super::rotation::{Rotation, RotationCase, RotationDecision};

/// A compare-and-swap of a session's rotation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// The session's id.
    pub id: String,
    /// The rotation that the decision was based on.
    pub expected: Rotation,
    /// The row's next rotation.
    pub next: Rotation,
    /// The case of the rule. A store with an audit trail records those that are not routine.
    pub case: RotationCase,
    /// The time of the decision (`last_used_at`, and the session must not have expired by then),
    /// and the request.
    pub context: RequestContext,
}

/// Decides about a session that a store has just read.
pub struct RotationRule {
    context: RequestContext,
    decide: Box<dyn Fn(&SessionRecord) -> RotationDecision + Send>,
    quiet: Option<QuietRotation>,
}

impl RotationRule {
    /// Returns a rule for a request. [`Sessions`](super::Sessions) passes the rules that a store
    /// needs; a store's tests may pass others.
    pub fn new(
        context: RequestContext,
        decide: impl Fn(&SessionRecord) -> RotationDecision + Send + 'static,
    ) -> Self {
        Self {
            context,
            decide: Box::new(decide),
            quiet: None,
        }
    }

    /// Returns the same rule with its common case as data. The rule must decide about every session
    /// that the case [permits](QuietRotation::permits) as the case does.
    #[must_use]
    pub fn with_quiet(self, quiet: Option<QuietRotation>) -> Self {
        Self { quiet, ..self }
    }

    /// Returns the case that a store may execute without asking the rule. A store that does returns
    /// [`Advanced::quietly`]. If the case does not permit the session, the store asks the rule.
    pub const fn quiet(&self) -> Option<&QuietRotation> {
        self.quiet.as_ref()
    }

    /// Decides about a session. The result carries the record, the decision and the step to take.
    pub fn decide(&self, record: SessionRecord) -> Advanced {
        let decision = (self.decide)(&record);
        let step = match decision {
            RotationDecision::Grant {
                case,
                next: Some(next),
            } => Some(Step {
                id: record.session.id.clone(),
                expected: record.session.rotation,
                next,
                case,
                context: self.context.clone(),
            }),
            _ => None,
        };
        Advanced {
            done: step.is_none(),
            record,
            decision,
            step,
        }
    }
}

impl fmt::Debug for RotationRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RotationRule")
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

/// A session, the decision of its [`RotationRule`], and whether the store has executed it.
///
/// Only [`RotationRule::decide`] and [`Advanced::quietly`] create one, so a store cannot confuse two
/// decisions.
///
/// ```
/// use tokenpair::session::{RequestContext, RotationCase, RotationDecision, Rotation, RotationRule, SessionStore};
///
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::session::Login;
/// # tokenpair::sample::run(async {
/// # let (ada, store) = tokenpair::sample::user();
/// # let sessions = tokenpair::sample::sessions_in(&store)?;
/// # let now = Timestamp::from_unix(1_800_000_000);
/// # sessions.login(&ada, Login::default(), now).await?;
/// # let id = sessions.list("1", now).await?.remove(0).id;
/// let rule = RotationRule::new(RequestContext::at(now), |record| {
///     let was = record.session.rotation;
///     let next = Some(Rotation { generation: was.generation + 1, ..was });
///     RotationDecision::Grant { case: RotationCase::Rotate, next }
/// });
/// let advanced = store.advance(&id, rule).await?.unwrap();
/// assert!(advanced.is_done());
/// assert_eq!(advanced.record().session.rotation.generation, 1); // as it was read
/// assert_eq!(store.load(&id).await?.unwrap().session.rotation.generation, 2);
/// # Ok(()) });
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advanced {
    record: SessionRecord,
    decision: RotationDecision,
    step: Option<Step>,
    done: bool,
}

impl Advanced {
    /// Returns the outcome of a quiet rotation that the store has executed, with the session that it
    /// rotated.
    pub fn quietly(quiet: &QuietRotation, mut record: SessionRecord) -> Self {
        record.session.rotation = quiet.next;
        record.session.last_used_at = quiet.now;
        Self {
            record,
            decision: quiet.decision(),
            step: None,
            done: true,
        }
    }

    /// Returns the session as it was read, before the step. After a quiet rotation, which reads and
    /// writes at once, the session is as the rotation left it.
    pub const fn record(&self) -> &SessionRecord {
        &self.record
    }

    /// Returns the decision.
    pub const fn decision(&self) -> RotationDecision {
        self.decision
    }

    /// Returns the step that the store has to take. `None` if there is nothing to write, or a quiet
    /// rotation has written it.
    pub const fn step(&self) -> Option<&Step> {
        self.step.as_ref()
    }

    /// Returns whether the step was taken, or there was none to take. False if another request had
    /// written in the meantime: nothing was done, and the rule must decide again.
    pub const fn is_done(&self) -> bool {
        self.done
    }

    /// Returns the same decision, with the outcome of its step.
    #[must_use]
    pub fn with_step_taken(self, taken: bool) -> Self {
        Self {
            done: taken || self.step.is_none(),
            ..self
        }
    }

    /// Returns the session as it is after the step.
    pub(super) fn into_record(mut self) -> SessionRecord {
        if let Some(step) = self.step {
            self.record.session.rotation = step.next;
        }
        self.record
    }
}
