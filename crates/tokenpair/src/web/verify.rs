//! Verifies requests: finds the token, verifies it, and checks the route's requirements. The order
//! is Flask-JWT-Extended's, since a request may be wrong in several ways.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{HttpMessage, HttpRequest};

use super::auth::Auth;
use super::body::{self, RequestBody};
use super::error_code::ErrorCode;
use super::location::Location;
use super::rejection::Rejection;
use super::search::{Found, find};
use super::verified::{Guard, Verified};
use super::verified_tokens::VerifiedTokens;
use crate::clock::Timestamp;
use crate::token::{Claims, Decoded, Expiry, TokenError, TokenKind};

impl Auth {
    /// Finds and verifies the request's token, as an extractor does: for your own guards,
    /// middleware and WebSocket upgrades. Asks no database, unless a loader does or
    /// [`Guard::AnyToken`] meets a refresh token. Does not read the body; for that, use
    /// [`Auth::verify_with_body`].
    ///
    /// ```
    /// use actix_web::{HttpRequest, HttpResponse};
    /// use tokenpair::web::{Auth, Guard, Rejection};
    ///
    /// async fn upgrade(request: HttpRequest, auth: Auth) -> Result<HttpResponse, Rejection> {
    ///     let verified = auth.verify_request(&request, Guard::Access).await?;
    ///     Ok(HttpResponse::Ok().body(format!("a socket for {}", verified.claims.sub())))
    /// }
    /// # use actix_web::test::TestRequest;
    /// # tokenpair::sample::run(async {
    /// # let auth = tokenpair::sample::auth()?;
    ///
    /// let refusal = upgrade(TestRequest::get().to_http_request(), auth).await.unwrap_err();
    /// assert_eq!(refusal.code(), "missing_token");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the [`Rejection`] to respond with.
    pub async fn verify_request(
        &self,
        request: &HttpRequest,
        guard: Guard,
    ) -> Result<Rc<Verified>, Rejection> {
        self.verify_in(request, guard, &RequestBody::Unread).await
    }

    /// Verifies the request as [`Auth::verify_request`] does, and reads a JSON body or a form too
    /// if the policy allows tokens or CSRF values there. The payload is left whole for the handler.
    ///
    /// ```
    /// use actix_web::FromRequest;
    /// use actix_web::test::TestRequest;
    /// # use serde_json::json;
    /// use tokenpair::web::{Auth, Guard, Location};
    ///
    /// # tokenpair::sample::run(async {
    /// # let auth = tokenpair::sample::auth()?;
    /// let auth = auth.only_from([Location::Json]);
    /// let issued = auth.access_token("ada").sign()?;
    /// let sent = json!({ "access_token": issued.token.as_str() });
    /// let (request, mut payload) = TestRequest::post().set_json(&sent).to_http_parts();
    /// let verified = auth.verify_with_body(&request, &mut payload, Guard::Access).await?;
    /// assert_eq!(verified.claims.sub(), "ada");
    /// let body = String::from_request(&request, &mut payload).await?;
    /// assert_eq!(body, sent.to_string());
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the [`Rejection`] to respond with.
    pub async fn verify_with_body(
        &self,
        request: &HttpRequest,
        payload: &mut Payload,
        guard: Guard,
    ) -> Result<Rc<Verified>, Rejection> {
        let body = if body::matters(request, self.policy()) {
            let read = body::read(request, payload).await;
            read.map_err(|rejection| self.format_error(rejection))?
        } else {
            RequestBody::Unread
        };
        self.verify_in(request, guard, &body).await
    }

    pub(super) async fn verify_in(
        &self,
        request: &HttpRequest,
        guard: Guard,
        body: &RequestBody,
    ) -> Result<Rc<Verified>, Rejection> {
        let verified = self.verify_token(request, guard, body)?;
        self.inquire(request, verified, guard).await
    }

    /// Runs all checks that need no I/O.
    pub(super) fn verify_token(
        &self,
        request: &HttpRequest,
        guard: Guard,
        body: &RequestBody,
    ) -> Result<Rc<Verified>, Rejection> {
        find(request, self.policy(), guard.kind(), body)
            .and_then(|found| {
                let now = self.now();
                let VerifiedTokens { first, others } = self.verify_found(&found, guard, now)?;
                Ok(Rc::new(Verified {
                    decoded: first,
                    others,
                    location: found.location,
                    at: now,
                }))
            })
            .map_err(|rejection| self.format_error(rejection))
    }

    /// Returns the first token that verifies, and the others too if the record of sessions or a
    /// loader will decide between them.
    fn verify_found(
        &self,
        found: &Found<'_>,
        guard: Guard,
        now: Timestamp,
    ) -> Result<VerifiedTokens, Rejection> {
        let all = matches!(guard, Guard::Refresh | Guard::AnyToken) || self.0.loaders.ask();
        let verify_token = |token| self.verify_one(token, found, guard, now);
        let mut verified_tokens = verify_token(&found.token).map(VerifiedTokens::new);
        for token in &found.others {
            verified_tokens = match verified_tokens {
                Ok(verified_tokens) if !all => return Ok(verified_tokens),
                Ok(verified_tokens) => Ok(verified_tokens.and(verify_token(token))),
                Err(refusal) => verify_token(token)
                    .map(VerifiedTokens::new)
                    .map_err(|next| refusal.or_closer(next)),
            };
        }
        let verified_tokens = verified_tokens?;
        Ok(match self.sessions() {
            Some(sessions) if !verified_tokens.others.is_empty() => {
                verified_tokens.live_first(sessions)
            }
            _ => verified_tokens,
        })
    }

    fn verify_one(
        &self,
        token: &[u8],
        found: &Found<'_>,
        guard: Guard,
        now: Timestamp,
    ) -> Result<Arc<Decoded>, Rejection> {
        let decoded = self.decode_found(token, found, guard, now);
        let decoded = decoded.map_err(|rejection| match guard {
            Guard::Refresh if rejection.error_code() == Some(ErrorCode::TokenExpired) => {
                Rejection::refresh_token_expired()
            }
            _ => rejection,
        })?;
        self.admit(&decoded.claims, guard, now)
            .map_err(|rejection| rejection.of_token(Arc::clone(&decoded)))?;
        Ok(decoded)
    }

    /// A wrong CSRF value is reported before expiry, as in Flask-JWT-Extended.
    fn decode_found(
        &self,
        token: &[u8],
        found: &Found<'_>,
        guard: Guard,
        now: Timestamp,
    ) -> Result<Arc<Decoded>, Rejection> {
        let tokens = self.tokens();
        let decode = |expiry| tokens.decode(&String::from_utf8_lossy(token), now, expiry);
        let decoded = match guard {
            // The session's row decides anyway, so the token is verified again each time.
            Guard::Refresh => decode(Expiry::Enforced).map(Arc::new),
            Guard::Access | Guard::Fresh | Guard::AnyToken => tokens.decode_access(token, now),
        };
        let decoded = match decoded {
            Err(TokenError::Expired) => {
                let expired = Arc::new(decode(Expiry::Ignored)?);
                found.check_csrf(&expired.claims)?;
                return Err(Rejection::from(TokenError::Expired).of_token(expired));
            }
            decoded => decoded?,
        };
        found.check_csrf(&decoded.claims)?;
        Ok(decoded)
    }

    /// Runs all checks that need no I/O on a token that no request presents.
    pub(super) fn verify_alone(&self, token: &str, guard: Guard) -> Result<Verified, Rejection> {
        let now = self.now();
        let decoded = match guard {
            Guard::Refresh => {
                let decoded = self.tokens().decode(token, now, Expiry::Enforced);
                Arc::new(decoded?)
            }
            Guard::Access | Guard::Fresh | Guard::AnyToken => {
                self.tokens().decode_access(token, now)?
            }
        };
        self.admit(&decoded.claims, guard, now)?;
        Ok(Verified {
            decoded,
            others: Vec::new(),
            location: Location::Headers,
            at: now,
        })
    }

    pub(super) fn admit(
        &self,
        claims: &Claims,
        guard: Guard,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        guard.admits(claims.kind)?;
        let recorded = self.sessions().is_some();
        // A token without a session cannot be revoked.
        if recorded && claims.sid.is_none() && !self.policy().accept_foreign {
            return Err(TokenError::Missing("sid".into()).into());
        }
        if guard == Guard::Fresh && !claims.fresh.is_fresh(now) {
            return Err(Rejection::not_fresh());
        }
        if claims.kind == TokenKind::Access && !self.0.skip_revocation {
            self.check_record(claims, now)?;
        }
        Ok(())
    }

    pub(super) fn check_record(&self, claims: &Claims, now: Timestamp) -> Result<(), Rejection> {
        let Some(sessions) = self.sessions() else {
            return Ok(());
        };
        if self.recorded_until(claims).is_some_and(|end| now >= end) {
            return Err(TokenError::Expired.into());
        }
        if sessions.revocations().is_revoked(claims) {
            return Err(Rejection::revoked());
        }
        Ok(sessions.check_revocations_are_current(now)?)
    }

    /// An access token is accepted for one lifetime at most, even if it was issued under a longer
    /// lifetime, since revocations are kept only that long.
    fn recorded_until(&self, claims: &Claims) -> Option<Timestamp> {
        let policy = self.tokens().policy();
        let longest = policy.access_expires.zip(claims.iat);
        longest.map(|(lifetime, iat)| iat + lifetime + policy.leeway)
    }

    /// Returns the time from which an access token is expired, if there is one.
    pub(super) fn accepted_until(&self, claims: &Claims) -> Option<Timestamp> {
        let checked = self.sessions().filter(|_| !self.0.skip_revocation);
        let recorded = checked.and_then(|_| self.recorded_until(claims));
        let leeway = self.tokens().policy().leeway;
        let expiry = claims.exp.map(|exp| exp + leeway);
        expiry.into_iter().chain(recorded).min()
    }

    /// Remembers the token for middleware that runs after the handler. If several guards verify one
    /// request, the first knows best when it came.
    pub(super) fn remember(
        &self,
        request: &HttpRequest,
        mut verified: Rc<Verified>,
    ) -> Rc<Verified> {
        if verified.claims.kind == TokenKind::Access {
            let mut extensions = request.extensions_mut();
            let first = extensions.get::<Rc<Verified>>().map(|first| first.at);
            if let Some(first) = first.filter(|first| *first < verified.at) {
                Rc::make_mut(&mut verified).at = first;
            }
            extensions.insert(Rc::clone(&verified));
        }
        verified
    }

    /// Formats a rejection by the app's policy: the name of its message member, the status of
    /// invalid tokens, the route in its hint, and the error loader.
    pub fn format_error(&self, rejection: Rejection) -> Rejection {
        let policy = self.policy();
        rejection
            .naming_refresh_route(&policy.refresh_route)
            .with_invalid_token_status(policy.invalid_token_status)
            .dressed(&policy.message_key, self.0.loaders.responder.as_ref())
    }
}
