//! Documents the settings of cookies and of the protection against CSRF, which the library reads
//! ([`super::tokens`]).

use super::setting::Known;

pub(super) const KNOWN: &[Known] = &[
    Known::new(
        "JWT_COOKIE_SECURE",
        "auto",
        "true, false or auto. auto: true, except where PUBLIC_URL is plain http on loopback.",
    ),
    Known::new(
        "JWT_COOKIE_SAMESITE",
        "Lax",
        "Lax, Strict, or None (which needs Secure).",
    ),
    Known::new(
        "JWT_COOKIE_DOMAIN",
        "none",
        "Domain whose other hosts share the cookies; none is safest.",
    ),
    Known::new(
        "JWT_COOKIE_PREFIX",
        "none",
        "none, host or secure: puts `__Host-` or `__Secure-` before all cookie names, which browsers then protect.",
    ),
    Known::new(
        "JWT_SESSION_COOKIE",
        "true",
        "Cookies expire with the browser session, unless the login sets remember.",
    ),
    Known::new(
        "JWT_COOKIE_CSRF_PROTECT",
        "true",
        "Requires the CSRF header where a token came in a cookie.",
    ),
    Known::new(
        "JWT_CSRF_IN_COOKIES",
        "true",
        "Sets the CSRF cookies. false: logins and refreshes return the CSRF tokens in their JSON, and GET /csrf returns them again.",
    ),
    Known::new(
        "JWT_CSRF_METHODS",
        "POST,PUT,PATCH,DELETE",
        "Methods that require the CSRF header.",
    ),
    Known::new(
        "JWT_ACCESS_COOKIE_NAME",
        "access_token_cookie",
        "Name of the access token's cookie.",
    ),
    Known::new("JWT_ACCESS_COOKIE_PATH", "/", "Path of that cookie."),
    Known::new(
        "JWT_ACCESS_CSRF_COOKIE_NAME",
        "csrf_access_token",
        "Name of the cookie with the access token's CSRF token.",
    ),
    Known::new("JWT_ACCESS_CSRF_COOKIE_PATH", "/", "Path of that cookie."),
    Known::new(
        "JWT_ACCESS_CSRF_HEADER_NAME",
        "X-CSRF-TOKEN",
        "Header that repeats the CSRF token.",
    ),
    Known::new(
        "JWT_REFRESH_COOKIE_NAME",
        "refresh_token_cookie",
        "Name of the refresh token's cookie.",
    ),
    Known::new("JWT_REFRESH_COOKIE_PATH", "/", "Path of that cookie."),
    Known::new(
        "JWT_REFRESH_CSRF_COOKIE_NAME",
        "csrf_refresh_token",
        "Name of the cookie with the refresh token's CSRF token.",
    ),
    Known::new("JWT_REFRESH_CSRF_COOKIE_PATH", "/", "Path of that cookie."),
    Known::new(
        "JWT_REFRESH_CSRF_HEADER_NAME",
        "X-CSRF-TOKEN",
        "Header that repeats the CSRF token.",
    ),
];
