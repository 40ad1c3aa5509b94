//! [`Auth`]: the handle in `app_data` through which every request is verified and every token is made.

use std::any::Any;
use std::fmt;
use std::future::{Future, Ready, ready};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use serde_json::{Map, Value};
use thiserror::Error;

use super::cookies::CookiePolicy;
use super::csrf::CsrfPolicy;
use super::loaders::{Failure, Loaders};
use super::location::{HeaderPolicy, JsonPolicy, Location, QueryPolicy};
use super::rejection::{Rejection, RejectionKind};
use super::verify::Verified;
use crate::clock::{Clock, Timestamp};
use crate::session::Sessions;
use crate::token::Tokens;

/// How tokens travel over HTTP. The defaults are the server's; [`JwtSettings`](crate::config::JwtSettings) has
/// Flask-JWT-Extended's.
#[derive(Clone, Debug)]
pub struct WebPolicy {
    /// Where tokens are looked for, in this order (`JWT_TOKEN_LOCATION`: cookies, headers).
    pub locations: Vec<Location>,
    /// The header.
    pub header: HeaderPolicy,
    /// The cookies.
    pub cookies: CookiePolicy,
    /// The parameter in the address.
    pub query: QueryPolicy,
    /// The members of a JSON body.
    pub json: JsonPolicy,
    /// The proof asked for beside a cookie.
    pub csrf: CsrfPolicy,
    /// The member of an error's JSON that holds its text (`JWT_ERROR_MESSAGE_KEY`, msg).
    pub message_key: String,
    /// Cookies outlive the browser unless a login says otherwise (`JWT_SESSION_COOKIE=false`; no).
    pub remember: bool,
    /// An access cookie with less than this to live gets a successor (`JWT_REISSUE_WITHIN`, 30 min). Where it is not less
    /// than an access token's lifetime, every response carries a new one.
    pub reissue_within: Duration,
    /// Whether tokens without a session (`sid`) are taken beside a record of sessions (`JWT_ACCEPT_FOREIGN`, no): those of a
    /// Flask app under the same secret. They cannot be ended before their time.
    pub accept_foreign: bool,
}

impl Default for WebPolicy {
    fn default() -> Self {
        Self {
            locations: vec![Location::Cookies, Location::Headers],
            header: HeaderPolicy::default(),
            cookies: CookiePolicy::default(),
            query: QueryPolicy::default(),
            json: JsonPolicy::default(),
            csrf: CsrfPolicy::default(),
            message_key: "msg".to_owned(),
            remember: false,
            reissue_within: Duration::from_secs(30 * 60),
            accept_foreign: false,
        }
    }
}

/// Verifies requests, makes tokens, and knows the sessions if there is a record of them. A cheap clone; put one into
/// `app_data`, or one for each scope.
#[derive(Clone)]
pub struct Auth(pub(super) Arc<Inner>);

#[derive(Clone)]
pub(super) struct Inner {
    pub(super) tokens: Tokens,
    pub(super) sessions: Option<Sessions>,
    pub(super) policy: WebPolicy,
    pub(super) clock: Clock,
    pub(super) loaders: Loaders,
    pub(super) skip_revocation: bool,
}

#[derive(Debug, Error)]
#[error("no tokenpair::web::Auth in app_data: add App::new().app_data(auth.clone())")]
struct NoAuth;

impl Auth {
    /// With a record of sessions, under `policy`, at the time of `clock`.
    pub fn new(sessions: Sessions, policy: WebPolicy, clock: Clock) -> Self {
        Self::builder(sessions.tokens().clone())
            .sessions(sessions)
            .policy(policy)
            .clock(clock)
            .build()
    }

    /// With tokens alone, as Flask-JWT-Extended has them, and whatever else is added to it.
    ///
    /// ```
    /// use tokenpair::keys::{Algorithm, KeyRing};
    /// use tokenpair::token::{TokenPolicy, Tokens};
    /// use tokenpair::web::Auth;
    ///
    /// let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
    /// let auth = Auth::builder(Tokens::new(keys, TokenPolicy::default()))
    ///     .token_in_blocklist(|token| async move {
    ///         Ok::<_, std::io::Error>(token.claims.jti.as_deref() == Some("stolen"))
    ///     })
    ///     .build();
    /// let issued = auth.access_token("ada").sign()?;
    /// assert_eq!(auth.decode(issued.token.as_str()).run()?.claims.sub(), "ada");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(tokens: Tokens) -> AuthBuilder {
        AuthBuilder(Inner {
            tokens,
            sessions: None,
            policy: WebPolicy::default(),
            clock: Clock::system(),
            loaders: Loaders::default(),
            skip_revocation: false,
        })
    }

    /// What this one is made of, to make another of it.
    ///
    /// ```
    /// # use tokenpair::keys::{Algorithm, KeyRing};
    /// # use tokenpair::token::{TokenPolicy, Tokens};
    /// # use tokenpair::web::Auth;
    /// use tokenpair::clock::{Clock, Timestamp};
    ///
    /// # let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
    /// # let auth = Auth::builder(Tokens::new(keys, TokenPolicy::default())).build();
    /// let past = auth.to_builder().clock(Clock::fixed(Timestamp::from_unix(0))).build();
    /// assert!(past.now() < auth.now());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_builder(&self) -> AuthBuilder {
        AuthBuilder(self.0.as_ref().clone())
    }

    /// The same, looking only there: `@jwt_required(locations=[...])`. For the `app_data` of a scope or a resource.
    #[must_use]
    pub fn only_from(&self, locations: impl Into<Vec<Location>>) -> Self {
        let mut inner = self.0.as_ref().clone();
        inner.policy.locations = locations.into();
        Self(Arc::new(inner))
    }

    /// The same, not asking whether a token was revoked: `@jwt_required(skip_revocation_check=True)`. For the `app_data`
    /// of a scope or a resource.
    #[must_use]
    pub fn skipping_revocation(&self) -> Self {
        let mut inner = self.0.as_ref().clone();
        inner.skip_revocation = true;
        Self(Arc::new(inner))
    }

    /// The one in the request's `app_data`; the innermost scope's, if several have one.
    ///
    /// # Errors
    ///
    /// A 500 if there is none.
    pub fn of(request: &HttpRequest) -> Result<&Self, Rejection> {
        let found = request.app_data::<Self>();
        found.ok_or_else(|| Rejection::internal(NoAuth))
    }

    /// What signs and verifies.
    pub fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// The record of sessions, if there is one.
    pub fn sessions(&self) -> Option<&Sessions> {
        self.0.sessions.as_ref()
    }

    /// How tokens travel.
    pub fn policy(&self) -> &WebPolicy {
        &self.0.policy
    }

    /// The cookies' shape.
    pub fn cookies(&self) -> &CookiePolicy {
        &self.0.policy.cookies
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Whether tokens are looked for there.
    pub fn looks_in(&self, location: Location) -> bool {
        self.policy().locations.contains(&location)
    }
}

/// What an [`Auth`] is made of. Each method is one of Flask-JWT-Extended's loaders, or a policy.
#[must_use]
pub struct AuthBuilder(Inner);

impl AuthBuilder {
    /// Sessions are recorded: a token without one is refused (but for [`WebPolicy::accept_foreign`]), a logout ends access
    /// tokens too, and a reissue asks the record. The tokens are those of `sessions`.
    pub fn sessions(self, sessions: Sessions) -> Self {
        Self(Inner {
            tokens: sessions.tokens().clone(),
            sessions: Some(sessions),
            ..self.0
        })
    }

    /// How tokens travel.
    pub fn policy(self, policy: WebPolicy) -> Self {
        Self(Inner { policy, ..self.0 })
    }

    /// Where "now" comes from (the machine's clock).
    pub fn clock(self, clock: Clock) -> Self {
        Self(Inner { clock, ..self.0 })
    }

    /// Tells of a verified token whether it was revoked; `token_in_blocklist_loader`. A failure is answered with 503.
    pub fn token_in_blocklist<F, A, E>(mut self, loader: F) -> Self
    where
        F: Fn(Rc<Verified>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<bool, E>> + 'static,
        E: Into<Failure>,
    {
        self.0.loaders.blocklist = Some(Loaders::check(loader));
        self
    }

    /// Tells whether a verified token's claims are good enough; `token_verification_loader`. If not, the answer is 400. A
    /// failure is answered with 503.
    pub fn token_verification<F, A, E>(mut self, loader: F) -> Self
    where
        F: Fn(Rc<Verified>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<bool, E>> + 'static,
        E: Into<Failure>,
    {
        self.0.loaders.verification = Some(Loaders::check(loader));
        self
    }

    /// Loads the user of a verified token for [`CurrentUser`](super::CurrentUser); `user_lookup_loader`. Each guard that a
    /// request meets loads it, so a handler that takes the user needs no other guard beside it. None is answered with 401,
    /// a failure with 503.
    pub fn user_lookup<F, A, U, E>(mut self, loader: F) -> Self
    where
        F: Fn(Rc<Verified>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Option<U>, E>> + 'static,
        U: Any,
        E: Into<Failure>,
    {
        self.0.loaders.user = Some(Loaders::lookup(loader));
        self
    }

    /// Claims that every token of an identity gets; `additional_claims_loader`. Those given to one token win.
    pub fn additional_claims(
        mut self,
        loader: impl Fn(&Value) -> Map<String, Value> + Send + Sync + 'static,
    ) -> Self {
        self.0.loaders.claims = Some(Arc::new(loader));
        self
    }

    /// Header parameters that every token of an identity gets; `additional_headers_loader`.
    pub fn additional_headers(
        mut self,
        loader: impl Fn(&Value) -> Map<String, Value> + Send + Sync + 'static,
    ) -> Self {
        self.0.loaders.headers = Some(Arc::new(loader));
        self
    }

    /// Answers rejections in an application's own way; none leaves one as it is. All the error loaders in one:
    /// [`Rejection::kind`] says which.
    pub fn on_rejection(
        mut self,
        responder: impl Fn(&Rejection) -> Option<HttpResponse> + Send + Sync + 'static,
    ) -> Self {
        self.0.loaders.responder = Some(Arc::new(responder));
        self
    }

    /// Answers rejections of one kind in an application's own way: `expired_token_loader`, `invalid_token_loader`,
    /// `needs_fresh_token_loader`, `revoked_token_loader`, `unauthorized_loader`, `user_lookup_error_loader` and
    /// `token_verification_failed_loader`.
    pub fn on(
        mut self,
        kind: RejectionKind,
        responder: impl Fn(&Rejection) -> HttpResponse + Send + Sync + 'static,
    ) -> Self {
        let others = self.0.loaders.responder.take();
        self.on_rejection(move |rejection| {
            if rejection.kind() == kind {
                return Some(responder(rejection));
            }
            others.as_ref().and_then(|others| others(rejection))
        })
    }

    /// The handle.
    pub fn build(self) -> Auth {
        Auth(Arc::new(self.0))
    }
}

/// The handle itself, for handlers that make tokens or set cookies: the innermost scope's, as [`Auth::of`].
impl FromRequest for Auth {
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request).cloned())
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("tokens", &self.0.tokens)
            .field("policy", &self.0.policy)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AuthBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthBuilder")
            .field("policy", &self.0.policy)
            .finish_non_exhaustive()
    }
}
