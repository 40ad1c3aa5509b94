//! Implements `GET /session`, which tells a page whether its user is logged in.

use std::rc::Rc;

use actix_web::http::StatusCode;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::session::without_csrf;
use super::tags::SESSIONS;
use crate::server::browser;
use crate::server::origins::Trust;
use crate::server::state::AppState;
use tokenpair::clock::Timestamp;
use tokenpair::token::CsrfValue;
use tokenpair::web::{Auth, ErrorCode, Guard, Location, Rejection, Verified};

/// What the request's tokens are good for.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum State {
    /// The access token is valid.
    In,
    /// There is no valid access token. The refresh token's signature and times are valid, so a
    /// refresh restores the login unless the session has ended.
    Refreshable,
    /// Neither token is valid. Only a login helps.
    Out,
}

/// The state of the login. Times are Unix seconds, by the server's clock.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionState<'a> {
    state: State,
    /// The user whom the access token names. Only with the state `in`.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<TokenUser<'a>>,
    /// The id of the session, as `GET /sessions` lists it. Not with the state `out`.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    /// Whether the access token comes from a login with a password, as sensitive routes require.
    /// Only with the state `in`.
    #[serde(skip_serializing_if = "Option::is_none")]
    fresh: Option<bool>,
    /// The time at which the access token expires. Only with the state `in`.
    #[serde(skip_serializing_if = "Option::is_none")]
    // Not as 64-bit integers, of which some generated clients make bigints.
    #[schema(value_type = Option<usize>)]
    access_expires_at: Option<i64>,
    /// The time from which responses of other routes renew the access cookie. Absent if none do:
    /// the token came in a header, the request lacks the session's refresh cookie, or the session
    /// itself ends with the access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<usize>)]
    reissue_after: Option<i64>,
    /// The time at which the refresh token expires. Absent if there is no valid one, as with an
    /// access token in a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<usize>)]
    refresh_expires_at: Option<i64>,
    /// The CSRF tokens of the tokens in cookies. Absent if no valid token came in a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf: Option<CsrfTokens<'a>>,
}

/// The user whom an access token names.
#[derive(Serialize, ToSchema)]
struct TokenUser<'a> {
    id: &'a str,
    username: &'a str,
}

/// The CSRF tokens that belong to the request's cookies. Both tokens of a session have the same.
#[derive(Serialize, ToSchema)]
struct CsrfTokens<'a> {
    /// For all routes but `POST /refresh`.
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<&'a str>,
    /// For `POST /refresh` and `POST /logout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh: Option<&'a str>,
}

/// Tells whether the user is logged in, without asking the database.
///
/// The status is 200 in each state, so a page that asks gets no error for a visitor. It reads the
/// tokens alone: it changes nothing, sets no cookie, and does not keep an idle page logged in. Only
/// pages that CORS allows can read the response.
#[utoipa::path(
    get,
    path = "/session",
    operation_id = "getSession",
    tag = SESSIONS,
    responses((status = 200, body = SessionState<'_>, description = "The state of the login.")),
    security((), ("access" = []), ("refresh" = []))
)]
pub(super) async fn session(
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Rejection> {
    browser::refuse_cross_site(&request, &state.origins, Trust::Listed)?;
    let auth = without_csrf(&state.auth);
    let access = usable(auth.verify_request(&request, Guard::Access).await)?;
    // Otherwise the middleware would renew the cookie that this response describes, and a page that
    // asks from time to time would keep its user logged in.
    request.extensions_mut().remove::<Rc<Verified>>();
    let refresh = auth.verify_request(&request, Guard::Refresh).await;
    let refresh = match access {
        Some(_) => refresh.ok(),
        None => usable(refresh)?,
    };
    let refresh = refresh.filter(|refresh| !has_ended(&auth, refresh));
    let shown = SessionState::of(&auth, access.as_deref(), refresh.as_deref());
    Ok(HttpResponse::Ok().json(shown))
}

/// Returns the token if it is valid. If the server cannot know yet, the response is a 503.
fn usable(verified: Result<Rc<Verified>, Rejection>) -> Result<Option<Rc<Verified>>, Rejection> {
    match verified {
        Ok(verified) => Ok(Some(verified)),
        Err(rejection) if rejection.status_code().is_server_error() => Err(rejection),
        Err(rejection) if rejection.error_code() == Some(ErrorCode::TokenNotYetValid) => {
            Err(rejection.status(StatusCode::SERVICE_UNAVAILABLE))
        }
        Err(_) => Ok(None),
    }
}

/// Returns whether this server remembers that the session has ended. The database would know of
/// older ends too, but is not asked.
fn has_ended(auth: &Auth, refresh: &Verified) -> bool {
    let sessions = auth.sessions();
    sessions.is_some_and(|all| all.revocations().is_session_revoked(&refresh.claims))
}

impl<'a> SessionState<'a> {
    fn of(auth: &Auth, access: Option<&'a Verified>, refresh: Option<&'a Verified>) -> Self {
        let expiry = |token: &Verified| token.claims.exp.map(Timestamp::unix);
        Self {
            state: match (access, refresh) {
                (Some(_), _) => State::In,
                (None, Some(_)) => State::Refreshable,
                (None, None) => State::Out,
            },
            user: access.map(TokenUser::of),
            session_id: access
                .or(refresh)
                .and_then(|token| token.claims.sid.as_deref()),
            fresh: access.map(|access| access.claims.fresh.is_fresh(auth.now())),
            access_expires_at: access.and_then(expiry),
            reissue_after: access.and_then(|access| reissue_after(auth, access, refresh)),
            refresh_expires_at: refresh.and_then(expiry),
            csrf: CsrfTokens::of(access, refresh),
        }
    }
}

/// The middleware renews a cookie only if the session's refresh token comes beside it.
fn reissue_after(auth: &Auth, access: &Verified, refresh: Option<&Verified>) -> Option<i64> {
    let is_own = |refresh: &Verified| {
        refresh.location == Location::Cookies && refresh.claims.sid == access.claims.sid
    };
    let is_renewed = access.location == Location::Cookies && refresh.is_some_and(is_own);
    let due = auth.reissue_after(&access.claims).filter(|_| is_renewed);
    due.map(Timestamp::unix)
}

impl<'a> TokenUser<'a> {
    fn of(access: &'a Verified) -> Self {
        let id = access.claims.sub();
        let username = access.claims.username.as_deref().unwrap_or(id);
        Self { id, username }
    }
}

impl<'a> CsrfTokens<'a> {
    fn of(access: Option<&'a Verified>, refresh: Option<&'a Verified>) -> Option<Self> {
        let [access, refresh] = [access, refresh].map(|token| {
            let in_cookie = token.filter(|token| token.location == Location::Cookies)?;
            in_cookie.claims.csrf.as_ref().map(CsrfValue::as_str)
        });
        (access.is_some() || refresh.is_some()).then_some(Self { access, refresh })
    }
}
