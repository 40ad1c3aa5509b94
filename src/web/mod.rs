//! Actix: where tokens are found in a request, what guards a route, and how cookies leave with a response.
//!
//! [`Auth`] goes into `app_data`; the extractors [`Access`], [`Fresh`], [`Refresh`], [`MaybeAccess`] and [`AnyToken`]
//! guard handlers; [`reissue`] renews cookies after the response.

mod auth;
pub(crate) mod body;
mod cookies;
mod csrf;
mod device;
mod extract;
mod flow;
#[cfg(feature = "identity")]
mod identity;
mod issue;
mod loaders;
mod location;
mod reasons;
mod reissue;
mod rejection;
mod require;
mod respond;
mod verify;

pub use self::auth::{Auth, AuthBuilder, WebPolicy};
pub use self::cookies::{CookiePolicy, SameSite};
pub use self::csrf::CsrfPolicy;
pub use self::device::device;
pub use self::extract::{Access, AnyToken, CurrentUser, Extracting, Fresh, MaybeAccess, Refresh};
#[cfg(feature = "identity")]
pub use self::identity::identity_bridge;
pub use self::issue::{Decoding, TokenBuilder};
pub use self::loaders::Failure;
pub use self::location::{HeaderPolicy, JsonPolicy, Location, QueryPolicy};
pub use self::reissue::reissue;
pub use self::rejection::{Rejection, RejectionKind};
pub use self::require::{require_access, require_fresh, require_refresh};
pub use self::respond::TokenCookies;
pub use self::verify::{Guard, Verified, Verifying};
