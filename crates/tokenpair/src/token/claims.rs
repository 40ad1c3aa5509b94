//! Defines the claims: those of Flask-JWT-Extended, in its order and by its names, and those of
//! tokenpair.

use std::fmt;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::error::TokenError;
use crate::clock::Timestamp;
use crate::crypto::{Backend, Crypto};

/// The `type` claim. An allow-list: only these two exact strings are types (RFC 8725 section 3.12).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// Short-lived; authorizes requests to protected routes.
    Access,
    /// Long-lived; only accepted to issue new access tokens. The database is authoritative.
    Refresh,
}

/// A CSRF value. `Debug` does not show it.
///
/// ```
/// use tokenpair::token::CsrfValue;
///
/// let value = CsrfValue::new("the value that the header must repeat".to_owned());
/// assert_eq!(value.as_str(), "the value that the header must repeat");
/// assert_eq!(format!("{value:?}"), "CsrfValue(..)");
/// ```
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct CsrfValue(String);

impl CsrfValue {
    /// Wraps a value that a session derived or a token carried.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// Returns the text, for a cookie that scripts may read, and for comparison with a header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CsrfValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfValue(..)")
    }
}

/// Whether a token counts as coming from a login with a password.
///
/// ```
/// use std::time::Duration;
/// use tokenpair::clock::Timestamp;
/// use tokenpair::token::Freshness;
///
/// let now = Timestamp::from_unix(1_800_000_000);
/// let soon = now + Duration::from_secs(300);
/// assert!(Freshness::Fresh.is_fresh(soon));
/// assert!(!Freshness::NotFresh.is_fresh(now));
/// assert!(Freshness::Until(soon).is_fresh(soon)); // inclusive
/// assert!(!Freshness::Until(soon).is_fresh(soon + Duration::from_secs(1)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Freshness {
    /// From a refresh or a reissue.
    #[default]
    NotFresh,
    /// From a login.
    Fresh,
    /// From a login, and fresh until this time (Flask-JWT-Extended's `fresh=timedelta(...)`).
    Until(Timestamp),
}

impl Freshness {
    /// Returns whether the token is fresh at `now`.
    pub fn is_fresh(self, now: Timestamp) -> bool {
        match self {
            Self::NotFresh => false,
            Self::Fresh => true,
            Self::Until(end) => now <= end,
        }
    }
}

impl Serialize for Freshness {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::NotFresh => serializer.serialize_bool(false),
            Self::Fresh => serializer.serialize_bool(true),
            Self::Until(end) => end.serialize(serializer),
        }
    }
}

/// The claims of a token.
///
/// ```
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::token::TokenKind;
/// use tokenpair::token::{Claims, CsrfValue, TokenError};
///
/// # let tokens = tokenpair::sample::tokens()?;
/// # let now = Timestamp::from_unix(1_800_000_000);
/// let plain = tokens.claims(TokenKind::Access, "ada", "an id".to_owned(), now);
/// assert_eq!(plain.sub(), "ada");
/// assert_eq!(plain.has_csrf(b"value"), Err(TokenError::Missing("csrf".into())));
///
/// let csrf = Some(CsrfValue::new("value".to_owned()));
/// let claims = Claims { csrf, identity: 7.into(), ..plain };
/// assert_eq!(claims.has_csrf(b"value"), Ok(true));
/// assert_eq!(claims.has_csrf(b"other"), Ok(false));
/// assert_eq!(claims.sub(), ""); // an identity other than a string is in `identity`
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Claims {
    /// Whether the token is from a password login, not from a refresh or a reissue.
    pub fresh: Freshness,
    /// Issued at (RFC 7519 section 4.1.6).
    pub iat: Option<Timestamp>,
    /// The token's id (section 4.1.7).
    pub jti: Option<String>,
    /// Access or refresh.
    pub kind: TokenKind,
    /// The user's id, in the claim `sub` (section 4.1.2) or the one that `JWT_IDENTITY_CLAIM`
    /// names. A string, unless the policy allows other JSON.
    pub identity: Value,
    /// Not before (section 4.1.5).
    pub nbf: Option<Timestamp>,
    /// The value that the header `X-CSRF-TOKEN` must repeat if the token came in a cookie.
    pub csrf: Option<CsrfValue>,
    /// The audience (section 4.1.3): a string for one, a list for several.
    pub aud: Vec<String>,
    /// The issuer (section 4.1.1).
    pub iss: Option<String>,
    /// The expiry (section 4.1.4). `None` for a token that never expires.
    pub exp: Option<Timestamp>,
    /// The session's id.
    pub sid: Option<String>,
    /// The generation of a refresh token, which the session's row counts.
    pub generation: Option<i64>,
    /// The user's name, so that `/protected` needs no database to greet.
    pub username: Option<String>,
    /// The user's roles when the token was issued.
    pub roles: Vec<String>,
    /// The user's epoch when the token was issued. A change of password, roles or state increases
    /// it.
    pub epoch: Option<i64>,
    /// All other claims.
    pub extra: Map<String, Value>,
}

impl Claims {
    /// Returns the user's id as text. Empty if the identity is JSON other than a string.
    pub fn sub(&self) -> &str {
        self.identity.as_str().unwrap_or_default()
    }

    /// Returns whether the user had this role when the token was issued.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held == role)
    }

    /// Returns whether `value` is the CSRF value, compared in constant time, byte by byte.
    ///
    /// # Errors
    ///
    /// Returns [`TokenError::Missing`] if the token has no CSRF value.
    pub fn has_csrf(&self, value: &[u8]) -> Result<bool, TokenError> {
        let own = self
            .csrf
            .as_ref()
            .ok_or(TokenError::Missing("csrf".into()))?
            .as_str();
        Ok(Crypto::equal(value, own.as_bytes()))
    }

    /// Returns the claims under their names in a token, the identity under `identity_claim`. The
    /// order is fixed, so that equal claims give equal text.
    pub(super) const fn named<'a>(&'a self, identity_claim: &'a str) -> Named<'a> {
        Named {
            claims: self,
            identity_claim,
        }
    }
}

/// The claims under their names in a token, the identity as `sub`. The CSRF value is left out: it
/// belongs into a cookie and a header alone.
impl Serialize for Claims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = Self {
            csrf: None,
            ..self.clone()
        };
        shown.named("sub").serialize(serializer)
    }
}

/// Claims under their names in a token.
pub(super) struct Named<'a> {
    claims: &'a Claims,
    identity_claim: &'a str,
}

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let claims = self.claims;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("fresh", &claims.fresh)?;
        entry(&mut map, "iat", claims.iat.as_ref())?;
        entry(&mut map, "jti", claims.jti.as_ref())?;
        map.serialize_entry("type", &claims.kind)?;
        map.serialize_entry(self.identity_claim, &claims.identity)?;
        entry(&mut map, "nbf", claims.nbf.as_ref())?;
        entry(&mut map, "csrf", claims.csrf.as_ref())?;
        match claims.aud.as_slice() {
            [] => {}
            [one] => map.serialize_entry("aud", one)?,
            many => map.serialize_entry("aud", many)?,
        }
        entry(&mut map, "iss", claims.iss.as_ref())?;
        entry(&mut map, "exp", claims.exp.as_ref())?;
        entry(&mut map, "sid", claims.sid.as_ref())?;
        entry(&mut map, "gen", claims.generation.as_ref())?;
        entry(&mut map, "username", claims.username.as_ref())?;
        let roles = Some(&claims.roles).filter(|roles| !roles.is_empty());
        entry(&mut map, "roles", roles)?;
        entry(&mut map, "epoch", claims.epoch.as_ref())?;
        for (name, value) in &claims.extra {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

fn entry<M: SerializeMap, T: Serialize>(
    map: &mut M,
    name: &'static str,
    value: Option<&T>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, value))
}
