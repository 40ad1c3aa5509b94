//! Actix: where tokens are found in a request, what guards a route, and how cookies leave with a response.
//!
//! [`Auth`] goes into `app_data`; the extractors [`Access`], [`Fresh`], [`Refresh`], [`MaybeAccess`] and [`AnyToken`]
//! guard handlers; [`reissue`] renews cookies after the response.

mod auth;
mod cookies;
mod csrf;
mod device;
mod extract;
#[cfg(feature = "identity")]
mod identity;
mod location;
mod reissue;
mod rejection;

pub use self::auth::{Auth, Guard, Verified, WebPolicy};
pub use self::cookies::{CookiePolicy, SameSite};
pub use self::csrf::CsrfPolicy;
pub use self::device::device;
pub use self::extract::{Access, AnyToken, Fresh, MaybeAccess, Refresh};
#[cfg(feature = "identity")]
pub use self::identity::identity_bridge;
pub use self::location::{HeaderPolicy, Location};
pub use self::reissue::reissue;
pub use self::rejection::Rejection;
