//! tokenpair logs people in with a pair of JSON Web Tokens, in the flow of Flask-JWT-Extended. This is a whole app:
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
//! [`web::Auth`] is the handle that verifies requests and makes tokens. It goes into `app_data`; a scope may have another
//! one. What a route asks for stands in its handler's signature.
//!
//! # Words
//!
//! - **Access token.** Lives for minutes and opens routes: [`web::Access`]. Verified without a database.
//! - **Refresh token.** Lives for weeks and buys the next access token, nothing else: [`web::Refresh`].
//! - **Fresh.** An access token from a login with a password, not from a refresh: [`web::Fresh`], for what is dangerous.
//! - **Reissue.** After a response, an access cookie near its end gets a successor, so that nobody is logged out at work:
//!   [`web::reissue`].
//! - **CSRF value.** What a script repeats in a header when the token came by cookie, since another site's page cannot.
//! - **Session.** One login on one device, in a record. Its tokens carry its id, `sid`.
//! - **Revocation.** The end of a token before its time. Without a record a logout only removes cookies, and a copy of
//!   the token works until it expires; only a blocklist ([`web::AuthBuilder::token_in_blocklist`]) stops it.
//!
//! # With a record of sessions
//!
//! [`session::Sessions`] records each login. A logout then ends access tokens too, and a refresh replaces the refresh
//! token. [`session::MemoryStore`] forgets at a restart; for a database of your own, implement
//! [`session::SessionStore`] (eight methods; `examples/own_session_store` shows all of them).
//!
//! ```
//! use actix_web::{HttpRequest, HttpResponse};
//! use tokenpair::clock::Clock;
//! use tokenpair::keys::{Algorithm, KeyRing};
//! use tokenpair::session::{Act, Login, MemoryStore, SessionPolicy, Sessions, Subject};
//! use tokenpair::token::{TokenPolicy, Tokens};
//! use tokenpair::web::{Auth, Refresh, Rejection, TokenCookies, WebPolicy, device};
//!
//! # async fn who_logs_in() -> Subject { unimplemented!() }
//! async fn login(auth: Auth, request: HttpRequest) -> Result<HttpResponse, Rejection> {
//!     let user = who_logs_in().await; // your app's, which asks for a password
//!     let login = Login { device: device(&request), ..Login::default() };
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
//! let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
//! let tokens = Tokens::new(keys, TokenPolicy::default());
//! let sessions = Sessions::new(MemoryStore::default(), tokens, SessionPolicy::default());
//! let auth = Auth::new(sessions, WebPolicy::default(), Clock::system());
//! # use actix_web::{App, web::post};
//! # let _ = App::new().app_data(auth)
//! #     .route("/login", post().to(login)).route("/refresh", post().to(refresh)).route("/logout", post().to(logout));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Tests of an app
//!
//! A test makes its own tokens, and moves its own clock:
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
//! let secret = |name: &str| (name == "JWT_SECRET_KEY").then(|| "32 bytes that nobody else can know".to_owned());
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
//! # Where to go next
//!
//! - `examples/`: one idea a file, each with the curl lines to try it.
//! - [`config::JwtSettings`]: all settings of Flask-JWT-Extended, by their names, with its defaults. Or without texts:
//!   [`web::WebPolicy`], [`token::TokenPolicy`] and [`keys::KeyRing`] for [`web::Auth::builder`].
//! - [`web::AuthBuilder`]: loaders for users, claims, blocklists and error answers.
//! - [`web::require_access`]: the same guards as middleware, for scopes; [`web::Auth::verify_request`] for all else.
//! - `docs/coming-from-flask.md`: each function, loader and setting of Flask-JWT-Extended, and what stands for it here.
//! - The crate `tokenpair-store`: users, sessions and rate-limit counters in SQLite or PostgreSQL, and password hashing.
//! - The crate `tokenpair-server`: the program, with users, passwords and a database. Its README says how to run it.
//!
//! # Architecture
//!
//! A module imports only from modules before it in this list: [`clock`], [`json`] and [`random`]; [`keys`]; [`token`];
//! [`session`]; [`web`]; [`config`] and `testing`.

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
