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
        if let Some(find) = &loaders.user {
            let found = find(Rc::clone(verified)).await;
            let found = found.map_err(|error| failed("user_lookup", error))?;
            let user = found.ok_or_else(|| Rejection::no_user(&verified.claims.identity))?;
            request.extensions_mut().insert(LoadedUser(user));
        }
        Ok(())
    }
}
