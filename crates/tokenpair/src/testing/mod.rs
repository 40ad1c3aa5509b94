//! Implements helpers for the tests of an app (feature `testing`): an [`Auth`] whose clock a test
//! moves, logged-in users, and a cookie jar. They need no server, database or sleep.
//!
//! ```
//! use std::time::Duration;
//!
//! use actix_web::http::StatusCode;
//! use actix_web::middleware::from_fn;
//! use actix_web::test::{TestRequest, call_service, init_service};
//! use actix_web::{App, HttpResponse, web};
//! use tokenpair::testing::Testing;
//! use tokenpair::web::{Access, Fresh, reissue};
//!
//! // The app under test.
//! async fn greet(user: Access) -> String {
//!     format!("hello {}", user.identity())
//! }
//! async fn pay(_: Fresh) -> &'static str {
//!     "paid"
//! }
//! async fn admin(user: Access) -> HttpResponse {
//!     if user.claims().has_role("admin") {
//!         HttpResponse::Ok().finish()
//!     } else {
//!         HttpResponse::Forbidden().finish()
//!     }
//! }
//!
//! # tokenpair::sample::run(async {
//! let testing = Testing::with_sessions();
//! let app = App::new()
//!     .app_data(testing.auth())
//!     .wrap(from_fn(reissue))
//!     .route("/greet", web::get().to(greet))
//!     .route("/pay", web::post().to(pay))
//!     .route("/admin", web::get().to(admin));
//! let app = init_service(app).await;
//!
//! // Ada has just logged in, Bob's login was a while ago.
//! let ada = testing.user("ada").role("admin").log_in().await?;
//! let bob = testing.user("bob").stale().log_in().await?;
//!
//! // The CSRF value is sent beside the cookies.
//! let request = ada.as_cookies(TestRequest::post().uri("/pay"));
//! assert_eq!(call_service(&app, request.to_request()).await.status(), StatusCode::OK);
//! let request = bob.as_cookies(TestRequest::post().uri("/pay"));
//! assert_eq!(call_service(&app, request.to_request()).await.status(), StatusCode::UNAUTHORIZED);
//! let request = bob.as_bearer(TestRequest::get().uri("/admin"));
//! assert_eq!(call_service(&app, request.to_request()).await.status(), StatusCode::FORBIDDEN);
//!
//! // Half an hour later the response replaces the access token, and the jar keeps the new one.
//! let mut jar = ada.cookie_jar();
//! testing.advance_to_reissue();
//! let request = jar.fill(TestRequest::get().uri("/greet"));
//! jar.keep(&call_service(&app, request.to_request()).await);
//!
//! // So Ada is still logged in when the first token has expired, and Bob is not.
//! testing.advance(Duration::from_secs(45 * 60));
//! let request = jar.fill(TestRequest::get().uri("/greet"));
//! assert_eq!(call_service(&app, request.to_request()).await.status(), StatusCode::OK);
//! let request = bob.as_cookies(TestRequest::get().uri("/greet"));
//! assert_eq!(call_service(&app, request.to_request()).await.status(), StatusCode::UNAUTHORIZED);
//! # Ok(()) });
//! ```

mod jar;
mod user;

use std::time::Duration;

pub use self::jar::CookieJar;
pub use self::user::{LoggedIn, TestError, TestUser};
use crate::clock::{Clock, Timestamp};
use crate::keys::{Algorithm, KeyRing};
use crate::session::{MemoryStore, SessionPolicy, Sessions};
use crate::token::{TokenPolicy, Tokens};
use crate::web::{Auth, AuthBuilder};

/// The signing secret of [`Testing::new`]: 64 bytes, enough for HS512. It is public, so use it only
/// in tests.
///
/// ```
/// use tokenpair::keys::{Algorithm, KeyRing};
/// use tokenpair::testing::{BEGIN, SECRET, Testing};
/// use tokenpair::token::{Expiry, TokenPolicy, Tokens};
///
/// // Another service of yours, which verifies the same tokens.
/// let keys = KeyRing::from_secret(Algorithm::Hs256, SECRET.as_bytes())?;
/// let tokens = Tokens::new(keys, TokenPolicy::default());
/// let issued = Testing::new().auth().access_token("ada").sign()?;
/// assert_eq!(tokens.verify(issued.token.as_str(), BEGIN, Expiry::Enforced)?.sub(), "ada");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub const SECRET: &str = "tokenpair::testing::SECRET, which the whole world can read here.";

/// The initial time of the clock of [`Testing::new`]: 2027-01-15T08:00:00Z.
///
/// ```
/// use tokenpair::testing::{BEGIN, Testing};
///
/// assert_eq!(BEGIN.to_string(), "2027-01-15T08:00:00Z");
/// assert_eq!(Testing::new().auth().now(), BEGIN);
/// ```
pub const BEGIN: Timestamp = Timestamp::from_unix(1_800_000_000);

/// An [`Auth`] for tests, and its clock. Cheap to clone; clones share the clock and the sessions.
///
/// ```
/// use std::time::Duration;
/// use tokenpair::testing::{BEGIN, Testing};
///
/// let testing = Testing::new();
/// let auth = testing.auth();
/// let issued = auth.access_token("ada").sign()?;
/// testing.advance(Duration::from_secs(3599));
/// assert!(auth.decode(issued.token.as_str()).run().is_ok());
/// testing.advance(Duration::from_secs(1));
/// assert_eq!(auth.decode(issued.token.as_str()).run().unwrap_err().code(), "token_expired");
/// assert_eq!(testing.clock().now(), BEGIN + Duration::from_secs(3600));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Testing {
    auth: Auth,
    clock: Clock,
    store: Option<MemoryStore>,
}

impl Testing {
    /// Returns an [`Auth`] with tokens alone, as from [`Auth::builder`], signed with [`SECRET`] by
    /// HS256 under the default policies, at [`BEGIN`].
    pub fn new() -> Self {
        Self::of(&Auth::builder(tokens()).clock(Clock::fixed(BEGIN)).build())
    }

    /// Returns an [`Auth`] as [`Testing::new`] does, with sessions recorded in memory.
    ///
    /// ```
    /// use tokenpair::session::{SessionStore, Subject};
    /// use tokenpair::testing::Testing;
    ///
    /// # tokenpair::sample::run(async {
    /// let testing = Testing::with_sessions();
    /// let ada = testing.user("ada").log_in().await?;
    /// let (auth, store) = (testing.auth(), testing.store().unwrap());
    /// let sessions = auth.sessions().unwrap();
    /// assert_eq!(sessions.list("ada", auth.now()).await?[0].id, ada.session().unwrap());
    ///
    /// // A user may be disabled outside the app.
    /// let known = store.subject("ada").await?.unwrap();
    /// store.put_subject(Subject { disabled: true, ..known });
    /// assert!(sessions.subject("ada").await?.is_none());
    /// # Ok(()) });
    /// ```
    pub fn with_sessions() -> Self {
        let store = MemoryStore::default();
        let sessions = Sessions::new(store.clone(), tokens(), SessionPolicy::default());
        Self {
            store: Some(store),
            ..Self::new().with(|auth| auth.sessions(sessions))
        }
    }

    /// Returns the app's own [`Auth`] for a test: its keys, policies, loaders and session store.
    /// Only its clock is replaced by a fixed one at its current time.
    ///
    /// ```
    /// use tokenpair::config::JwtSettings;
    /// use tokenpair::testing::Testing;
    ///
    /// # let secret = |name: &str| (name == "JWT_SECRET_KEY").then(|| "a secret of 32 bytes that is not in any book".to_owned());
    /// let in_earnest = JwtSettings::read(secret)?.builder().build();
    /// let testing = Testing::of(&in_earnest);
    /// assert!(in_earnest.now().since(testing.clock().now()).as_secs() < 60);
    /// testing.advance_past_access(); // 15 minutes by these settings
    /// let issued = in_earnest.access_token("ada").sign()?;
    /// assert_eq!(testing.auth().decode(issued.token.as_str()).run().unwrap_err().code(), "token_expired");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of(auth: &Auth) -> Self {
        let clock = Clock::fixed(auth.now());
        Self {
            auth: auth.to_builder().clock(clock.clone()).build(),
            clock,
            store: None,
        }
    }

    /// Changes policies or loaders. The clock stays this one, even if the builder sets another.
    ///
    /// ```
    /// use tokenpair::testing::Testing;
    /// use tokenpair::web::{Location, WebPolicy};
    ///
    /// let policy = WebPolicy {
    ///     locations: vec![Location::Headers],
    ///     ..WebPolicy::default()
    /// };
    /// let testing = Testing::new().with(|auth| auth.policy(policy));
    /// assert!(!testing.auth().looks_in(Location::Cookies));
    /// ```
    #[must_use]
    pub fn with(self, change: impl FnOnce(AuthBuilder) -> AuthBuilder) -> Self {
        let auth = change(self.auth.to_builder()).clock(self.clock.clone());
        Self {
            auth: auth.build(),
            ..self
        }
    }

    /// Returns the [`Auth`] for the app's `app_data`.
    pub fn auth(&self) -> Auth {
        self.auth.clone()
    }

    /// Returns the app's clock.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Returns the store of [`Testing::with_sessions`], and `None` otherwise. A user put into it
    /// can be disabled.
    pub const fn store(&self) -> Option<&MemoryStore> {
        self.store.as_ref()
    }

    /// Advances the clock, in whole seconds.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Advances the clock until an access token issued now is due for a reissue
    /// ([`WebPolicy::reissue_within`](crate::web::WebPolicy::reissue_within)): 30 minutes by
    /// default. Does nothing if access tokens never expire.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tokenpair::testing::{BEGIN, Testing};
    ///
    /// let testing = Testing::new();
    /// testing.advance_to_reissue();
    /// assert_eq!(testing.clock().now(), BEGIN + Duration::from_secs(30 * 60));
    /// testing.advance_past_access();
    /// assert_eq!(testing.clock().now(), BEGIN + Duration::from_secs(90 * 60));
    /// ```
    pub fn advance_to_reissue(&self) {
        let within = self.auth.policy().reissue_within;
        self.advance(self.lifetime().saturating_sub(within));
    }

    /// Advances the clock until an access token issued now has expired: an hour by default. Does
    /// nothing if access tokens never expire.
    pub fn advance_past_access(&self) {
        let lifetime = self.lifetime();
        if !lifetime.is_zero() {
            self.advance(lifetime + self.auth.tokens().policy().leeway);
        }
    }

    fn lifetime(&self) -> Duration {
        let policy = self.auth.tokens().policy();
        policy.access_expires.unwrap_or_default()
    }

    /// Returns a user with that id, ready to log in with a password; see [`TestUser`].
    pub fn user(&self, id: impl Into<String>) -> TestUser {
        TestUser::new(self.clone(), id.into())
    }

    /// Returns a browser without cookies.
    pub fn cookie_jar(&self) -> CookieJar {
        CookieJar::new(self.auth.clone())
    }
}

impl Default for Testing {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(
    clippy::expect_used,
    reason = "the secret is a constant, long enough, and tested"
)]
fn tokens() -> Tokens {
    let keys = KeyRing::from_secret(Algorithm::Hs256, SECRET.as_bytes());
    Tokens::new(
        keys.expect("BUG: the secret of tests is invalid"),
        TokenPolicy::default(),
    )
}
