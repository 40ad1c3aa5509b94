//! Implements CSRF protection: a cookie does not prove that its owner sent the request, so the
//! `csrf` claim must be repeated in a header, which another site's page cannot set.
//!
//! The header is compared with the claim of the presented token, never with another cookie, which
//! an attacker could plant.

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, HeaderValue};

use super::body::RequestBody;
use super::cookies::CookiePolicy;
use super::error_code::ErrorCode;
use super::policy::CsrfPolicy;
use super::rejection::Rejection;
use crate::token::{Claims, TokenKind};

/// The proof that a request needs beside its cookie.
pub(super) struct Demand<'a> {
    sent: Vec<Cow<'a, [u8]>>,
    header: &'a HeaderName,
    kind: TokenKind,
    cookies: &'a CookiePolicy,
}

impl CsrfPolicy {
    /// Returns the proof that a request with a cookie of this kind needs. `None` for safe methods.
    pub(super) fn demand<'a>(
        &'a self,
        request: &'a HttpRequest,
        kind: TokenKind,
        cookies: &'a CookiePolicy,
        body: &RequestBody,
    ) -> Result<Option<Demand<'a>>, Rejection> {
        if !self.is_asked_of(request.method()) {
            return Ok(None);
        }
        let (header, field) = match kind {
            TokenKind::Access => (&self.access_header, &self.access_field),
            TokenKind::Refresh => (&self.refresh_header, &self.refresh_field),
        };
        let sent = request.headers().get_all(header).map(HeaderValue::as_bytes);
        let mut sent: Vec<Cow<'a, [u8]>> = sent.map(Cow::Borrowed).collect();
        if self.check_form && sent.iter().all(|value| value.is_empty()) {
            let field = body.field(field).map(String::into_bytes);
            sent = field.into_iter().map(Cow::Owned).collect();
        }
        let demand = Demand {
            sent,
            header,
            kind,
            cookies,
        };
        if demand.sent.iter().all(|value| value.is_empty()) {
            return Err(Rejection::from(ErrorCode::CsrfMissing).hint(demand.hint()));
        }
        Ok(Some(demand))
    }
}

impl Demand<'_> {
    /// Checks that the value is sent once and matches the claim.
    pub(super) fn met_by(&self, claims: &Claims) -> Result<(), Rejection> {
        let first = self.sent.first().map(Cow::as_ref).unwrap_or_default();
        let once = self.sent.len() == 1;
        if claims.has_csrf(first)? && once {
            return Ok(());
        }
        Err(Rejection::from(ErrorCode::CsrfMismatch).hint(self.hint()))
    }

    /// The cookie counts, whatever the `Authorization` header says, so the hint must mention it if
    /// both are sent.
    fn hint(&self) -> String {
        let header = self.header.as_str().to_ascii_uppercase();
        let name = self.cookies.csrf_name(self.kind);
        let token = self.cookies.token_name(self.kind);
        let value = if self.cookies.csrf {
            "the cookie"
        } else {
            "the login's"
        };
        format!(
            "Send the value of {value} {name} in the header {header}: the token came in the cookie {token}."
        )
    }
}
