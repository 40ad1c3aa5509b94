//! Implements logged-in users without a login route.

use std::time::Duration;

use actix_web::http::header::HeaderMap;
use actix_web::test::TestRequest;
use serde_json::{Map, Value};
use thiserror::Error;

use super::{CookieJar, Testing};
use crate::clock::Timestamp;
use crate::session::{Login, Pair, SessionError, SessionStore, StoreError, Subject};
use crate::token::{
    Claims, CsrfValue, Decoded, Expiry, Freshness, IssueError, Issued, TokenError, TokenKind,
};
use crate::web::{Auth, NewCookie};

/// A user about to log in, from [`Testing::user`]. By default the access token is fresh, has the
/// policy's lifetime, and has no roles.
///
/// ```
/// use std::time::Duration;
/// use tokenpair::testing::Testing;
///
/// # tokenpair::sample::run(async {
/// let testing = Testing::new();
/// let claims = |token: &str| testing.auth().decode(token).run().map(|decoded| decoded.claims);
/// let ada = testing.user("ada").role("admin").claim("tenant", "acme").stale();
/// let ada = ada.expires_in(Duration::from_secs(60)).log_in().await?;
/// let said = claims(ada.pair().access.token.as_str())?;
/// assert_eq!(said.sub(), "ada");
/// assert_eq!(said.roles, ["admin"]);
/// assert_eq!(said.extra["tenant"], "acme");
/// assert!(!said.fresh.is_fresh(testing.clock().now()));
///
/// let bob = testing.user("bob").expired().log_in().await?;
/// assert_eq!(claims(bob.pair().access.token.as_str()).unwrap_err().code(), "token_expired");
/// assert!(claims(bob.pair().refresh.token.as_str()).is_ok());
/// # Ok(()) });
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TestUser {
    testing: Testing,
    id: String,
    roles: Vec<String>,
    change: Change,
}

/// The changes to the access token.
#[derive(Clone, Debug, Default)]
struct Change {
    stale: bool,
    end: Option<End>,
    claims: Map<String, Value>,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Past,
    In(Duration),
}

/// The reason a user could not log in.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TestError {
    /// The store of sessions failed.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The token could not be signed: the `Auth` only verifies, or a claim was given that is
    /// reserved for the library.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The `Auth` rejects its own tokens, for example because it requires another `iss` than it
    /// writes.
    #[error("the Auth rejects its own token: {0}")]
    Token(#[from] TokenError),
}

impl From<StoreError> for TestError {
    fn from(error: StoreError) -> Self {
        Self::Session(error.into())
    }
}

impl TestUser {
    pub(super) fn new(testing: Testing, id: String) -> Self {
        Self {
            testing,
            id,
            roles: Vec::new(),
            change: Change::default(),
        }
    }

    /// Adds a role, in the claim `roles`.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.push(role.into());
        self
    }

    /// Adds a claim to the access token. [`Issued::expires_at`] follows an `exp`.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.change.claims.insert(name.into(), value.into());
        self
    }

    /// Makes the access token not fresh, as after a refresh or a reissue.
    pub fn stale(mut self) -> Self {
        self.change.stale = true;
        self
    }

    /// Makes the access token expire just before now. The refresh token stays valid.
    pub fn expired(mut self) -> Self {
        self.change.end = Some(End::Past);
        self
    }

    /// Sets the access token's lifetime, in whole seconds.
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.change.end = Some(End::In(lifetime));
        self
    }

    /// Logs in: with a new session if sessions are recorded, otherwise with tokens only.
    ///
    /// With recorded sessions, tokens have the store's data of the user, with these roles if any
    /// were given. For an unknown user, the username is its id. [`Testing::with_sessions`] adds
    /// such a user to its store; your own store must know the user, or the login fails.
    ///
    /// # Errors
    ///
    /// Returns a [`TestError`] if the store failed or the tokens could not be issued.
    pub async fn log_in(self) -> Result<LoggedIn, TestError> {
        let auth = &self.testing.auth;
        let pair = match auth.sessions() {
            Some(sessions) => {
                let subject = self.subject().await?;
                let login = sessions.login(&subject, Login::default(), auth.now());
                login.await?
            }
            None => self.tokens_alone()?,
        };
        let access = self.changed(&pair.access)?;
        Ok(LoggedIn {
            auth: self.testing.auth,
            pair: Pair { access, ..pair },
        })
    }

    /// Returns the user as the store has it from now on.
    async fn subject(&self) -> Result<Subject, TestError> {
        let known = match (&self.testing.store, self.testing.auth.sessions()) {
            (Some(store), _) => store.subject(&self.id).await?,
            (None, Some(sessions)) => sessions.subject(&self.id).await?,
            (None, None) => None,
        };
        let mut subject = known.unwrap_or_else(|| Subject::new(&self.id, &self.id));
        if !self.roles.is_empty() {
            subject.roles.clone_from(&self.roles);
        }
        if let Some(store) = &self.testing.store {
            store.put_subject(subject.clone());
        }
        Ok(subject)
    }

    fn tokens_alone(&self) -> Result<Pair, TestError> {
        let auth = &self.testing.auth;
        let access = auth.access_token(self.id.as_str());
        let access = if self.roles.is_empty() {
            access
        } else {
            access.claim("roles", self.roles.clone())
        };
        Ok(Pair {
            access: access.fresh(Freshness::Fresh).sign()?,
            refresh: auth.refresh_token(self.id.as_str()).sign()?,
            issued_at: auth.now(),
            refresh_stays: false,
            remember: auth.policy().remember,
        })
    }

    /// Returns the access token with the requested changes.
    fn changed(&self, access: &Issued) -> Result<Issued, TestError> {
        let auth = &self.testing.auth;
        let Decoded { header, claims } = decoded(auth, access)?;
        let freshness = if self.change.stale {
            Freshness::NotFresh
        } else {
            claims.fresh
        };
        let claims = Claims {
            fresh: freshness,
            exp: self.change.end_of(&claims, auth),
            ..claims
        };
        let tokens = auth.tokens();
        Ok(tokens.sign_with(&claims, &self.change.claims, &header)?)
    }
}

impl Change {
    fn end_of(&self, claims: &Claims, auth: &Auth) -> Option<Timestamp> {
        match self.end {
            None => claims.exp,
            Some(End::In(lifetime)) => Some(auth.now() + lifetime),
            Some(End::Past) => Some(auth.now() - auth.tokens().policy().leeway),
        }
    }
}

fn decoded(auth: &Auth, issued: &Issued) -> Result<Decoded, TokenError> {
    let token = issued.token.as_str();
    auth.tokens().decode(token, auth.now(), Expiry::Ignored)
}

/// A user with a pair of tokens, who sends requests.
///
/// ```
/// use actix_web::test::TestRequest;
/// use tokenpair::testing::Testing;
/// use tokenpair::web::{Guard, Location};
///
/// # tokenpair::sample::run(async {
/// let testing = Testing::with_sessions();
/// let ada = testing.user("ada").log_in().await?;
/// let auth = testing.auth();
///
/// let request = ada.as_cookies(TestRequest::post()).to_http_request();
/// let verified = auth.verify_request(&request, Guard::Fresh).await?;
/// assert_eq!(verified.location, Location::Cookies);
/// assert_eq!(verified.claims.sid, ada.session());
/// let request = ada.as_bearer_to_refresh(TestRequest::post()).to_http_request();
/// let verified = auth.verify_request(&request, Guard::Refresh).await?;
/// assert_eq!(verified.location, Location::Headers);
/// # Ok(()) });
/// ```
#[derive(Clone, Debug)]
pub struct LoggedIn {
    auth: Auth,
    pair: Pair,
}

impl LoggedIn {
    /// Makes the request a browser's: with the four cookies, and the access token's CSRF value in
    /// its header.
    pub fn as_cookies(&self, request: TestRequest) -> TestRequest {
        self.with_cookies(request, TokenKind::Access)
    }

    /// Makes the request as [`LoggedIn::as_cookies`] does, but with the refresh token's CSRF value:
    /// for the route that refreshes.
    pub fn as_cookies_to_refresh(&self, request: TestRequest) -> TestRequest {
        self.with_cookies(request, TokenKind::Refresh)
    }

    /// Makes the request a program's: with the access token in the header (`Authorization:
    /// Bearer`).
    pub fn as_bearer(&self, request: TestRequest) -> TestRequest {
        self.with_header(request, &self.pair.access)
    }

    /// Puts the refresh token in the header: for the route that refreshes.
    pub fn as_bearer_to_refresh(&self, request: TestRequest) -> TestRequest {
        self.with_header(request, &self.pair.refresh)
    }

    /// Returns a browser with the four cookies.
    pub fn cookie_jar(&self) -> CookieJar {
        let mut headers = HeaderMap::new();
        let (cookies, now) = (self.auth.cookies(), self.auth.now());
        for (kind, issued) in [
            (TokenKind::Access, &self.pair.access),
            (TokenKind::Refresh, &self.pair.refresh),
        ] {
            // As session cookies, so that expired tokens are sent too.
            let cookie = NewCookie {
                kind,
                issued,
                remember: false,
            };
            cookies.set(&mut headers, cookie, now);
        }
        let mut jar = CookieJar::new(self.auth.clone());
        jar.keep_headers(headers);
        jar
    }

    /// Returns the tokens.
    pub const fn pair(&self) -> &Pair {
        &self.pair
    }

    /// Returns the session's id. `None` if sessions are not recorded.
    pub fn session(&self) -> Option<String> {
        let decoded = decoded(&self.auth, &self.pair.access).ok()?;
        decoded.claims.sid
    }

    fn with_cookies(&self, request: TestRequest, kind: TokenKind) -> TestRequest {
        let issued = match kind {
            TokenKind::Access => &self.pair.access,
            TokenKind::Refresh => &self.pair.refresh,
        };
        let csrf = issued.csrf.as_ref().map(CsrfValue::as_str);
        self.cookie_jar().filled_with(request, kind, csrf)
    }

    fn with_header(&self, request: TestRequest, issued: &Issued) -> TestRequest {
        let header = &self.auth.policy().header;
        let token = issued.token.as_str();
        let value = match header.scheme.as_str() {
            "" => token.to_owned(),
            scheme => format!("{scheme} {token}"),
        };
        request.insert_header((header.name.clone(), value))
    }
}
