//! `POST /refresh`, `/logout` and `GET /csrf`.

use std::rc::Rc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::not_found;
use crate::server::browser;
use crate::server::openapi::{Message, Problem};
use crate::server::origins::Trust;
use crate::server::state::AppState;
use tokenpair::session::{Delivery, Pair, RequestContext};
use tokenpair::token::{CsrfValue, Issued};
use tokenpair::web::{Auth, Guard, Location, Refresh, Rejection, Verified};

/// How a pair is handed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// Cookies, and no token where a script could read it.
    Cookies,
    /// The tokens in the JSON, and no cookie.
    Body,
    /// Cookies, and on to the page.
    Page,
}

/// By the way the token came: a page that was broken into can then never turn an HttpOnly cookie into text.
impl From<Location> for Answer {
    fn from(location: Location) -> Self {
        match location {
            Location::Cookies => Self::Cookies,
            Location::Headers | Location::QueryString | Location::Json => Self::Body,
        }
    }
}

impl From<Answer> for Delivery {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Cookies | Answer::Page => Self::Cookies,
            Answer::Body => Self::Body,
        }
    }
}

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Done {
    Login,
    Refresh,
    Password,
}

/// The JSON of a login's or a refresh's answer.
#[derive(Serialize, ToSchema)]
pub(super) struct Granted<'a> {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    login: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    refresh: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    msg: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_expires_in: Option<u64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    tokens: Option<TokensInBody<'a>>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    csrf: Option<CsrfInBody<'a>>,
}

#[derive(Serialize, ToSchema)]
struct TokensInBody<'a> {
    token_type: &'a str,
    access_token: &'a str,
    refresh_token: &'a str,
}

/// CSRF values by the names of their default cookies. Where `JWT_CSRF_IN_COOKIES` is off, a front end learns them here.
#[derive(Serialize, ToSchema)]
pub(super) struct CsrfInBody<'a> {
    csrf_access_token: Option<&'a str>,
    csrf_refresh_token: Option<&'a str>,
}

/// The answer to a login or a refresh.
pub(super) fn granted(auth: &Auth, pair: &Pair, done: Done, answer: Answer) -> HttpResponse {
    let in_body = answer == Answer::Body;
    let left = |issued: &Issued| {
        issued
            .expires_at
            .map(|end| end.since(pair.issued_at).as_secs())
    };
    let body = Granted {
        login: done == Done::Login,
        refresh: done == Done::Refresh,
        msg: (done == Done::Password).then_some("Password changed"),
        expires_in: left(&pair.access),
        refresh_expires_in: left(&pair.refresh),
        tokens: in_body.then(|| TokensInBody {
            token_type: &auth.policy().header.scheme,
            access_token: pair.access.token.as_str(),
            refresh_token: pair.refresh.token.as_str(),
        }),
        csrf: (!in_body && !auth.cookies().csrf).then_some(CsrfInBody {
            csrf_access_token: pair.access.csrf.as_ref().map(CsrfValue::as_str),
            csrf_refresh_token: pair.refresh.csrf.as_ref().map(CsrfValue::as_str),
        }),
    };
    let mut response = match answer {
        Answer::Page => browser::to_page(),
        Answer::Cookies | Answer::Body => HttpResponse::Ok().json(body),
    };
    if !in_body {
        auth.cookies().set_pair(response.headers_mut(), pair);
    }
    if done == Done::Login {
        response.extensions_mut().insert(browser::NewSession);
    }
    response
}

/// A new pair, by the way the refresh token came: cookie in, cookie out; header in, JSON out.
#[utoipa::path(post, path = "/refresh", responses((status = 200, body = Granted<'_>)), security(("refresh" = [])))]
pub(super) async fn refresh(
    state: web::Data<AppState>,
    token: Refresh,
    context: RequestContext,
) -> Result<HttpResponse, Rejection> {
    let answer = Answer::from(token.location());
    match state.auth.refresh(&token, &context).await {
        Ok(pair) => Ok(granted(&state.auth, &pair, Done::Refresh, answer)),
        Err(rejection) if is_over(&rejection) => Ok(over(&state.auth, rejection, answer)),
        Err(rejection) => Err(rejection),
    }
}

/// Trouble of ours ends nothing, and where a newer refresh token exists the browser may hold it already.
pub(super) fn is_over(rejection: &Rejection) -> bool {
    let superseded = rejection.code() == "refresh_superseded";
    rejection.status_code() == StatusCode::UNAUTHORIZED && !superseded
}

/// The session is over, so its cookies go.
fn over(auth: &Auth, rejection: Rejection, answer: Answer) -> HttpResponse {
    let mut response = HttpResponse::from_error(rejection);
    if answer == Answer::Cookies {
        auth.cookies().unset_all(response.headers_mut());
    }
    response
}

/// Returns the CSRF values of the tokens in the request's cookies, for a page that has lost them. One good token is enough,
/// so a page whose access token has expired can still refresh or log out.
///
/// Only a page that CORS lets read the answer learns them, and any such page could read the CSRF cookies or a login's answer
/// as well. Nothing is told for a token in a header, whose holder needs no CSRF value.
///
/// The session's row is not asked: a value is worth nothing without its cookie, and the refresh it is for asks the row.
#[utoipa::path(
    get,
    path = "/csrf",
    responses((status = 200, body = CsrfInBody<'_>), (status = 403, body = Problem)),
    security(("access_cookie" = []), ("refresh_cookie" = []))
)]
pub(super) async fn csrf(
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Rejection> {
    if !state.auth.looks_in(Location::Cookies) {
        return not_found(request).await;
    }
    browser::refuse_cross_site(&request, &state.origins, Trust::Listed)?;
    let auth = by_cookie_alone(&state.auth);
    let refresh = auth.verify_request(&request, Guard::Refresh).await;
    let access = auth.verify_request(&request, Guard::Access).await;
    let value = |verified: &Rc<Verified>| verified.claims.csrf.clone();
    if let (Err(refresh), Err(access)) = (&refresh, &access) {
        let is_missing = refresh.code() == "missing_token";
        return Err(if is_missing { access } else { refresh }.clone());
    }
    let [access, refresh] =
        [access, refresh].map(|verified| verified.ok().as_ref().and_then(value));
    Ok(HttpResponse::Ok().json(CsrfInBody {
        csrf_access_token: access.as_ref().map(CsrfValue::as_str),
        csrf_refresh_token: refresh.as_ref().map(CsrfValue::as_str),
    }))
}

/// Looks for tokens in cookies alone, and asks for no CSRF value, whatever `JWT_CSRF_METHODS` says of `GET`.
fn by_cookie_alone(auth: &Auth) -> Auth {
    let mut policy = auth.policy().clone();
    policy.locations = vec![Location::Cookies];
    policy.csrf.protect = false;
    auth.to_builder().policy(policy).build()
}

/// Ends the session and removes the cookies; to repeat it does no harm.
#[utoipa::path(
    post,
    path = "/logout",
    responses((status = 200, body = Message), (status = 401, body = Problem)),
    security((), ("access" = []), ("refresh" = []))
)]
pub(super) async fn logout(
    state: web::Data<AppState>,
    request: HttpRequest,
    context: RequestContext,
) -> Result<HttpResponse, Rejection> {
    state.auth.log_out(&request, &context).await?;
    let mut response = HttpResponse::Ok().json(Message::of("Logout Successful"));
    state.auth.cookies().unset_all(response.headers_mut());
    Ok(response)
}

/// A link on our own page does the same. Another site's link or picture would send the cookies too, so where it comes from decides.
#[utoipa::path(
    get,
    path = "/logout",
    responses((status = 200, body = Message), (status = 303), (status = 401, body = Problem), (status = 403, body = Problem)),
    security((), ("access" = []), ("refresh" = []))
)]
pub(super) async fn logout_by_link(
    state: web::Data<AppState>,
    request: HttpRequest,
    context: RequestContext,
) -> Result<HttpResponse, Rejection> {
    browser::refuse_cross_site(&request, &state.origins, Trust::Own)?;
    browser::refuse_all_but_links(&request)?;
    let html = browser::wants_html(&request);
    let mut response = logout(state.clone(), request, context).await?;
    if html {
        response = browser::to_page();
        state.auth.cookies().unset_all(response.headers_mut());
    }
    Ok(response)
}
