//! Defines [`WebPolicy`], the transport of tokens over HTTP, and the [`CsrfPolicy`] in it.

use std::time::Duration;

use actix_web::http::header::HeaderName;
use actix_web::http::{Method, StatusCode};

use super::cookies::CookiePolicy;
use super::location::{HeaderPolicy, JsonPolicy, Location, QueryPolicy};
use super::proxies::TrustedProxies;
use super::rejection::REFRESH_ROUTE;

/// The transport of tokens over HTTP. The defaults are the server's;
/// [`JwtSettings`](crate::config::JwtSettings) has Flask-JWT-Extended's.
///
/// ```
/// # use actix_web::test::TestRequest;
/// use tokenpair::web::{Auth, Guard, Location, WebPolicy};
///
/// # tokenpair::sample::run(async {
/// # let tokens = tokenpair::sample::tokens()?;
/// let policy = WebPolicy { locations: vec![Location::Headers], ..WebPolicy::default() };
/// let auth = Auth::builder(tokens).policy(policy).build();
/// let request = TestRequest::default().to_http_request();
/// let refusal = auth.verify_request(&request, Guard::Access).await.unwrap_err();
/// assert_eq!(refusal.to_string(), "Missing Authorization Header");
/// # Ok(()) });
/// ```
#[derive(Clone, Debug)]
pub struct WebPolicy {
    /// The locations of tokens, in the order of the search (`JWT_TOKEN_LOCATION`). Default:
    /// cookies, headers.
    pub locations: Vec<Location>,
    /// The header that carries a token.
    pub header: HeaderPolicy,
    /// The names and attributes of the cookies.
    pub cookies: CookiePolicy,
    /// The query parameter that carries a token.
    pub query: QueryPolicy,
    /// The members of a JSON body that carry tokens.
    pub json: JsonPolicy,
    /// The proof that a request needs beside a cookie.
    pub csrf: CsrfPolicy,
    /// The member of an error's JSON that holds its text (`JWT_ERROR_MESSAGE_KEY`). Default: msg.
    pub message_key: String,
    /// Whether cookies outlive the browser, unless a login decides otherwise (the opposite of
    /// `JWT_SESSION_COOKIE`). Default: false.
    pub remember: bool,
    /// An access cookie with less than this to live is reissued (`JWT_REISSUE_WITHIN`), with a
    /// record of sessions only if the refresh cookie comes with it. Default: 30 min. If it is not
    /// less than an access token's lifetime, every response reissues.
    pub reissue_within: Duration,
    /// Whether tokens without a session (`sid`) are accepted despite a record of sessions
    /// (`JWT_ACCEPT_FOREIGN`): those of a Flask app with the same secret. They cannot be revoked.
    /// Default: false.
    pub accept_foreign: bool,
    /// The proxies whose headers are trusted for the client's address. Default: none.
    pub trusted_proxies: TrustedProxies,
    /// Status for malformed, forged and misplaced tokens, which are
    /// [`RejectionKind::InvalidToken`](super::RejectionKind::InvalidToken). Default: 422, as in
    /// Flask-JWT-Extended (`JWT_INVALID_TOKEN_STATUS`). With 401, clients need only one rule for
    /// rejected tokens.
    pub invalid_token_status: StatusCode,
    /// The path of the route that refreshes, for the hints of rejections. Default: /refresh, as in
    /// Flask-JWT-Extended's guide.
    pub refresh_route: String,
}

impl Default for WebPolicy {
    fn default() -> Self {
        Self {
            locations: vec![Location::Cookies, Location::Headers],
            header: HeaderPolicy::default(),
            cookies: CookiePolicy::default(),
            query: QueryPolicy::default(),
            json: JsonPolicy::default(),
            csrf: CsrfPolicy::default(),
            message_key: "msg".to_owned(),
            remember: false,
            reissue_within: Duration::from_secs(30 * 60),
            accept_foreign: false,
            trusted_proxies: TrustedProxies::default(),
            invalid_token_status: StatusCode::UNPROCESSABLE_ENTITY,
            refresh_route: REFRESH_ROUTE.to_owned(),
        }
    }
}

/// The requests that need a CSRF value, and where they carry it.
///
/// ```
/// # use actix_web::cookie::Cookie;
/// # use actix_web::test::TestRequest;
/// use actix_web::http::Method;
/// use tokenpair::web::{Auth, CsrfPolicy, Guard, WebPolicy};
///
/// # tokenpair::sample::run(async {
/// # let tokens = tokenpair::sample::tokens()?;
/// let csrf = CsrfPolicy { methods: vec![Method::GET, Method::POST], ..CsrfPolicy::default() };
/// let auth = Auth::builder(tokens).policy(WebPolicy { csrf, ..WebPolicy::default() }).build();
/// let issued = auth.access_token("ada").sign()?;
/// let cookie = Cookie::new("access_token_cookie", issued.token.as_str());
/// let request = || TestRequest::get().cookie(cookie.clone());
/// let refusal = auth.verify_request(&request().to_http_request(), Guard::Access).await.unwrap_err();
/// assert_eq!(refusal.to_string(), "Missing CSRF token");
///
/// let value = issued.csrf.as_ref().unwrap().as_str();
/// let request = request().insert_header(("X-CSRF-TOKEN", value)).to_http_request();
/// assert!(auth.verify_request(&request, Guard::Access).await.is_ok());
/// # Ok(()) });
/// ```
#[derive(Clone, Debug)]
pub struct CsrfPolicy {
    /// Whether a cookie needs a CSRF value (`JWT_COOKIE_CSRF_PROTECT`). Default: true. If false,
    /// any site can act for a logged-in user on unsafe methods.
    pub protect: bool,
    /// The methods that need a CSRF value (`JWT_CSRF_METHODS`). Default: POST, PUT, PATCH, DELETE.
    pub methods: Vec<Method>,
    /// The header for the access token's CSRF value (`JWT_ACCESS_CSRF_HEADER_NAME`). Default:
    /// X-CSRF-TOKEN.
    pub access_header: HeaderName,
    /// The header for the refresh token's CSRF value (`JWT_REFRESH_CSRF_HEADER_NAME`). Default:
    /// X-CSRF-TOKEN.
    pub refresh_header: HeaderName,
    /// Whether a field of an HTML form may replace a missing header (`JWT_CSRF_CHECK_FORM`).
    /// Default: false.
    pub check_form: bool,
    /// The field for the access token's CSRF value (`JWT_ACCESS_CSRF_FIELD_NAME`). Default:
    /// csrf_token.
    pub access_field: String,
    /// The field for the refresh token's CSRF value (`JWT_REFRESH_CSRF_FIELD_NAME`). Default:
    /// csrf_token.
    pub refresh_field: String,
}

/// Flask-JWT-Extended's default name, in lower case as in HTTP/2.
const X_CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");

impl Default for CsrfPolicy {
    fn default() -> Self {
        Self {
            protect: true,
            methods: vec![Method::POST, Method::PUT, Method::PATCH, Method::DELETE],
            access_header: X_CSRF_TOKEN,
            refresh_header: X_CSRF_TOKEN,
            check_form: false,
            access_field: "csrf_token".to_owned(),
            refresh_field: "csrf_token".to_owned(),
        }
    }
}

impl CsrfPolicy {
    /// Returns whether requests with this method need a CSRF value.
    pub(super) fn is_asked_of(&self, method: &Method) -> bool {
        self.protect && self.methods.contains(method)
    }
}
