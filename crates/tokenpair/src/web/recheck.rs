//! Implements the second check of a token, after the body of its request has arrived.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::{HttpMessage, HttpRequest};

use super::auth::Auth;
use super::rejection::Rejection;
use super::verified::Verified;

impl Auth {
    /// Checks the access token of the request's guard again, after a slow body: meanwhile the token
    /// may have expired, or its session may have ended. Does nothing without a guard.
    ///
    /// # Errors
    ///
    /// Returns the [`Rejection`] that the guard would return.
    pub fn recheck(&self, request: &HttpRequest) -> Result<(), Rejection> {
        let verified = request.extensions().get::<Rc<Verified>>().cloned();
        let Some(verified) = verified else {
            return Ok(());
        };
        let now = self.now();
        let times = self.tokens().check_times(&verified.claims, now);
        let checked = match times {
            Ok(()) if self.0.skip_revocation => Ok(()),
            Ok(()) => self.check_record(&verified.claims, now),
            Err(error) => Err(error.into()),
        };
        checked.map_err(|rejection| {
            self.format_error(rejection.of_token(Arc::clone(&verified.decoded)))
        })
    }
}
