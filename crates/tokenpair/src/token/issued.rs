//! [`Issued`]: a signed token, and what its bearer must know of it.

use std::fmt;

use super::claims::CsrfValue;
use crate::clock::Timestamp;

/// A signed token's text. `Debug` does not show it.
///
/// ```
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::keys::{Algorithm, KeyRing};
/// # use tokenpair::token::{TokenKind, TokenPolicy, Tokens};
/// # let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
/// # let tokens = Tokens::new(keys, TokenPolicy::default());
/// # let now = Timestamp::from_unix(1_800_000_000);
/// # let claims = tokens.claims(TokenKind::Access, "ada", "an id".to_owned(), now);
/// let issued = tokens.sign(&claims)?;
/// assert!(issued.token.as_str().starts_with("eyJ"));
/// assert_eq!(format!("{:?}", issued.token), "Token(..)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub(super) String);

impl Token {
    /// The text, to be put into a cookie, a header or a body and nowhere else.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A signed token and what its bearer must know of it.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The text.
    pub token: Token,
    /// Its CSRF value, if tokens carry one.
    pub csrf: Option<CsrfValue>,
    /// Its `exp`; none if it never ends.
    pub expires_at: Option<Timestamp>,
}
