//! Implements the token cookies in one place, so that a removal has every attribute of the cookie
//! it removes.

use std::time::Duration;

use actix_web::cookie::time::{Duration as CookieDuration, OffsetDateTime};
use actix_web::cookie::{Cookie, Expiration};
use actix_web::http::header::{HeaderMap, HeaderValue, SET_COOKIE};

use memchr::memchr;

pub use actix_web::cookie::SameSite;

use crate::clock::Timestamp;
use crate::session::Pair;
use crate::token::{Issued, TokenKind};

/// The names and attributes of the four cookies. The fields are Flask-JWT-Extended's settings.
///
/// ```
/// use actix_web::HttpResponse;
/// use tokenpair::web::{Auth, CookiePolicy, SameSite, TokenCookies, WebPolicy};
///
/// # let tokens = tokenpair::sample::tokens()?;
/// let cookies = CookiePolicy {
///     access_name: "__Host-access".to_owned(),
///     same_site: Some(SameSite::Strict),
///     ..CookiePolicy::default()
/// };
/// let auth = Auth::builder(tokens).policy(WebPolicy { cookies, ..WebPolicy::default() }).build();
/// let issued = auth.access_token("ada").sign()?;
/// let response = HttpResponse::Ok().set_access_cookies(&auth, &issued).finish();
/// let sent = response.cookies().next().unwrap().to_string();
/// assert!(sent.starts_with("__Host-access=ey"));
/// assert!(sent.ends_with("; HttpOnly; SameSite=Strict; Secure; Path=/"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct CookiePolicy {
    /// Name of the access token's cookie (`JWT_ACCESS_COOKIE_NAME`). Default: access_token_cookie.
    pub access_name: String,
    /// Name of the refresh token's cookie (`JWT_REFRESH_COOKIE_NAME`). Default:
    /// refresh_token_cookie.
    pub refresh_name: String,
    /// Name of the cookie with the access token's CSRF value (`JWT_ACCESS_CSRF_COOKIE_NAME`).
    /// Default: csrf_access_token.
    pub access_csrf_name: String,
    /// Name of the cookie with the refresh token's CSRF value (`JWT_REFRESH_CSRF_COOKIE_NAME`).
    /// Default: csrf_refresh_token.
    pub refresh_csrf_name: String,
    /// Path of the access token's cookie (`JWT_ACCESS_COOKIE_PATH`). Default: /.
    pub access_path: String,
    /// Path of the refresh token's cookie (`JWT_REFRESH_COOKIE_PATH`). Default: /. A logout needs
    /// the cookie too, and with recorded sessions so does every request whose access cookie is to
    /// be reissued.
    pub refresh_path: String,
    /// Path of the pages whose scripts can read the access token's CSRF value
    /// (`JWT_ACCESS_CSRF_COOKIE_PATH`). Default: /.
    pub access_csrf_path: String,
    /// Path of the pages whose scripts can read the refresh token's CSRF value
    /// (`JWT_REFRESH_CSRF_COOKIE_PATH`). Default: /.
    pub refresh_csrf_path: String,
    /// The domain whose hosts all receive the cookies (`JWT_COOKIE_DOMAIN`). Default: none, only
    /// the host that set them, which is safest.
    pub domain: Option<String>,
    /// Whether cookies are sent only over HTTPS (`JWT_COOKIE_SECURE`). Default: true. If false, an
    /// eavesdropper can read the tokens.
    pub secure: bool,
    /// Which cookies requests from other sites carry (`JWT_COOKIE_SAMESITE`). Default: `Lax`, none
    /// on their POST requests. `None`: each browser's default.
    pub same_site: Option<SameSite>,
    /// Whether CSRF values travel in cookies that scripts can read (`JWT_CSRF_IN_COOKIES`).
    /// Default: true. If false, the app must deliver [`Issued::csrf`] itself.
    pub csrf: bool,
    /// Whether, of several cookies with one name, the first that verifies counts; if a CSRF value
    /// is needed, it must be that token's. At most four are tried. If false, only the first cookie
    /// counts, even if it is stale.
    ///
    /// Browsers send several after the domain or a path was changed. Default: true. Under
    /// [`JwtSettings`](crate::config::JwtSettings): false, as in Flask-JWT-Extended.
    pub first_that_verifies: bool,
}

impl Default for CookiePolicy {
    fn default() -> Self {
        Self {
            access_name: "access_token_cookie".to_owned(),
            refresh_name: "refresh_token_cookie".to_owned(),
            access_csrf_name: "csrf_access_token".to_owned(),
            refresh_csrf_name: "csrf_refresh_token".to_owned(),
            access_path: "/".to_owned(),
            refresh_path: "/".to_owned(),
            access_csrf_path: "/".to_owned(),
            refresh_csrf_path: "/".to_owned(),
            domain: None,
            secure: true,
            same_site: Some(SameSite::Lax),
            csrf: true,
            first_that_verifies: true,
        }
    }
}

/// One of the four cookies. Browsers identify a cookie by name, domain and path (RFC 6265 section
/// 5.3).
#[derive(Clone, Copy)]
pub(super) struct Shape<'a> {
    pub(super) name: &'a str,
    pub(super) path: &'a str,
    /// `None` for a cookie of the host alone.
    pub(super) domain: Option<&'a str>,
    /// Whether scripts cannot read it: true for tokens, false for CSRF values.
    pub(super) http_only: bool,
}

/// Lifetime of a cookie for a token that never expires: the most that browsers allow (RFC 6265bis
/// section 5.5).
const FOR_EVER: Duration = Duration::from_secs(400 * 86_400);

/// How long the browser keeps a cookie.
pub(super) enum Keep {
    /// Until the browser is closed.
    Session,
    /// As long as the token lives, even if the browser is closed.
    For(Duration),
    /// Not at all: removes it.
    Remove,
}

/// A token for a cookie.
#[derive(Clone, Copy, Debug)]
pub struct NewCookie<'a> {
    /// The kind of the token, which decides the cookie's name and path.
    pub kind: TokenKind,
    /// The token.
    pub issued: &'a Issued,
    /// Whether the cookie lasts as long as the token, or only until the browser closes.
    pub remember: bool,
}

impl CookiePolicy {
    /// Returns the name of the cookie that carries tokens of this kind.
    ///
    /// ```
    /// use tokenpair::token::TokenKind;
    /// use tokenpair::web::CookiePolicy;
    ///
    /// let policy = CookiePolicy::default();
    /// assert_eq!(policy.token_name(TokenKind::Refresh), "refresh_token_cookie");
    /// assert_eq!(policy.csrf_name(TokenKind::Refresh), "csrf_refresh_token");
    /// ```
    pub fn token_name(&self, kind: TokenKind) -> &str {
        self.token_shape(kind).name
    }

    /// Returns the name of the cookie with the CSRF value of tokens of this kind.
    pub fn csrf_name(&self, kind: TokenKind) -> &str {
        self.csrf_shape(kind).name
    }

    /// Adds the cookies of a login or a refresh.
    pub fn set_pair(&self, headers: &mut HeaderMap, pair: &Pair) {
        let mut set = |kind, issued| {
            let cookie = NewCookie {
                kind,
                issued,
                remember: pair.remember,
            };
            self.set(headers, cookie, pair.issued_at);
        };
        set(TokenKind::Access, &pair.access);
        if !pair.refresh_stays {
            set(TokenKind::Refresh, &pair.refresh);
        }
    }

    /// Adds one token's cookie and its CSRF cookie.
    ///
    /// ```
    /// use actix_web::http::header::HeaderMap;
    /// use tokenpair::token::TokenKind;
    /// use tokenpair::web::{Auth, NewCookie};
    ///
    /// # let auth = tokenpair::sample::auth()?;
    /// let issued = auth.access_token("ada").sign()?;
    /// let mut headers = HeaderMap::new();
    /// let cookie = NewCookie { kind: TokenKind::Access, issued: &issued, remember: true };
    /// auth.cookies().set(&mut headers, cookie, auth.now());
    /// let cookie = headers.get("Set-Cookie").unwrap().to_str()?;
    /// assert!(cookie.contains("; Max-Age=3600"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set(&self, headers: &mut HeaderMap, cookie: NewCookie<'_>, now: Timestamp) {
        let NewCookie {
            kind,
            issued,
            remember,
        } = cookie;
        let keep = || match issued.expires_at {
            _ if !remember => Keep::Session,
            Some(end) => Keep::For(end.since(now)),
            None => Keep::For(FOR_EVER),
        };
        append(
            headers,
            &self.cookie(&self.token_shape(kind), issued.token.as_str(), &keep()),
        );
        if let Some(csrf) = issued.csrf.as_ref().filter(|_| self.csrf) {
            append(
                headers,
                &self.cookie(&self.csrf_shape(kind), csrf.as_str(), &keep()),
            );
        }
    }

    /// Removes all four cookies.
    pub fn unset_all(&self, headers: &mut HeaderMap) {
        self.unset(headers, TokenKind::Access);
        self.unset(headers, TokenKind::Refresh);
    }

    /// Removes the cookies of one kind of token.
    pub fn unset(&self, headers: &mut HeaderMap, kind: TokenKind) {
        let removed = |shape| self.cookie(&shape, "", &Keep::Remove).into_owned();
        append(headers, &removed(self.token_shape(kind)));
        if self.csrf {
            append(headers, &removed(self.csrf_shape(kind)));
        }
    }

    /// Returns whether a response already sets or removes a token cookie. Nothing later may then
    /// change it.
    ///
    /// ```
    /// use actix_web::http::header::HeaderMap;
    /// use tokenpair::token::TokenKind;
    /// use tokenpair::web::CookiePolicy;
    ///
    /// let policy = CookiePolicy::default();
    /// let mut headers = HeaderMap::new();
    /// assert!(!policy.sets_auth_cookie(&headers));
    /// policy.unset(&mut headers, TokenKind::Refresh);
    /// assert!(policy.sets_auth_cookie(&headers));
    /// ```
    pub fn sets_auth_cookie(&self, headers: &HeaderMap) -> bool {
        sets(headers, &self.access_name) || sets(headers, &self.refresh_name)
    }

    pub(super) fn token_shape(&self, kind: TokenKind) -> Shape<'_> {
        let (name, path) = match kind {
            TokenKind::Access => (&self.access_name, &self.access_path),
            TokenKind::Refresh => (&self.refresh_name, &self.refresh_path),
        };
        Shape {
            name,
            path,
            domain: self.domain.as_deref(),
            http_only: true,
        }
    }

    pub(super) fn csrf_shape(&self, kind: TokenKind) -> Shape<'_> {
        let (name, path) = match kind {
            TokenKind::Access => (&self.access_csrf_name, &self.access_csrf_path),
            TokenKind::Refresh => (&self.refresh_csrf_name, &self.refresh_csrf_path),
        };
        Shape {
            name,
            path,
            domain: self.domain.as_deref(),
            http_only: false,
        }
    }

    /// Builds every cookie; a removal is the same cookie with an empty value.
    pub(super) fn cookie<'a>(
        &'a self,
        shape: &Shape<'a>,
        value: &'a str,
        keep: &Keep,
    ) -> Cookie<'a> {
        let mut cookie = Cookie::new(shape.name, value);
        cookie.set_path(shape.path);
        cookie.set_http_only(shape.http_only);
        cookie.set_secure(self.secure);
        cookie.set_same_site(self.same_site);
        if let Some(domain) = shape.domain {
            cookie.set_domain(domain);
        }
        match keep {
            Keep::Session => {}
            Keep::For(lifetime) => {
                cookie.set_max_age(
                    CookieDuration::try_from(*lifetime).unwrap_or(CookieDuration::MAX),
                );
            }
            Keep::Remove => cookie.set_expires(Expiration::DateTime(OffsetDateTime::UNIX_EPOCH)),
        }
        cookie
    }
}

#[expect(
    clippy::expect_used,
    reason = "names and paths are checked at start, values are base64url"
)]
pub(super) fn append(headers: &mut HeaderMap, cookie: &Cookie<'_>) {
    let value =
        HeaderValue::from_str(&cookie.to_string()).expect("BUG: a cookie is not a header value");
    headers.append(SET_COOKIE, value);
}

/// Returns whether a response sets or removes a cookie with that name.
pub(super) fn sets(headers: &HeaderMap, name: &str) -> bool {
    let name_of = |value: &HeaderValue| {
        let end = memchr(b'=', value.as_bytes())?;
        (value.as_bytes().get(..end)? == name.as_bytes()).then_some(())
    };
    headers
        .get_all(SET_COOKIE)
        .any(|value| name_of(value).is_some())
}
