//! Extracts the device of a request for the list of sessions, and its context for the audit trail.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::dev::Payload;
use actix_web::http::header::USER_AGENT;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::auth::Auth;
use super::client::client_ip;
use super::rejection::Rejection;
use super::under_way::UnderWay;
use super::verified::Verified;
use crate::session::{Authority, Device, RequestContext};

/// Maximum length kept of a `User-Agent`, in characters.
const ENOUGH: usize = 256;

/// The request's `User-Agent`, of which 256 characters are kept, and its address ([`client_ip`]).
///
/// ```
/// use actix_web::test::TestRequest;
/// use tokenpair::web::device;
///
/// let request = TestRequest::get()
///     .peer_addr("192.0.2.1:50000".parse()?)
///     .insert_header(("User-Agent", "Phone 1"))
///     .insert_header(("X-Forwarded-For", "198.51.100.1"))
///     .to_http_request();
/// let device = device(&request);
/// assert_eq!(device.user_agent.as_deref(), Some("Phone 1"));
/// assert_eq!(device.ip, Some([192, 0, 2, 1].into())); // unless a trusted proxy reports another
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn device(request: &HttpRequest) -> Device {
    let words = request.headers().get(USER_AGENT).map(|words| {
        let words = String::from_utf8_lossy(words.as_bytes());
        let printable = words.chars().filter(|letter| !letter.is_control());
        printable.take(ENOUGH).collect()
    });
    Device {
        user_agent: words,
        ip: client_ip(request),
    }
}

/// The request's context: the current time, the client's address ([`client_ip`]), and the user and
/// [`Authority`] of the access token, if a guard has verified one. Put it after the guard in a
/// handler's signature. Behind a [`WithRole`](super::WithRole) guard, the authority requires the
/// role too, so the store checks it again as it writes.
///
/// ```
/// use actix_web::FromRequest;
/// # use actix_web::test::TestRequest;
/// use tokenpair::session::RequestContext;
/// use tokenpair::web::{Access, Auth};
///
/// # tokenpair::sample::run(async {
/// # let auth = tokenpair::sample::auth()?;
/// # let bearer = format!("Bearer {}", auth.access_token("ada").sign()?.token.as_str());
/// # let request = TestRequest::get().app_data(auth).insert_header(("Authorization", bearer)).to_http_request();
/// assert_eq!(RequestContext::extract(&request).await?.by, None);
/// // Actix does this for `async fn handler(user: Access, context: RequestContext)`:
/// Access::extract(&request).await?;
/// assert_eq!(RequestContext::extract(&request).await?.by.as_deref(), Some("ada"));
/// # Ok(()) });
/// ```
impl FromRequest for RequestContext {
    type Error = Rejection;
    type Future = ContextFuture;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ContextFuture(request.clone())
    }
}

/// The role that the route's guard requires. It is in the request's extensions before any
/// extractor is polled, so a [`RequestContext`] never lacks it.
#[derive(Clone, Copy)]
pub(super) struct RequiredRole(pub(super) &'static str);

/// The extractor's future, which completes after the guards before it.
#[derive(Debug)]
pub struct ContextFuture(HttpRequest);

impl Future for ContextFuture {
    type Output = Result<RequestContext, Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        UnderWay::poll_over(&self.0, cx).map(|()| context_of_handler(&self.0))
    }
}

fn context_of_handler(request: &HttpRequest) -> Result<RequestContext, Rejection> {
    let context = context(Auth::of(request)?, request);
    let required = request.extensions().get::<RequiredRole>().copied();
    Ok(match required {
        Some(RequiredRole(role)) => context.needing(role),
        None => context,
    })
}

pub(super) fn context(auth: &Auth, request: &HttpRequest) -> RequestContext {
    let extensions = request.extensions();
    let verified = extensions.get::<Rc<Verified>>();
    let authority = verified.map(|verified| Authority::of(&verified.claims));
    RequestContext {
        at: auth.now(),
        by: authority
            .as_ref()
            .map(|authority| authority.user_id.clone()),
        ip: client_ip(request),
        authority,
    }
}
