//! [`Auth`]: the handle in `app_data` through which every request is verified.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpMessage, HttpRequest};
use thiserror::Error;

use super::cookies::{self, CookiePolicy};
use super::csrf::CsrfPolicy;
use super::location::{self, Found, HeaderPolicy, Location};
use super::rejection::Rejection;
use crate::clock::{Clock, Timestamp};
use crate::session::Sessions;
use crate::token::{Claims, Expiry, TokenError, TokenKind};

/// How tokens travel over HTTP.
#[derive(Clone, Debug)]
pub struct WebPolicy {
    /// Where tokens are looked for, in this order (`JWT_TOKEN_LOCATION`: cookies, headers).
    pub locations: Vec<Location>,
    /// The header.
    pub header: HeaderPolicy,
    /// The cookies.
    pub cookies: CookiePolicy,
    /// The proof asked for beside a cookie.
    pub csrf: CsrfPolicy,
    /// Cookies outlive the browser unless a login says otherwise (`JWT_SESSION_COOKIE=false`; no).
    pub remember: bool,
    /// An access cookie with less than this to live gets a successor (`JWT_REISSUE_WITHIN`, 30 min). Has to be less
    /// than an access token's lifetime, or every response would carry a new one.
    pub reissue_within: Duration,
}

impl Default for WebPolicy {
    fn default() -> Self {
        Self {
            locations: vec![Location::Cookies, Location::Headers],
            header: HeaderPolicy::default(),
            cookies: CookiePolicy::default(),
            csrf: CsrfPolicy::default(),
            remember: false,
            reissue_within: Duration::from_secs(30 * 60),
        }
    }
}

/// What a route asks of a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guard {
    /// An access token.
    Access,
    /// An access token from a password login.
    Fresh,
    /// A refresh token. Whether its session lives is the database's to say, not the guard's.
    Refresh,
    /// Either.
    AnyToken,
}

impl Guard {
    const fn kind(self) -> TokenKind {
        match self {
            Self::Refresh => TokenKind::Refresh,
            Self::Access | Self::Fresh | Self::AnyToken => TokenKind::Access,
        }
    }

    fn admits(self, kind: TokenKind) -> Result<(), TokenError> {
        match (self, kind) {
            (Self::AnyToken, _)
            | (Self::Access | Self::Fresh, TokenKind::Access)
            | (Self::Refresh, TokenKind::Refresh) => Ok(()),
            (Self::Access | Self::Fresh, TokenKind::Refresh) => Err(TokenError::NotAnAccessToken),
            (Self::Refresh, TokenKind::Access) => Err(TokenError::NotARefreshToken),
        }
    }
}

/// A verified token.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What it says.
    pub claims: Claims,
    /// Where it came.
    pub location: Location,
}

/// Verifies requests and knows the sessions. A cheap clone; put one into `app_data`.
#[derive(Clone, Debug)]
pub struct Auth(Arc<Inner>);

#[derive(Debug, Error)]
#[error("no tokenpair::web::Auth in app_data: add App::new().app_data(auth.clone())")]
struct NoAuth;

#[derive(Debug)]
struct Inner {
    sessions: Sessions,
    policy: WebPolicy,
    clock: Clock,
}

impl Auth {
    /// The handle over `sessions`, under `policy`, at the time of `clock`.
    pub fn new(sessions: Sessions, policy: WebPolicy, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            sessions,
            policy,
            clock,
        }))
    }

    /// The one in the request's `app_data`.
    pub(super) fn of(request: &HttpRequest) -> Result<&Self, Rejection> {
        let found = request.app_data::<Self>();
        found.ok_or_else(|| Rejection::internal(NoAuth))
    }

    /// The sessions.
    pub fn sessions(&self) -> &Sessions {
        &self.0.sessions
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

    /// Finds and verifies the request's token, in Flask-JWT-Extended's order: where it is, signature and times, CSRF,
    /// type, freshness, revocation. Asks no database.
    ///
    /// # Errors
    ///
    /// The [`Rejection`] to answer with.
    pub fn verify_request(
        &self,
        request: &HttpRequest,
        guard: Guard,
    ) -> Result<Rc<Verified>, Rejection> {
        let found = location::find(request, self.policy(), guard.kind())?;
        let verified = self.verify_found(&found, guard)?;
        if verified.claims.kind == TokenKind::Access {
            // For the middleware that runs after the handler.
            request.extensions_mut().insert(Rc::clone(&verified));
        }
        Ok(verified)
    }

    fn verify_found(&self, found: &Found<'_>, guard: Guard) -> Result<Rc<Verified>, Rejection> {
        let verified = self
            .sessions()
            .tokens()
            .verify(&found.token, self.now(), Expiry::Enforced);
        let claims = verified.map_err(|error| match (guard, error) {
            (Guard::Refresh, TokenError::Expired) => Rejection::refresh_token_expired(),
            (_, error) => error.into(),
        })?;
        if let Some(csrf) = &found.csrf {
            csrf.met_by(&claims)?;
        }
        guard.admits(claims.kind)?;
        // A token without a session could not be ended.
        if claims.sid.is_none() {
            return Err(TokenError::Missing("sid").into());
        }
        if guard == Guard::Fresh && !claims.fresh {
            return Err(Rejection::not_fresh());
        }
        if claims.kind == TokenKind::Access {
            self.check_access(&claims)?;
        }
        Ok(Rc::new(Verified {
            claims,
            location: found.location,
        }))
    }

    /// An access token is believed for a lifetime at most, even if it was made when lifetimes were longer: what was
    /// revoked is only remembered for so long.
    fn check_access(&self, claims: &Claims) -> Result<(), Rejection> {
        let policy = self.sessions().tokens().policy();
        if self.now() >= claims.iat + policy.access_expires + policy.leeway {
            return Err(TokenError::Expired.into());
        }
        if self.sessions().revocations().concern(claims) {
            return Err(Rejection::revoked());
        }
        Ok(self.sessions().check_revocations_are_current(self.now())?)
    }

    /// The sessions that a logout request has the right to end: those of every token of ours that came with it, dead or
    /// alive, since an expired token still names the session that its owner wants ended. Empty if none came.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] if cookies name a session and the request does not prove that it is its owner's.
    pub fn sessions_to_end(&self, request: &HttpRequest) -> Result<Vec<String>, Rejection> {
        let mut sessions = Vec::new();
        let mut refusal = None;
        for kind in [TokenKind::Access, TokenKind::Refresh] {
            match self.session_to_end(request, kind) {
                Ok(sid) => sessions.extend(sid),
                Err(rejection) => refusal = Some(rejection),
            }
        }
        sessions.dedup();
        match refusal {
            Some(rejection) if sessions.is_empty() => Err(rejection),
            _ => Ok(sessions),
        }
    }

    /// What is no token of ours ends nothing and hinders nothing: its cookie is removed like any other.
    fn session_to_end(
        &self,
        request: &HttpRequest,
        kind: TokenKind,
    ) -> Result<Option<String>, Rejection> {
        let verify = |token: &str| {
            self.sessions()
                .tokens()
                .verify(token, self.now(), Expiry::Ignored)
                .ok()
        };
        let cookie = cookies::read(request, self.cookies().token_name(kind));
        if let Some(claims) = cookie
            .as_deref()
            .filter(|_| self.looks_in(Location::Cookies))
            .and_then(verify)
        {
            // What has ended already, anyone may forget.
            if self.sessions().revocations().concern_session(&claims) {
                return Ok(None);
            }
            if let Some(csrf) = self.policy().csrf.demand(request, kind, self.cookies())? {
                csrf.met_by(&claims)?;
            }
            return Ok(claims.sid);
        }
        let header = self
            .looks_in(Location::Headers)
            .then(|| location::in_header(request, &self.policy().header));
        Ok(header
            .flatten()
            .as_deref()
            .and_then(verify)
            .and_then(|claims| claims.sid))
    }

    /// Whether tokens are looked for there.
    pub fn looks_in(&self, location: Location) -> bool {
        self.policy().locations.contains(&location)
    }
}
