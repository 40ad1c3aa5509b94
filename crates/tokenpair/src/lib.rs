//! Authentication for Actix Web with a pair of JSON Web Tokens: a short-lived access token and a
//! refresh token.
//!
//! The names, settings and responses are those of
//! [Flask-JWT-Extended](https://flask-jwt-extended.readthedocs.io). Sessions can also be recorded,
//! which makes a logout final and rotates refresh tokens. This is a complete app:
//!
//! ```toml
//! [dependencies]
//! actix-web = { version = "4", default-features = false, features = ["macros"] }
//! env_logger = "0.11"
//! serde = { version = "1", features = ["derive"] }
//! tokenpair = { path = "../tokenpair/crates/tokenpair" }
//! ```
//!
//! ```no_run
//! use actix_web::web::{Json, get, post};
//! use actix_web::{App, HttpRequest, HttpResponse, HttpServer, middleware::from_fn};
//! use tokenpair::config::JwtSettings;
//! use tokenpair::session::{Login, MemoryStore, RequestContext, Subject};
//! use tokenpair::web::{Access, Auth, Refresh, Rejection, TokenCookies, device, reissue};
//!
//! #[derive(serde::Deserialize)]
//! struct Credentials { username: String, password: String }
//!
//! // Your app finds the user in its database and verifies a hash of the password.
//! fn find_user(given: &Credentials) -> Option<Subject> {
//!     (given.username == "ada" && given.password == "correct horse").then(ada)
//! }
//!
//! fn ada() -> Subject {
//!     Subject::new("1", "ada")
//! }
//!
//! async fn login(auth: Auth, request: HttpRequest, given: Json<Credentials>) -> Result<HttpResponse, Rejection> {
//!     let user = find_user(&given).ok_or_else(Rejection::bad_credentials)?;
//!     let login = Login { device: device(&request), ..Login::default() };
//!     let pair = auth.log_in(&user, login).await?;
//!     Ok(HttpResponse::Ok().set_pair(&auth, &pair).json("welcome"))
//! }
//!
//! async fn protected(user: Access) -> String {
//!     format!("logged in as user {}", user.identity())
//! }
//!
//! async fn refresh(auth: Auth, token: Refresh, context: RequestContext) -> Result<HttpResponse, Rejection> {
//!     let pair = auth.refresh(&token, &context).await?;
//!     Ok(HttpResponse::Ok().set_pair(&auth, &pair).json("refreshed"))
//! }
//!
//! async fn logout(auth: Auth, request: HttpRequest, context: RequestContext) -> Result<HttpResponse, Rejection> {
//!     auth.log_out(&request, &context).await?;
//!     Ok(HttpResponse::Ok().unset_jwt_cookies(&auth).json("bye"))
//! }
//!
//! #[actix_web::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     env_logger::init(); // shows the cause of each 5xx
//!     let address = std::env::var("ADDRESS").unwrap_or("127.0.0.1:8080".into());
//!     let store = MemoryStore::default();
//!     store.put_subject(ada());
//!     // In production the https:// address that browsers show; it decides whether cookies are `Secure`.
//!     let settings = JwtSettings::for_origin(&format!("http://{address}"))?; // reads JWT_SECRET_KEY
//!     let auth = settings.recorded_in(store).build();
//!     let app = move || {
//!         App::new().app_data(auth.clone()).wrap(from_fn(reissue))
//!             .route("/login", post().to(login))
//!             .route("/protected", get().to(protected))
//!             .route("/refresh", post().to(refresh))
//!             .route("/logout", post().to(logout))
//!     };
//!     Ok(HttpServer::new(app).bind(address)?.run().await?)
//! }
//! ```
//!
//! The crate is not on crates.io yet: clone its repository into a folder `tokenpair` beside your app.
//! Start the app with a secret:
//!
//! ```sh
//! JWT_SECRET_KEY=$(openssl rand -hex 32) cargo run
//! ```
//!
//! In another terminal, log in and keep the cookies; a `POST` also needs the CSRF value of its
//! cookie:
//!
//! ```sh
//! server=http://127.0.0.1:8080
//! curl -w '\n' -c jar --json '{"username": "ada", "password": "correct horse"}' $server/login
//! curl -w '\n' -b jar $server/protected
//! csrf=$(awk '$6 == "csrf_refresh_token" {print $7}' jar)
//! curl -w '\n' -b jar -c jar -X POST -H "X-CSRF-TOKEN: $csrf" $server/refresh
//! csrf=$(awk '$6 == "csrf_access_token" {print $7}' jar)
//! curl -w '\n' -b jar -c jar -X POST -H "X-CSRF-TOKEN: $csrf" $server/logout
//! ```
//!
//! The sessions of this app are in memory. A restart forgets them, so no refresh token from before
//! works afterwards and users log in again. It forgets logouts too: an access token that was
//! revoked before the restart is valid again until it expires (default: 1 hour), if the secret
//! stays the same. A [store in a database](#recorded-sessions) loses neither.
//!
//! [`web::Auth`] verifies requests and issues tokens. Register it in `app_data`; a scope may
//! register its own `Auth`. A handler states its requirements in its signature: a request without a
//! valid access token never reaches `protected`.
//!
//! # Which crate
//!
//! | to | use |
//! |---|---|
//! | issue and verify tokens in an Actix app, with users and sessions of your own | `tokenpair` |
//! | keep users, passwords and sessions in SQLite or PostgreSQL too | `tokenpair` and `tokenpair-store` |
//! | run a login server for apps in any language | the program `tokenpair`, of the package `tokenpair-server` |
//!
//! # Glossary
//!
//! - **Access token.** A JWT that lives for minutes and authorizes requests. It is verified without
//!   a database. See [`web::Access`].
//! - **Refresh token.** A JWT that lives for weeks and is accepted only to issue the next access
//!   token. See [`web::Refresh`].
//! - **Fresh.** Describes an access token from a login with a password, not from a refresh. Require
//!   it for sensitive operations. See [`web::Fresh`].
//!   With a maximum age of the login: [`web::FreshWithin`].
//! - **Role.** Named in the claim `roles`, or in the record of sessions. Require it with
//!   [`web::WithRole`] in a signature, and with [`web::require_role`] for a scope.
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
//! A store that outlives the program, such as a database, needs one call at start. Then a logout
//! also holds after a restart and on other replicas:
//!
//! ```
//! # use std::time::Duration;
//! # use tokenpair::clock::Clock;
//! # use tokenpair::session::{MemoryStore, SessionPolicy, Sessions};
//! # tokenpair::sample::run(async {
//! # let tokens = tokenpair::sample::tokens()?;
//! # let sessions = Sessions::new(MemoryStore::default(), tokens, SessionPolicy::default());
//! sessions.keep_in_sync(Duration::from_millis(500), Clock::system()).await?;
//! # Ok(()) });
//! ```
//!
//! An app may also do without a record, as in Flask-JWT-Extended: [`config::JwtSettings::builder`]
//! alone, [`web::Auth::access_token`] and [`web::Auth::refresh_token`]. A logout then only removes
//! cookies.
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
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `aws-lc-rs` | yes | cryptography by AWS-LC, which a C compiler builds |
//! | `rust-crypto` | no | cryptography by the crates of RustCrypto, in Rust alone |
//! | `identity` | no | `actix_identity::Identity` on the cookies of this crate |
//! | `testing` | no | helpers for the tests of your app: enable it in `[dev-dependencies]` |
//!
//! Either `aws-lc-rs` or `rust-crypto` is needed. Without a C compiler:
//!
//! ```toml
//! tokenpair = { path = "../tokenpair/crates/tokenpair", default-features = false, features = ["rust-crypto"] }
//! ```
//!
//! A token signed with one verifies with the other. The two differ:
//!
//! | | `aws-lc-rs` | `rust-crypto` |
//! |---|---|---|
//! | HS256 to HS512, ES256, ES384, EdDSA | sign and verify | sign and verify |
//! | RS256 to RS512, PS256 to PS512 | sign and verify, with keys of 2048 to 8192 bits | only verify, with keys of 2048 to 4096 bits |
//! | needed to build | Rust and a C compiler | Rust, and the linker that it uses |
//! | packages to compile, with this one | 141 | 175 |
//! | processor time of a development build | 115 s | 104 s |
//! | processor time of a release build | 202 s | 182 s |
//!
//! The times are those of an app with no other dependency, built from nothing on two cores
//! (`scripts/features cost`).
//!
//! RustCrypto's RSA takes a time that depends on the private key, and signatures over the network
//! can reveal it (RUSTSEC-2023-0071, the Marvin attack). So [`keys::KeyRing::from_pem`] refuses an
//! RSA key with [`keys::KeyError::RsaSigning`]: sign with ES256 or EdDSA. Verifying needs no
//! private key, and is safe.
//!
//! If another crate of the program enables the other feature too, `aws-lc-rs` is used. This crate
//! also chooses its provider for `jsonwebtoken` in the whole program, unless the program has chosen
//! before: `jsonwebtoken` panics if both of its backends are compiled and none is chosen. A program
//! that chooses with `CryptoProvider::install_default` does so before it builds its first
//! [`keys::KeyRing`].
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
//! - [`web::Access::ended`] tells a WebSocket or another open connection when its access ends: see
//!   the example `websocket`.
//! - The guide *Coming from Flask-JWT-Extended* in the repository lists the counterpart of each
//!   function, callback and setting.
//!
//! # Architecture
//!
//! Modules import only from modules before them in this list: [`clock`], [`json`] and [`random`];
//! `crypto`, which alone names a cryptographic library; [`keys`]; [`token`]; [`session`]; [`web`]; [`config`] and `testing`.

#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
compile_error!(
    "tokenpair needs a cryptographic library: enable the feature `aws-lc-rs` (the default; needs a C compiler) \
     or `rust-crypto` (Rust alone)"
);

pub mod clock;
pub mod config;
mod crypto;
pub mod json;
pub mod keys;
pub mod random;
#[doc(hidden)]
pub mod sample;
pub mod session;
#[cfg(feature = "testing")]
pub mod testing;
pub mod token;
pub mod web;
