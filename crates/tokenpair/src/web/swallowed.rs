//! Warns of a handler that takes a rejected token for none. Actix's `Option<Access>` turns every
//! failure into `None`, and nothing in the type system can forbid it.

use std::sync::atomic::Ordering;

use actix_web::dev::ServiceResponse;
use actix_web::{HttpMessage, HttpRequest};

use super::auth::Auth;
use super::error_code::ErrorCode;
use super::rejection::Rejection;

/// Marks a request whose token an extractor has rejected, with the code.
struct Rejected(&'static str);

/// Marks the request if its rejection is not that it has no token.
pub(super) fn mark(request: &HttpRequest, rejection: &Rejection) {
    if rejection.error_code() != Some(ErrorCode::MissingToken) {
        let mark = Rejected(rejection.code());
        request.extensions_mut().insert(mark);
    }
}

/// Forgets the mark of an extractor that another one stood in for, as in Actix's `Either`.
pub(super) fn unmark(request: &HttpRequest) {
    request.extensions_mut().remove::<Rejected>();
}

/// Warns, once for each `Auth`, if the request is marked and was served all the same.
pub(super) fn warn_if_served<B>(response: &ServiceResponse<B>) {
    let request = response.request();
    let extensions = request.extensions();
    let Some(Rejected(code)) = extensions.get::<Rejected>() else {
        return;
    };
    let Ok(auth) = Auth::registered(request) else {
        return;
    };
    let (status, warned) = (response.status(), &auth.0.warned_of_swallowed);
    if status.is_success() && !warned.swap(true, Ordering::Relaxed) {
        let method = request.method();
        let route = request.match_pattern();
        log::warn!(
            "{method} {} answered {} although the request's token was rejected ({code}). If its handler has an \
             Option<Access>, forged and expired tokens pass as visitors there: use MaybeAccess",
            route.as_deref().unwrap_or("(no route)"),
            status.as_u16(),
        );
    }
}
