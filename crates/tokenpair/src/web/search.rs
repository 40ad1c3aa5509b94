//! Searches a request for its token, in the order of the policy's locations.
//!
//! As in Flask-JWT-Extended, the first location with a token decides; the next is tried only if it
//! has none. Only cookies can hold several tokens, which are then tried in turn.

use std::borrow::Cow;

use actix_web::HttpRequest;
use serde_json::Value;

use super::authorization::{joined, of_scheme};
use super::body::{RequestBody, is_json, pair};
use super::csrf::Demand;
use super::error_code::ErrorCode;
use super::location::{HeaderPolicy, JsonPolicy, Location, QueryPolicy};
use super::policy::WebPolicy;
use super::rejection::Rejection;
use crate::token::{Claims, TokenKind};

/// A token, its location, and the proof needed beside it.
pub(super) struct Found<'a> {
    /// Its text, which is mostly known byte by byte, so that it is not checked for UTF-8 first.
    pub(super) token: Cow<'a, [u8]>,
    /// Tokens from other cookies of the same name, to try if that token does not verify.
    pub(super) others: Vec<&'a [u8]>,
    pub(super) location: Location,
    csrf: Option<Demand<'a>>,
}

impl Found<'_> {
    fn plain(token: String, location: Location) -> Self {
        Self {
            token: Cow::Owned(token.into_bytes()),
            others: Vec::new(),
            location,
            csrf: None,
        }
    }

    /// Checks the proof needed beside the token, if any.
    pub(super) fn check_csrf(&self, claims: &Claims) -> Result<(), Rejection> {
        let demand = self.csrf.as_ref();
        demand.map_or(Ok(()), |demand| demand.met_by(claims))
    }
}

/// Finds the first token of this kind.
pub(super) fn find<'a>(
    request: &'a HttpRequest,
    policy: &'a WebPolicy,
    kind: TokenKind,
    body: &RequestBody,
) -> Result<Found<'a>, Rejection> {
    let mut absences = Vec::new();
    for location in &policy.locations {
        let found = match location {
            Location::Cookies => in_cookies(request, policy, kind, body)?,
            Location::Headers => in_headers(request, &policy.header)?,
            Location::QueryString => in_query(request, &policy.query)?,
            Location::Json => in_json(request, &policy.json, kind, body)?,
        };
        match found {
            Ok(found) => return Ok(found),
            Err(absence) => absences.push(absence),
        }
    }
    Err(Rejection::missing_token(missing(
        &policy.locations,
        &absences,
    )))
}

/// A token, or the message about its absence.
type Search<'a> = Result<Found<'a>, String>;

fn in_cookies<'a>(
    request: &'a HttpRequest,
    policy: &'a WebPolicy,
    kind: TokenKind,
    body: &RequestBody,
) -> Result<Search<'a>, Rejection> {
    let mut tokens = policy.cookies.presented_raw(request, kind);
    let Some(token) = tokens.next() else {
        let name = policy.cookies.token_name(kind);
        return Ok(Err(format!("Missing cookie \"{name}\"")));
    };
    let csrf = policy.demand(request, kind, body)?;
    Ok(Ok(Found {
        token: Cow::Borrowed(token),
        others: tokens.collect(),
        location: Location::Cookies,
        csrf,
    }))
}

/// A header may hold several comma-separated credentials; exactly one of them must have our scheme.
fn in_headers<'a>(request: &HttpRequest, policy: &HeaderPolicy) -> Result<Search<'a>, Rejection> {
    let title = &policy.title;
    let joined = joined(request, &policy.name);
    let value = joined.trim().trim_matches(',');
    if value.is_empty() {
        return Ok(Err(format!("Missing {title} Header")));
    }
    let scheme = policy.scheme.as_str();
    let expected = || match scheme {
        "" => format!("Expected '{title}: <JWT>'"),
        _ => format!("Expected '{title}: {scheme} <JWT>'"),
    };
    let credentials: Vec<Vec<&str>> = match scheme {
        "" => vec![value.split_whitespace().collect()],
        _ => of_scheme(value, policy),
    };
    let [words] = credentials.as_slice() else {
        return Ok(Err(format!(
            "Missing '{scheme}' type in '{title}' header. {}",
            expected()
        )));
    };
    match words.as_slice() {
        [token] => Ok(Ok(Found::plain((*token).to_owned(), Location::Headers))),
        _ => Err(Rejection::from(ErrorCode::BadAuthorizationHeader)
            .msg(format!("Bad {title} header. {}", expected()))),
    }
}

fn in_query<'a>(request: &HttpRequest, policy: &QueryPolicy) -> Result<Search<'a>, Rejection> {
    let QueryPolicy { name, prefix } = policy;
    let value = pair(request.query_string(), name).filter(|value| !value.is_empty());
    let Some(value) = value else {
        return Ok(Err(format!("Missing '{name}' query paramater")));
    };
    match value.strip_prefix(prefix.as_str()) {
        Some(token) => Ok(Ok(Found::plain(token.to_owned(), Location::QueryString))),
        None => Err(Rejection::from(ErrorCode::InvalidToken).msg(format!(
            "Invalid value for query parameter '{name}'. Expected the value to start with '{prefix}'"
        ))),
    }
}

fn in_json<'a>(
    request: &HttpRequest,
    policy: &JsonPolicy,
    kind: TokenKind,
    body: &RequestBody,
) -> Result<Search<'a>, Rejection> {
    if !is_json(request) {
        let absence = "Invalid content-type. Must be application/json.";
        return Ok(Err(absence.to_owned()));
    }
    let key = match kind {
        TokenKind::Access => &policy.access_key,
        TokenKind::Refresh => &policy.refresh_key,
    };
    match body.member(key) {
        None => Ok(Err(format!("Missing \"{key}\" key in json data."))),
        Some(Value::String(token)) => Ok(Ok(Found::plain(token, Location::Json))),
        Some(_) => Err(Rejection::from(ErrorCode::InvalidToken)
            .msg("Invalid token type. Token must be a <class 'bytes'>")),
    }
}

/// Returns the token in the header, if the header is well-formed.
pub(super) fn in_header(request: &HttpRequest, policy: &HeaderPolicy) -> Option<String> {
    let found = in_headers(request, policy).ok()?.ok()?;
    String::from_utf8(found.token.into_owned()).ok()
}

fn missing(locations: &[Location], absences: &[String]) -> String {
    let words: Vec<&str> = locations.iter().map(|location| location.word()).collect();
    match words.as_slice() {
        [first @ .., last] if !first.is_empty() => {
            format!(
                "Missing JWT in {} or {last} ({})",
                first.join(", "),
                absences.join("; ")
            )
        }
        _ => absences.join("; "),
    }
}
