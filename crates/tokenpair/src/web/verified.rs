//! Defines [`Guard`], the token that a route requires, and [`Verified`], the token that a guard
//! admitted.

use std::ops::Deref;
use std::sync::Arc;

use super::location::Location;
use crate::clock::Timestamp;
use crate::token::{Decoded, TokenError, TokenKind};

/// The token that a route requires.
///
/// ```
/// # use actix_web::test::TestRequest;
/// use tokenpair::web::{Auth, Guard};
///
/// # tokenpair::sample::run(async {
/// # let auth = tokenpair::sample::auth()?;
/// let bearer = format!("Bearer {}", auth.access_token("ada").sign()?.token.as_str());
/// let request = TestRequest::get().insert_header(("Authorization", bearer)).to_http_request();
/// for (guard, refusal) in [
///     (Guard::Access, None),
///     (Guard::AnyToken, None),
///     (Guard::Fresh, Some("fresh_token_required")),
///     (Guard::Refresh, Some("wrong_token_type")),
/// ] {
///     let verified = auth.verify_request(&request, guard).await;
///     assert_eq!(verified.err().map(|rejection| rejection.code()), refusal);
/// }
/// # Ok(()) });
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guard {
    /// An access token.
    Access,
    /// An access token from a password login.
    Fresh,
    /// A refresh token. The guard does not ask the record of sessions, since
    /// [`Auth::refresh`](super::Auth::refresh) does: a route that does anything else with the token
    /// must call [`Auth::check_refresh_token`](super::Auth::check_refresh_token).
    Refresh,
    /// Either. With a record of sessions, a refresh token is admitted only if
    /// [`Auth::refresh`](super::Auth::refresh) would accept it, which costs one read; an access
    /// token costs none.
    AnyToken,
}

impl Guard {
    pub(super) const fn kind(self) -> TokenKind {
        match self {
            Self::Refresh => TokenKind::Refresh,
            Self::Access | Self::Fresh | Self::AnyToken => TokenKind::Access,
        }
    }

    pub(super) fn admits(self, kind: TokenKind) -> Result<(), TokenError> {
        match (self, kind) {
            (Self::AnyToken, _)
            | (Self::Access | Self::Fresh, TokenKind::Access)
            | (Self::Refresh, TokenKind::Refresh) => Ok(()),
            (Self::Access | Self::Fresh, TokenKind::Refresh) => Err(TokenError::NotAnAccessToken),
            (Self::Refresh, TokenKind::Access) => Err(TokenError::NotARefreshToken),
        }
    }
}

/// A verified token.
///
/// ```
/// # use actix_web::test::TestRequest;
/// use tokenpair::web::{Auth, Guard, Location};
///
/// # tokenpair::sample::run(async {
/// # let auth = tokenpair::sample::auth()?;
/// let bearer = format!("Bearer {}", auth.access_token("ada").sign()?.token.as_str());
/// let request = TestRequest::get().insert_header(("Authorization", bearer)).to_http_request();
/// let verified = auth.verify_request(&request, Guard::Access).await?;
/// assert_eq!(verified.header["alg"], "HS256");
/// assert_eq!(verified.claims.sub(), "ada");
/// assert_eq!(verified.location, Location::Headers);
/// # Ok(()) });
/// ```
#[derive(Clone, Debug)]
pub struct Verified {
    pub(super) decoded: Arc<Decoded>,
    /// Refresh tokens of other sessions from cookies of the same name. The record decides whose
    /// session is live.
    pub(super) others: Vec<Arc<Decoded>>,
    /// The location that the token came in.
    pub location: Location,
    /// The time at which the request's first guard verified it.
    pub(super) at: Timestamp,
}

/// Gives access to its header and claims.
impl Deref for Verified {
    type Target = Decoded;

    fn deref(&self) -> &Decoded {
        &self.decoded
    }
}
