//! Defines [`SessionObserver`], which learns the outcome of each refresh and reissue.

use std::fmt;

use super::error::SessionError;
use super::rotation::RotationDecision;

/// An observer of the session service, such as an app's counters.
///
/// The service calls it on the task that serves the request, once the store has executed the
/// decision, so an implementation must not block. It learns nothing of the user or the session.
///
/// ```
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::session::Login;
/// # use tokenpair::token::Expiry;
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use tokenpair::session::{RequestContext, RotationDecision, SessionError, SessionObserver};
///
/// #[derive(Debug, Default)]
/// struct Granted(AtomicU64);
///
/// impl SessionObserver for Granted {
///     fn refreshed(&self, outcome: Result<RotationDecision, &SessionError>) {
///         if matches!(outcome, Ok(RotationDecision::Grant { .. })) {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// # tokenpair::sample::run(async {
/// # let (ada, sessions) = (tokenpair::sample::ada(), tokenpair::sample::sessions()?);
/// # let now = Timestamp::from_unix(1_800_000_000);
/// let granted = Arc::new(Granted::default());
/// let sessions = sessions.observed_by(granted.clone());
/// let pair = sessions.login(&ada, Login::default(), now).await?;
/// let token = sessions.tokens().verify(pair.refresh.token.as_str(), now, Expiry::Enforced)?;
/// sessions.refresh(&token, &RequestContext::at(now)).await?;
/// assert_eq!(granted.0.load(Ordering::Relaxed), 1);
/// # Ok(()) });
/// ```
pub trait SessionObserver: fmt::Debug + Send + Sync {
    /// Called after each [`Sessions::refresh`](super::Sessions::refresh), with the decision that
    /// was executed, or with the reason that there is none. By default does nothing.
    fn refreshed(&self, outcome: Result<RotationDecision, &SessionError>) {
        let _ignored = outcome;
    }

    /// Called after each [`Sessions::reissue`](super::Sessions::reissue), with the decision that was
    /// executed: a grant, a proof of a copy ([`RotationDecision::Reused`]), or another one, which
    /// refuses the reissue. By default does nothing.
    fn reissued(&self, outcome: Result<RotationDecision, &SessionError>) {
        let _ignored = outcome;
    }
}
