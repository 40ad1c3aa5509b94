//! Defines [`Issued`]: a signed token and the details its bearer needs.

use std::fmt;

use super::claims::CsrfValue;
use crate::clock::Timestamp;

/// The text of a signed token. `Debug` does not show it.
///
/// ```
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::token::TokenKind;
/// # let tokens = tokenpair::sample::tokens()?;
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
    /// Returns the text. Put it only into a cookie, a header or a body.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A signed token and the details its bearer needs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Issued {
    /// The token's text.
    pub token: Token,
    /// The token's CSRF value, if tokens carry one.
    pub csrf: Option<CsrfValue>,
    /// The token's `exp`. `None` if it never expires.
    pub expires_at: Option<Timestamp>,
}
