//! Actix: where tokens are found in a request, what guards a route, and how cookies leave with a response.
//!
//! [`Auth`] goes into `app_data`; the extractors [`Access`], [`Fresh`], [`Refresh`], [`MaybeAccess`] and [`AnyToken`]
//! guard handlers; [`reissue`] renews cookies after the response. [`Auth`] is an extractor too, and so is
//! [`Act`](crate::session::Act), so the routes of an app with sessions are short:
//!
//! ```
//! use actix_web::{HttpRequest, HttpResponse, web};
//! use tokenpair::session::{Act, Login, Subject};
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
//! async fn refresh(auth: Auth, token: Refresh, act: Act) -> Result<HttpResponse, Rejection> {
//!     let pair = auth.refresh(&token, &act).await?;
//!     Ok(HttpResponse::Ok().set_pair(&auth, &pair).finish())
//! }
//!
//! async fn logout(auth: Auth, request: HttpRequest, act: Act) -> Result<HttpResponse, Rejection> {
//!     auth.log_out(&request, &act).await?;
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

mod again;
mod auth;
mod believed;
pub mod body;
mod builder;
mod client;
mod cookie_header;
mod cookies;
mod csrf;
mod device;
mod extract;
mod flow;
#[cfg(feature = "identity")]
mod identity;
mod inquiry;
mod issue;
mod loaders;
mod location;
mod logout;
mod policy;
mod proxies;
mod reasons;
mod reissue;
mod rejection;
mod request_loaders;
mod require;
mod respond;
mod search;
mod server_cookies;
mod token_loaders;
mod under_way;
mod verified;
mod verify;
mod verifying;

pub use self::auth::Auth;
pub use self::builder::AuthBuilder;
pub use self::client::{KnownClient, client_ip};
pub use self::cookies::{CookiePolicy, SameSite};
pub use self::device::{Acting, device};
pub use self::extract::{Access, AnyToken, CurrentUser, Extracting, Fresh, MaybeAccess, Refresh};
#[cfg(feature = "identity")]
pub use self::identity::identity_bridge;
pub use self::issue::{Decoding, TokenBuilder};
pub use self::loaders::Failure;
pub use self::location::{HeaderPolicy, JsonPolicy, Location, QueryPolicy};
pub use self::policy::{CsrfPolicy, WebPolicy};
pub use self::proxies::{ForwardedHeader, TrustedProxies};
pub use self::reissue::{reissue, reissue_for};
pub use self::rejection::{Rejection, RejectionKind};
pub use self::require::{require_access, require_fresh, require_refresh};
pub use self::respond::TokenCookies;
pub use self::server_cookies::Leftovers;
pub use self::verified::{Guard, Verified};
