//! Claims: Flask-JWT-Extended's, in its order and with its names, and ours beside them.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Timestamp;

/// The `type` claim. An allow-list: only these two exact strings are types (RFC 8725 section 3.12).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// Short-lived; opens protected routes.
    Access,
    /// Long-lived; only buys new access tokens, and the database has the last word.
    Refresh,
}

/// A CSRF value. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct CsrfValue(String);

impl CsrfValue {
    /// A value that a session derived, or that a token said.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for a cookie that scripts may read, and to compare a header with.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CsrfValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfValue(..)")
    }
}

/// What a token says.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Claims {
    /// From a password login, not from a refresh or a reissue.
    pub fresh: bool,
    /// Issued at (RFC 7519 section 4.1.6).
    pub iat: Timestamp,
    /// The token's own id (section 4.1.7).
    pub jti: String,
    /// Access or refresh.
    #[serde(rename = "type")]
    pub kind: TokenKind,
    /// The user's id (section 4.1.2).
    pub sub: String,
    /// Not before (section 4.1.5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<Timestamp>,
    /// What the header `X-CSRF-TOKEN` must repeat when the token came by cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csrf: Option<CsrfValue>,
    /// For whom (section 4.1.3): a string if one, a list if several.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "one_or_many")]
    pub aud: Vec<String>,
    /// By whom (section 4.1.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// The end (section 4.1.4).
    pub exp: Timestamp,
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The generation of a refresh token, counted by the session's row.
    #[serde(rename = "gen", skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// The name to greet with, so that `/protected` asks no database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The roles the user had when the token was made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The user's epoch when the token was made; a change of password, roles or state moves it on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<i64>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

fn one_or_many<S: serde::Serializer>(
    audience: &[String],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match audience {
        [one] => serializer.serialize_str(one),
        many => many.serialize(serializer),
    }
}
