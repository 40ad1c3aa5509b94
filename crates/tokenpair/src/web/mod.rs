//! Implements the Actix integration: finding tokens in a request, guarding routes, and setting
//! cookies.
//!
//! Register [`Auth`] in `app_data`. The extractors [`Access`], [`Fresh`], [`Refresh`],
//! [`MaybeAccess`], [`AnyToken`] and [`WithRole`] guard handlers; [`reissue`] renews cookies after the response.
//! [`Auth`] is an extractor too, and so is [`RequestContext`](crate::session::RequestContext), so
//! the routes of an app with sessions are short:
//!
//! ```
//! use actix_web::{HttpRequest, HttpResponse, web};
//! use tokenpair::session::{Login, RequestContext, Subject};
//! use tokenpair::web::{Auth, Refresh, Rejection, Role, TokenCookies, WithRole, device};
//!
//! # async fn whose_password_this_is(_: &str) -> Option<Subject> { None }
//! async fn login(auth: Auth, request: HttpRequest, body: String) -> Result<HttpResponse, Rejection> {
//!     let user = whose_password_this_is(&body).await.ok_or_else(Rejection::bad_credentials)?;
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
//! struct Admin;
//!
//! impl Role for Admin {
//!     const NAME: &'static str = "admin";
//! }
//!
//! async fn admins_only(admin: WithRole<Admin>) -> String {
//!     format!("hello {}", admin.identity())
//! }
//! # let _ = actix_web::App::new()
//! #     .route("/login", web::post().to(login))
//! #     .route("/refresh", web::post().to(refresh))
//! #     .route("/logout", web::post().to(logout))
//! #     .route("/admin", web::get().to(admins_only));
//! ```
//!
//! # Errors
//!
//! | error | of what | in an answer |
//! |---|---|---|
//! | [`Rejection`] | all extractors, guards and methods of [`Auth`] | is the answer: JSON with `msg`, `code` and mostly `hint` |
//! | [`ErrorCode`] | the `code` of a [`Rejection`] of this library; decide by it, never by a text | owns status, text and documentation |
//! | [`TokenError`](crate::token::TokenError) | a token that is not accepted | 401 or 422 |
//! | [`IssueError`](crate::token::IssueError) | a token that cannot be made | 500 `internal_error` |
//! | [`SessionError`](crate::session::SessionError) | a call of [`Sessions`](crate::session::Sessions) | as its cause |
//! | [`End`](crate::session::End), [`Denied`](crate::session::Denied) | a session that is over, a write that is not authorized | 401; 403 for a missing role |
//! | [`StoreError`](crate::session::StoreError) | the database behind a [`SessionStore`](crate::session::SessionStore) | 503 `unavailable` |
//! | [`KeyError`](crate::keys::KeyError), [`Problems`](crate::config::Problems) | keys and settings, usually at the start | 500 `internal_error` |
//!
//! Each of them converts into a [`Rejection`] by `?`, and the cause of a 5xx is logged once with its sources. For any other
//! error, write `.map_err(Rejection::unavailable)?` (503, the client tries again) or `.map_err(Rejection::internal)?` (500).
//! An application's own error that implements the conversion needs neither; its codes are texts of its own:
//!
//! ```
//! use actix_web::http::StatusCode;
//! use tokenpair::web::Rejection;
//!
//! enum ShopError {
//!     SoldOut,
//! }
//!
//! impl From<ShopError> for Rejection {
//!     fn from(error: ShopError) -> Self {
//!         match error {
//!             ShopError::SoldOut => Self::new(StatusCode::CONFLICT, "sold_out", "Sold out"),
//!         }
//!     }
//! }
//! # assert_eq!(Rejection::from(ShopError::SoldOut).error_code(), None);
//! ```

mod access_end;
mod additional_claims;
mod auth;
mod authorization;
pub mod body;
mod builder;
mod cause;
mod client;
mod cookie_header;
mod cookies;
mod csrf;
mod device;
mod error_code;
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
mod role;
mod search;
mod server_cookies;
mod swallowed;
mod token_builder;
mod token_loaders;
mod typed;
mod under_way;
mod verified;
mod verified_tokens;
mod verify;

pub use self::access_end::AccessEnd;
pub use self::auth::Auth;
pub use self::builder::AuthBuilder;
pub use self::client::{KnownClient, client_ip};
pub use self::cookies::{CookiePolicy, NewCookie, SameSite};
pub use self::device::{ContextFuture, device};
pub use self::error_code::{ErrorCode, RejectionKind};
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
pub use self::rejection::Rejection;
pub use self::require::{
    require_access, require_fresh, require_fresh_within, require_refresh, require_role,
};
pub use self::response_ext::TokenCookies;
pub use self::role::{AccessGuard, Role, RoleSource, WithRole};
pub use self::server_cookies::Leftovers;
pub use self::token_builder::{Decoding, TokenBuilder};
pub use self::typed::{AccessWith, FreshWithin};
pub use self::under_way::guards_done;
pub use self::verified::{Guard, Verified};
