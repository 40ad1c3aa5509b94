//! Implements the asynchronous loader of claims: it runs before anything is written or signed.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use super::auth::Auth;
use super::loaders::failed;
use super::rejection::Rejection;
use crate::session::Sessions;
use crate::token::{TokenLoaders, Tokens};

impl Auth {
    /// Returns the record of sessions, which issues tokens with the additional claims of this
    /// identity.
    pub(super) async fn recorded_for(
        &self,
        identity: &str,
    ) -> Result<Cow<'_, Sessions>, Rejection> {
        let sessions = self.recorded()?;
        Ok(match self.load_claims(|| identity.into()).await? {
            Some(loaders) => Cow::Owned(sessions.clone().with_loaders(loaders)),
            None => Cow::Borrowed(sessions),
        })
    }

    /// Returns the signer of tokens with the additional claims of this identity.
    pub(super) async fn tokens_for(&self, identity: &Value) -> Result<Cow<'_, Tokens>, Rejection> {
        let tokens = self.tokens();
        Ok(match self.load_claims(|| identity.clone()).await? {
            Some(loaders) => Cow::Owned(tokens.clone().with_loaders(loaders)),
            None => Cow::Borrowed(tokens),
        })
    }

    /// Asks the asynchronous loader, if there is one.
    async fn load_claims(
        &self,
        identity: impl FnOnce() -> Value,
    ) -> Result<Option<TokenLoaders>, Rejection> {
        let loaders = &self.0.loaders;
        let Some(load) = &loaders.claims else {
            return Ok(None);
        };
        let claims = load(identity()).await;
        let claims = claims.map_err(|error| failed("additional_claims_async", error))?;
        Ok(Some(TokenLoaders {
            claims: Some(Arc::new(move |_| Ok(claims.clone()))),
            ..loaders.tokens.clone()
        }))
    }
}
