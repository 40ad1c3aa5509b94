//! Hands the CSRF value of the page's own forms on in the headers where guards look for them. A
//! browser without scripts can send a value only in a field, as Flask-JWT-Extended's
//! `JWT_CSRF_CHECK_FORM` allows. Another site's page knows it no better than a header's.

use actix_http::h1;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage};

use super::forms::CSRF_FIELD;
use crate::server::fields::Fields;
use tokenpair::web::body::{FORM, bytes, content_type};
use tokenpair::web::{Auth, Rejection};

/// More than any form of the page needs.
const LIMIT: usize = 16 * 1024;

/// Middleware of the routes that take forms. It has to be the outermost of its resource: Actix lets
/// nobody change the headers of a request that something else holds.
pub(in crate::server) async fn csrf_from_form(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Err(rejection) = hand_on(&mut request).await {
        return Ok(request.error_response(rejection));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

async fn hand_on(request: &mut ServiceRequest) -> Result<(), Rejection> {
    if content_type(request.request()) != FORM {
        return Ok(());
    }
    let mut payload = request.take_payload();
    let text = bytes(request.request(), &mut payload, LIMIT).await?;
    for (name, value) in headers(request, &Fields::of_form(&text))? {
        let headers = request.headers_mut();
        if !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    }
    request.set_payload(whole(text));
    Ok(())
}

/// Returns the headers with the form's value. Both tokens of a session have the same, so a page that
/// was left open until the access token has expired still logs out.
fn headers(
    request: &ServiceRequest,
    form: &Fields,
) -> Result<Vec<(HeaderName, HeaderValue)>, Rejection> {
    let csrf = &Auth::of(request.request())?.policy().csrf;
    let value = form.text(CSRF_FIELD).map(HeaderValue::from_str);
    let Some(Ok(value)) = value else {
        return Ok(Vec::new());
    };
    let names = [&csrf.access_header, &csrf.refresh_header];
    let headers = names.map(|name| (name.clone(), value.clone()));
    Ok(headers.into())
}

/// Returns a payload that has been read.
fn whole(text: Bytes) -> Payload {
    let (_, mut payload) = h1::Payload::create(true);
    payload.unread_data(text);
    Payload::from(payload)
}
