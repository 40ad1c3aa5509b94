//! Reissue: after the response, an access cookie that nears its end gets a successor, so that whoever is at work is not
//! logged out in the middle of it.

use std::rc::Rc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};

use super::auth::Auth;
use super::location::Location;
use super::verify::Verified;
use crate::session::SessionError;
use crate::token::{Claims, TokenKind};

/// The middleware: `App::new().wrap(actix_web::middleware::from_fn(tokenpair::web::reissue))`.
///
/// A successor is made only if all of this holds: the token came by cookie; it ends within
/// [`WebPolicy::reissue_within`](super::WebPolicy::reissue_within); the response neither sets nor removes the auth
/// cookies (so a logout stays one); it is no server error; and one conditional update finds the session alive. The
/// successor is never fresh, never outlives the session, keeps the CSRF value and has the user's present roles. If the
/// store does not answer, the response goes out as it is. Without a record of sessions the successor has the token's own
/// claims, and whoever goes on asking stays logged in: only a record can end that.
///
/// ```
/// # use std::time::Duration;
/// use actix_web::cookie::Cookie;
/// use actix_web::middleware::from_fn;
/// use actix_web::test::{TestRequest, call_service, init_service};
/// use actix_web::{App, web};
/// # use tokenpair::keys::{Algorithm, KeyRing};
/// # use tokenpair::token::{TokenPolicy, Tokens};
/// # use tokenpair::clock::{Clock, Timestamp};
/// use tokenpair::web::{Access, Auth, reissue};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
/// # let tokens = Tokens::new(keys, TokenPolicy::default());
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
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Those of the service inside; it adds none.
pub async fn reissue<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let mut response = next.call(request).await?;
    reissue_for(&mut response).await;
    Ok(response)
}

/// What the middleware does, for one of the server's own that does more.
pub(crate) async fn reissue_for<B>(response: &mut ServiceResponse<B>) {
    if let Some((auth, verified)) = due(response) {
        // Apart, since nearly no response comes here: its future would make room for this in each.
        Box::pin(renew(&auth, &verified, response)).await;
    }
}

fn due<B>(response: &ServiceResponse<B>) -> Option<(Auth, Rc<Verified>)> {
    let request = response.request();
    let extensions = request.extensions();
    let verified = extensions.get::<Rc<Verified>>()?;
    if verified.location != Location::Cookies || response.status().is_server_error() {
        return None;
    }
    let auth = request.app_data::<Auth>()?;
    let due = ends_soon(auth, &verified.claims) && !auth.cookies().touched_by(response.headers());
    due.then(|| (auth.clone(), Rc::clone(verified)))
}

/// Near its end, and not because its session ends there: a successor would end at the same instant.
fn ends_soon(auth: &Auth, claims: &Claims) -> bool {
    let within = auth.policy().reissue_within;
    let lifetime = auth.tokens().policy().access_expires;
    let Some(exp) = claims.exp else {
        return false;
    };
    let recorded = auth.sessions().and(lifetime).zip(claims.iat);
    let whole = recorded.is_none_or(|(lifetime, iat)| exp >= iat + lifetime);
    !within.is_zero() && whole && exp <= auth.now() + within
}

async fn renew<B>(auth: &Auth, verified: &Verified, response: &mut ServiceResponse<B>) {
    let now = auth.now();
    let successor = match auth.sessions() {
        Some(sessions) => sessions.reissue(&verified.claims, now).await,
        None => auth
            .successor(&verified.claims)
            .map(Some)
            .map_err(SessionError::from),
    };
    match successor {
        Ok(Some(reissued)) => {
            let successor = (&reissued.access, reissued.remember);
            auth.cookies()
                .set(response.headers_mut(), TokenKind::Access, successor, now);
        }
        Ok(None) => {}
        Err(error) => log::warn!("no reissue: {error}"),
    }
}
