//! Defines the locations in a request that may carry its token, and their names.

use std::fmt;

use actix_web::http::header::{AUTHORIZATION, HeaderName};

/// A location of a token (`JWT_TOKEN_LOCATION`).
///
/// ```
/// # use actix_web::cookie::Cookie;
/// # use actix_web::test::TestRequest;
/// use tokenpair::web::{Auth, Guard, Location};
///
/// # tokenpair::sample::run(async {
/// # let auth = tokenpair::sample::auth()?;
/// # let issued = auth.access_token("ada").sign()?;
/// # let token = issued.token.as_str();
/// // Both have a token; the first location with a token decides.
/// let request = TestRequest::get()
///     .cookie(Cookie::new("access_token_cookie", "no token"))
///     .insert_header(("Authorization", format!("Bearer {token}")))
///     .to_http_request();
/// let cookies_first = auth.only_from([Location::Cookies, Location::Headers]);
/// assert!(cookies_first.verify_request(&request, Guard::Access).await.is_err());
/// let header_first = auth.only_from([Location::Headers, Location::Cookies]);
/// assert_eq!(header_first.verify_request(&request, Guard::Access).await?.location, Location::Headers);
/// # Ok(()) });
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Location {
    /// The cookie of the token's kind.
    Cookies,
    /// `Authorization: Bearer`.
    Headers,
    /// A query parameter. URLs end up in logs, histories and referrers, so use it only if nothing
    /// else works.
    QueryString,
    /// A member of a JSON body, which the handler still receives whole.
    Json,
}

impl Location {
    /// All locations.
    pub const ALL: [Self; 4] = [Self::Cookies, Self::Headers, Self::QueryString, Self::Json];

    /// Returns Flask-JWT-Extended's word for it.
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
/// use actix_web::http::header::HeaderName;
/// use tokenpair::web::{Auth, Guard, HeaderPolicy, WebPolicy};
///
/// # tokenpair::sample::run(async {
/// # let tokens = tokenpair::sample::tokens()?;
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
/// # Ok(()) });
/// ```
#[derive(Clone, Debug)]
pub struct HeaderPolicy {
    /// Name of the header (`JWT_HEADER_NAME`). Default: Authorization.
    pub name: HeaderName,
    /// Name of the header as messages print it. Default: Authorization.
    pub title: String,
    /// The scheme before the token (`JWT_HEADER_TYPE`); empty for a bare token. Default: Bearer.
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

/// The query parameter that carries a token.
///
/// ```
/// # use actix_web::test::TestRequest;
/// use tokenpair::web::{Auth, Guard, Location, QueryPolicy, WebPolicy};
///
/// # tokenpair::sample::run(async {
/// # let tokens = tokenpair::sample::tokens()?;
/// let query = QueryPolicy { name: "token".to_owned(), ..QueryPolicy::default() };
/// let locations = vec![Location::QueryString];
/// let auth = Auth::builder(tokens).policy(WebPolicy { locations, query, ..WebPolicy::default() }).build();
/// let issued = auth.access_token("ada").sign()?;
/// let request = TestRequest::get().uri(&format!("/?token={}", issued.token.as_str())).to_http_request();
/// assert!(auth.verify_request(&request, Guard::Access).await.is_ok());
/// # Ok(()) });
/// ```
#[derive(Clone, Debug)]
pub struct QueryPolicy {
    /// Name of the parameter (`JWT_QUERY_STRING_NAME`). Default: jwt.
    pub name: String,
    /// Prefix of the token (`JWT_QUERY_STRING_VALUE_PREFIX`). Default: empty.
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
/// use tokenpair::web::{Auth, Guard, JsonPolicy, Location, WebPolicy};
///
/// # tokenpair::sample::run(async {
/// # let tokens = tokenpair::sample::tokens()?;
/// let json = JsonPolicy { access_key: "token".to_owned(), ..JsonPolicy::default() };
/// let locations = vec![Location::Json];
/// let auth = Auth::builder(tokens).policy(WebPolicy { locations, json, ..WebPolicy::default() }).build();
/// let issued = auth.access_token("ada").sign()?;
/// let body = serde_json::json!({ "token": issued.token.as_str() });
/// let (request, mut payload) = TestRequest::post().set_json(body).to_http_parts();
/// assert!(auth.verify_with_body(&request, &mut payload, Guard::Access).await.is_ok());
/// # Ok(()) });
/// ```
#[derive(Clone, Debug)]
pub struct JsonPolicy {
    /// The member with an access token (`JWT_JSON_KEY`). Default: access_token.
    pub access_key: String,
    /// The member with a refresh token (`JWT_REFRESH_JSON_KEY`). Default: refresh_token.
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
