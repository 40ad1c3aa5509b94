//! CSRF: a token that came by cookie proves nothing about who wrote the request, so the `csrf` claim must be repeated in
//! a header, which another site's page cannot set.
//!
//! Compared is the claim of the presented token, never another cookie: what an attacker could toss in proves nothing.

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue};

use super::body::Body;
use super::cookies::CookiePolicy;
use super::rejection::Rejection;
use crate::token::{Claims, TokenKind};

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

/// What a request must prove beside its cookie.
pub(super) struct Demand<'a> {
    sent: Vec<Cow<'a, [u8]>>,
    header: &'a HeaderName,
    kind: TokenKind,
    cookies: &'a CookiePolicy,
}

impl CsrfPolicy {
    /// Whether requests of that method have to prove that they are their sender's.
    pub(super) fn is_asked_of(&self, method: &Method) -> bool {
        self.protect && self.methods.contains(method)
    }

    /// The proof that a request with a cookie of that kind has to bring; none for safe methods.
    pub(super) fn demand<'a>(
        &'a self,
        request: &'a HttpRequest,
        kind: TokenKind,
        cookies: &'a CookiePolicy,
        body: &Body,
    ) -> Result<Option<Demand<'a>>, Rejection> {
        if !self.is_asked_of(request.method()) {
            return Ok(None);
        }
        let (header, field) = match kind {
            TokenKind::Access => (&self.access_header, &self.access_field),
            TokenKind::Refresh => (&self.refresh_header, &self.refresh_field),
        };
        let sent = request.headers().get_all(header).map(HeaderValue::as_bytes);
        let mut sent: Vec<Cow<'a, [u8]>> = sent.map(Cow::Borrowed).collect();
        if self.check_form && sent.iter().all(|value| value.is_empty()) {
            let field = body.field(field).map(String::into_bytes);
            sent = field.into_iter().map(Cow::Owned).collect();
        }
        let demand = Demand {
            sent,
            header,
            kind,
            cookies,
        };
        if demand.sent.iter().all(|value| value.is_empty()) {
            return Err(Rejection::missing_csrf(demand.hint()));
        }
        Ok(Some(demand))
    }
}

impl Demand<'_> {
    /// Whether the value, sent once, is the claim.
    pub(super) fn met_by(&self, claims: &Claims) -> Result<(), Rejection> {
        let first = self.sent.first().map(Cow::as_ref).unwrap_or_default();
        let once = self.sent.len() == 1;
        if claims.has_csrf(first)? && once {
            return Ok(());
        }
        Err(Rejection::csrf_mismatch(self.hint()))
    }

    /// A cookie came and counts, whatever the Authorization header says: where both are sent that has to be said.
    fn hint(&self) -> String {
        let header = self.header.as_str().to_ascii_uppercase();
        let name = self.cookies.csrf_name(self.kind);
        let token = self.cookies.token_name(self.kind);
        let value = if self.cookies.csrf {
            "the cookie"
        } else {
            "the login's"
        };
        format!(
            "The token came in the cookie {token}: repeat the value of {value} {name} in the header {header}."
        )
    }
}
