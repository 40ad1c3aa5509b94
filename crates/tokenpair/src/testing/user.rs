//! Users who are logged in, without a route that does it.

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
use crate::web::Auth;

/// A user who is about to log in: [`Testing::user`]. Unless it is said otherwise the access token is fresh, lives as long as
/// the policy says, and has no roles.
///
/// ```
/// use std::time::Duration;
/// use tokenpair::testing::Testing;
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
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
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TestUser {
    testing: Testing,
    id: String,
    roles: Vec<String>,
    change: Change,
}

/// What is to be different about the access token.
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

/// Why a user could not log in.
#[derive(Debug, Error)]
pub enum TestError {
    /// The store of sessions failed.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The token could not be signed: the `Auth` only verifies, or a claim was given that is the library's own.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The `Auth` does not believe its own tokens, as when it asks for another `iss` than it writes.
    #[error("the Auth does not believe its own token: {0}")]
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

    /// One more role, in the claim `roles`.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.push(role.into());
        self
    }

    /// One more claim of the access token. [`Issued::expires_at`] follows an `exp`.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.change.claims.insert(name.into(), value.into());
        self
    }

    /// The access token is not fresh, as after a refresh or a reissue.
    pub fn stale(mut self) -> Self {
        self.change.stale = true;
        self
    }

    /// The access token has just ended; the refresh token has not.
    pub fn expired(mut self) -> Self {
        self.change.end = Some(End::Past);
        self
    }

    /// The access token ends so much later, in whole seconds.
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.change.end = Some(End::In(lifetime));
        self
    }

    /// Logs in: a new session where they are recorded, else only tokens.
    ///
    /// Where they are recorded, tokens say what the store knows of the user, with these roles if any were given. A user whom
    /// the store does not know is taken to be called like its id; [`Testing::with_sessions`] makes its store know it, and a
    /// store of your own must, or the login fails.
    ///
    /// # Errors
    ///
    /// [`TestError`] if the store failed or the tokens could not be made.
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

    /// The user as the record has it from now on.
    async fn subject(&self) -> Result<Subject, TestError> {
        let known = match (&self.testing.store, self.testing.auth.sessions()) {
            (Some(store), _) => store.subject(&self.id).await?,
            (None, Some(sessions)) => sessions.subject(&self.id).await?,
            (None, None) => None,
        };
        let mut subject = known.unwrap_or_else(|| Subject {
            id: self.id.clone(),
            username: self.id.clone(),
            roles: Vec::new(),
            epoch: 0,
            disabled: false,
        });
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

    /// The same access token with what is to be different about it.
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

/// A user with a pair of tokens, and the requests that are theirs.
///
/// ```
/// use actix_web::test::TestRequest;
/// use tokenpair::testing::Testing;
/// use tokenpair::web::{Guard, Location};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
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
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct LoggedIn {
    auth: Auth,
    pair: Pair,
}

impl LoggedIn {
    /// The request as a browser sends it: the four cookies, and the access token's CSRF value in its header.
    pub fn as_cookies(&self, request: TestRequest) -> TestRequest {
        self.with_cookies(request, TokenKind::Access)
    }

    /// As [`LoggedIn::as_cookies`], but with the refresh token's CSRF value: for the route that refreshes.
    pub fn as_cookies_to_refresh(&self, request: TestRequest) -> TestRequest {
        self.with_cookies(request, TokenKind::Refresh)
    }

    /// The request as a program sends it: the access token in the header (`Authorization: Bearer`).
    pub fn as_bearer(&self, request: TestRequest) -> TestRequest {
        self.with_header(request, &self.pair.access)
    }

    /// The refresh token in the header: for the route that refreshes.
    pub fn as_bearer_to_refresh(&self, request: TestRequest) -> TestRequest {
        self.with_header(request, &self.pair.refresh)
    }

    /// A browser that has the four cookies.
    pub fn cookie_jar(&self) -> CookieJar {
        let mut headers = HeaderMap::new();
        let (cookies, now) = (self.auth.cookies(), self.auth.now());
        for (kind, issued) in [
            (TokenKind::Access, &self.pair.access),
            (TokenKind::Refresh, &self.pair.refresh),
        ] {
            // Until the browser is closed: what has ended is sent too.
            cookies.set(&mut headers, kind, (issued, false), now);
        }
        let mut jar = CookieJar::new(self.auth.clone());
        jar.keep_headers(headers);
        jar
    }

    /// The tokens.
    pub const fn pair(&self) -> &Pair {
        &self.pair
    }

    /// The session's id; none where sessions are not recorded.
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
