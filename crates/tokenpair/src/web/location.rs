//! Locations: where a request carries its token, and in which order they are looked at.
//!
//! As in Flask-JWT-Extended, the first location that has a token decides; the next is only tried where there is none. Only
//! cookies can hold several tokens, which are then tried in turn.

use std::borrow::Cow;
use std::fmt;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde_json::Value;

use super::auth::WebPolicy;
use super::body::{Body, is_json, pair};
use super::csrf::Demand;
use super::rejection::Rejection;
use crate::token::{Claims, TokenKind};

/// A place for a token (`JWT_TOKEN_LOCATION`).
///
/// ```
/// # use actix_web::cookie::Cookie;
/// # use actix_web::test::TestRequest;
/// # use tokenpair::keys::{Algorithm, KeyRing};
/// # use tokenpair::token::{TokenPolicy, Tokens};
/// use tokenpair::web::{Auth, Guard, Location};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
/// # let auth = Auth::builder(Tokens::new(keys, TokenPolicy::default())).build();
/// # let issued = auth.access_token("ada").sign()?;
/// # let token = issued.token.as_str();
/// // Both have a token; the first place that has one decides.
/// let request = TestRequest::get()
///     .cookie(Cookie::new("access_token_cookie", "no token"))
///     .insert_header(("Authorization", format!("Bearer {token}")))
///     .to_http_request();
/// let cookies_first = auth.only_from([Location::Cookies, Location::Headers]);
/// assert!(cookies_first.verify_request(&request, Guard::Access).await.is_err());
/// let header_first = auth.only_from([Location::Headers, Location::Cookies]);
/// assert_eq!(header_first.verify_request(&request, Guard::Access).await?.location, Location::Headers);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Location {
    /// The cookie of the token's kind.
    Cookies,
    /// `Authorization: Bearer`.
    Headers,
    /// A parameter of the address. Addresses end up in logs, histories and referrers: only where nothing else will do.
    QueryString,
    /// A member of a JSON body, which the handler still gets whole.
    Json,
}

impl Location {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Cookies, Self::Headers, Self::QueryString, Self::Json];

    /// Flask-JWT-Extended's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cookies => "cookies",
            Self::Headers => "headers",
            Self::QueryString => "query_string",
            Self::Json => "json",
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The header that carries a token.
///
/// ```
/// # use actix_web::test::TestRequest;
/// # use tokenpair::keys::{Algorithm, KeyRing};
/// # use tokenpair::token::{TokenPolicy, Tokens};
/// use actix_web::http::header::HeaderName;
/// use tokenpair::web::{Auth, Guard, HeaderPolicy, WebPolicy};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
/// # let tokens = Tokens::new(keys, TokenPolicy::default());
/// let header = HeaderPolicy {
///     name: HeaderName::from_static("x-token"),
///     title: "X-Token".to_owned(),
///     scheme: String::new(),
///     ..HeaderPolicy::default()
/// };
/// let auth = Auth::builder(tokens).policy(WebPolicy { header, ..WebPolicy::default() }).build();
/// let issued = auth.access_token("ada").sign()?;
/// let request = TestRequest::get().insert_header(("X-Token", issued.token.as_str())).to_http_request();
/// assert!(auth.verify_request(&request, Guard::Access).await.is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HeaderPolicy {
    /// Its name (`JWT_HEADER_NAME`, Authorization).
    pub name: HeaderName,
    /// The name as messages print it (Authorization).
    pub title: String,
    /// The word before the token (`JWT_HEADER_TYPE`, Bearer); empty for a bare token.
    pub scheme: String,
    /// Whether the scheme is case-insensitive (RFC 9110 section 11.1). Default: true. Under
    /// [`JwtSettings`](crate::config::JwtSettings): false, as in Flask-JWT-Extended.
    pub any_case: bool,
}

impl Default for HeaderPolicy {
    fn default() -> Self {
        Self {
            name: AUTHORIZATION,
            title: "Authorization".to_owned(),
            scheme: "Bearer".to_owned(),
            any_case: true,
        }
    }
}

/// The parameter that carries a token.
///
/// ```
/// # use actix_web::test::TestRequest;
/// # use tokenpair::keys::{Algorithm, KeyRing};
/// # use tokenpair::token::{TokenPolicy, Tokens};
/// use tokenpair::web::{Auth, Guard, Location, QueryPolicy, WebPolicy};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
/// # let tokens = Tokens::new(keys, TokenPolicy::default());
/// let query = QueryPolicy { name: "token".to_owned(), ..QueryPolicy::default() };
/// let locations = vec![Location::QueryString];
/// let auth = Auth::builder(tokens).policy(WebPolicy { locations, query, ..WebPolicy::default() }).build();
/// let issued = auth.access_token("ada").sign()?;
/// let request = TestRequest::get().uri(&format!("/?token={}", issued.token.as_str())).to_http_request();
/// assert!(auth.verify_request(&request, Guard::Access).await.is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct QueryPolicy {
    /// Its name (`JWT_QUERY_STRING_NAME`, jwt).
    pub name: String,
    /// What stands before the token (`JWT_QUERY_STRING_VALUE_PREFIX`, nothing).
    pub prefix: String,
}

impl Default for QueryPolicy {
    fn default() -> Self {
        Self {
            name: "jwt".to_owned(),
            prefix: String::new(),
        }
    }
}

/// The members of a JSON body that carry tokens.
///
/// ```
/// # use actix_web::test::TestRequest;
/// # use tokenpair::keys::{Algorithm, KeyRing};
/// # use tokenpair::token::{TokenPolicy, Tokens};
/// use tokenpair::web::{Auth, Guard, JsonPolicy, Location, WebPolicy};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
/// # let tokens = Tokens::new(keys, TokenPolicy::default());
/// let json = JsonPolicy { access_key: "token".to_owned(), ..JsonPolicy::default() };
/// let locations = vec![Location::Json];
/// let auth = Auth::builder(tokens).policy(WebPolicy { locations, json, ..WebPolicy::default() }).build();
/// let issued = auth.access_token("ada").sign()?;
/// let body = serde_json::json!({ "token": issued.token.as_str() });
/// let (request, mut payload) = TestRequest::post().set_json(body).to_http_parts();
/// assert!(auth.verify_with_body(&request, &mut payload, Guard::Access).await.is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct JsonPolicy {
    /// The member with an access token (`JWT_JSON_KEY`, access_token).
    pub access_key: String,
    /// The member with a refresh token (`JWT_REFRESH_JSON_KEY`, refresh_token).
    pub refresh_key: String,
}

impl Default for JsonPolicy {
    fn default() -> Self {
        Self {
            access_key: "access_token".to_owned(),
            refresh_key: "refresh_token".to_owned(),
        }
    }
}

/// A token, where it was, and what has to be proved beside it.
pub(super) struct Found<'a> {
    pub(super) token: Cow<'a, str>,
    /// Tokens to try if that one does not verify, from other cookies of the same name.
    pub(super) others: Vec<Cow<'a, str>>,
    pub(super) location: Location,
    csrf: Option<Demand<'a>>,
}

impl Found<'_> {
    fn plain(token: String, location: Location) -> Self {
        Self {
            token: Cow::Owned(token),
            others: Vec::new(),
            location,
            csrf: None,
        }
    }

    /// Whether what had to be proved beside the token was.
    pub(super) fn check_csrf(&self, claims: &Claims) -> Result<(), Rejection> {
        let demand = self.csrf.as_ref();
        demand.map_or(Ok(()), |demand| demand.met_by(claims))
    }
}

/// The first token of that kind.
pub(super) fn find<'a>(
    request: &'a HttpRequest,
    policy: &'a WebPolicy,
    kind: TokenKind,
    body: &Body,
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

/// A token, or the words for its absence.
type Search<'a> = Result<Found<'a>, String>;

fn in_cookies<'a>(
    request: &'a HttpRequest,
    policy: &'a WebPolicy,
    kind: TokenKind,
    body: &Body,
) -> Result<Search<'a>, Rejection> {
    let mut tokens = policy.cookies.presented(request, kind);
    let Some(token) = tokens.next() else {
        let name = policy.cookies.token_name(kind);
        return Ok(Err(format!("Missing cookie \"{name}\"")));
    };
    let csrf = policy.csrf.demand(request, kind, &policy.cookies, body)?;
    Ok(Ok(Found {
        token,
        others: tokens.collect(),
        location: Location::Cookies,
        csrf,
    }))
}

/// A header may hold several comma-separated credentials; exactly one of them has to be of our scheme.
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
        _ => Err(Rejection::bad_header(format!(
            "Bad {title} header. {}",
            expected()
        ))),
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
        None => Err(Rejection::bad_token(format!(
            "Invalid value for query parameter '{name}'. Expected the value to start with '{prefix}'"
        ))),
    }
}

fn in_json<'a>(
    request: &HttpRequest,
    policy: &JsonPolicy,
    kind: TokenKind,
    body: &Body,
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
        Some(_) => Err(Rejection::bad_token(
            "Invalid token type. Token must be a <class 'bytes'>".to_owned(),
        )),
    }
}

/// The token in the header, if there is one in good form.
pub(super) fn in_header(request: &HttpRequest, policy: &HeaderPolicy) -> Option<String> {
    let found = in_headers(request, policy).ok()?.ok()?;
    Some(found.token.into_owned())
}

/// The words behind the scheme, for each credential of that scheme.
fn of_scheme<'v>(value: &'v str, policy: &HeaderPolicy) -> Vec<Vec<&'v str>> {
    let is_scheme = |word: &str| match policy.any_case {
        true => word.eq_ignore_ascii_case(&policy.scheme),
        false => word == policy.scheme,
    };
    let behind_scheme = |credential: &'v str| {
        let mut words = credential.split_whitespace();
        words.next().is_some_and(is_scheme).then(|| words.collect())
    };
    value.split(',').filter_map(behind_scheme).collect()
}

/// Repeated headers count as one, joined by commas (RFC 9110 section 5.3). What is no text is no token.
fn joined(request: &HttpRequest, name: &HeaderName) -> String {
    let values = request.headers().get_all(name).map(HeaderValue::as_bytes);
    values
        .map(String::from_utf8_lossy)
        .collect::<Vec<_>>()
        .join(", ")
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
