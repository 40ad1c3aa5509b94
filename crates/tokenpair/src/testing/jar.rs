//! Implements a browser's cookies for tests.

use std::collections::BTreeMap;
use std::fmt;

use actix_web::HttpResponse;
use actix_web::cookie::Cookie;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::HeaderMap;
use actix_web::test::TestRequest;

use crate::clock::Timestamp;
use crate::token::TokenKind;
use crate::web::Auth;

/// Keeps the cookies of `Set-Cookie`, and repeats the CSRF value in the header, as the page's
/// script would.
///
/// Cookies are dropped when removed or expired by the test's clock. The jar is not a complete
/// browser: it has one host, and sends every cookie regardless of its path and `Secure`.
///
/// ```
/// use actix_web::test::{TestRequest, call_service, init_service};
/// use actix_web::{App, HttpResponse, web};
/// use tokenpair::testing::Testing;
/// use tokenpair::web::{Access, Auth, Rejection, TokenCookies};
///
/// async fn login(auth: Auth) -> Result<HttpResponse, Rejection> {
///     let access = auth.access_token("ada").sign()?;
///     Ok(HttpResponse::Ok().set_access_cookies(&auth, &access).finish())
/// }
/// async fn change(user: Access) -> String {
///     format!("changed by {}", user.identity())
/// }
///
/// # #[actix_web::main]
/// # async fn main() {
/// let testing = Testing::new();
/// let app = App::new()
///     .app_data(testing.auth())
///     .route("/login", web::post().to(login))
///     .route("/change", web::post().to(change));
/// let app = init_service(app).await;
/// let mut jar = testing.cookie_jar();
/// jar.keep(&call_service(&app, TestRequest::post().uri("/login").to_request()).await);
/// assert_eq!(jar.names(), ["access_token_cookie", "csrf_access_token"]);
/// let request = jar.fill(TestRequest::post().uri("/change"));
/// assert!(call_service(&app, request.to_request()).await.status().is_success());
/// # }
/// ```
#[derive(Clone)]
pub struct CookieJar {
    auth: Auth,
    cookies: BTreeMap<String, Kept>,
}

#[derive(Clone)]
struct Kept {
    value: String,
    /// `None`: when the browser closes.
    ends: Option<Timestamp>,
}

impl CookieJar {
    pub(super) const fn new(auth: Auth) -> Self {
        Self {
            auth,
            cookies: BTreeMap::new(),
        }
    }

    /// Keeps the cookies that a response sets, and drops those that it removes.
    pub fn keep<B>(&mut self, response: &ServiceResponse<B>) {
        self.keep_all(response.response());
    }

    pub(super) fn keep_headers(&mut self, headers: HeaderMap) {
        let mut response = HttpResponse::Ok().finish();
        *response.headers_mut() = headers;
        self.keep_all(&response);
    }

    fn keep_all<B>(&mut self, response: &HttpResponse<B>) {
        for cookie in response.cookies() {
            let kept = Kept {
                value: cookie.value().to_owned(),
                ends: self.end_of(&cookie),
            };
            self.cookies.insert(cookie.name().to_owned(), kept);
        }
    }

    /// RFC 6265 section 5.3: Max-Age takes precedence over Expires.
    fn end_of(&self, cookie: &Cookie<'_>) -> Option<Timestamp> {
        let seconds = cookie.max_age().map(|age| age.whole_seconds());
        let by_age = seconds.map(|age| self.auth.now().unix().saturating_add(age));
        let by_date = || cookie.expires_datetime().map(|end| end.unix_timestamp());
        by_age.or_else(by_date).map(Timestamp::from_unix)
    }

    /// Returns the value of a cookie in the jar.
    pub fn value(&self, name: &str) -> Option<&str> {
        let kept = self.cookies.get(name).filter(|kept| self.lives(kept));
        kept.map(|kept| kept.value.as_str())
    }

    /// Returns the names of the cookies in the jar, sorted.
    pub fn names(&self) -> Vec<&str> {
        self.living().map(|(name, _)| name).collect()
    }

    /// Adds all cookies to the request, and the access token's CSRF value in its header.
    pub fn fill(&self, request: TestRequest) -> TestRequest {
        self.filled(request, TokenKind::Access)
    }

    /// Adds all cookies to the request, and the refresh token's CSRF value in its header: for the
    /// route that refreshes.
    pub fn fill_to_refresh(&self, request: TestRequest) -> TestRequest {
        self.filled(request, TokenKind::Refresh)
    }

    fn filled(&self, request: TestRequest, kind: TokenKind) -> TestRequest {
        let csrf = self.value(self.auth.cookies().csrf_name(kind));
        self.filled_with(request, kind, csrf)
    }

    pub(super) fn filled_with(
        &self,
        request: TestRequest,
        kind: TokenKind,
        csrf: Option<&str>,
    ) -> TestRequest {
        let policy = &self.auth.policy().csrf;
        let header = match kind {
            TokenKind::Access => policy.access_header.clone(),
            TokenKind::Refresh => policy.refresh_header.clone(),
        };
        let filled = self.living().fold(request, |request, (name, kept)| {
            request.cookie(Cookie::new(name, kept.value.as_str()))
        });
        match csrf {
            Some(csrf) => filled.insert_header((header, csrf)),
            None => filled,
        }
    }

    fn living(&self) -> impl Iterator<Item = (&str, &Kept)> {
        let all = self.cookies.iter();
        all.filter(|(_, kept)| self.lives(kept))
            .map(|(name, kept)| (name.as_str(), kept))
    }

    fn lives(&self, kept: &Kept) -> bool {
        kept.ends.is_none_or(|end| end > self.auth.now())
    }
}

impl fmt::Debug for CookieJar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CookieJar").field(&self.names()).finish()
    }
}
