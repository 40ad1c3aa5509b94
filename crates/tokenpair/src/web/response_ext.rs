//! Defines [`TokenCookies`]: Flask-JWT-Extended's `set_access_cookies` and the like, for responses
//! and their builders.

use actix_web::http::header::{HeaderMap, SET_COOKIE};
use actix_web::{HttpResponse, HttpResponseBuilder};

use super::auth::Auth;
use super::cookies::NewCookie;
use crate::session::Pair;
use crate::token::{Issued, TokenKind};

/// Sets and removes token cookies.
///
/// ```
/// use actix_web::HttpResponse;
/// use tokenpair::web::{Auth, TokenCookies};
///
/// # let auth = tokenpair::sample::auth()?;
/// let issued = auth.access_token("ada").sign()?;
/// let response = HttpResponse::Ok().set_access_cookies(&auth, &issued).json("welcome");
/// assert_eq!(response.cookies().count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait TokenCookies {
    /// Adds headers.
    #[doc(hidden)]
    fn add_cookies(&mut self, cookies: &HeaderMap);

    /// Sets the access token's cookie and its CSRF cookie.
    fn set_access_cookies(&mut self, auth: &Auth, issued: &Issued) -> &mut Self {
        self.change(|cookies| set(auth, cookies, TokenKind::Access, issued))
    }

    /// Sets the refresh token's cookie and its CSRF cookie.
    fn set_refresh_cookies(&mut self, auth: &Auth, issued: &Issued) -> &mut Self {
        self.change(|cookies| set(auth, cookies, TokenKind::Refresh, issued))
    }

    /// Sets the cookies of a recorded session's login or refresh.
    fn set_pair(&mut self, auth: &Auth, pair: &Pair) -> &mut Self {
        self.change(|cookies| auth.cookies().set_pair(cookies, pair))
    }

    /// Removes the access token's cookies.
    fn unset_access_cookies(&mut self, auth: &Auth) -> &mut Self {
        self.change(|cookies| auth.cookies().unset(cookies, TokenKind::Access))
    }

    /// Removes the refresh token's cookies.
    fn unset_refresh_cookies(&mut self, auth: &Auth) -> &mut Self {
        self.change(|cookies| auth.cookies().unset(cookies, TokenKind::Refresh))
    }

    /// Removes all four cookies.
    ///
    /// ```
    /// use actix_web::HttpResponse;
    /// use tokenpair::web::{Auth, TokenCookies};
    ///
    /// # let auth = tokenpair::sample::auth()?;
    /// let response = HttpResponse::Ok().unset_jwt_cookies(&auth).finish();
    /// assert_eq!(response.cookies().count(), 4);
    /// assert!(response.cookies().all(|cookie| cookie.value().is_empty()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn unset_jwt_cookies(&mut self, auth: &Auth) -> &mut Self {
        self.change(|cookies| auth.cookies().unset_all(cookies))
    }

    /// Builds cookies and adds them.
    #[doc(hidden)]
    fn change(&mut self, make: impl FnOnce(&mut HeaderMap)) -> &mut Self {
        let mut cookies = HeaderMap::new();
        make(&mut cookies);
        self.add_cookies(&cookies);
        self
    }
}

fn set(auth: &Auth, cookies: &mut HeaderMap, kind: TokenKind, issued: &Issued) {
    let cookie = NewCookie {
        kind,
        issued,
        remember: auth.policy().remember,
    };
    auth.cookies().set(cookies, cookie, auth.now());
}

impl TokenCookies for HttpResponse {
    fn add_cookies(&mut self, cookies: &HeaderMap) {
        for value in cookies.get_all(SET_COOKIE) {
            self.headers_mut().append(SET_COOKIE, value.clone());
        }
    }
}

impl TokenCookies for HttpResponseBuilder {
    fn add_cookies(&mut self, cookies: &HeaderMap) {
        for value in cookies.get_all(SET_COOKIE) {
            self.append_header((SET_COOKIE, value.clone()));
        }
    }
}
