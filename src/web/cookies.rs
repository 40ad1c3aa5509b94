//! Cookies: read raw from the request, and made in one place, so that a removal has every attribute of what it removes.
//!
//! actix's own reader percent-decodes names and trims Unicode blanks, by which a sibling host can forge a `__Host-`
//! name, and gives up on all cookies when one of them is malformed. Here names are compared byte by byte
//! (RFC 6265 section 5.4), and a bad sibling hides nothing.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::cookie::time::{Duration as CookieDuration, OffsetDateTime};
use actix_web::cookie::{Cookie, Expiration};
use actix_web::http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use memchr::memchr;

pub use actix_web::cookie::SameSite;

use crate::clock::Timestamp;
use crate::session::Pair;
use crate::token::{Issued, TokenKind};

/// How the four cookies are named and sent. The fields are Flask-JWT-Extended's settings.
///
/// ```
/// use actix_web::HttpResponse;
/// # use tokenpair::keys::{Algorithm, KeyRing};
/// # use tokenpair::token::{TokenPolicy, Tokens};
/// use tokenpair::web::{Auth, CookiePolicy, SameSite, TokenCookies, WebPolicy};
///
/// # let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
/// # let tokens = Tokens::new(keys, TokenPolicy::default());
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
    /// The access token's cookie (`JWT_ACCESS_COOKIE_NAME`, access_token_cookie).
    pub access_name: String,
    /// The refresh token's cookie (`JWT_REFRESH_COOKIE_NAME`, refresh_token_cookie).
    pub refresh_name: String,
    /// The cookie that shows the access token's CSRF value (`JWT_ACCESS_CSRF_COOKIE_NAME`, csrf_access_token).
    pub access_csrf_name: String,
    /// The cookie that shows the refresh token's CSRF value (`JWT_REFRESH_CSRF_COOKIE_NAME`, csrf_refresh_token).
    pub refresh_csrf_name: String,
    /// The path below which browsers send it (`JWT_ACCESS_COOKIE_PATH`, /).
    pub access_path: String,
    /// The path below which browsers send it (`JWT_REFRESH_COOKIE_PATH`, /). A logout wants it too, and with a record of
    /// sessions so does every request whose access cookie is to be reissued.
    pub refresh_path: String,
    /// The path of the pages whose scripts can read it (`JWT_ACCESS_CSRF_COOKIE_PATH`, /).
    pub access_csrf_path: String,
    /// The path of the pages whose scripts can read it (`JWT_REFRESH_CSRF_COOKIE_PATH`, /).
    pub refresh_csrf_path: String,
    /// The domain whose hosts all get the cookies (`JWT_COOKIE_DOMAIN`, none: the host that set them alone, which is safest).
    pub domain: Option<String>,
    /// Only over HTTPS (`JWT_COOKIE_SECURE`, yes). Off, whoever listens on the way reads the tokens.
    pub secure: bool,
    /// What other sites' requests carry (`JWT_COOKIE_SAMESITE`, `Lax`: not their posts). None: each browser's own default.
    pub same_site: Option<SameSite>,
    /// The CSRF values travel in cookies that scripts can read (`JWT_CSRF_IN_COOKIES`, yes). If not, the app has to hand out
    /// [`Issued::csrf`] itself.
    pub csrf: bool,
    /// Whether, of several cookies of one name, the first that verifies counts; where a CSRF value is needed, it must be
    /// that token's. At most four are tried. If false, only the first cookie counts, even if it is stale.
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

/// One of the four cookies. Browsers identify a cookie by name, domain and path (RFC 6265 section 5.3).
#[derive(Clone, Copy)]
struct Shape<'a> {
    name: &'a str,
    path: &'a str,
    /// None for a cookie of the host alone.
    domain: Option<&'a str>,
    /// Tokens are hidden from scripts; CSRF values are there to be read.
    http_only: bool,
}

/// What a cookie for a token without an end is kept for: the most that browsers allow (RFC 6265bis section 5.5).
const FOR_EVER: Duration = Duration::from_secs(400 * 86_400);

/// How long the browser keeps a cookie.
enum Keep {
    /// Until the browser is closed.
    Session,
    /// As long as the token lives, whatever the browser does.
    For(Duration),
    /// Not at all.
    Remove,
}

impl CookiePolicy {
    /// The cookie that carries tokens of that kind.
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

    /// The cookie that shows the CSRF value of tokens of that kind.
    pub fn csrf_name(&self, kind: TokenKind) -> &str {
        self.csrf_shape(kind).name
    }

    /// Adds what a login or a refresh gave.
    pub fn set_pair(&self, headers: &mut HeaderMap, pair: &Pair) {
        let mut set = |kind, issued| {
            self.set(headers, kind, (issued, pair.remember), pair.issued_at);
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
    /// # use tokenpair::keys::{Algorithm, KeyRing};
    /// # use tokenpair::token::{TokenPolicy, Tokens};
    /// use tokenpair::token::TokenKind;
    /// use tokenpair::web::Auth;
    ///
    /// # let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
    /// # let auth = Auth::builder(Tokens::new(keys, TokenPolicy::default())).build();
    /// let issued = auth.access_token("ada").sign()?;
    /// let mut headers = HeaderMap::new();
    /// let remember = true; // for as long as the token lives, else until the browser is closed
    /// auth.cookies().set(&mut headers, TokenKind::Access, (&issued, remember), auth.now());
    /// let cookie = headers.get("Set-Cookie").unwrap().to_str()?;
    /// assert!(cookie.contains("; Max-Age=3600"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set(
        &self,
        headers: &mut HeaderMap,
        kind: TokenKind,
        (issued, remember): (&Issued, bool),
        now: Timestamp,
    ) {
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

    /// Adds a cookie of the app's own beside the four, hidden from scripts: with their attributes, for the whole host, and with
    /// the prefix that the access token's cookie has.
    pub(crate) fn set_own(
        &self,
        headers: &mut HeaderMap,
        name: &str,
        value: &str,
        lifetime: Duration,
    ) {
        let name = self.own_name(name);
        let shape = Shape {
            name: &name,
            path: "/",
            domain: self.domain.as_deref(),
            http_only: true,
        };
        append(headers, &self.cookie(&shape, value, &Keep::For(lifetime)));
    }

    /// Returns the values of all cookies that [`CookiePolicy::set_own`] could have set under that name.
    pub(crate) fn read_own<'a>(&self, request: &'a HttpRequest, name: &str) -> Vec<Cow<'a, str>> {
        let name = self.own_name(name);
        let values = values(request, &name);
        values.map(String::from_utf8_lossy).collect()
    }

    fn own_name(&self, name: &str) -> String {
        const PREFIXES: [&str; 4] = ["__Host-Http-", "__Http-", "__Host-", "__Secure-"];
        let prefix = PREFIXES.iter().find_map(|prefix| {
            let start = self.access_name.get(..prefix.len())?;
            start.eq_ignore_ascii_case(prefix).then_some(start)
        });
        format!("{}{name}", prefix.unwrap_or_default())
    }

    /// Removes all four.
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

    /// Whether a response sets or removes a token already; then nothing later may touch it.
    ///
    /// ```
    /// use actix_web::http::header::HeaderMap;
    /// use tokenpair::token::TokenKind;
    /// use tokenpair::web::CookiePolicy;
    ///
    /// let policy = CookiePolicy::default();
    /// let mut headers = HeaderMap::new();
    /// assert!(!policy.touched_by(&headers));
    /// policy.unset(&mut headers, TokenKind::Refresh);
    /// assert!(policy.touched_by(&headers));
    /// ```
    pub fn touched_by(&self, headers: &HeaderMap) -> bool {
        sets(headers, &self.access_name) || sets(headers, &self.refresh_name)
    }

    fn token_shape(&self, kind: TokenKind) -> Shape<'_> {
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

    fn csrf_shape(&self, kind: TokenKind) -> Shape<'_> {
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

    /// The only place that makes a cookie: a removal is the same cookie emptied.
    fn cookie<'a>(&'a self, shape: &Shape<'a>, value: &'a str, keep: &Keep) -> Cookie<'a> {
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
fn append(headers: &mut HeaderMap, cookie: &Cookie<'_>) {
    let value =
        HeaderValue::from_str(&cookie.to_string()).expect("BUG: a cookie is no header value");
    headers.append(SET_COOKIE, value);
}

/// Whether a response sets or removes a cookie of that name.
fn sets(headers: &HeaderMap, name: &str) -> bool {
    let name_of = |value: &HeaderValue| {
        let end = memchr(b'=', value.as_bytes())?;
        (value.as_bytes().get(..end)? == name.as_bytes()).then_some(())
    };
    headers
        .get_all(SET_COOKIE)
        .any(|value| name_of(value).is_some())
}

/// Maximum number of cookies of one name that are tried. Bounds the signatures that a request can cost, since other hosts of
/// the domain can set cookies too.
const CANDIDATES: usize = 4;

impl CookiePolicy {
    /// Returns the non-empty values of the cookies for tokens of that kind, in the order of the request: longer paths
    /// first, then older cookies (RFC 6265 section 5.4).
    pub(super) fn presented<'a>(
        &self,
        request: &'a HttpRequest,
        kind: TokenKind,
    ) -> impl Iterator<Item = Cow<'a, str>> {
        let most = if self.first_that_verifies {
            CANDIDATES
        } else {
            1
        };
        let values = values(request, self.token_name(kind)).take(most);
        // Emptiness is checked last: an empty first cookie still counts as the first.
        values.filter(|value| !value.is_empty()).map(|value| {
            // Checked first because it is nearly always valid UTF-8.
            str::from_utf8(value).map_or_else(|_| String::from_utf8_lossy(value), Cow::Borrowed)
        })
    }
}

/// Returns the values of all cookies of exactly that name.
fn values<'a, 'n>(
    request: &'a HttpRequest,
    name: &'n str,
) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
    let headers = request.headers().get_all(COOKIE);
    let pairs = headers.flat_map(|header| Pairs(Some(header.as_bytes())));
    pairs.filter_map(move |pair| value_of(pair, name.as_bytes()))
}

/// Iterator over the `name=value` pairs of a `Cookie` header.
struct Pairs<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Pairs<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let pairs = self.0?;
        let end = memchr(b';', pairs).unwrap_or(pairs.len());
        let (pair, rest) = pairs.split_at_checked(end)?;
        self.0 = rest.get(1..);
        Some(pair)
    }
}

fn value_of<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (found, value) = pair.split_at_checked(memchr(b'=', pair)?)?;
    (trim(found) == name).then(|| trim(value.get(1..).unwrap_or_default()))
}

/// Where cookies of earlier settings may be left in a browser.
#[cfg(feature = "server")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leftovers<'a> {
    /// The server's host name, whose parent domains may hold cookies. Never taken from the request, because it appears in
    /// the response.
    pub(crate) host: Option<&'a str>,
    /// Whether the response is the answer to a login. The cookie that came with the request may then belong to another
    /// user, in a place where the new one does not replace it.
    pub(crate) new_session: bool,
}

#[cfg(feature = "server")]
impl CookiePolicy {
    /// Expires the twins of the cookies that a response sets or removes: cookies of the same name with another domain or
    /// path.
    ///
    /// A request does not say which domain and path its cookies have. So twins are expired only
    ///
    /// - if the request has several cookies of one name, or one that our path does not account for;
    /// - at a login, in the domains of the host;
    /// - where a domain is configured, for the host alone.
    ///
    /// There is one removal for each place where a change of a single setting can have left a twin.
    pub(crate) fn remove_twins(
        &self,
        request: &HttpRequest,
        headers: &mut HeaderMap,
        leftovers: Leftovers<'_>,
    ) {
        let mut removals = HeaderMap::new();
        for kind in [TokenKind::Access, TokenKind::Refresh] {
            for shape in [self.token_shape(kind), self.csrf_shape(kind)] {
                if sets(headers, shape.name) {
                    for twin in twins(&shape, request, leftovers) {
                        append(&mut removals, &self.cookie(&twin, "", &Keep::Remove));
                    }
                }
            }
        }
        if removals.is_empty() {
            return;
        }
        // Removals go first, for simple clients that identify cookies by name alone.
        let own = headers.remove(SET_COOKIE);
        for value in removals.get_all(SET_COOKIE).cloned().chain(own) {
            headers.append(SET_COOKIE, value);
        }
    }
}

#[cfg(feature = "server")]
fn twins<'a>(
    shape: &Shape<'a>,
    request: &'a HttpRequest,
    Leftovers { host, new_session }: Leftovers<'a>,
) -> Vec<Shape<'a>> {
    let presented = values(request, shape.name).take(2).count();
    // RFC 6265bis section 4.1.3.2: such a cookie has no domain and the path `/`, so it has no twins.
    let prefix = shape.name.get(.."__Host-".len());
    if presented == 0 || prefix.is_some_and(|start| start.eq_ignore_ascii_case("__Host-")) {
        return Vec::new();
    }
    // If our path does not cover the request, the cookie that came has another path.
    let comes = paths(request.uri().path()).any(|path| path == shape.path);
    let several = presented > 1 || !comes;
    let parents = host.filter(|_| several || new_session).map(domains);
    let parents = parents.into_iter().flatten().map(Some);
    let elsewhere = [None].into_iter().chain(parents);
    let of_domains = elsewhere
        .filter(|domain| *domain != shape.domain)
        .map(|domain| Shape { domain, ..*shape });
    let above = several.then(|| paths(request.uri().path()));
    let of_paths = above
        .into_iter()
        .flatten()
        .filter(|path| *path != shape.path)
        .map(|path| Shape { path, ..*shape });
    of_domains.chain(of_paths).collect()
}

/// Maximum number of domains, and of paths, to expire twins in. Keeps the response headers below the limits of proxies.
#[cfg(feature = "server")]
const PLACES: usize = 4;

/// Returns the domains that a host belongs to, beginning with its own name. An IP address belongs to none.
#[cfg(feature = "server")]
fn domains(host: &str) -> impl Iterator<Item = &str> {
    let name = Some(host).filter(|host| {
        let last = host.rsplit('.').next().unwrap_or_default();
        !host.contains(':') && last.bytes().any(|byte| byte.is_ascii_alphabetic())
    });
    std::iter::successors(name, |name| Some(name.split_once('.')?.1))
        .take_while(|name| name.contains('.'))
        .take(PLACES)
}

/// Returns the cookie paths that cover a request to `path` (RFC 6265 section 5.1.4), if they need no quoting.
#[cfg(feature = "server")]
fn paths(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('/').skip(1).map(|(end, _)| end);
    let whole = Some(path.len()).filter(|end| *end > 1);
    let ends = [1].into_iter().chain(ends).chain(whole);
    let clean = |path: &&str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
        path.starts_with('/') && path.bytes().all(plain)
    };
    ends.filter_map(move |end| path.get(..end))
        .filter(clean)
        .take(PLACES)
}

/// Blanks and tabs only: RFC 9110's optional white space, not Unicode's.
fn trim(bytes: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = bytes
        .iter()
        .position(|byte| !blank(byte))
        .unwrap_or(bytes.len());
    let end = bytes
        .iter()
        .rposition(|byte| !blank(byte))
        .map_or(start, |last| last + 1);
    bytes.get(start..end).unwrap_or_default()
}
