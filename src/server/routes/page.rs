//! Implements the built-in page at `/`, and the forms that it sends. A form gets a redirect after
//! it has done its work, so that a reload repeats nothing.

use std::rc::Rc;

use actix_identity::{Identity, IdentityMiddleware};
use actix_web::body::MessageBody;
use actix_web::dev::{Extensions, ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::ServiceConfig;
use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, Resource, ResponseError, web,
};
use serde::Deserialize;

use super::account::{PasswordChangeBody, changed};
use super::endpoint::{Endpoint, POST};
use super::fallback::not_found;
use super::grant::{Answer, Done, granted};
use super::login::{Entry, registered, trimmed_username};
use super::session::{is_over, without_csrf};
use super::sessions::{end_own, sid};
use super::tags::SERVER;
use crate::server::body::FormBody;
use crate::server::device::Named;
use crate::server::device_cookie::Devices;
use crate::server::origins::Trust;
use crate::server::page::{
    Account, Address, Device, Listed, Sessions, Shown, View, Visit, confirmation, csrf_from_form,
    log_in, password, programs_only, see_other, to_path,
};
use crate::server::panics::CatchPanics;
use crate::server::state::AppState;
use crate::server::{browser, fields, page};
use tokenpair::session::{Pair, RequestContext, Session};
use tokenpair::token::{Claims, CsrfValue};
use tokenpair::web::{
    Access, Auth, Fresh, KnownClient, Location, Refresh, Rejection, Verified, identity_bridge,
};
use tokenpair_store::password::Password;

/// Mounts the page with actix-identity, which reads our cookies.
pub(super) fn mount_with_identity(resource: Resource, app: &mut ServiceConfig) {
    let page = resource
        .wrap(IdentityMiddleware::default())
        .wrap(from_fn(identity_bridge))
        .wrap(CatchPanics);
    app.service(page.wrap(from_fn(without_csrf_header)));
}

/// Lets a browser open the page whatever `JWT_CSRF_METHODS` says of `GET`: no browser sends the
/// header then, and no other site can read the page. It has to be the outermost, as below.
async fn without_csrf_header(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, Error> {
    let auth = Auth::of(request.request()).ok();
    let asks = |auth: &&Auth| auth.policy().csrf.methods.iter().any(Method::is_safe);
    if let Some(auth) = auth.filter(asks).map(without_csrf) {
        let mut own = Extensions::new();
        own.insert(auth);
        request.add_data_container(Rc::new(own));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// Mounts a route that takes a form of the page. The middleware around all others adds headers, for
/// which Actix requires that nothing else holds the request.
pub(super) fn mount_form(resource: Resource, app: &mut ServiceConfig) {
    let form = resource.wrap(CatchPanics);
    app.service(form.wrap(from_fn(csrf_from_form)));
}

/// The number of sessions that the page shows: the default of `SESSION_LIMIT`.
const LISTED: usize = 100;

/// The forms of the page. The description of the API leaves them out: programs have routes of their
/// own for the same.
pub(super) fn forms() -> Vec<Endpoint> {
    let forms = [
        Endpoint::undescribed(POST, page::REGISTER, register),
        Endpoint::undescribed(POST, page::PASSWORD, change_password),
        Endpoint::undescribed(POST, page::SESSIONS, end_sessions),
        Endpoint::undescribed(POST, page::LOG_OUT, log_out),
    ];
    let forms = forms.into_iter();
    forms.map(|form| form.mounted_by(mount_form)).collect()
}

/// Shows a page: a login form, or the user's sessions.
///
/// A remembered login is restored after its access cookie has expired: its refresh cookie is then
/// exchanged for a new pair, as by `POST /refresh`. `next` is the path to return to after the
/// login, and `show` is `register` or `password` for the form of that name.
#[utoipa::path(
    get,
    path = "/",
    operation_id = "getPage",
    tag = SERVER,
    responses(
        (status = 200, content_type = "text/html", body = String, description = "The page."),
        (status = 303, description = "The login was restored: return to `next`.")
    ),
    security(())
)]
pub(super) async fn greet(
    state: web::Data<AppState>,
    user: Option<Identity>,
    request: HttpRequest,
) -> Result<HttpResponse, Rejection> {
    let visit = visit(&state, &request);
    let user = user.and_then(|user| user.id().ok()).is_some();
    let verified = request.extensions().get::<Rc<Verified>>().cloned();
    match verified.filter(|_| user) {
        Some(verified) => {
            let member = Member::of(&state, &verified);
            Ok(member.page(&state, &request, visit).await)
        }
        None => restore(&state, &request, visit).await,
    }
}

/// Reads what the query asks for. Only the page itself can tell what was done.
fn visit(state: &AppState, request: &HttpRequest) -> Visit {
    let mut visit = Visit::of(request);
    if browser::refuse_cross_site(request, &state.origins, Trust::Own).is_err() {
        visit.notice = None;
    }
    visit
}

/// By GET, which scripts of other sites can have sent, but neither prevent nor read: a repeated or lost answer is borne
/// by the rotation rule, and the cookies go to the browser that sent them.
async fn restore(
    state: &AppState,
    request: &HttpRequest,
    visit: Visit,
) -> Result<HttpResponse, Rejection> {
    let Some(token) = refresh_cookie(state, request).await else {
        return Ok(for_strangers(state, request, visit));
    };
    let context = RequestContext::extract(request).await?;
    let mut response;
    match state.auth.refresh(&token, &context).await {
        Ok(pair) => {
            response = restored(state, request, visit, &pair).await?;
            state.auth.cookies().set_pair(response.headers_mut(), &pair);
        }
        Err(rejection) if is_over(&rejection) => {
            response = for_strangers(state, request, visit);
            state.auth.cookies().unset_all(response.headers_mut());
        }
        Err(rejection) if rejection.status_code() == StatusCode::UNAUTHORIZED => {
            response = for_strangers(state, request, visit);
        }
        Err(rejection) => return Err(rejection),
    }
    Ok(response)
}

/// The refresh token in the cookie of a person's browser.
async fn refresh_cookie(state: &AppState, request: &HttpRequest) -> Option<Refresh> {
    if !state.site.restores || !browser::opens_a_page(request) {
        return None;
    }
    let token = Refresh::extract(request).await.ok()?;
    (token.location() == Location::Cookies).then_some(token)
}

/// Returns at once where the user came from. If the token is refused there all the same, the page
/// is shown the next time, since the access token is then valid: so there is no loop.
async fn restored(
    state: &AppState,
    request: &HttpRequest,
    visit: Visit,
    pair: &Pair,
) -> Result<HttpResponse, Rejection> {
    if let Some(next) = &visit.next {
        return Ok(to_path(next.as_str()));
    }
    let access = state.auth.decode(pair.access.token.as_str()).run()?;
    let member = Member::new(&access.claims, state, pair.access.csrf.as_ref());
    Ok(member.page(state, request, visit).await)
}

fn for_strangers(state: &AppState, request: &HttpRequest, visit: Visit) -> HttpResponse {
    let shown = Shown::to(request, &state.site);
    match visit.view {
        _ if !state.site.in_cookies => programs_only(&shown),
        View::Register if state.site.can_register() => page::register(&shown, visit.next),
        View::Start | View::Register | View::Password => log_in(&shown, visit.notice, visit.next),
    }
}

/// A logged-in user, as the access token says.
struct Member {
    id: String,
    username: String,
    sid: Option<String>,
    is_fresh: bool,
    csrf: Option<String>,
}

impl Member {
    fn new(claims: &Claims, state: &AppState, csrf: Option<&CsrfValue>) -> Self {
        let id = claims.sub();
        Self {
            id: id.to_owned(),
            username: claims.username.as_deref().unwrap_or(id).to_owned(),
            sid: claims.sid.as_deref().map(str::to_owned),
            is_fresh: claims.fresh.is_fresh(state.auth.now()),
            csrf: csrf.map(|csrf| csrf.as_str().to_owned()),
        }
    }

    /// A token in a header needs no CSRF value, so it gets none.
    fn of(state: &AppState, verified: &Verified) -> Self {
        let claims = &verified.claims;
        let by_cookie = verified.location == Location::Cookies;
        Self::new(claims, state, claims.csrf.as_ref().filter(|_| by_cookie))
    }

    async fn page(&self, state: &AppState, request: &HttpRequest, visit: Visit) -> HttpResponse {
        let shown = Shown::to(request, &state.site);
        match visit.view {
            View::Password if self.is_fresh => {
                password(&shown, &self.username, self.csrf.as_deref())
            }
            View::Password => confirmation(&shown, &self.username, Address::Password),
            View::Start | View::Register => {
                let account = Account {
                    username: &self.username,
                    csrf: self.csrf.as_deref(),
                    sessions: self.sessions(state).await,
                    notice: visit.notice,
                    next: visit.next,
                };
                account.show(&shown)
            }
        }
    }

    /// Returns the user's sessions. `None` if the database is unavailable, which keeps nobody from
    /// the rest of the page.
    async fn sessions(&self, state: &AppState) -> Option<Sessions> {
        let now = state.auth.now();
        let found = state.sessions.page(&self.id, 0, LISTED, now).await;
        let found = found
            .inspect_err(|error| log::warn!("cannot show the sessions of a user: {error}"))
            .ok()?;
        let row = |session: Session| Listed {
            device: match Named::of(session.user_agent.as_deref()) {
                Named::Browser(name, system) => Device::Browser { name, system },
                Named::Program(name) => Device::Program(name),
                Named::Unknown => Device::Unknown,
            },
            ip: session.ip,
            unused_for: now.since(session.last_used_at).as_secs(),
            is_current: self.sid.as_deref() == Some(&session.id),
            id: session.id,
        };
        let more = found.total.saturating_sub(found.sessions.len());
        let mut listed: Vec<Listed> = found.sessions.into_iter().map(row).collect();
        listed.sort_by_key(|session| !session.is_current);
        Some(Sessions { listed, more })
    }
}

/// A new account, and whether its first login is remembered.
#[derive(Deserialize)]
pub(super) struct RegistrationForm {
    #[serde(deserialize_with = "trimmed_username")]
    username: String,
    #[serde(deserialize_with = "fields::password")]
    password: Password,
    remember: Option<bool>,
}

/// Creates an account by the page's form, and logs in.
///
/// Redirects to the page, or to the path in the field `next`.
pub(super) async fn register(
    state: web::Data<AppState>,
    request: HttpRequest,
    _: KnownClient,
    context: RequestContext,
    FormBody(wanted): FormBody<RegistrationForm>,
) -> Result<HttpResponse, Rejection> {
    if !state.site.in_cookies {
        return not_found(request).await;
    }
    let user = registered(&state, &wanted.username, wanted.password, &context).await?;
    let entry = Entry {
        username: &wanted.username,
        remember: wanted.remember,
        devices: Devices::of(&state.auth, &request),
        answer: Answer::Page,
    };
    entry.start(&state, &request, &user, &context).await
}

/// Changes the password by the page's form.
///
/// All other sessions end. Redirects to the page.
pub(super) async fn change_password(
    state: web::Data<AppState>,
    user: Fresh,
    _: KnownClient,
    context: RequestContext,
    FormBody(wanted): FormBody<PasswordChangeBody>,
) -> Result<HttpResponse, Rejection> {
    let pair = changed(&state, &user, wanted, &context).await?;
    let answer = Answer::from(user.location());
    if answer == Answer::Body {
        return Ok(granted(&state, &pair, Done::Password, answer));
    }
    let mut response = see_other(Address::PasswordChanged, None);
    state.auth.cookies().set_pair(response.headers_mut(), &pair);
    Ok(response)
}

/// The session that ends.
#[derive(Deserialize)]
pub(super) struct SessionForm {
    /// Its id, or `others` for all but this one.
    session: String,
}

/// The value of [`SessionForm::session`] for all sessions but this one. No id is like it.
const OTHERS: &str = "others";

/// Ends one of the user's sessions, or all others, by the page's form.
///
/// Redirects to the page.
pub(super) async fn end_sessions(
    state: web::Data<AppState>,
    user: Access,
    context: RequestContext,
    FormBody(wanted): FormBody<SessionForm>,
) -> Result<HttpResponse, Rejection> {
    if wanted.session == OTHERS {
        let others = state
            .sessions
            .end_others(user.identity(), sid(&user), &context);
        others.await?;
        return Ok(see_other(Address::OthersEnded, None));
    }
    end_own(&state, &user, &wanted.session, &context).await?;
    if wanted.session != sid(&user) {
        return Ok(see_other(Address::SessionEnded, None));
    }
    let mut response = see_other(Address::LoggedOut, None);
    state.auth.cookies().unset_all(response.headers_mut());
    Ok(response)
}

/// Logs out by the page's form.
///
/// Redirects to the page.
pub(super) async fn log_out(
    state: web::Data<AppState>,
    request: HttpRequest,
    context: RequestContext,
) -> Result<HttpResponse, Rejection> {
    state.auth.log_out(&request, &context).await?;
    let mut response = see_other(Address::LoggedOut, None);
    state.auth.cookies().unset_all(response.headers_mut());
    Ok(response)
}
