//! Defines [`AuthBuilder`], which configures an [`Auth`].

use std::fmt;
use std::sync::Arc;

use actix_web::HttpResponse;

use super::auth::{Auth, Inner};
use super::error_code::RejectionKind;
use super::loaders::Loaders;
use super::policy::WebPolicy;
use super::rejection::Rejection;
use crate::clock::Clock;
use crate::session::Sessions;
use crate::token::Tokens;

/// Configures an [`Auth`]. Each method is one of Flask-JWT-Extended's loaders, or a policy.
///
/// ```
/// use actix_web::HttpResponse;
/// # use actix_web::test::TestRequest;
/// use tokenpair::web::{Auth, Guard, RejectionKind};
///
/// # tokenpair::sample::run(async {
/// # let tokens = tokenpair::sample::tokens()?;
/// let auth = Auth::builder(tokens)
///     .token_in_blocklist(|token| async move {
///         Ok::<_, std::io::Error>(token.claims.sub() == "mallory")
///     })
///     .on(RejectionKind::Unauthorized, |_| HttpResponse::Unauthorized().body("who are you?"))
///     .build();
/// # let bearer = format!("Bearer {}", auth.access_token("mallory").sign()?.token.as_str());
/// # let request = TestRequest::get().insert_header(("Authorization", bearer)).to_http_request();
/// // The request has Mallory's token.
/// let refusal = auth.verify_request(&request, Guard::Access).await.unwrap_err();
/// assert_eq!(refusal.code(), "token_revoked");
/// # Ok(()) });
/// ```
#[must_use]
pub struct AuthBuilder(pub(super) Inner);

impl AuthBuilder {
    /// Records sessions: a token without a session is rejected (except with
    /// [`WebPolicy::accept_foreign`]), a logout revokes access tokens too, and a reissue asks the
    /// record. Replaces the tokens by those of `sessions`.
    ///
    /// ```
    /// # use actix_web::test::TestRequest;
    /// # use tokenpair::session::Login;
    /// use tokenpair::web::{Auth, Guard};
    ///
    /// # tokenpair::sample::run(async {
    /// # let (ada, sessions) = (tokenpair::sample::ada(), tokenpair::sample::sessions()?);
    /// let auth = Auth::builder(sessions.tokens().clone()).sessions(sessions).build();
    /// let request = |token: &str| {
    ///     let header = ("Authorization", format!("Bearer {token}"));
    ///     TestRequest::get().insert_header(header).to_http_request()
    /// };
    /// let recorded = auth.log_in(&ada, Login::default()).await?.access;
    /// let verified = auth.verify_request(&request(recorded.token.as_str()), Guard::Access).await?;
    /// assert!(verified.claims.sid.is_some());
    ///
    /// let without_record = auth.access_token("1").sign()?;
    /// let refused = auth.verify_request(&request(without_record.token.as_str()), Guard::Access).await;
    /// assert_eq!(refused.unwrap_err().to_string(), "Missing claim: sid");
    /// # Ok(()) });
    /// ```
    pub fn sessions(self, sessions: Sessions) -> Self {
        Self(Inner {
            tokens: sessions.tokens().clone(),
            sessions: Some(sessions),
            ..self.0
        })
    }

    /// Sets the policy for tokens in HTTP.
    pub fn policy(self, policy: WebPolicy) -> Self {
        Self(Inner { policy, ..self.0 })
    }

    /// Sets the source of the current time. Default: the system clock.
    ///
    /// ```
    /// use tokenpair::clock::{Clock, Timestamp};
    /// use tokenpair::web::Auth;
    ///
    /// # let tokens = tokenpair::sample::tokens()?;
    /// let noon = Timestamp::from_unix(1_800_014_400);
    /// let auth = Auth::builder(tokens).clock(Clock::fixed(noon)).build();
    /// assert_eq!(auth.now(), noon);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clock(self, clock: Clock) -> Self {
        Self(Inner { clock, ..self.0 })
    }

    /// Sets a function that formats rejections for the application. If it returns `None`, the
    /// rejection stays as it is. It replaces all error loaders of Flask-JWT-Extended;
    /// [`Rejection::kind`] distinguishes them.
    ///
    /// ```
    /// use actix_web::{HttpResponse, ResponseError};
    /// # use actix_web::test::TestRequest;
    /// use tokenpair::web::{Auth, Guard, RejectionKind};
    ///
    /// # tokenpair::sample::run(async {
    /// # let tokens = tokenpair::sample::tokens()?;
    /// let auth = Auth::builder(tokens)
    ///     .on_rejection(|rejection| match rejection.kind() {
    ///         RejectionKind::Other => None,
    ///         _ => Some(HttpResponse::Found().insert_header(("Location", "/login")).finish()),
    ///     })
    ///     .build();
    /// let request = TestRequest::get().to_http_request();
    /// let refusal = auth.verify_request(&request, Guard::Access).await.unwrap_err();
    /// assert_eq!(refusal.error_response().status(), 302);
    /// # Ok(()) });
    /// ```
    pub fn on_rejection(
        mut self,
        responder: impl Fn(&Rejection) -> Option<HttpResponse> + Send + Sync + 'static,
    ) -> Self {
        self.0.loaders.responder = Some(Arc::new(responder));
        self
    }

    /// Sets a function that formats rejections of one kind: `expired_token_loader`,
    /// `invalid_token_loader`, `needs_fresh_token_loader`, `revoked_token_loader`,
    /// `unauthorized_loader`, `user_lookup_error_loader` and `token_verification_failed_loader`.
    ///
    /// ```
    /// use actix_web::{HttpResponse, ResponseError};
    /// # use actix_web::test::TestRequest;
    /// use tokenpair::web::{Auth, Guard, RejectionKind};
    ///
    /// # tokenpair::sample::run(async {
    /// # let tokens = tokenpair::sample::tokens()?;
    /// let auth = Auth::builder(tokens)
    ///     .on(RejectionKind::NeedsFreshToken, |rejection| {
    ///         let who = rejection.token().map(|token| token.claims.sub());
    ///         HttpResponse::Forbidden().json(who)
    ///     })
    ///     .build();
    /// # let bearer = format!("Bearer {}", auth.access_token("ada").sign()?.token.as_str());
    /// # let request = TestRequest::get().insert_header(("Authorization", bearer)).to_http_request();
    /// let refusal = auth.verify_request(&request, Guard::Fresh).await.unwrap_err();
    /// assert_eq!(refusal.error_response().status(), 403);
    /// # Ok(()) });
    /// ```
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

    /// Builds the handle.
    pub fn build(self) -> Auth {
        let loaders = self.0.loaders.tokens.clone();
        let inner = Inner {
            tokens: self.0.tokens.with_loaders(loaders.clone()),
            sessions: self
                .0
                .sessions
                .map(|sessions| sessions.with_loaders(loaders)),
            ..self.0
        };
        Auth(Arc::new(inner))
    }
}

impl Auth {
    /// Returns a handle with a record of sessions, under `policy`, with the time of `clock`.
    ///
    /// ```
    /// # use tokenpair::clock::Clock;
    /// use tokenpair::web::{Auth, WebPolicy};
    ///
    /// # let sessions = tokenpair::sample::sessions()?;
    /// let auth = Auth::new(sessions, WebPolicy::default(), Clock::system());
    /// assert!(auth.sessions().is_some());
    /// assert_eq!(auth.cookies().access_name, "access_token_cookie");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(sessions: Sessions, policy: WebPolicy, clock: Clock) -> Self {
        Self::builder(sessions.tokens().clone())
            .sessions(sessions)
            .policy(policy)
            .clock(clock)
            .build()
    }

    /// Returns a builder with tokens alone, as in Flask-JWT-Extended, and no record of sessions.
    ///
    /// ```
    /// use tokenpair::keys::{Algorithm, KeyRing};
    /// use tokenpair::token::{TokenPolicy, Tokens};
    /// use tokenpair::web::Auth;
    ///
    /// let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that only the server knows")?;
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
            warned_of_swallowed: Arc::default(),
        })
    }

    /// Returns a builder with the parts of this handle.
    ///
    /// ```
    /// use tokenpair::clock::{Clock, Timestamp};
    ///
    /// # let auth = tokenpair::sample::auth()?;
    /// let past = auth.to_builder().clock(Clock::fixed(Timestamp::from_unix(0))).build();
    /// assert!(past.now() < auth.now());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_builder(&self) -> AuthBuilder {
        AuthBuilder(self.0.as_ref().clone())
    }
}

impl fmt::Debug for AuthBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthBuilder")
            .field("policy", &self.0.policy)
            .finish_non_exhaustive()
    }
}
