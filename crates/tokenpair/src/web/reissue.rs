//! Implements the reissue: after the response, an access cookie near its expiry is replaced, so
//! that active users are not logged out.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, ResponseError};
use thiserror::Error as ThisError;

use super::auth::Auth;
use super::cause::error_chain;
use super::cookies::NewCookie;
use super::device::context;
use super::location::Location;
use super::login_flow::warn_of_a_copy;
use super::rejection::Rejection;
use super::swallowed::warn_if_served;
use super::verified::{Guard, Verified};
use crate::clock::Timestamp;
use crate::session::{Presented, Reissue, RequestContext, SessionError};
use crate::token::{Claims, Expiry, IssueError, TokenKind};

/// Middleware that reissues access cookies:
/// `App::new().wrap(actix_web::middleware::from_fn(tokenpair::web::reissue))`.
///
/// It reissues a token only if all of this holds: the token came in a cookie; it expires within
/// [`WebPolicy::reissue_within`](super::WebPolicy::reissue_within); the response neither sets nor
/// removes the auth cookies (so a logout stays a logout); and the response is not a 5xx. The new
/// token is never fresh, and keeps the CSRF value. If the store fails, the response is sent
/// unchanged.
///
/// With a record of sessions, the session's refresh cookie must come with the same request. The
/// record judges it by the rotation rule, without rotating
/// ([`Sessions::reissue`](crate::session::Sessions::reissue)). If it proves that the token was
/// copied, the session ends and the response removes the cookies, as a refresh would. So nothing is
/// reissued if [`CookiePolicy::refresh_path`](super::CookiePolicy::refresh_path) keeps the refresh
/// cookie from the application's routes, nor for a session whose tokens were delivered in a body.
/// The new token never outlives the session and has the user's current roles.
///
/// Without a record, this is Flask-JWT-Extended's recipe: the new token has the old token's claims,
/// and an active client stays logged in. Only a record can end that.
///
/// ```
/// # use std::time::Duration;
/// use actix_web::cookie::Cookie;
/// use actix_web::middleware::from_fn;
/// use actix_web::test::{TestRequest, call_service, init_service};
/// use actix_web::{App, web};
/// # use tokenpair::clock::{Clock, Timestamp};
/// use tokenpair::web::{Access, Auth, reissue};
///
/// # tokenpair::sample::run(async {
/// # let tokens = tokenpair::sample::tokens()?;
/// # let clock = Clock::fixed(Timestamp::from_unix(1_800_000_000));
/// # let auth = Auth::builder(tokens).clock(clock.clone()).build();
/// let issued = auth.access_token("ada").sign()?; // for an hour
/// let app = App::new().app_data(auth).wrap(from_fn(reissue)).route("/", web::get().to(async |_: Access| "hello"));
/// let app = init_service(app).await;
/// let cookie = Cookie::new("access_token_cookie", issued.token.as_str());
/// let request = || TestRequest::get().cookie(cookie.clone()).to_request();
/// assert_eq!(call_service(&app, request()).await.response().cookies().count(), 0);
///
/// clock.advance(Duration::from_secs(30 * 60));
/// let response = call_service(&app, request()).await;
/// let names = Vec::from_iter(response.response().cookies().map(|cookie| cookie.name().to_owned()));
/// assert_eq!(names, ["access_token_cookie", "csrf_access_token"]);
/// # Ok(()) });
/// ```
///
/// It also warns in the log, once, if a handler answers with success although its guard rejected the
/// request's token: an `Option<Access>` does ([`MaybeAccess`](super::MaybeAccess)).
///
/// # Errors
///
/// Returns the errors of the inner service, and no others.
pub async fn reissue<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let mut response = next.call(request).await?;
    reissue_for(&mut response).await;
    Ok(response)
}

/// Reissues the access cookie of one response if it is due, as [`reissue`] does: for other
/// middleware.
pub async fn reissue_for<B>(response: &mut ServiceResponse<B>) {
    if let Some((auth, verified)) = due(response) {
        // Boxed, since hardly any response needs it, and otherwise every future would reserve room
        // for it.
        Box::pin(renew(&auth, &verified, response)).await;
    }
}

fn due<B>(response: &ServiceResponse<B>) -> Option<(Auth, Rc<Verified>)> {
    let request = response.request();
    let extensions = request.extensions();
    let Some(verified) = extensions.get::<Rc<Verified>>() else {
        warn_if_served(response);
        return None;
    };
    if verified.location != Location::Cookies || response.status().is_server_error() {
        return None;
    }
    let auth = Auth::registered(request).ok()?;
    let due =
        ends_soon(auth, &verified.claims) && !auth.cookies().sets_auth_cookie(response.headers());
    due.then(|| (auth.clone(), Rc::clone(verified)))
}

/// Returns whether the token is to be replaced now.
fn ends_soon(auth: &Auth, claims: &Claims) -> bool {
    let due = auth.reissue_after(claims);
    due.is_some_and(|due| due <= auth.now())
}

impl Auth {
    /// Returns the time from which [`reissue`] replaces an access cookie with these claims, if the
    /// session's refresh cookie comes with it. `None` if it never does: reissues are off, the token
    /// never expires, or it ends with its session, so that a new one would too.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use tokenpair::web::{Auth, WebPolicy};
    ///
    /// # tokenpair::sample::run(async {
    /// let auth = Auth::builder(tokenpair::sample::tokens()?).build();
    /// let issued = auth.access_token("ada").sign()?;
    /// let decoded = auth.decode(issued.token.as_str()).run()?;
    /// let within = WebPolicy::default().reissue_within;
    /// assert_eq!(auth.reissue_after(&decoded.claims), issued.expires_at.map(|end| end - within));
    /// # Ok(()) });
    /// ```
    pub fn reissue_after(&self, claims: &Claims) -> Option<Timestamp> {
        let within = self.policy().reissue_within;
        let lifetime = self.tokens().policy().access_expires;
        let exp = claims.exp?;
        let recorded = self.sessions().and(lifetime).zip(claims.iat);
        let whole = recorded.is_none_or(|(lifetime, iat)| exp >= iat + lifetime);
        (!within.is_zero() && whole).then(|| exp - within)
    }
}

/// The reason that no token is reissued although it is due. The response is sent unchanged.
#[derive(Debug, ThisError)]
enum Trouble {
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error("{}", .0.code())]
    Loader(#[source] Rejection),
}

async fn renew<B>(auth: &Auth, verified: &Verified, response: &mut ServiceResponse<B>) {
    let outcome = match auth.sessions() {
        Some(_) => recorded(auth, verified, response.request()).await,
        None => unrecorded(auth, &verified.claims).await,
    };
    match outcome {
        Ok(Reissue::Granted(reissued)) => {
            let cookie = NewCookie {
                kind: TokenKind::Access,
                issued: &reissued.access,
                remember: reissued.remember,
            };
            let headers = response.headers_mut();
            auth.cookies().set(headers, cookie, auth.now());
        }
        Ok(Reissue::Refused) => {}
        Ok(Reissue::Reused) => {
            warn_of_a_copy(&verified.claims);
            auth.cookies().unset_all(response.headers_mut());
        }
        Err(trouble) => log::warn!("no reissue: {:?}", error_chain(&trouble)),
    }
}

async fn unrecorded(auth: &Auth, claims: &Claims) -> Result<Reissue, Trouble> {
    let tokens = auth.tokens_for(&claims.identity).await;
    let successor = auth.successor(&*tokens.map_err(Trouble::Loader)?, claims)?;
    Ok(Reissue::Granted(Box::new(successor)))
}

/// Reads nothing from the record unless the session's refresh cookie came too.
async fn recorded(
    auth: &Auth,
    verified: &Verified,
    request: &HttpRequest,
) -> Result<Reissue, Trouble> {
    let refresh = companion(auth, request, verified).await;
    let Some(refresh) = refresh.map_err(Trouble::Loader)? else {
        return Ok(Reissue::Refused);
    };
    let presented = Presented {
        access: &verified.claims,
        refresh: &refresh.claims,
        // A body takes as long as its upload, and proxies buffer it until it is complete; by then
        // the cookies may be old.
        arrived: request.method().is_safe().then_some(verified.at),
    };
    // The user requested a page and did not end the session, so the context names no user, as at a
    // refresh.
    let context = RequestContext {
        by: None,
        ..context(auth, request)
    };
    let sessions = auth.recorded_for(verified.claims.sub()).await;
    let sessions = sessions.map_err(Trouble::Loader)?;
    Ok(sessions.reissue(presented, &context).await?)
}

/// Returns the refresh token in the request's cookie, if a refresh would verify it and it is of the
/// access token's session.
///
/// No CSRF value is required. The access token's was, if the method needs one, and a script cannot
/// read anything from this cookie: it only shows that the browser has both tokens of the pair. A
/// request that another site forges carries the browser's own current cookie and, at worst, renews
/// the browser's own access cookie.
async fn companion(
    auth: &Auth,
    request: &HttpRequest,
    access: &Verified,
) -> Result<Option<Rc<Verified>>, Rejection> {
    let now = auth.now();
    let presented = auth.cookies().presented(request, TokenKind::Refresh);
    let own = presented.filter_map(|token| {
        let decoded = auth.tokens().decode(&token, now, Expiry::Enforced).ok()?;
        let own = decoded.claims.sid == access.claims.sid;
        (own && auth.admit(&decoded.claims, Guard::Refresh, now).is_ok()).then_some(decoded)
    });
    // An older cookie with the same name is not a copy: a client that sends both has the latest.
    let Some(decoded) = own.max_by_key(|decoded| decoded.claims.generation) else {
        return Ok(None);
    };
    let refresh = Rc::new(Verified {
        decoded: Arc::new(decoded),
        others: Vec::new(),
        location: Location::Cookies,
        at: access.at,
    });
    match auth.ask_loaders(request, &refresh).await {
        Ok(()) => Ok(Some(refresh)),
        Err(rejection) if rejection.status_code().is_server_error() => Err(rejection),
        Err(_) => Ok(None),
    }
}
