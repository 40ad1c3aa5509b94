//! tokenpair logs people in with a pair of JSON Web Tokens, in the flow of Flask-JWT-Extended.
//!
//! A short-lived **access token** travels in a cookie or a header and is verified without the database; a **refresh
//! token** buys the next one and is recorded, so that a logout is a logout.
//!
//! The crate is a house of floors, and a module imports only from floors below it: [`clock`]; [`keys`]; [`token`] and
//! `password`; [`session`]; [`web`] and `store`, neighbours that never meet; [`config`] and `testing`;
//! `settings`; `server`; `cli`. Without default features it ends at [`config`], and you bring a [`session::SessionStore`] of your
//! own. With the feature `testing` there is help for your app's tests.
//!
//! ```
//! use actix_web::{App, middleware::from_fn, web};
//! use tokenpair::clock::Clock;
//! use tokenpair::keys::{Algorithm, KeyRing};
//! use tokenpair::session::{MemoryStore, SessionPolicy, Sessions};
//! use tokenpair::token::{TokenPolicy, Tokens};
//! use tokenpair::web::{Access, Auth, WebPolicy, reissue};
//!
//! async fn protected(user: Access) -> String {
//!     format!("logged in as {}", user.identity())
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
//! let tokens = Tokens::new(keys, TokenPolicy::default());
//! let sessions = Sessions::new(MemoryStore::default(), tokens, SessionPolicy::default());
//! let auth = Auth::new(sessions, WebPolicy::default(), Clock::system());
//!
//! let app = App::new()
//!     .app_data(auth.clone())
//!     .wrap(from_fn(reissue))
//!     .route("/protected", web::get().to(protected));
//! # let _ = app;
//! # Ok(())
//! # }
//! ```

pub mod clock;
pub mod config;
mod json;
pub mod keys;
#[cfg(feature = "password")]
pub mod password;
mod random;
pub mod session;
#[cfg(feature = "store")]
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod token;
pub mod web;

#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
pub mod settings;
