//! Implements the asynchronous checks of a guard: the record of sessions and the loaders.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::{HttpMessage, HttpRequest};

use super::auth::Auth;
use super::error_code::ErrorCode;
use super::loaders::{LoadedUser, failed};
use super::rejection::Rejection;
use super::verified::{Guard, Verified};
use crate::session::RotationDecision;
use crate::token::{Claims, TokenKind};

impl Auth {
    /// Returns whether only the session's row can tell if the token is valid. Revocations are kept
    /// in memory for the lifetime of access tokens, which a refresh token outlives.
    pub(super) fn asks_record(&self, claims: &Claims, guard: Guard) -> bool {
        let any = guard == Guard::AnyToken && claims.kind == TokenKind::Refresh;
        any && self.sessions().is_some() && claims.sid.is_some() && !self.0.skip_revocation
    }

    /// Asks the record of sessions and the loaders, if needed. Returns the first token that they
    /// accept.
    pub(super) async fn inquire(
        &self,
        request: &HttpRequest,
        mut verified: Rc<Verified>,
        guard: Guard,
    ) -> Result<Rc<Verified>, Rejection> {
        if !self.0.loaders.ask() && !self.asks_record(&verified.claims, guard) {
            return Ok(self.remember(request, verified));
        }
        // Decided here, so that no later code uses a token that was not checked.
        let others = std::mem::take(&mut Rc::make_mut(&mut verified).others);
        let mut asked = self.inquire_about(request, &verified, guard).await;
        for other in others {
            let Err(refusal) = asked else { break };
            Rc::make_mut(&mut verified).decoded = other;
            let next = self.inquire_about(request, &verified, guard).await;
            asked = next.map_err(|next| refusal.or_closer(next));
        }
        asked.map_err(|rejection| self.format_error(rejection))?;
        Ok(self.remember(request, verified))
    }

    /// Verifies a token that another service asks about, as in OAuth's token introspection (RFC
    /// 7662): in every way in which [`Auth::verify_request`] verifies the token of a request, except
    /// that there is no CSRF value to compare. A token that is admitted here is not the one of the
    /// request at hand.
    ///
    /// ```
    /// # use tokenpair::session::{EndReason, Login, RequestContext};
    /// use tokenpair::web::{Auth, Guard};
    ///
    /// # tokenpair::sample::run(async {
    /// # let (ada, auth) = (tokenpair::sample::ada(), tokenpair::sample::recorded_auth()?);
    /// let pair = auth.log_in(&ada, Login::default()).await?;
    /// let verified = auth.verify_text(pair.access.token.as_str(), Guard::Access).await?;
    /// assert_eq!(verified.claims.sub(), "1");
    ///
    /// # let sid = verified.claims.sid.clone().unwrap();
    /// # let context = RequestContext::at(auth.now());
    /// # auth.sessions().unwrap().end(&sid, EndReason::Logout, &context).await?;
    /// // After a logout:
    /// let refusal = auth.verify_text(pair.access.token.as_str(), Guard::Access).await.unwrap_err();
    /// assert_eq!(refusal.code(), "token_revoked");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the [`Rejection`] of a request with this token.
    pub async fn verify_text(&self, token: &str, guard: Guard) -> Result<Rc<Verified>, Rejection> {
        let verified = async {
            let verified = Rc::new(self.verify_alone(token, guard)?);
            if self.asks_record(&verified.claims, guard) {
                self.check_standing(&verified.claims).await?;
            }
            self.load_user(&verified).await?;
            Ok(verified)
        };
        let verified: Result<_, Rejection> = verified.await;
        verified.map_err(|rejection| self.format_error(rejection))
    }

    async fn inquire_about(
        &self,
        request: &HttpRequest,
        verified: &Rc<Verified>,
        guard: Guard,
    ) -> Result<(), Rejection> {
        let asked = async {
            if self.asks_record(&verified.claims, guard) {
                self.check_standing(&verified.claims).await?;
            }
            if self.0.loaders.ask() {
                self.ask_loaders(request, verified).await?;
            }
            Ok(())
        };
        let asked: Result<(), Rejection> = asked.await;
        asked.map_err(|rejection| rejection.of_token(Arc::clone(&verified.decoded)))
    }

    /// Rejects a refresh token that a refresh would reject. Writes nothing: a copy is rejected
    /// here, and ends its session when it is presented at a refresh or a reissue.
    pub(super) async fn check_standing(&self, claims: &Claims) -> Result<(), Rejection> {
        match self.recorded()?.standing(claims, self.now()).await? {
            RotationDecision::Grant { .. } => Ok(()),
            RotationDecision::Ended(end) => Err(end.into()),
            RotationDecision::Reused | RotationDecision::Superseded => {
                Err(Rejection::refresh_superseded())
            }
        }
    }

    pub(super) async fn ask_loaders(
        &self,
        request: &HttpRequest,
        verified: &Rc<Verified>,
    ) -> Result<(), Rejection> {
        if let Some(user) = self.load_user(verified).await? {
            request.extensions_mut().insert(user);
        }
        Ok(())
    }

    /// Asks the loaders about a token, and returns the user that they find.
    async fn load_user(&self, verified: &Rc<Verified>) -> Result<Option<LoadedUser>, Rejection> {
        let loaders = &self.0.loaders;
        if let Some(is_blocked) = loaders
            .blocklist
            .as_ref()
            .filter(|_| !self.0.skip_revocation)
        {
            let blocked = is_blocked(Rc::clone(verified)).await;
            if blocked.map_err(|error| failed("token_in_blocklist", error))? {
                return Err(Rejection::revoked());
            }
        }
        if let Some(is_good) = &loaders.verification {
            let good = is_good(Rc::clone(verified)).await;
            if !good.map_err(|error| failed("token_verification", error))? {
                return Err(ErrorCode::ClaimsRefused.into());
            }
        }
        let Some(find) = &loaders.user else {
            return Ok(None);
        };
        let found = find(Rc::clone(verified)).await;
        let found = found.map_err(|error| failed("user_lookup", error))?;
        let user = found.ok_or_else(|| Rejection::no_user(&verified.claims.identity))?;
        Ok(Some(LoadedUser(user)))
    }
}
