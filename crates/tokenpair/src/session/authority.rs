//! Defines [`Authority`]: the grounds on which a request was admitted. A store checks them again in
//! the step that writes.
//!
//! A guard verifies a token before the rest of the request arrives, and a handler may work for a
//! while before it writes. Meanwhile the session may end or the user may change. A write without a
//! second check would undo the work of another request.

use thiserror::Error;

use super::record::{Session, Subject};
use super::rotation::End;
use crate::clock::Timestamp;
use crate::token::Claims;

/// The grounds on which a request was admitted.
///
/// ```
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::session::Login;
/// # use tokenpair::token::Expiry;
/// use tokenpair::session::{RequestContext, Authority, Denied, End, EndReason, SessionError};
///
/// # tokenpair::sample::run(async {
/// # let (ada, sessions) = (tokenpair::sample::ada(), tokenpair::sample::sessions()?);
/// # let now = Timestamp::from_unix(1_800_000_000);
/// # let pair = sessions.login(&ada, Login::default(), now).await?;
/// # let claims = sessions.tokens().verify(pair.access.token.as_str(), now, Expiry::Enforced)?;
/// // The extractor of `RequestContext` builds this from a verified token.
/// let context = RequestContext { authority: Some(Authority::of(&claims)), ..RequestContext::at(now) };
/// let denied = sessions.end_all("1", &context.clone().needing("admin")).await;
/// assert!(matches!(denied, Err(SessionError::Denied(Denied::RoleMissing("admin")))));
///
/// let sid = claims.sid.as_deref().unwrap_or_default();
/// sessions.end(sid, EndReason::Logout, &RequestContext::at(now)).await?;
/// let denied = sessions.end_others("1", sid, &context).await;
/// assert!(matches!(denied, Err(SessionError::Denied(Denied::Ended(End::Revoked)))));
/// # Ok(()) });
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Authority {
    /// The user whose access token was verified.
    pub user_id: String,
    /// The session of the token. `None` for a token of another issuer, which has no session.
    pub sid: Option<String>,
    /// The user's epoch when the token was issued. `None` if the token has no epoch.
    pub epoch: Option<i64>,
    /// The role that the user must have. `None` if the request needs no role.
    pub role: Option<&'static str>,
}

/// The reason a write for a request was denied. Nothing was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Denied {
    /// The session has ended, or its user is disabled or deleted.
    #[error("the session has ended")]
    Ended(End),
    /// The token is older than a change of its user's password, roles or state. Its session
    /// continues.
    #[error("the token is older than a change of its user")]
    TokenRevoked,
    /// The user lacks this role.
    #[error("the user lacks the role {0}")]
    RoleMissing(&'static str),
}

impl Authority {
    /// Returns the authority of a verified access token, requiring no role.
    pub fn of(claims: &Claims) -> Self {
        Self {
            user_id: claims.sub().to_owned(),
            sid: claims.sid.clone(),
            epoch: claims.epoch,
            role: None,
        }
    }

    /// Checks the authority. A user of another issuer that is unknown here owns nothing here to
    /// write to.
    pub(super) fn check(
        &self,
        user: Option<&Subject>,
        session: Option<&Session>,
        now: Timestamp,
    ) -> Result<(), Denied> {
        let Some(user) = user else {
            return match (&self.sid, self.role) {
                (Some(_), _) => Err(Denied::Ended(End::Unknown)),
                (None, Some(role)) => Err(Denied::RoleMissing(role)),
                (None, None) => Ok(()),
            };
        };
        if user.disabled {
            return Err(Denied::Ended(End::UserDisabled));
        }
        if self.sid.is_some() {
            let own = session.filter(|session| session.user_id == user.id);
            let session = own.ok_or(Denied::Ended(End::Unknown))?;
            if session.revoked.is_some() || session.epoch < user.epoch {
                return Err(Denied::Ended(End::Revoked));
            }
            if now >= session.expires_at {
                return Err(Denied::Ended(End::Expired));
            }
        }
        // This covers a verified password too, which never changes without the epoch. Its hash does
        // change when the server rehashes it, so hashes are not compared.
        if self.epoch.is_some_and(|epoch| epoch < user.epoch) {
            return Err(Denied::TokenRevoked);
        }
        match self.role {
            Some(role) if !user.roles.iter().any(|held| held == role) => {
                Err(Denied::RoleMissing(role))
            }
            _ => Ok(()),
        }
    }
}
