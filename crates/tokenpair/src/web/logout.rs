//! Implements the logout, and decides by a request's tokens which sessions it may end.

use actix_web::HttpRequest;

use super::auth::Auth;
use super::body::RequestBody;
use super::location::Location;
use super::rejection::Rejection;
use super::search::in_header;
use crate::session::{EndReason, RequestContext, Sessions};
use crate::token::{Claims, Expiry, TokenKind};

impl Auth {
    /// Ends the sessions whose tokens came with the request ([`Auth::sessions_to_end`]). Repeating
    /// it does no harm, nor does a request without a token. The response must remove the cookies:
    /// [`TokenCookies::unset_jwt_cookies`](super::TokenCookies::unset_jwt_cookies).
    ///
    /// ```
    /// # use actix_web::test::TestRequest;
    /// # use tokenpair::session::{RequestContext, Login};
    /// use tokenpair::web::{Auth, Guard, WebPolicy};
    ///
    /// # tokenpair::sample::run(async {
    /// # let (ada, auth) = (tokenpair::sample::ada(), tokenpair::sample::recorded_auth()?);
    /// # let pair = auth.log_in(&ada, Login::default()).await?;
    /// let bearer = format!("Bearer {}", pair.access.token.as_str());
    /// let request = TestRequest::post().insert_header(("Authorization", bearer)).to_http_request();
    /// assert!(auth.verify_request(&request, Guard::Access).await.is_ok());
    /// auth.log_out(&request, &RequestContext::at(auth.now())).await?;
    /// let refusal = auth.verify_request(&request, Guard::Access).await.unwrap_err();
    /// assert_eq!(refusal.code(), "token_revoked");
    /// auth.log_out(&request, &RequestContext::at(auth.now())).await?;
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a 401 if cookies name a live session and the request repeats its CSRF value in the
    /// header of neither token;
    /// a 503 if the store failed; a 500 if there is no record of sessions.
    pub async fn log_out(
        &self,
        request: &HttpRequest,
        context: &RequestContext,
    ) -> Result<(), Rejection> {
        let ended = async {
            let sessions = self.recorded()?;
            for sid in self.sessions_to_end(request)? {
                sessions.end(&sid, EndReason::Logout, context).await?;
            }
            Ok(())
        };
        ended
            .await
            .map_err(|rejection| self.format_error(rejection))
    }

    /// Returns the sessions that a logout request may end: those of all our tokens that came with
    /// it, valid or not, since an expired token still names the session that its owner wants to
    /// end. Empty if none came.
    ///
    /// ```
    /// # use actix_web::cookie::Cookie;
    /// # use actix_web::test::TestRequest;
    /// # use tokenpair::session::Login;
    /// use tokenpair::web::{Auth, WebPolicy};
    ///
    /// # tokenpair::sample::run(async {
    /// # let (ada, auth) = (tokenpair::sample::ada(), tokenpair::sample::recorded_auth()?);
    /// # let pair = auth.log_in(&ada, Login::default()).await?;
    /// let request = || TestRequest::post().cookie(Cookie::new("access_token_cookie", pair.access.token.as_str()));
    /// let refusal = auth.sessions_to_end(&request().to_http_request()).unwrap_err();
    /// assert_eq!(refusal.code(), "csrf_missing");
    /// let csrf = pair.access.csrf.as_ref().unwrap().as_str();
    /// let request = request().insert_header(("X-CSRF-TOKEN", csrf)).to_http_request();
    /// assert_eq!(auth.sessions_to_end(&request)?.len(), 1);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`Rejection`] if cookies name a session and the request does not prove that it
    /// comes from the owner.
    pub fn sessions_to_end(&self, request: &HttpRequest) -> Result<Vec<String>, Rejection> {
        let mut by_cookie = CookieSessions::default();
        let mut by_header = false;
        for kind in [TokenKind::Access, TokenKind::Refresh] {
            by_header |= !self.note_cookies(request, kind, &mut by_cookie);
        }
        let mut sessions = match by_cookie.refusal {
            Some(_) if !by_cookie.proven => Vec::new(),
            _ => by_cookie.sessions,
        };
        if by_header {
            sessions.extend(self.session_in_header(request));
        }
        sessions.sort_unstable();
        sessions.dedup();
        match by_cookie.refusal {
            Some(rejection) if sessions.is_empty() => Err(self.format_error(rejection)),
            _ => Ok(sessions),
        }
    }

    /// Collects the sessions that cookies of this kind name. Returns false if none of the cookies
    /// is a token of ours. Other cookies have no effect; they are removed all the same.
    fn note_cookies(
        &self,
        request: &HttpRequest,
        kind: TokenKind,
        noted: &mut CookieSessions,
    ) -> bool {
        if !self.looks_in(Location::Cookies) {
            return false;
        }
        let mut ours = false;
        for token in self.cookies().presented(request, kind) {
            let Some(claims) = self.verify_at_any_time(&token) else {
                continue;
            };
            ours = true;
            // Ending a session that has already ended needs no proof.
            let ended = |sessions: &Sessions| sessions.revocations().is_session_revoked(&claims);
            if self.sessions().is_some_and(ended) {
                continue;
            }
            match self.check_sender(request, kind, &claims) {
                Ok(()) => noted.proven = true,
                Err(rejection) => noted.refusal = Some(rejection),
            }
            noted.sessions.extend(claims.sid);
        }
        ours
    }

    /// Checks the token's CSRF value, in the header of either kind. A page whose access cookie has
    /// expired may not know that only the refresh token is left.
    fn check_sender(
        &self,
        request: &HttpRequest,
        kind: TokenKind,
        claims: &Claims,
    ) -> Result<(), Rejection> {
        let policy = self.policy();
        let check = |header: TokenKind| {
            let demand = policy.demand(request, header, &RequestBody::Unread)?;
            demand.map_or(Ok(()), |demand| demand.met_by(claims))
        };
        let other = match kind {
            TokenKind::Access => TokenKind::Refresh,
            TokenKind::Refresh => TokenKind::Access,
        };
        check(kind).or_else(|rejection| check(other).map_err(|_| rejection))
    }

    fn session_in_header(&self, request: &HttpRequest) -> Option<String> {
        let looked = self.looks_in(Location::Headers);
        let token = in_header(request, &self.policy().header).filter(|_| looked)?;
        self.verify_at_any_time(&token)?.sid
    }

    pub(super) fn verify_at_any_time(&self, token: &str) -> Option<Claims> {
        let claims = self.tokens().verify(token, self.now(), Expiry::Ignored);
        claims.ok()
    }
}

/// The sessions named by the cookies of a logout request.
#[derive(Default)]
struct CookieSessions {
    sessions: Vec<String>,
    /// Whether the request has the CSRF value of one of them, or needs none. It then comes from a
    /// page that reads this browser's cookies, and may end all sessions that this browser has here.
    proven: bool,
    refusal: Option<Rejection>,
}
