//! Defines [`Input`], the fields of a sent form that the page shows again.

use actix_web::http::header::{HeaderMap, LOCATION};
use actix_web::{HttpMessage, HttpRequest};

use super::address::NEXT;
use super::next::Next;
use crate::server::fields::Fields;

/// The fields of a form that are shown again after an error. A password never is.
#[derive(Clone, Default, Debug)]
pub(in crate::server) struct Input {
    pub(super) username: String,
    pub(super) remember: bool,
    pub(super) next: Option<Next>,
}

impl Input {
    /// Keeps the fields for the response to this request.
    pub(in crate::server) fn keep(request: &HttpRequest, fields: &Fields) {
        let text = |name| fields.text(name).unwrap_or_default();
        let input = Self {
            username: text("username").to_owned(),
            remember: !text("remember").is_empty(),
            next: Next::of(request, text(NEXT)),
        };
        request.extensions_mut().insert(input);
    }

    /// Returns the fields of the form that this request has, if any.
    pub(in crate::server) fn of(request: &HttpRequest) -> Self {
        request.extensions().get().cloned().unwrap_or_default()
    }

    /// Redirects a response to the form's `next`, if it has one.
    pub(in crate::server) fn return_by(&self, headers: &mut HeaderMap) {
        let next = self.next.as_ref();
        if let Some(next) = next.and_then(|next| next.as_str().parse().ok()) {
            headers.insert(LOCATION, next);
        }
    }

    /// Returns a form in which this user confirms who they are.
    pub(super) fn confirming(username: &str, next: Option<Next>) -> Self {
        Self {
            username: username.to_owned(),
            next,
            ..Self::default()
        }
    }

    /// Returns an empty form that returns to this path.
    pub(super) fn returning(next: Option<Next>) -> Self {
        Self {
            next,
            ..Self::default()
        }
    }
}
