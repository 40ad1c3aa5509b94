//! Implements guards as middleware, for a scope whose handlers do not handle tokens.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse};

use super::auth::Auth;
use super::device::RequiredRole;
use super::rejection::Rejection;
use super::role::{self, RoleSource};
use super::typed::check_age;
use super::verified::Guard;

macro_rules! require {
    ($(#[$doc:meta])* $name:ident, $guard:expr) => {
        $(#[$doc])*
        ///
        /// OPTIONS never needs a token. A rejection becomes a response, so that middleware outside
        /// (CORS) can add its headers.
        ///
        /// # Errors
        ///
        /// Returns the errors of the inner service, and no others.
        pub async fn $name<B: MessageBody + 'static>(
            request: ServiceRequest,
            next: Next<B>,
        ) -> Result<ServiceResponse<EitherBody<B>>, Error> {
            require(Demand::Guard($guard), request, next).await
        }
    };
}

require! {
    /// Middleware that admits requests with an access token:
    /// `web::scope("/api").wrap(from_fn(require_access))`.
    ///
    /// ```
    /// use actix_web::middleware::from_fn;
    /// use actix_web::test::{TestRequest, call_service, init_service};
    /// use actix_web::{App, web};
    /// use tokenpair::web::{Auth, require_access};
    ///
    /// # tokenpair::sample::run(async {
    /// # let auth = tokenpair::sample::auth()?;
    /// # let bearer = |token: &str| ("Authorization", format!("Bearer {token}"));
    /// let scope = web::scope("/api").wrap(from_fn(require_access)).route("/rate", web::get().to(async || "3 %"));
    /// let app = init_service(App::new().app_data(auth.clone()).service(scope)).await;
    /// let request = || TestRequest::get().uri("/api/rate");
    /// assert_eq!(call_service(&app, request().to_request()).await.status(), 401);
    /// let issued = auth.access_token("ada").sign()?;
    /// let request = request().insert_header(bearer(issued.token.as_str())).to_request();
    /// assert_eq!(call_service(&app, request).await.status(), 200);
    /// # Ok(()) });
    /// ```
    require_access, Guard::Access
}
require! {
    /// Middleware that admits requests with a fresh access token.
    ///
    /// ```
    /// use actix_web::middleware::from_fn;
    /// use actix_web::test::{TestRequest, call_service, init_service};
    /// use actix_web::{App, web};
    /// use tokenpair::token::Freshness;
    /// use tokenpair::web::{Auth, require_fresh};
    ///
    /// # tokenpair::sample::run(async {
    /// # let auth = tokenpair::sample::auth()?;
    /// # let bearer = |token: &str| ("Authorization", format!("Bearer {token}"));
    /// let scope = web::scope("/api").wrap(from_fn(require_fresh)).route("/rate", web::get().to(async || "3 %"));
    /// let app = init_service(App::new().app_data(auth.clone()).service(scope)).await;
    /// let request = || TestRequest::get().uri("/api/rate");
    /// assert_eq!(call_service(&app, request().to_request()).await.status(), 401);
    /// let issued = auth.access_token("ada").fresh(Freshness::Fresh).sign()?;
    /// let request = request().insert_header(bearer(issued.token.as_str())).to_request();
    /// assert_eq!(call_service(&app, request).await.status(), 200);
    /// # Ok(()) });
    /// ```
    require_fresh, Guard::Fresh
}
require! {
    /// Middleware that admits requests with a refresh token.
    ///
    /// ```
    /// use actix_web::middleware::from_fn;
    /// use actix_web::test::{TestRequest, call_service, init_service};
    /// use actix_web::{App, web};
    /// use tokenpair::web::{Auth, require_refresh};
    ///
    /// # tokenpair::sample::run(async {
    /// # let auth = tokenpair::sample::auth()?;
    /// # let bearer = |token: &str| ("Authorization", format!("Bearer {token}"));
    /// let scope = web::scope("/api").wrap(from_fn(require_refresh)).route("/rate", web::get().to(async || "3 %"));
    /// let app = init_service(App::new().app_data(auth.clone()).service(scope)).await;
    /// let request = || TestRequest::get().uri("/api/rate");
    /// assert_eq!(call_service(&app, request().to_request()).await.status(), 401);
    /// let issued = auth.access_token("ada").sign()?;
    /// let access = request().insert_header(bearer(issued.token.as_str())).to_request();
    /// assert_eq!(call_service(&app, access).await.status(), 422);
    /// let issued = auth.refresh_token("ada").sign()?;
    /// let refresh = request().insert_header(bearer(issued.token.as_str())).to_request();
    /// assert_eq!(call_service(&app, refresh).await.status(), 200);
    /// # Ok(()) });
    /// ```
    require_refresh, Guard::Refresh
}

/// The middleware of [`require_role`] and [`require_fresh_within`].
type Middleware<B> = Pin<Box<dyn Future<Output = Result<ServiceResponse<EitherBody<B>>, Error>>>>;

/// Returns middleware that admits requests with an access token of a user with this role, for a
/// scope whose handlers do not handle tokens. In a handler's signature, use
/// [`WithRole`](super::WithRole).
///
/// `source` says where the roles are looked up. Everybody else gets 403 `role_required`, or
/// `admin_required` if the role is `admin`. A [`RequestContext`](crate::session::RequestContext) in a
/// handler of the scope needs the role too.
///
/// OPTIONS never needs a token. A rejection becomes a response, so that middleware outside (CORS)
/// can add its headers.
///
/// ```
/// use actix_web::middleware::from_fn;
/// use actix_web::test::{TestRequest, call_service, init_service};
/// use actix_web::{App, web};
/// use tokenpair::web::{RoleSource, require_role};
///
/// # tokenpair::sample::run(async {
/// # let auth = tokenpair::sample::auth()?;
/// let scope = web::scope("/admin")
///     .wrap(from_fn(require_role("admin", RoleSource::Token)))
///     .route("/report", web::get().to(async || "3 users"));
/// let app = init_service(App::new().app_data(auth.clone()).service(scope)).await;
/// let status = async |roles: &[&str]| {
///     let issued = auth.access_token("ada").claim("roles", roles).sign().ok()?;
///     let bearer = ("Authorization", format!("Bearer {}", issued.token.as_str()));
///     let request = TestRequest::get().uri("/admin/report").insert_header(bearer).to_request();
///     Some(call_service(&app, request).await.status().as_u16())
/// };
/// assert_eq!(status(&["admin"]).await, Some(200));
/// assert_eq!(status(&["author"]).await, Some(403));
/// # Ok(()) });
/// ```
pub fn require_role<B: MessageBody + 'static>(
    role: &'static str,
    source: RoleSource,
) -> impl Fn(ServiceRequest, Next<B>) -> Middleware<B> + Clone + 'static {
    move |request, next| Box::pin(require(Demand::Role { role, source }, request, next))
}

/// Returns middleware that admits requests with an access token from a password login of at most
/// `max_age` ago, in whole seconds (RFC 9470). In a handler's signature, use
/// [`FreshWithin`](super::FreshWithin).
///
/// OPTIONS never needs a token. A rejection becomes a response, so that middleware outside (CORS)
/// can add its headers.
///
/// ```
/// use std::time::Duration;
/// use actix_web::middleware::from_fn;
/// use actix_web::web;
/// use tokenpair::web::require_fresh_within;
///
/// let five_minutes = Duration::from_secs(5 * 60);
/// let scope = web::scope("/payments").wrap(from_fn(require_fresh_within(five_minutes)));
/// # let _ = actix_web::App::new().service(scope);
/// ```
pub fn require_fresh_within<B: MessageBody + 'static>(
    max_age: Duration,
) -> impl Fn(ServiceRequest, Next<B>) -> Middleware<B> + Clone + 'static {
    move |request, next| Box::pin(require(Demand::FreshWithin(max_age), request, next))
}

/// What a scope asks of its requests.
enum Demand {
    Guard(Guard),
    Role {
        role: &'static str,
        source: RoleSource,
    },
    FreshWithin(Duration),
}

impl Demand {
    const fn guard(&self) -> Guard {
        match self {
            Self::Guard(guard) => *guard,
            Self::Role { .. } => Guard::Access,
            Self::FreshWithin(_) => Guard::Fresh,
        }
    }
}

async fn require<B: MessageBody + 'static>(
    demand: Demand,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let exempt = request.method() == Method::OPTIONS;
    let verified = if exempt {
        Ok(())
    } else {
        verify(&demand, &mut request).await
    };
    if let Err(rejection) = verified {
        let refusal = HttpResponse::from_error(rejection);
        return Ok(request.into_response(refusal).map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}

async fn verify(demand: &Demand, request: &mut ServiceRequest) -> Result<(), Rejection> {
    let (http, payload) = request.parts_mut();
    let auth = Auth::of(http)?.clone();
    if let Demand::Role { role, .. } = demand {
        http.extensions_mut().insert(RequiredRole(role));
    }
    let verified = auth.verify_with_body(http, payload, demand.guard()).await?;
    match demand {
        Demand::Guard(_) => Ok(()),
        Demand::Role { role, source } => role::check(http, &verified, role, *source).await,
        Demand::FreshWithin(max_age) => check_age(http, &verified, *max_age),
    }
}
