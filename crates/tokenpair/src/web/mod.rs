//! Actix: where tokens are found in a request, what guards a route, and how cookies leave with a response.
//!
//! [`Auth`] goes into `app_data`; the extractors [`Access`], [`Fresh`], [`Refresh`], [`MaybeAccess`] and [`AnyToken`]
//! guard handlers; [`reissue`] renews cookies after the response. [`Auth`] is an extractor too, and so is
//! [`RequestContext`](crate::session::Act), so the routes of an app with sessions are short:
//!
//! ```
//! use actix_web::{HttpRequest, HttpResponse, web};
//! use tokenpair::session::{RequestContext, Login, Subject};
//! use tokenpair::web::{Access, Auth, Refresh, Rejection, TokenCookies, device};
//!
//! # async fn whose_password_this_is(_: &str) -> Option<Subject> { None }
//! # fn wrong_password() -> Rejection {
//! #     Rejection::new(actix_web::http::StatusCode::UNAUTHORIZED, "bad_credentials", "Bad username or password")
//! # }
//! async fn login(auth: Auth, request: HttpRequest, body: String) -> Result<HttpResponse, Rejection> {
//!     let user = whose_password_this_is(&body).await.ok_or_else(wrong_password)?;
//!     let login = Login { device: device(&request), remember: true, ..Login::default() };
//!     let pair = auth.log_in(&user, login).await?;
//!     Ok(HttpResponse::Ok().set_pair(&auth, &pair).finish())
//! }
//!
//! async fn refresh(auth: Auth, token: Refresh, context: RequestContext) -> Result<HttpResponse, Rejection> {
//!     let pair = auth.refresh(&token, &context).await?;
//!     Ok(HttpResponse::Ok().set_pair(&auth, &pair).finish())
//! }
//!
//! async fn logout(auth: Auth, request: HttpRequest, context: RequestContext) -> Result<HttpResponse, Rejection> {
//!     auth.log_out(&request, &context).await?;
//!     Ok(HttpResponse::Ok().unset_jwt_cookies(&auth).finish())
//! }
//!
//! async fn admins_only(user: Access) -> HttpResponse {
//!     if user.claims().roles.iter().any(|role| role == "admin") {
//!         HttpResponse::Ok().finish()
//!     } else {
//!         HttpResponse::Forbidden().finish()
//!     }
//! }
//! # let _ = actix_web::App::new()
//! #     .route("/login", web::post().to(login))
//! #     .route("/refresh", web::post().to(refresh))
//! #     .route("/logout", web::post().to(logout))
//! #     .route("/admin", web::get().to(admins_only));
//! ```

mod auth;
pub mod body;
mod builder;
mod client;
mod cookie_header;
mod cookies;
mod csrf;
mod device;
mod error_mapping;
mod extractors;
mod future;
#[cfg(feature = "identity")]
mod identity;
mod inquiry;
mod loaders;
mod location;
mod login_flow;
mod logout;
mod policy;
mod proxies;
mod recheck;
mod reissue;
mod rejection;
mod request_loaders;
mod require;
mod response_ext;
mod search;
mod server_cookies;
mod token_builder;
mod token_loaders;
mod under_way;
mod verified;
mod verified_tokens;
mod verify;

pub use self::auth::Auth;
pub use self::builder::AuthBuilder;
pub use self::client::{KnownClient, client_ip};
pub use self::cookies::{CookiePolicy, SameSite};
pub use self::device::{ContextFuture, device};
pub use self::extractors::{
    Access, AnyToken, CurrentUser, Extracting, Fresh, MaybeAccess, Refresh,
};
#[cfg(feature = "identity")]
pub use self::identity::identity_bridge;
pub use self::loaders::LoaderError;
pub use self::location::{HeaderPolicy, JsonPolicy, Location, QueryPolicy};
pub use self::policy::{CsrfPolicy, WebPolicy};
pub use self::proxies::{ForwardedHeader, TrustedProxies};
pub use self::reissue::{reissue, reissue_for};
pub use self::rejection::{Rejection, RejectionKind};
pub use self::require::{require_access, require_fresh, require_refresh};
pub use self::response_ext::TokenCookies;
pub use self::server_cookies::Leftovers;
pub use self::token_builder::{Decoding, TokenBuilder};
pub use self::verified::{Guard, Verified};
