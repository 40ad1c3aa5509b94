//! Defines [`RequestContext`]: the time, the user and the client of a request, for authorization
//! and the audit trail.

use std::net::IpAddr;

use super::authority::{Authority, Denied};
use super::record::{Session, Subject};
use crate::clock::Timestamp;

/// The time, the user and the client of a request.
///
/// ```
/// use tokenpair::clock::Timestamp;
/// use tokenpair::session::RequestContext;
///
/// let now = Timestamp::from_unix(1_800_000_000);
/// assert_eq!(RequestContext::at(now).by, None);
/// assert_eq!(RequestContext::of_operator(now).by.as_deref(), Some(RequestContext::OPERATOR));
/// let by_ada = RequestContext { by: Some("1".to_owned()), ip: Some([192, 0, 2, 1].into()), ..RequestContext::at(now) };
/// assert_eq!(by_ada.at, now);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestContext {
    /// The current time.
    pub at: Timestamp,
    /// The id of the user whose access token admitted the request, or [`RequestContext::OPERATOR`].
    /// `None` at a login, a refresh and a logout, which need no access token.
    pub by: Option<String>,
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// The grounds on which the request was admitted, which a store checks again as it writes.
    /// `None` for a command, and for a login, a refresh and a logout, which need no access token.
    pub authority: Option<Authority>,
}

impl RequestContext {
    /// The value of [`RequestContext::by`] for commands. No user has this id.
    pub const OPERATOR: &'static str = "operator";

    /// Returns a context at this time, without a user.
    pub const fn at(at: Timestamp) -> Self {
        Self {
            at,
            by: None,
            ip: None,
            authority: None,
        }
    }

    /// Returns the context of the login that began this session, before which there is no user.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::session::Login;
    /// use tokenpair::session::RequestContext;
    ///
    /// # tokenpair::sample::run(async {
    /// # let (ada, sessions) = (tokenpair::sample::ada(), tokenpair::sample::sessions()?);
    /// # let now = Timestamp::from_unix(1_800_000_000);
    /// sessions.login(&ada, Login::default(), now).await?;
    /// let session = sessions.list("1", now).await?.remove(0);
    /// assert_eq!(RequestContext::of_login(&session), RequestContext::at(now));
    /// # Ok(()) });
    /// ```
    pub fn of_login(session: &Session) -> Self {
        Self {
            ip: session.ip,
            ..Self::at(session.created_at)
        }
    }

    /// Returns a context at this time, for a command.
    pub fn of_operator(at: Timestamp) -> Self {
        Self {
            by: Some(Self::OPERATOR.to_owned()),
            ..Self::at(at)
        }
    }

    /// Checks that the request is still authorized, by the rows of its user and its session as they
    /// are in the step that writes. A request without an authority always is. Each lookup takes the
    /// id.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// use tokenpair::session::{RequestContext, Authority, Denied, End, Subject};
    ///
    /// # let now = Timestamp::from_unix(1_800_000_000);
    /// let ada = Subject { epoch: 4, ..Subject::new("1", "ada") };
    /// // A token without a session, as from another issuer.
    /// let authority = Authority { user_id: "1".into(), sid: None, epoch: Some(3), role: None };
    /// let context = RequestContext { authority: Some(authority), ..RequestContext::at(now) };
    /// let user = |id: &str| (id == ada.id).then(|| ada.clone());
    /// assert_eq!(context.check(user, |_| None), Err(Denied::TokenRevoked));
    /// let disabled = |_: &str| Some(Subject { disabled: true, ..ada.clone() });
    /// assert_eq!(context.check(disabled, |_| None), Err(Denied::Ended(End::UserDisabled)));
    /// assert_eq!(RequestContext::of_operator(now).check(disabled, |_| None), Ok(()));
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`Denied`] if it is not. The store then writes nothing.
    pub fn check(
        &self,
        user: impl FnOnce(&str) -> Option<Subject>,
        session: impl FnOnce(&str) -> Option<Session>,
    ) -> Result<(), Denied> {
        let Some(authority) = &self.authority else {
            return Ok(());
        };
        let user = user(&authority.user_id);
        let session = authority.sid.as_deref().and_then(session);
        authority.check(user.as_ref(), session.as_ref(), self.at)
    }

    /// Returns the context with a required role for its user. Without an authority,
    /// [`RequestContext::by`] must have the role, and the request is denied if that is not a user.
    #[must_use]
    pub fn needing(mut self, role: &'static str) -> Self {
        let user_id = self.by.clone().unwrap_or_default();
        let unknown = Authority {
            user_id,
            sid: None,
            epoch: None,
            role: None,
        };
        self.authority.get_or_insert(unknown).role = Some(role);
        self
    }

    /// Returns the context for ending this session. A session may always end itself, because
    /// repeating a logout does no harm.
    pub(super) fn ending(&self, sid: &str) -> Self {
        let own = |authority: &Authority| authority.sid.as_deref() == Some(sid);
        let mut context = self.clone();
        context.authority = context.authority.filter(|authority| !own(authority));
        context
    }
}
