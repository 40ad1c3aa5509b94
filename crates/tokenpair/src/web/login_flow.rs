//! Implements the login and the refresh, for the routes of apps with sessions.

use actix_web::HttpRequest;
use thiserror::Error;

use super::auth::Auth;
use super::extractors::Refresh;
use super::location::Location;
use super::rejection::Rejection;
use crate::session::{Login, Pair, Refreshed, RequestContext, Sessions, Subject};
use crate::token::{Claims, TokenKind};

#[derive(Debug, Error)]
#[error("this Auth has no record of sessions: build it with Auth::new or AuthBuilder::sessions")]
struct NoSessions;

/// Logs that a session was ended because its refresh token has two holders.
pub(super) fn warn_of_a_copy(claims: &Claims) {
    let sid = claims.sid.as_deref().unwrap_or_default();
    let user = claims.sub();
    log::warn!("session {sid} of user {user} was ended: its refresh token was copied");
}

impl Auth {
    pub(super) fn recorded(&self) -> Result<&Sessions, Rejection> {
        self.sessions()
            .ok_or_else(|| Rejection::internal(NoSessions))
    }

    /// Records the login of a user whose password was verified, and returns the first pair:
    /// [`Sessions::login`], now.
    ///
    /// ```
    /// use tokenpair::session::Login;
    /// use tokenpair::web::{Auth, WebPolicy};
    ///
    /// # tokenpair::sample::run(async {
    /// # let (ada, auth) = (tokenpair::sample::ada(), tokenpair::sample::recorded_auth()?);
    /// let pair = auth.log_in(&ada, Login::default()).await?;
    /// let claims = auth.decode(pair.access.token.as_str()).run()?.claims;
    /// assert_eq!(claims.username.as_deref(), Some("ada"));
    /// assert!(claims.fresh.is_fresh(auth.now()));
    ///
    /// let unrecorded = Auth::builder(auth.tokens().clone()).build();
    /// let failure = unrecorded.log_in(&ada, Login::default()).await.unwrap_err();
    /// assert_eq!(failure.code(), "internal_error");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a 503 if the store failed; a 500 if the tokens could not be signed or there is no
    /// record of sessions.
    pub async fn log_in(&self, subject: &Subject, login: Login) -> Result<Pair, Rejection> {
        self.log_in_in_place_of(&[], subject, login).await
    }

    async fn log_in_in_place_of(
        &self,
        replaced: &[String],
        subject: &Subject,
        login: Login,
    ) -> Result<Pair, Rejection> {
        let recorded = async {
            let sessions = self.recorded_for(&subject.id).await?;
            let now = self.now();
            Ok(sessions
                .login_in_place_of(replaced, subject, login, now)
                .await?)
        };
        recorded
            .await
            .map_err(|rejection| self.format_error(rejection))
    }

    /// Records a login as [`Auth::log_in`] does and, in the same step, ends the sessions that the
    /// request's cookies name, of this user or another one (OWASP ASVS 5.0, V7.2.4): the new
    /// cookies replace theirs. Expired tokens name a session too. For a response that sets cookies.
    ///
    /// A response to the old session that arrives late cannot bring that user back into the
    /// browser. For [`SessionPolicy::rotation_window`](crate::session::SessionPolicy::rotation_window),
    /// the old refresh token gets `refresh_superseded`, after which cookies stay as they are.
    ///
    /// ```
    /// # use actix_web::cookie::Cookie;
    /// # use actix_web::test::TestRequest;
    /// # use tokenpair::clock::Clock;
    /// use tokenpair::session::Login;
    /// use tokenpair::web::{Auth, WebPolicy};
    ///
    /// # tokenpair::sample::run(async {
    /// # let (ada, sessions) = (tokenpair::sample::ada(), tokenpair::sample::sessions()?);
    /// # let auth = Auth::new(sessions.clone(), WebPolicy::default(), Clock::system());
    /// let first = auth.log_in(&ada, Login::default()).await?;
    /// let cookie = Cookie::new("refresh_token_cookie", first.refresh.token.as_str());
    /// let request = TestRequest::post().cookie(cookie).to_http_request();
    /// auth.log_in_again(&request, &ada, Login::default()).await?;
    /// assert_eq!(sessions.page("1", 0, 10, auth.now()).await?.total, 1);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Auth::log_in`].
    pub async fn log_in_again(
        &self,
        request: &HttpRequest,
        subject: &Subject,
        login: Login,
    ) -> Result<Pair, Rejection> {
        let replaced = self.sessions_in_cookies(request);
        self.log_in_in_place_of(&replaced, subject, login).await
    }

    /// Returns the sessions of our tokens in the cookies, expired or not.
    fn sessions_in_cookies(&self, request: &HttpRequest) -> Vec<String> {
        let kinds = [TokenKind::Access, TokenKind::Refresh].into_iter();
        let presented = kinds
            .filter(|_| self.looks_in(Location::Cookies))
            .flat_map(|kind| self.cookies().presented(request, kind));
        let claims = presented.filter_map(|token| self.verify_at_any_time(&token));
        let mut sessions: Vec<String> = claims.filter_map(|claims| claims.sid).collect();
        sessions.sort_unstable();
        sessions.dedup();
        sessions
    }

    /// Issues a new pair for a refresh token that a guard has admitted: [`Sessions::refresh`]. If
    /// several came in cookies of one name, the first whose session is live counts. A rejection
    /// leaves the browser's cookies unchanged.
    ///
    /// ```
    /// # use actix_web::{FromRequest, test::TestRequest};
    /// # use tokenpair::session::{RequestContext, Login};
    /// use tokenpair::web::{Auth, Refresh, WebPolicy};
    ///
    /// # tokenpair::sample::run(async {
    /// # let (ada, auth) = (tokenpair::sample::ada(), tokenpair::sample::recorded_auth()?);
    /// let pair = auth.log_in(&ada, Login::default()).await?;
    /// let bearer = format!("Bearer {}", pair.refresh.token.as_str());
    /// let request = TestRequest::post().app_data(auth.clone()).insert_header(("Authorization", bearer));
    /// let request = request.to_http_request();
    /// // A handler extracts these by its signature.
    /// let (token, context) = (Refresh::extract(&request).await?, RequestContext::extract(&request).await?);
    /// assert_ne!(auth.refresh(&token, &context).await?.refresh.token, pair.refresh.token);
    ///
    /// auth.log_out(&request, &context).await?;
    /// assert_eq!(auth.refresh(&token, &context).await.unwrap_err().code(), "session_revoked");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a 401 with the reason: `session_expired`, `session_revoked`, `user_disabled`,
    /// `refresh_token_reused` (the session was ended, since a copy of its token is in use) or
    /// `refresh_superseded`. Returns a 503 if the store failed; a 500 if the tokens could not be
    /// signed or there is no record of sessions.
    pub async fn refresh(
        &self,
        token: &Refresh,
        context: &RequestContext,
    ) -> Result<Pair, Rejection> {
        let pair = self.rotate_one(token, context).await;
        pair.map_err(|rejection| self.format_error(rejection))
    }

    /// Tries the tokens of all cookies with that name, since only the record knows whose session is
    /// live.
    async fn rotate_one(
        &self,
        token: &Refresh,
        context: &RequestContext,
    ) -> Result<Pair, Rejection> {
        let mut pair = self.rotate(token.claims(), context).await;
        for other in token.others() {
            let Err(refusal) = pair else { break };
            let next = self.rotate(&other.claims, context).await;
            pair = next.map_err(|next| refusal.or_closer(next));
        }
        pair
    }

    async fn rotate(&self, claims: &Claims, context: &RequestContext) -> Result<Pair, Rejection> {
        let sessions = self.recorded_for(claims.sub()).await?;
        match sessions.refresh(claims, context).await? {
            Refreshed::Granted(pair) => Ok(*pair),
            Refreshed::Ended(end) => Err(end.into()),
            Refreshed::Superseded => Err(Rejection::refresh_superseded()),
            Refreshed::Reused => {
                warn_of_a_copy(claims);
                Err(Rejection::refresh_token_reused())
            }
        }
    }

    /// Checks with the record of sessions whether [`Auth::refresh`] would accept this token, and
    /// writes nothing. For a route that is guarded by [`Refresh`] or
    /// [`require_refresh`](super::require_refresh) and does not refresh. Without a record it does
    /// nothing.
    ///
    /// ```
    /// # use actix_web::{FromRequest, test::TestRequest};
    /// # use tokenpair::session::{RequestContext, Login};
    /// use tokenpair::web::{Auth, Refresh, WebPolicy};
    ///
    /// # tokenpair::sample::run(async {
    /// # let (ada, auth) = (tokenpair::sample::ada(), tokenpair::sample::recorded_auth()?);
    /// # let pair = auth.log_in(&ada, Login::default()).await?;
    /// # let bearer = format!("Bearer {}", pair.refresh.token.as_str());
    /// # let request = TestRequest::post().app_data(auth.clone()).insert_header(("Authorization", bearer));
    /// # let request = request.to_http_request();
    /// auth.log_out(&request, &RequestContext::at(auth.now())).await?;
    /// let token = Refresh::extract(&request).await?; // the guard verifies it
    /// let refusal = auth.check_refresh_token(&token).await.unwrap_err();
    /// assert_eq!(refusal.code(), "session_revoked");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the 401 of a refresh, and `refresh_superseded` for a token that proves a copy; a 503
    /// if the store failed.
    pub async fn check_refresh_token(&self, token: &Refresh) -> Result<(), Rejection> {
        if self.sessions().is_none() || token.claims().sid.is_none() {
            return Ok(());
        }
        let standing = self.check_standing(token.claims()).await;
        standing.map_err(|rejection| self.format_error(rejection))
    }
}
