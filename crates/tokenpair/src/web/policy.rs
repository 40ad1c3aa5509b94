//! Defines [`WebPolicy`], how tokens travel over HTTP, and the [`CsrfPolicy`] in it.

use std::time::Duration;

use actix_web::http::header::HeaderName;
use actix_web::http::{Method, StatusCode};

use super::cookies::CookiePolicy;
use super::location::{HeaderPolicy, JsonPolicy, Location, QueryPolicy};
use super::proxies::TrustedProxies;

/// How tokens travel over HTTP. The defaults are the server's; [`JwtSettings`](crate::config::JwtSettings) has
/// Flask-JWT-Extended's.
///
/// ```
/// # use actix_web::test::TestRequest;
/// # use tokenpair::keys::{Algorithm, KeyRing};
/// # use tokenpair::token::{TokenPolicy, Tokens};
/// use tokenpair::web::{Auth, Guard, Location, WebPolicy};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
/// # let tokens = Tokens::new(keys, TokenPolicy::default());
/// let policy = WebPolicy { locations: vec![Location::Headers], ..WebPolicy::default() };
/// let auth = Auth::builder(tokens).policy(policy).build();
/// let request = TestRequest::default().to_http_request();
/// let refusal = auth.verify_request(&request, Guard::Access).await.unwrap_err();
/// assert_eq!(refusal.to_string(), "Missing Authorization Header");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct WebPolicy {
    /// Where tokens are looked for, in this order (`JWT_TOKEN_LOCATION`: cookies, headers).
    pub locations: Vec<Location>,
    /// The header.
    pub header: HeaderPolicy,
    /// The cookies.
    pub cookies: CookiePolicy,
    /// The parameter in the address.
    pub query: QueryPolicy,
    /// The members of a JSON body.
    pub json: JsonPolicy,
    /// The proof asked for beside a cookie.
    pub csrf: CsrfPolicy,
    /// The member of an error's JSON that holds its text (`JWT_ERROR_MESSAGE_KEY`, msg).
    pub message_key: String,
    /// Cookies outlive the browser unless a login says otherwise (`JWT_SESSION_COOKIE=false`; no).
    pub remember: bool,
    /// An access cookie with less than this to live gets a successor (`JWT_REISSUE_WITHIN`, 30 min), with a record of
    /// sessions only if the refresh cookie comes with it. Where it is not less than an access token's lifetime, every
    /// response carries a new one.
    pub reissue_within: Duration,
    /// Whether tokens without a session (`sid`) are taken beside a record of sessions (`JWT_ACCEPT_FOREIGN`, no): those of a
    /// Flask app under the same secret. They cannot be ended before their time.
    pub accept_foreign: bool,
    /// The proxies whose word is taken for where a request came from (none).
    pub trusted_proxies: TrustedProxies,
    /// Status for malformed, forged and misplaced tokens, which are
    /// [`RejectionKind::InvalidToken`](super::RejectionKind::InvalidToken). Default: 422, as in Flask-JWT-Extended
    /// (`JWT_INVALID_TOKEN_STATUS`). With 401, clients need only one rule for refused tokens.
    pub invalid_token_status: StatusCode,
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
        }
    }
}

/// When and where the CSRF value is asked for.
///
/// ```
/// # use actix_web::cookie::Cookie;
/// # use actix_web::test::TestRequest;
/// # use tokenpair::keys::{Algorithm, KeyRing};
/// # use tokenpair::token::{TokenPolicy, Tokens};
/// use actix_web::http::Method;
/// use tokenpair::web::{Auth, CsrfPolicy, Guard, WebPolicy};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
/// # let tokens = Tokens::new(keys, TokenPolicy::default());
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
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CsrfPolicy {
    /// Whether it is asked for beside a cookie (`JWT_COOKIE_CSRF_PROTECT`, yes). Off, any site can act for a logged-in user on unsafe methods.
    pub protect: bool,
    /// The methods that need it (`JWT_CSRF_METHODS`: POST, PUT, PATCH, DELETE).
    pub methods: Vec<Method>,
    /// The header that repeats the access token's (`JWT_ACCESS_CSRF_HEADER_NAME`, X-CSRF-TOKEN).
    pub access_header: HeaderName,
    /// The header that repeats the refresh token's (`JWT_REFRESH_CSRF_HEADER_NAME`, X-CSRF-TOKEN).
    pub refresh_header: HeaderName,
    /// Whether a field of an HTML form will do where the header is missing (`JWT_CSRF_CHECK_FORM`, no).
    pub check_form: bool,
    /// That field for the access token's (`JWT_ACCESS_CSRF_FIELD_NAME`, csrf_token).
    pub access_field: String,
    /// That field for the refresh token's (`JWT_REFRESH_CSRF_FIELD_NAME`, csrf_token).
    pub refresh_field: String,
}

/// Flask-JWT-Extended's default name, in lower case as HTTP/2 has it.
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
    /// Whether requests of that method have to prove that they are their sender's.
    pub(super) fn is_asked_of(&self, method: &Method) -> bool {
        self.protect && self.methods.contains(method)
    }
}
