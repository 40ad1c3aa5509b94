//! Defines [`Auth`]: the handle in `app_data` that verifies every request and issues every token.

use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use thiserror::Error;

use super::cookies::CookiePolicy;
use super::loaders::Loaders;
use super::location::Location;
use super::policy::WebPolicy;
use super::rejection::Rejection;
use crate::clock::{Clock, Timestamp};
use crate::session::Sessions;
use crate::token::Tokens;

/// Verifies requests, issues tokens, and holds the record of sessions, if any. Cheap to clone.
/// Register it in `app_data`, as itself or in [`web::Data`]; a scope may register its own.
///
/// ```
/// use actix_web::test::{TestRequest, call_and_read_body, init_service};
/// use actix_web::{App, web};
/// use tokenpair::web::{Access, Auth};
///
/// async fn greet(user: Access) -> String {
///     format!("hello {}", user.identity())
/// }
///
/// # tokenpair::sample::run(async {
/// # let auth = tokenpair::sample::auth()?;
/// let app = App::new().app_data(auth.clone()).route("/", web::get().to(greet));
/// let app = init_service(app).await;
/// let bearer = format!("Bearer {}", auth.access_token("ada").sign()?.token.as_str());
/// let request = TestRequest::get().insert_header(("Authorization", bearer)).to_request();
/// assert_eq!(call_and_read_body(&app, request).await, "hello ada");
/// # Ok(()) });
/// ```
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
    /// Whether the log has the warning of a handler that swallows rejections.
    pub(super) warned_of_swallowed: Arc<AtomicBool>,
}

/// The reason that a request has no [`Auth`].
#[derive(Debug, Error)]
pub(super) enum NotRegistered {
    #[error(
        "no tokenpair::web::Auth in app_data: add .app_data(auth.clone()) to the App or to the scope of this route"
    )]
    Missing,
    /// Actix tells which scope is innermost only among values of one type.
    #[error(
        "two different tokenpair::web::Auth in app_data, one as .app_data(auth) and one as \
         .app_data(web::Data::new(auth)): register both in the same way, so that the innermost counts"
    )]
    Ambiguous,
}

impl Auth {
    /// Returns a copy that looks for tokens only in the given locations:
    /// `@jwt_required(locations=[...])`. For the `app_data` of a scope or a resource.
    ///
    /// ```
    /// use actix_web::web;
    /// use tokenpair::web::{Auth, Location};
    ///
    /// # let auth = tokenpair::sample::auth()?;
    /// let programs = auth.only_from([Location::Headers]);
    /// assert!(auth.looks_in(Location::Cookies) && !programs.looks_in(Location::Cookies));
    /// let scope = web::scope("/api").app_data(programs);
    /// # let _ = scope;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn only_from(&self, locations: impl Into<Vec<Location>>) -> Self {
        let mut inner = self.0.as_ref().clone();
        inner.policy.locations = locations.into();
        Self(Arc::new(inner))
    }

    /// Returns a copy that does not check whether a token was revoked:
    /// `@jwt_required(skip_revocation_check=True)`. For the `app_data` of a scope or a resource.
    ///
    /// ```
    /// # use actix_web::test::TestRequest;
    /// use tokenpair::web::{Auth, Guard};
    ///
    /// # tokenpair::sample::run(async {
    /// # let tokens = tokenpair::sample::tokens()?;
    /// let auth = Auth::builder(tokens)
    ///     .token_in_blocklist(|_| async { Ok::<_, std::io::Error>(true) })
    ///     .build();
    /// let bearer = format!("Bearer {}", auth.access_token("ada").sign()?.token.as_str());
    /// let request = TestRequest::get().insert_header(("Authorization", bearer)).to_http_request();
    /// let refusal = auth.verify_request(&request, Guard::Access).await.unwrap_err();
    /// assert_eq!(refusal.code(), "token_revoked");
    /// assert!(auth.skipping_revocation().verify_request(&request, Guard::Access).await.is_ok());
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn skipping_revocation(&self) -> Self {
        let mut inner = self.0.as_ref().clone();
        inner.skip_revocation = true;
        Self(Arc::new(inner))
    }

    /// Returns the `Auth` registered in `app_data`, preferring the innermost scope. Both
    /// `app_data(auth)` and `app_data(web::Data::new(auth))` register one.
    ///
    /// ```
    /// use actix_web::test::TestRequest;
    /// use tokenpair::web::Auth;
    ///
    /// # let auth = tokenpair::sample::auth()?;
    /// let request = TestRequest::default().app_data(auth).to_http_request();
    /// assert!(Auth::of(&request).is_ok());
    /// let request = TestRequest::default().to_http_request();
    /// assert_eq!(Auth::of(&request).unwrap_err().code(), "internal_error");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a 500 if none is registered, or if two different ones are and only one of them is in
    /// `web::Data`.
    pub fn of(request: &HttpRequest) -> Result<&Self, Rejection> {
        Self::registered(request).map_err(Rejection::internal)
    }

    pub(super) fn registered(request: &HttpRequest) -> Result<&Self, NotRegistered> {
        let in_data = request
            .app_data::<web::Data<Self>>()
            .map(web::Data::get_ref);
        match (request.app_data::<Self>(), in_data) {
            (Some(auth), Some(other)) if !Arc::ptr_eq(&auth.0, &other.0) => {
                Err(NotRegistered::Ambiguous)
            }
            (Some(auth), _) | (None, Some(auth)) => Ok(auth),
            (None, None) => Err(NotRegistered::Missing),
        }
    }

    /// Returns the token signer and verifier.
    pub fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// Returns the record of sessions, if there is one.
    pub fn sessions(&self) -> Option<&Sessions> {
        self.0.sessions.as_ref()
    }

    /// Returns the policy for tokens in HTTP.
    pub fn policy(&self) -> &WebPolicy {
        &self.0.policy
    }

    /// Returns the policy for cookies.
    pub fn cookies(&self) -> &CookiePolicy {
        &self.0.policy.cookies
    }

    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Returns whether requests may carry tokens in this location.
    pub fn looks_in(&self, location: Location) -> bool {
        self.policy().locations.contains(&location)
    }
}

/// Extracts the handle, for handlers that issue tokens or set cookies, as [`Auth::of`] does.
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
