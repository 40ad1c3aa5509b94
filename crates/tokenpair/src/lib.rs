//! Authentication for Actix Web with a pair of JSON Web Tokens: a short-lived access token and a
//! refresh token.
//!
//! The names, settings and responses are those of
//! [Flask-JWT-Extended](https://flask-jwt-extended.readthedocs.io). Sessions can also be recorded,
//! which makes a logout final and rotates refresh tokens. This is a complete app:
//!
//! ```no_run
//! use actix_web::middleware::from_fn;
//! use actix_web::web::{Json, get, post};
//! use actix_web::{App, HttpResponse, HttpServer};
//! use tokenpair::config::JwtSettings;
//! use tokenpair::token::Freshness;
//! use tokenpair::web::{Access, Auth, Rejection, TokenCookies, reissue};
//!
//! #[derive(serde::Deserialize)]
//! struct Credentials { username: String, password: String }
//!
//! async fn login(auth: Auth, given: Json<Credentials>) -> Result<HttpResponse, Rejection> {
//!     if given.password != "correct horse" {
//!         return Ok(HttpResponse::Unauthorized().json("Bad username or password"));
//!     }
//!     let access = auth.access_token(given.username.as_str()).fresh(Freshness::Fresh).sign()?;
//!     let refresh = auth.refresh_token(given.username.as_str()).sign()?;
//!     let mut answer = HttpResponse::Ok();
//!     Ok(answer.set_access_cookies(&auth, &access).set_refresh_cookies(&auth, &refresh).json("welcome"))
//! }
//!
//! async fn protected(user: Access) -> String {
//!     format!("logged in as {}", user.identity())
//! }
//!
//! async fn logout(auth: Auth) -> HttpResponse {
//!     HttpResponse::Ok().unset_jwt_cookies(&auth).json("bye")
//! }
//!
//! #[actix_web::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let auth = JwtSettings::from_env()?.builder().build(); // JWT_SECRET_KEY, JWT_TOKEN_LOCATION=cookies
//!     let app = move || {
//!         App::new().app_data(auth.clone()).wrap(from_fn(reissue))
//!             .route("/login", post().to(login))
//!             .route("/protected", get().to(protected))
//!             .route("/logout", post().to(logout))
//!     };
//!     Ok(HttpServer::new(app).bind(("127.0.0.1", 8080))?.run().await?)
//! }
//! ```
//!
//! [`web::Auth`] verifies requests and issues tokens. Register it in `app_data`; a scope may
//! register its own `Auth`. A handler states its requirements in its signature: a request without a
//! valid access token never reaches `protected`.
//!
//! # Glossary
//!
//! - **Access token.** A JWT that lives for minutes and authorizes requests. It is verified without
//!   a database. See [`web::Access`].
//! - **Refresh token.** A JWT that lives for weeks and is accepted only to issue the next access
//!   token. See [`web::Refresh`].
//! - **Fresh.** Describes an access token from a login with a password, not from a refresh. Require
//!   it for sensitive operations. See [`web::Fresh`].
//! - **Reissue.** Middleware that replaces an access cookie shortly before it expires, so that
//!   active users stay logged in. See [`web::reissue`].
//! - **CSRF token.** A value that a script repeats in a header when the token came in a cookie.
//!   Pages of other sites cannot read it.
//! - **Session.** One login on one device. Its tokens carry its id in the claim `sid`.
//! - **Revocation.** The end of a session before its tokens expire. Without recorded sessions, a
//!   logout only removes cookies, and a copy of a token remains valid until it expires unless a
//!   blocklist denies it. See [`web::AuthBuilder::token_in_blocklist`].
//!
//! # Recorded sessions
//!
//! [`session::Sessions`] records each login in a store. A logout then revokes the access token too,
//! and each refresh rotates the refresh token. [`session::MemoryStore`] keeps sessions in memory
//! and loses them at a restart. The crate `tokenpair-store` keeps them in SQLite or PostgreSQL. For
//! another database, implement [`session::SessionStore`]; the example `own_session_store` shows a
//! complete implementation.
//!
//! ```
//! use std::time::Duration;
//! use actix_web::{HttpRequest, HttpResponse};
//! use tokenpair::clock::Clock;
//! use tokenpair::keys::{Algorithm, KeyRing};
//! use tokenpair::session::{RequestContext, Login, MemoryStore, SessionPolicy, Sessions, Subject};
//! use tokenpair::token::{TokenPolicy, Tokens};
//! use tokenpair::web::{Auth, Refresh, Rejection, TokenCookies, WebPolicy, device};
//!
//! # async fn verify_password() -> Subject { unimplemented!() }
//! async fn login(auth: Auth, request: HttpRequest) -> Result<HttpResponse, Rejection> {
//!     let user = verify_password().await; // implemented by your app
//!     let login = Login { device: device(&request), ..Login::default() };
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
//! # #[actix_web::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that only the server knows")?;
//! let tokens = Tokens::new(keys, TokenPolicy::default());
//! let sessions = Sessions::new(MemoryStore::default(), tokens, SessionPolicy::default());
//! // At start, so that logouts hold after a restart, and on other replicas.
//! sessions.keep_in_sync(Duration::from_millis(500), Clock::system()).await?;
//! let auth = Auth::new(sessions, WebPolicy::default(), Clock::system());
//! # use actix_web::{App, web::post};
//! # let _ = App::new().app_data(auth)
//! #     .route("/login", post().to(login)).route("/refresh", post().to(refresh)).route("/logout", post().to(logout));
//! # Ok(())
//! # }
//! ```
//!
//! # Testing
//!
//! A test issues its own tokens and sets the clock:
//!
//! ```
//! use std::time::Duration;
//! use actix_web::{App, test, web};
//! use tokenpair::clock::{Clock, Timestamp};
//! use tokenpair::config::JwtSettings;
//! use tokenpair::web::Access;
//!
//! async fn protected(user: Access) -> String {
//!     user.identity().to_owned()
//! }
//!
//! # actix_web::rt::System::new().block_on(async {
//! let clock = Clock::fixed(Timestamp::from_unix(1_800_000_000));
//! let secret = |name: &str| (name == "JWT_SECRET_KEY").then(|| "32 bytes that only the server knows".to_owned());
//! let auth = JwtSettings::read(secret)?.builder().clock(clock.clone()).build();
//! let app = App::new().app_data(auth.clone()).route("/", web::get().to(protected));
//! let app = test::init_service(app).await;
//!
//! let header = format!("Bearer {}", auth.access_token("ada").sign()?.token.as_str());
//! let request = || test::TestRequest::get().insert_header(("Authorization", header.as_str())).to_request();
//! assert_eq!(test::call_and_read_body(&app, request()).await, "ada");
//! clock.advance(Duration::from_secs(15 * 60));
//! assert_eq!(test::call_service(&app, request()).await.status(), 401);
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! The feature `testing` adds clients with cookie jars, and users whose tokens are fresh, stale or
//! expired.
//!
//! # Where to go next
//!
//! - The examples show one idea each, with the curl commands to try it.
//! - [`config::JwtSettings`] has every setting of Flask-JWT-Extended, by its name and with its
//!   default. To configure an app in code instead, pass [`web::WebPolicy`], [`token::TokenPolicy`]
//!   and [`keys::KeyRing`] to [`web::Auth::builder`].
//! - [`web::AuthBuilder`] sets callbacks that load users, add claims, deny tokens and format error
//!   responses.
//! - [`web::WithRole`] guards routes that require a role.
//! - [`web::require_access`] guards a whole scope as middleware. [`web::Auth::verify_request`]
//!   verifies a request anywhere else.
//! - The guide *Coming from Flask-JWT-Extended* in the repository lists the counterpart of each
//!   function, callback and setting.
//! - The crate `tokenpair-store` adds users and password hashing; the crate `tokenpair-server` is a
//!   complete server.
//!
//! # Architecture
//!
//! Modules import only from modules before them in this list: [`clock`], [`json`] and [`random`];
//! [`keys`]; [`token`]; [`session`]; [`web`]; [`config`] and `testing`.

pub mod clock;
pub mod config;
pub mod json;
pub mod keys;
pub mod random;
pub mod session;
#[cfg(feature = "testing")]
pub mod testing;
pub mod token;
pub mod web;
