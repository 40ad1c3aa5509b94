//! Implements [`AccessEnd`], by which a connection that stays open learns that its access has ended.

use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use super::auth::Auth;
use super::extractors::{Access, Fresh};
use super::rejection::Rejection;
use super::verified::Verified;
use crate::token::{Claims, Decoded, TokenError};

/// A future that completes when an access token ends, for a connection that outlives its request: a
/// WebSocket, server-sent events, a long download. [`Access::ended`] returns it.
///
/// Its output is the [`Rejection`] that a new request with the token would get: 401 `token_expired`
/// or `token_revoked`, in the form of [`Auth::format_error`]. A WebSocket sends its
/// [`code`](Rejection::code) as the reason of the close.
///
/// The token expires with `exp` and `JWT_DECODE_LEEWAY`, by the clock of the [`Auth`]. A refresh or a
/// reissue does not prolong it: the client reconnects with its new token. With a record of sessions, a
/// logout, a ban or another change of the user ends it at once, if it happens on this server, and
/// otherwise with the next sync of revocations
/// ([`Sessions::keep_in_sync`](crate::session::Sessions::keep_in_sync)). The callback
/// [`token_in_blocklist`](super::AuthBuilder::token_in_blocklist) is not asked again.
///
/// Nothing asks the database. Each open connection has one timer, which fires once a minute, and each
/// revocation costs it a lookup in memory.
///
/// It needs a Tokio runtime, which every Actix app has. Use it with `tokio::select!` or
/// `futures_util::future::select`; the example `websocket` does.
///
/// ```
/// use actix_web::FromRequest;
/// # use actix_web::test::TestRequest;
/// # use tokenpair::session::Login;
/// use tokenpair::session::RequestContext;
/// use tokenpair::web::{Access, Auth};
///
/// # tokenpair::sample::run(async {
/// # let (ada, auth) = (tokenpair::sample::ada(), tokenpair::sample::recorded_auth()?);
/// # let pair = auth.log_in(&ada, Login::default()).await?;
/// # let bearer = format!("Bearer {}", pair.access.token.as_str());
/// # let request = TestRequest::get().app_data(auth.clone()).insert_header(("Authorization", bearer));
/// # let request = request.to_http_request();
/// // A handler extracts it by its signature, and keeps the connection open.
/// let user = Access::extract(&request).await?;
/// let ended = user.ended(&auth);
///
/// auth.log_out(&request, &RequestContext::at(auth.now())).await?;
/// assert_eq!(ended.await.code(), "token_revoked");
/// # Ok(()) });
/// ```
#[must_use = "a future does nothing unless it is awaited"]
pub struct AccessEnd(Pin<Box<dyn Future<Output = Rejection> + Send>>);

impl Future for AccessEnd {
    type Output = Rejection;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Rejection> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for AccessEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessEnd").finish_non_exhaustive()
    }
}

impl Access {
    /// Returns a future that completes when this token ends, for a connection that stays open.
    /// `auth` is the one that verified it.
    pub fn ended(&self, auth: &Auth) -> AccessEnd {
        self.0.ended(auth)
    }
}

impl Fresh {
    /// Returns a future that completes when this token ends, as [`Access::ended`] does. That the
    /// token loses its freshness does not end it.
    pub fn ended(&self, auth: &Auth) -> AccessEnd {
        self.0.ended(auth)
    }
}

impl Verified {
    /// Returns a future that completes when this access token ends, as
    /// [`Access::ended`](super::Access::ended) does.
    pub fn ended(&self, auth: &Auth) -> AccessEnd {
        let (auth, token) = (auth.clone(), Arc::clone(&self.decoded));
        AccessEnd(Box::pin(async move {
            let rejection = auth.end_of_access(&token).await;
            auth.format_error(rejection.of_token(token))
        }))
    }
}

impl Auth {
    async fn end_of_access(&self, token: &Decoded) -> Rejection {
        let mut expiry = pin!(self.expiry(&token.claims));
        let mut revocation = pin!(self.revocation(&token.claims));
        // In the order of a guard's checks.
        poll_fn(|cx| match expiry.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(TokenError::Expired.into()),
            Poll::Pending => revocation.as_mut().poll(cx).map(|()| Rejection::revoked()),
        })
        .await
    }

    async fn expiry(&self, claims: &Claims) {
        match self.accepted_until(claims) {
            Some(end) => self.0.clock.reaches(end).await,
            None => pending().await,
        }
    }

    async fn revocation(&self, claims: &Claims) {
        match self.sessions().filter(|_| !self.0.skip_revocation) {
            Some(sessions) => sessions.revocations().revoked(claims).await,
            None => pending().await,
        }
    }
}
