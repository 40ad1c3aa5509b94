//! Implements guards as middleware, for a scope whose handlers do not handle tokens.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};

use super::auth::Auth;
use super::rejection::Rejection;
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
            require($guard, request, next).await
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
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let auth = tokenpair::sample::auth()?;
    /// # let bearer = |token: &str| ("Authorization", format!("Bearer {token}"));
    /// let scope = web::scope("/api").wrap(from_fn(require_access)).route("/rate", web::get().to(async || "3 %"));
    /// let app = init_service(App::new().app_data(auth.clone()).service(scope)).await;
    /// let request = || TestRequest::get().uri("/api/rate");
    /// assert_eq!(call_service(&app, request().to_request()).await.status(), 401);
    /// let issued = auth.access_token("ada").sign()?;
    /// let request = request().insert_header(bearer(issued.token.as_str())).to_request();
    /// assert_eq!(call_service(&app, request).await.status(), 200);
    /// # Ok(())
    /// # }
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
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let auth = tokenpair::sample::auth()?;
    /// # let bearer = |token: &str| ("Authorization", format!("Bearer {token}"));
    /// let scope = web::scope("/api").wrap(from_fn(require_fresh)).route("/rate", web::get().to(async || "3 %"));
    /// let app = init_service(App::new().app_data(auth.clone()).service(scope)).await;
    /// let request = || TestRequest::get().uri("/api/rate");
    /// assert_eq!(call_service(&app, request().to_request()).await.status(), 401);
    /// let issued = auth.access_token("ada").fresh(Freshness::Fresh).sign()?;
    /// let request = request().insert_header(bearer(issued.token.as_str())).to_request();
    /// assert_eq!(call_service(&app, request).await.status(), 200);
    /// # Ok(())
    /// # }
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
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
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
    /// # Ok(())
    /// # }
    /// ```
    require_refresh, Guard::Refresh
}

async fn require<B: MessageBody + 'static>(
    guard: Guard,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let exempt = request.method() == Method::OPTIONS;
    let verified = if exempt {
        Ok(())
    } else {
        verify(guard, &mut request).await
    };
    if let Err(rejection) = verified {
        let refusal = HttpResponse::from_error(rejection);
        return Ok(request.into_response(refusal).map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}

async fn verify(guard: Guard, request: &mut ServiceRequest) -> Result<(), Rejection> {
    let (http, payload) = request.parts_mut();
    let auth = Auth::of(http)?.clone();
    auth.verify_with_body(http, payload, guard)
        .await
        .map(|_| ())
}
