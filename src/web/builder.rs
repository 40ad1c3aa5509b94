//! [`AuthBuilder`]: what an [`Auth`] is made of, before it is one.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::HttpResponse;
use serde_json::{Map, Value};

use super::auth::{Auth, Inner, WebPolicy};
use super::loaders::{Failure, Loaders};
use super::rejection::{Rejection, RejectionKind};
use super::verify::Verified;
use crate::clock::Clock;
use crate::keys::KeyRing;
use crate::session::Sessions;

/// What an [`Auth`] is made of. Each method is one of Flask-JWT-Extended's loaders, or a policy.
#[must_use]
pub struct AuthBuilder(Inner);

impl AuthBuilder {
    pub(super) const fn of(inner: Inner) -> Self {
        Self(inner)
    }

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

    /// Claims that every token of an identity gets, those of recorded sessions too; `additional_claims_loader`. Those given
    /// to one token win. What the record says of a token (`exp`, `roles` and the like) they cannot change: such a token is
    /// not signed.
    pub fn additional_claims(
        mut self,
        loader: impl Fn(&Value) -> Map<String, Value> + Send + Sync + 'static,
    ) -> Self {
        self.0.loaders.tokens.claims = Some(Arc::new(loader));
        self
    }

    /// Header parameters that every token of an identity gets; `additional_headers_loader`. `alg`, `kid` and `typ` stay the
    /// key's.
    pub fn additional_headers(
        mut self,
        loader: impl Fn(&Value) -> Map<String, Value> + Send + Sync + 'static,
    ) -> Self {
        self.0.loaders.tokens.headers = Some(Arc::new(loader));
        self
    }

    /// The keys that sign for an identity; `encode_key_loader`. Where it has none, no token is made.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use serde_json::Value;
    /// use tokenpair::keys::{Algorithm, KeyRing};
    /// # use tokenpair::token::{TokenPolicy, Tokens};
    /// # use tokenpair::web::Auth;
    ///
    /// // Each tenant has a secret of its own; an identity is `tenant/name`.
    /// let ring = |secret: &[u8]| KeyRing::from_secret(Algorithm::Hs256, secret).map(Arc::new);
    /// let (acme, other) = (ring(b"the secret of acme, of 32 letters")?, ring(b"the secret of others, 32 letters")?);
    /// let of = move |identity: Option<&Value>| {
    ///     let tenant = identity?.as_str()?.split_once('/')?.0;
    ///     Some(Arc::clone(if tenant == "acme" { &acme } else { &other }))
    /// };
    ///
    /// # let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
    /// # let tokens = Tokens::new(keys, TokenPolicy::default());
    /// let signing = of.clone();
    /// let auth = Auth::builder(tokens)
    ///     .encode_key(move |identity| signing(Some(identity)))
    ///     .decode_key(move |_header, claims| of(claims.get("sub")))
    ///     .build();
    /// let issued = auth.access_token("acme/ada").sign()?;
    /// assert_eq!(auth.decode(issued.token.as_str()).run()?.claims.sub(), "acme/ada");
    /// assert!(auth.access_token("nobody").sign().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn encode_key(
        mut self,
        loader: impl Fn(&Value) -> Option<Arc<KeyRing>> + Send + Sync + 'static,
    ) -> Self {
        self.0.loaders.tokens.encode_key = Some(Arc::new(loader));
        self
    }

    /// The keys that may have signed a token, by its header and claims; `decode_key_loader`. Nobody has verified those yet:
    /// use them to choose among keys you have, and for nothing else. Where it has none, the token is refused (422).
    pub fn decode_key(
        mut self,
        loader: impl Fn(&Map<String, Value>, &Map<String, Value>) -> Option<Arc<KeyRing>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.0.loaders.tokens.decode_key = Some(Arc::new(loader));
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

impl fmt::Debug for AuthBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthBuilder")
            .field("policy", &self.0.policy)
            .finish_non_exhaustive()
    }
}
