//! Implements the bridge to actix-identity: a handler written for [`actix_identity::Identity`]
//! works with our cookies.
//!
//! The bridge takes the place of `SessionMiddleware`. It passes the user to actix-identity, and
//! learns the handler's changes, through actix-session's in-memory handle of the request.

use std::rc::Rc;

use actix_session::{Session, SessionExt, SessionStatus};
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};
use thiserror::Error as ThisError;

use super::auth::Auth;
use super::device::{context, device};
use super::location::Location;
use super::rejection::Rejection;
use super::verified::{Guard, Verified};
use crate::session::{Delivery, EndReason, Login};

/// The key under which actix-identity looks up the user's id by default.
const USER_ID: &str = "actix_identity.user_id";

/// Middleware that bridges to actix-identity. It runs outside actix-identity's own, so wrap it
/// after that:
///
/// ```
/// use actix_identity::{Identity, IdentityMiddleware};
/// use actix_web::{App, middleware::from_fn, web};
/// use tokenpair::web::identity_bridge;
///
/// async fn greet(user: Option<Identity>) -> String {
///     match user.and_then(|user| user.id().ok()) {
///         Some(id) => format!("hello {id}"),
///         None => "hello stranger".to_owned(),
///     }
/// }
///
/// let app = App::new()
///     .wrap(IdentityMiddleware::default())
///     .wrap(from_fn(identity_bridge))
///     .route("/", web::get().to(greet));
/// # let _ = app;
/// ```
///
/// `Identity` and `Option<Identity>` are the user of a verified access token, and absent if the
/// token does not verify. `Identity::login` records a session of that user id and sets the cookies,
/// unless the handler responds with an error ([`Auth::log_in_again`]: the session that this
/// browser had ends). `Identity::logout` ends the session and removes the cookies. Do
/// not set `IdentityMiddleware`'s deadlines, since tokens expire.
///
/// If the app needs actix-session too, wrap `SessionMiddleware` after the bridge, which is around
/// it. The user is taken from the token alone and is never stored in that session:
///
/// ```text
/// .wrap(IdentityMiddleware::default()).wrap(from_fn(identity_bridge)).wrap(SessionMiddleware::new(…))
/// ```
///
/// # Errors
///
/// Returns the errors of the inner service. Responds with a 500, whose logged cause names the cure,
/// to every request if `SessionMiddleware` is inside the bridge, where it would take the user from
/// the request, or if no [`Auth`] is in `app_data` around the bridge.
pub async fn identity_bridge<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let auth = match Auth::of(request.request()) {
        Ok(auth) => auth.clone(),
        Err(rejection) => return Ok(request.error_response(rejection).map_into_right_body()),
    };
    let session = request.get_session();
    let verified = auth
        .verify_request(request.request(), Guard::Access)
        .await
        .ok();
    let user = verified.as_ref().map(|verified| verified.claims.sub());
    session.insert(USER_ID, user.unwrap_or_default())?;
    if user.is_none() {
        // Only a token names the user, not what another session has kept.
        session.remove(USER_ID);
    }
    let mut response = next.call(request).await?;
    let followed = if was_taken(&session) {
        Err(Rejection::internal(SessionTaken))
    } else {
        follow(&auth, &session, verified, &mut response).await
    };
    // `SessionMiddleware` around the bridge would store it, and it would outlive the token.
    session.remove(USER_ID);
    match followed {
        Ok(()) => Ok(response.map_into_left_body()),
        Err(rejection) => {
            let answer = HttpResponse::from_error(rejection);
            Ok(response.into_response(answer).map_into_right_body())
        }
    }
}

#[derive(Debug, ThisError)]
#[error(
    "SessionMiddleware is inside identity_bridge and takes the user from the request; wrap in this order: \
     .wrap(IdentityMiddleware::default()).wrap(from_fn(identity_bridge)).wrap(SessionMiddleware::new(…)), \
     or remove SessionMiddleware, which the bridge replaces"
)]
struct SessionTaken;

/// Returns whether a `SessionMiddleware` inside the bridge has replaced the session's map by a new
/// one to store it. The map that the bridge wrote into has a capacity, and keeps it when a handler
/// clears the session.
fn was_taken(session: &Session) -> bool {
    session.entries().capacity() == 0
}

/// Applies the handler's changes to the identity.
async fn follow<B>(
    auth: &Auth,
    session: &Session,
    verified: Option<Rc<Verified>>,
    response: &mut ServiceResponse<B>,
) -> Result<(), Rejection> {
    let forgotten = || verified.is_some() && !session.contains_key(USER_ID);
    match session.status() {
        SessionStatus::Renewed if !is_error(response) => log_in(auth, session, response).await,
        SessionStatus::Purged => log_out(auth, verified, response).await,
        SessionStatus::Changed if forgotten() => log_out(auth, verified, response).await,
        _ => Ok(()),
    }
}

fn is_error<B>(response: &ServiceResponse<B>) -> bool {
    response.status().is_client_error() || response.status().is_server_error()
}

#[derive(Debug, ThisError)]
enum LoginTrouble {
    #[error("Identity::login got an id whose user is unknown to the store or disabled")]
    Unknown,
    #[error("Identity::login sets cookies, and WebPolicy::locations has none")]
    NoCookies,
}

async fn log_in<B>(
    auth: &Auth,
    session: &Session,
    response: &mut ServiceResponse<B>,
) -> Result<(), Rejection> {
    if !auth.looks_in(Location::Cookies) {
        return Err(Rejection::internal(LoginTrouble::NoCookies));
    }
    let id = session
        .get::<String>(USER_ID)
        .map_err(Rejection::internal)?;
    let subject = auth
        .recorded()?
        .subject(&id.unwrap_or_default())
        .await?
        .ok_or_else(|| Rejection::internal(LoginTrouble::Unknown))?;
    let login = Login {
        remember: auth.policy().remember,
        device: device(response.request()),
        delivery: Delivery::Cookies,
    };
    let pair = auth
        .log_in_again(response.request(), &subject, login)
        .await?;
    auth.cookies().set_pair(response.headers_mut(), &pair);
    Ok(())
}

async fn log_out<B>(
    auth: &Auth,
    verified: Option<Rc<Verified>>,
    response: &mut ServiceResponse<B>,
) -> Result<(), Rejection> {
    let sid = verified
        .as_ref()
        .and_then(|verified| verified.claims.sid.as_deref());
    if let (Some(sessions), Some(sid)) = (auth.sessions(), sid) {
        let context = context(auth, response.request());
        sessions.end(sid, EndReason::Logout, &context).await?;
    }
    auth.cookies().unset_all(response.headers_mut());
    Ok(())
}
