//! Implements verification, from text to [`Claims`], in an order that tells an attacker nothing.
//!
//! The order is length, form, header, algorithm, signature, and only then the claims. The messages
//! are those of PyJWT and Flask-JWT-Extended, so that front ends written for them keep working.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::claims::Claims;
use super::error::{MAX_TOKEN_LEN, TokenError};
use super::loaders::TokenLoaders;
use super::payload::Payload;
use super::policy::TokenPolicy;
use crate::clock::Timestamp;
use crate::json::{self, JsonError};
use crate::keys::{KeyRing, VerifyError};

/// Whether a token past its `exp` is rejected.
///
/// ```
/// use std::time::Duration;
/// # use tokenpair::clock::Timestamp;
/// # use tokenpair::token::TokenKind;
/// use tokenpair::token::{Expiry, TokenError};
///
/// # let tokens = tokenpair::sample::tokens()?;
/// # let now = Timestamp::from_unix(1_800_000_000);
/// # let issued = tokens.sign(&tokens.claims(TokenKind::Access, "ada", "an id".to_owned(), now))?;
/// let later = now + Duration::from_secs(86_400);
/// let verify = |expiry| tokens.verify(issued.token.as_str(), later, expiry);
/// assert_eq!(verify(Expiry::Enforced), Err(TokenError::Expired));
/// assert_eq!(verify(Expiry::Ignored)?.sub(), "ada");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expiry {
    /// Checks all times.
    Enforced,
    /// Checks no time. Suffices to end a session, where an expired token is accepted, and one whose
    /// signer's clock is ahead.
    Ignored,
}

/// A verified token.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Decoded {
    /// The JOSE header.
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Claims,
}

/// A token taken apart without verifying it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// The JOSE header, unverified.
    pub unverified_header: Map<String, Value>,
    /// The claims, unverified.
    pub unverified_claims: Map<String, Value>,
    /// The checks and their outcomes.
    pub verdicts: Vec<(&'static str, Result<(), TokenError>)>,
}

/// The parts of [`Tokens`](super::Tokens) that verify, apart from the keys.
#[derive(Clone, Debug)]
pub(super) struct Verifier {
    pub(super) policy: TokenPolicy,
    pub(super) loaders: TokenLoaders,
}

impl Verifier {
    /// Verifies a token with these keys, or with those that the application's loader returns.
    pub(super) fn verify(
        &self,
        keys: &Arc<KeyRing>,
        token: &str,
        now: Timestamp,
        expiry: Expiry,
    ) -> Result<Decoded, TokenError> {
        let policy = &self.policy;
        let parts = Parts::split(token)?;
        let header = object("header", &parts.header)?;
        let keys = self.verifying_keys(keys, &header, &parts)?;
        check_header(&header, &keys)?;
        check_signature(&header, &parts, &keys)?;
        let claims = Payload(object("payload", &parts.payload)?);
        let mut end = Ok(());
        if expiry == Expiry::Enforced {
            claims.check_times(now, policy)?;
            end = claims.check_end(now, policy);
        }
        claims.check_parties(policy)?;
        let claims = claims.into_claims(policy)?;
        end.map(|()| Decoded { header, claims })
    }

    /// Takes a token apart, with the outcome of every check.
    pub(super) fn inspect(
        &self,
        keys: &Arc<KeyRing>,
        token: &str,
        now: Timestamp,
    ) -> Result<Inspection, TokenError> {
        let policy = &self.policy;
        let parts = Parts::split(token)?;
        let unverified_header = object("header", &parts.header)?;
        let unverified_claims = object("payload", &parts.payload)?;
        let keys = self.verifying_keys(keys, &unverified_header, &parts)?;
        let signature = check_signature(&unverified_header, &parts, &keys);
        let claims = Payload(unverified_claims.clone());
        let verdicts = vec![
            ("header", check_header(&unverified_header, &keys)),
            ("signature", signature),
            (
                "times",
                claims
                    .check_times(now, policy)
                    .and_then(|()| claims.check_end(now, policy)),
            ),
            ("issuer and audience", claims.check_parties(policy)),
            ("claims", claims.into_claims(policy).map(drop)),
        ];
        Ok(Inspection {
            unverified_header,
            unverified_claims,
            verdicts,
        })
    }

    /// Returns the ring that verifies this token. Only an application's own loader sees unverified
    /// claims.
    fn verifying_keys(
        &self,
        present: &Arc<KeyRing>,
        header: &Map<String, Value>,
        parts: &Parts<'_>,
    ) -> Result<Arc<KeyRing>, TokenError> {
        let Some(load) = &self.loaders.decode_key else {
            return Ok(Arc::clone(present));
        };
        let claims = object("payload", &parts.payload)?;
        load(header, &claims).ok_or(TokenError::KeyNotFound)
    }
}

/// A token's three segments, decoded on demand.
struct Parts<'a> {
    signed: &'a [u8],
    header: Vec<u8>,
    payload: Vec<u8>,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    fn split(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN_LEN {
            return Err(TokenError::TooLong);
        }
        let (signed, signature) = token
            .rsplit_once('.')
            .ok_or(TokenError::NotEnoughSegments)?;
        // Five segments (a JWE) leave dots in the payload, which are not base64url.
        let (header, payload) = signed
            .split_once('.')
            .ok_or(TokenError::NotEnoughSegments)?;
        let parts = Self {
            signed: signed.as_bytes(),
            header: decode("header", header)?,
            payload: decode("payload", payload)?,
            signature,
        };
        decode("crypto", signature)?;
        Ok(parts)
    }
}

/// The engine rejects padding and non-canonical last characters, so a token has only one spelling.
fn decode(name: &'static str, segment: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD
        .decode(segment)
        .map_err(|_| TokenError::InvalidSegment(name))
}

fn object(name: &'static str, text: &[u8]) -> Result<Map<String, Value>, TokenError> {
    json::object(text).map_err(|error| match error {
        JsonError::Malformed => TokenError::NotJson(name),
        JsonError::NotAnObject => TokenError::NotAnObject(name),
    })
}

/// Unknown header parameters are ignored (RFC 7515 section 4), including `jku` and `jwk`: no token
/// chooses its key.
fn check_header(header: &Map<String, Value>, keys: &KeyRing) -> Result<(), TokenError> {
    if header.get("kid").is_some_and(|kid| !kid.is_string()) {
        return Err(TokenError::KeyIdNotAString);
    }
    if let Some(critical) = header.get("crit") {
        return Err(refuse_critical(critical));
    }
    if header
        .get("b64")
        .is_some_and(|encoded| *encoded != Value::Bool(true))
    {
        return Err(TokenError::UnencodedPayload);
    }
    match header.get("alg") {
        None => Err(TokenError::NoAlgorithm),
        Some(Value::String(name)) if keys.allows(name) => Ok(()),
        Some(_) => Err(TokenError::AlgorithmNotAllowed),
    }
}

/// Uses only `alg` and `kid` of the header, nothing else of the token.
fn check_signature(
    header: &Map<String, Value>,
    parts: &Parts<'_>,
    keys: &KeyRing,
) -> Result<(), TokenError> {
    let text = |name| header.get(name).and_then(Value::as_str);
    let algorithm = text("alg").ok_or(TokenError::NoAlgorithm)?;
    keys.verify(algorithm, text("kid"), parts.signed, parts.signature)
        .map_err(|error| match error {
            VerifyError::AlgorithmNotAllowed => TokenError::AlgorithmNotAllowed,
            VerifyError::KeyNotFound => TokenError::KeyNotFound,
            VerifyError::BadSignature => TokenError::BadSignature,
        })
}

/// RFC 7515 section 4.1.11: a critical extension that is not understood makes the token invalid,
/// and none is understood.
fn refuse_critical(critical: &Value) -> TokenError {
    match critical.as_array().and_then(|names| names.first()) {
        Some(Value::String(name)) => TokenError::UnsupportedCritical(name.clone()),
        Some(_) => TokenError::BadClaim("Invalid 'crit' header: values must be strings"),
        None => TokenError::CritNotAList,
    }
}
