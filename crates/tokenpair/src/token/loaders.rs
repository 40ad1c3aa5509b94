//! Defines the loaders that choose keys and add claims by a token's identity. They are synchronous,
//! so their data must be in memory.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::error::IssueError;
use crate::keys::KeyRing;

/// Members of a JSON object, by a token's identity.
type Additions = Arc<dyn Fn(&Value) -> Map<String, Value> + Send + Sync>;

/// Claims, by a token's identity.
type AddClaims = Arc<dyn Fn(&Value) -> Result<Map<String, Value>, IssueError> + Send + Sync>;

/// The ring that signs for an identity.
type EncodeKey = Arc<dyn Fn(&Value) -> Option<Arc<KeyRing>> + Send + Sync>;

/// The ring that verifies a token, chosen by its unverified header and claims.
type DecodeKey =
    Arc<dyn Fn(&Map<String, Value>, &Map<String, Value>) -> Option<Arc<KeyRing>> + Send + Sync>;

/// All loaders; each is optional.
#[derive(Clone, Default)]
pub(crate) struct TokenLoaders {
    pub(crate) claims: Option<AddClaims>,
    pub(crate) headers: Option<Additions>,
    pub(crate) encode_key: Option<EncodeKey>,
    pub(crate) decode_key: Option<DecodeKey>,
}

/// The claims that the record of sessions sets, which loaders cannot override.
const RECORDED: [&str; 8] = [
    "exp", "iat", "jti", "nbf", "fresh", "username", "roles", "epoch",
];

impl TokenLoaders {
    /// Returns the claims for every token of an identity.
    pub(super) fn claims(
        &self,
        identity: &Value,
        recorded: bool,
    ) -> Result<Map<String, Value>, IssueError> {
        let claims = self.claims.as_ref().map(|load| load(identity));
        let claims = claims.transpose()?.unwrap_or_default();
        let taken = |name: &&&str| claims.contains_key(**name);
        match RECORDED.iter().find(taken).filter(|_| recorded) {
            Some(name) => Err(IssueError::Reserved((*name).to_owned())),
            None => Ok(claims),
        }
    }

    /// Returns the header parameters for every token of an identity.
    pub(super) fn headers(&self, identity: &Value) -> Map<String, Value> {
        let load = self.headers.as_ref();
        load.map(|load| load(identity)).unwrap_or_default()
    }
}

impl fmt::Debug for TokenLoaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenLoaders").finish_non_exhaustive()
    }
}
