//! Implements CSRF protection: a cookie does not prove that its owner sent the request, so the
//! `csrf` claim must be repeated in a header, which another site's page cannot set.
//!
//! The header is compared with the claim of the presented token, never with another cookie, which
//! an attacker could plant.

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, HeaderValue};

use super::authorization::has_credentials;
use super::body::RequestBody;
use super::error_code::ErrorCode;
use super::location::Location;
use super::policy::WebPolicy;
use super::rejection::Rejection;
use crate::token::{Claims, TokenKind};

/// The proof that a request needs beside its cookie.
pub(super) struct Demand<'a> {
    sent: Vec<Cow<'a, [u8]>>,
    header: &'a HeaderName,
    kind: TokenKind,
    request: &'a HttpRequest,
    policy: &'a WebPolicy,
}

impl WebPolicy {
    /// Returns the proof that a request with a cookie of this kind needs. `None` for safe methods.
    pub(super) fn demand<'a>(
        &'a self,
        request: &'a HttpRequest,
        kind: TokenKind,
        body: &RequestBody,
    ) -> Result<Option<Demand<'a>>, Rejection> {
        let csrf = &self.csrf;
        if !csrf.is_asked_of(request.method()) {
            return Ok(None);
        }
        let (header, field) = match kind {
            TokenKind::Access => (&csrf.access_header, &csrf.access_field),
            TokenKind::Refresh => (&csrf.refresh_header, &csrf.refresh_field),
        };
        let sent = request.headers().get_all(header).map(HeaderValue::as_bytes);
        let mut sent: Vec<Cow<'a, [u8]>> = sent.map(Cow::Borrowed).collect();
        if csrf.check_form && sent.iter().all(|value| value.is_empty()) {
            let field = body.field(field).map(String::into_bytes);
            sent = field.into_iter().map(Cow::Owned).collect();
        }
        let demand = Demand {
            sent,
            header,
            kind,
            request,
            policy: self,
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

    /// Names the cookie, and says so if it hides a token in the `Authorization` header: clients with
    /// a cookie jar, such as Postman, send both without their users noticing.
    fn hint(&self) -> String {
        let header = self.header.as_str().to_ascii_uppercase();
        let cookies = &self.policy.cookies;
        let name = cookies.csrf_name(self.kind);
        let token = cookies.token_name(self.kind);
        let value = if cookies.csrf {
            "the cookie"
        } else {
            "the login's"
        };
        let hint = format!(
            "Send the value of {value} {name} in the header {header}: the token came in the cookie {token}."
        );
        if !self.hides_header() {
            return hint;
        }
        let title = &self.policy.header.title;
        format!(
            "{hint} The token in the {title} header was not used, because cookies are looked at first. To use it, clear the \
             cookie jar or send the request without cookies."
        )
    }

    /// Returns whether the request has a token in the header too, which is looked at after cookies.
    fn hides_header(&self) -> bool {
        let place = |location| {
            let mut locations = self.policy.locations.iter();
            locations.position(|found| *found == location)
        };
        let later = place(Location::Headers)
            .is_some_and(|headers| Some(headers) > place(Location::Cookies));
        later && has_credentials(self.request, &self.policy.header)
    }
}
