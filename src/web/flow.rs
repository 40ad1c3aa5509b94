//! The three routes of every app with sessions: log in, refresh, log out.

use actix_web::HttpRequest;
use thiserror::Error;

use super::auth::Auth;
use super::extract::Refresh;
use super::rejection::Rejection;
use crate::session::{Act, EndReason, Login, Pair, Refreshed, Sessions, Subject};
use crate::token::Claims;

#[derive(Debug, Error)]
#[error("this Auth has no record of sessions: make it with Auth::new or AuthBuilder::sessions")]
struct NoSessions;

impl Auth {
    pub(super) fn recorded(&self) -> Result<&Sessions, Rejection> {
        self.sessions()
            .ok_or_else(|| Rejection::internal(NoSessions))
    }

    /// Records a login of a user whose password was right, and gives the first pair: [`Sessions::login`], now.
    ///
    /// # Errors
    ///
    /// A 503 if the store failed; a 500 if the tokens could not be signed or there is no record of sessions.
    pub async fn log_in(&self, subject: &Subject, login: Login) -> Result<Pair, Rejection> {
        let recorded = async { Ok(self.recorded()?.login(subject, login, self.now()).await?) };
        recorded.await.map_err(|rejection| self.dress(rejection))
    }

    /// A new pair for a refresh token that a guard has admitted: [`Sessions::refresh`]. A rejection leaves the browser's
    /// cookies as they are.
    ///
    /// # Errors
    ///
    /// A 401 that says why there is none: `session_expired`, `session_revoked`, `user_disabled`, `refresh_token_reused`
    /// (the session was ended, since a copy of its token is about) or `refresh_superseded`. A 503 if the store failed; a
    /// 500 if the tokens could not be signed or there is no record of sessions.
    pub async fn refresh(&self, token: &Refresh, act: &Act) -> Result<Pair, Rejection> {
        let pair = self.rotate(token.claims(), act).await;
        pair.map_err(|rejection| self.dress(rejection))
    }

    async fn rotate(&self, claims: &Claims, act: &Act) -> Result<Pair, Rejection> {
        match self.recorded()?.refresh(claims, act).await? {
            Refreshed::Granted(pair) => Ok(*pair),
            Refreshed::Ended(end) => Err(end.into()),
            Refreshed::Superseded => Err(Rejection::refresh_superseded()),
            Refreshed::Reused => {
                let sid = claims.sid.as_deref().unwrap_or_default();
                let user = claims.sub();
                log::warn!("session {sid} of user {user} was ended: its refresh token was copied");
                Err(Rejection::refresh_token_reused())
            }
        }
    }

    /// Ends the sessions whose tokens came with the request ([`Auth::sessions_to_end`]). To repeat it does no harm, nor
    /// does a request without a token. The cookies are the answer's to remove:
    /// [`TokenCookies::unset_jwt_cookies`](super::TokenCookies::unset_jwt_cookies).
    ///
    /// # Errors
    ///
    /// A 401 if cookies name a living session and the request does not repeat its CSRF value; a 503 if the store failed; a
    /// 500 if there is no record of sessions.
    pub async fn log_out(&self, request: &HttpRequest, act: &Act) -> Result<(), Rejection> {
        let ended = async {
            let sessions = self.recorded()?;
            for sid in self.sessions_to_end(request)? {
                sessions.end(&sid, EndReason::Logout, act).await?;
            }
            Ok(())
        };
        ended.await.map_err(|rejection| self.dress(rejection))
    }
}
