//! Implements `POST /refresh`, `/logout` and `GET /csrf`.

use std::rc::Rc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};

use super::fallback::not_found;
use super::grant::{Answer, CsrfInBody, Done, Grant, granted};
use super::responses::Message;
use super::tags::SESSIONS;
use crate::server::origins::Trust;
use crate::server::state::AppState;
use crate::server::{browser, page};
use tokenpair::session::RequestContext;
use tokenpair::web::{Auth, ErrorCode, Guard, Location, Refresh, Rejection, Verified};

/// Exchanges a refresh token for a new pair of tokens.
///
/// The pair is delivered the way the refresh token came: in cookies or in the body. Each refresh
/// token can be used once; a repeat after a lost response is allowed.
#[utoipa::path(
    post,
    path = "/refresh",
    operation_id = "refreshTokens",
    tag = SESSIONS,
    responses((status = 200, body = Grant, description = "The new pair.")),
    security(("refresh" = []))
)]
pub(super) async fn refresh(
    state: web::Data<AppState>,
    token: Refresh,
    context: RequestContext,
) -> Result<HttpResponse, Rejection> {
    let answer = Answer::from(token.location());
    match state.auth.refresh(&token, &context).await {
        Ok(pair) => Ok(granted(&state, &pair, Done::Refresh, answer)),
        Err(rejection) if is_over(&rejection) => Ok(over(&state.auth, rejection, answer)),
        Err(rejection) => Err(rejection),
    }
}

/// Trouble of ours ends nothing, and where a newer refresh token exists the browser may hold it already.
pub(super) fn is_over(rejection: &Rejection) -> bool {
    let superseded = rejection.error_code() == Some(ErrorCode::RefreshSuperseded);
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

/// Returns the CSRF values of the tokens in the request's cookies, for a page that has lost them.
///
/// One valid token is enough, so a page whose access token has expired can still refresh or log
/// out. Only pages that CORS allows can read the response; they could read the CSRF cookies or the
/// response to a login too. A token in a header needs no CSRF value, so it gets none.
#[utoipa::path(
    get,
    path = "/csrf",
    operation_id = "getCsrfTokens",
    tag = SESSIONS,
    responses((status = 200, body = CsrfInBody<'_>, description = "The CSRF tokens. Null where the token is missing or invalid.")),
    security(("access_cookie" = []), ("refresh_cookie" = []))
)]
pub(super) async fn csrf(
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Rejection> {
    // The session's row is not looked up: a value is of no use without its cookie, and the refresh
    // that it is for looks it up.
    if !state.auth.looks_in(Location::Cookies) {
        return not_found(request).await;
    }
    browser::refuse_cross_site(&request, &state.origins, Trust::Listed)?;
    let auth = by_cookie_alone(&state.auth);
    let refresh = auth.verify_request(&request, Guard::Refresh).await;
    let access = auth.verify_request(&request, Guard::Access).await;
    let value = |verified: &Rc<Verified>| verified.claims.csrf.clone();
    if let (Err(refresh), Err(access)) = (&refresh, &access) {
        let is_missing = refresh.error_code() == Some(ErrorCode::MissingToken);
        return Err(if is_missing { access } else { refresh }.clone());
    }
    let [access, refresh] =
        [access, refresh].map(|verified| verified.ok().as_ref().and_then(value));
    Ok(HttpResponse::Ok().json(CsrfInBody::of(access.as_ref(), refresh.as_ref())))
}

/// Looks for tokens in cookies alone, and asks for no CSRF value.
pub(super) fn by_cookie_alone(auth: &Auth) -> Auth {
    without_csrf(auth).only_from([Location::Cookies])
}

/// Asks for no CSRF value, whatever `JWT_CSRF_METHODS` says of `GET`.
pub(super) fn without_csrf(auth: &Auth) -> Auth {
    let mut policy = auth.policy().clone();
    policy.csrf.protect = false;
    auth.to_builder().policy(policy).build()
}

/// Logs out: ends the session and removes the cookies.
///
/// Ends the session of the token that was sent, in a cookie or a header. Repeating it does no harm.
#[utoipa::path(
    post,
    path = "/logout",
    operation_id = "logOut",
    tag = SESSIONS,
    responses((status = 200, body = Message, description = "Logged out.")),
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

/// Logs out by a link on the server's own page.
///
/// A link or picture of another site would send the cookies too, so the request is refused unless
/// it comes from that page.
#[utoipa::path(
    get,
    path = "/logout",
    operation_id = "logOutByLink",
    tag = SESSIONS,
    responses(
        (status = 200, body = Message, description = "Logged out."),
        (status = 303, description = "Logged out, for a browser."),
    ),
    security((), ("access" = []), ("refresh" = []))
)]
pub(super) async fn logout_by_link(
    state: web::Data<AppState>,
    request: HttpRequest,
    context: RequestContext,
) -> Result<HttpResponse, Rejection> {
    browser::refuse_cross_site(&request, &state.origins, Trust::Own)?;
    browser::refuse_all_but_links(&request, &state.place.path("/logout"))?;
    let html = browser::wants_html(&request);
    let mut response = logout(state.clone(), request, context).await?;
    if html {
        response = page::to_path(&state.place.home);
        state.auth.cookies().unset_all(response.headers_mut());
    }
    Ok(response)
}
