//! Reads request bodies within limits of size and time, for a token in JSON or a CSRF value in a
//! form, and leaves them whole for the handler.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest, rt, web};
use futures_core::Stream;
use serde_json::Value;

use super::error_code::ErrorCode;
use super::location::Location;
use super::policy::WebPolicy;
use super::rejection::Rejection;
use crate::json;

/// Larger than any body that carries a token.
const LIMIT: usize = 256 * 1024;

/// actix itself has no timeout for a slow body.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request's body, as far as it was read.
pub(super) enum RequestBody {
    /// Nothing was looked up in it.
    Unread,
    /// The whole body.
    Read(Bytes),
}

impl RequestBody {
    /// Returns a member of the JSON object. As in Flask-JWT-Extended, a value that is falsy in
    /// Python counts as missing.
    pub(super) fn member(&self, name: &str) -> Option<Value> {
        let Self::Read(bytes) = self else { return None };
        let value = json::object(bytes).ok()?.remove(name)?;
        let nothing = match &value {
            Value::Null | Value::Bool(false) => true,
            Value::Bool(true) => false,
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
        };
        (!nothing).then_some(value)
    }

    /// Returns a field of the form.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        let Self::Read(bytes) = self else { return None };
        pair(std::str::from_utf8(bytes).ok()?, name)
    }
}

/// Returns the first value with that name in `application/x-www-form-urlencoded` text, also used
/// for queries.
pub(super) fn pair(text: &str, name: &str) -> Option<String> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(text).ok()?;
    let mut pairs = pairs.into_inner().into_iter();
    pairs.find_map(|(found, value)| (found == name).then_some(value))
}

/// Returns whether the body may contain a token or a CSRF value.
pub(super) fn matters(request: &HttpRequest, policy: &WebPolicy) -> bool {
    let looks_in = |location| policy.locations.contains(&location);
    let form = policy.csrf.check_form && policy.csrf.is_asked_of(request.method());
    (looks_in(Location::Json) && is_json(request))
        || (form && looks_in(Location::Cookies) && is_form(request))
}

/// Returns the media type of a request, without parameters and in lower case; empty if the request
/// has none.
pub fn content_type(request: &HttpRequest) -> String {
    let value = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// Includes JSON by RFC 6839's suffix, as Flask does.
pub(super) fn is_json(request: &HttpRequest) -> bool {
    let kind = content_type(request);
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// The media type of an HTML form.
pub const FORM: &str = "application/x-www-form-urlencoded";

fn is_form(request: &HttpRequest) -> bool {
    content_type(request) == FORM
}

/// Reads the body, and puts it back.
pub(super) async fn read(
    request: &HttpRequest,
    payload: &mut Payload,
) -> Result<RequestBody, Rejection> {
    let bytes = bytes(request, payload, LIMIT).await?;
    *payload = stream(Once(Some(bytes.clone())));
    Ok(RequestBody::Read(bytes))
}

/// Reads a whole body.
///
/// # Errors
///
/// Returns a [`Rejection`] with 413 past `limit` bytes, with 408 if the body takes longer than 10
/// s, and with 400 if it is cut off.
pub async fn bytes(
    request: &HttpRequest,
    payload: &mut Payload,
    limit: usize,
) -> Result<Bytes, Rejection> {
    // Rejects at once, instead of reading a body that would be dropped.
    if declared(request).is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let read = web::Payload::from_request(request, payload)
        .await
        .map_err(|_| broken())?;
    match rt::time::timeout(PATIENCE, read.to_bytes_limited(limit)).await {
        Ok(Ok(Ok(bytes))) => Ok(bytes),
        Ok(Ok(Err(_))) => Err(broken()),
        Ok(Err(_)) => Err(too_large(limit)),
        Err(_) => Err(too_slow()),
    }
}

fn declared(request: &HttpRequest) -> Option<usize> {
    let length = request.headers().get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

fn broken() -> Rejection {
    ErrorCode::IncompleteBody.into()
}

fn too_large(limit: usize) -> Rejection {
    let msg = format!("The body has more than {limit} bytes");
    Rejection::from(ErrorCode::BodyTooLarge).msg(msg)
}

fn too_slow() -> Rejection {
    let msg = format!("The body took more than {} seconds", PATIENCE.as_secs());
    Rejection::from(ErrorCode::BodyTooSlow).msg(msg)
}

/// Takes a payload from a handler's extractors, which may have begun to poll it, and returns a
/// means to give it back.
pub(super) fn borrow(payload: &mut Payload) -> (Payload, HandOn) {
    let slot = Rc::new(RefCell::new(Slot::default()));
    let handed = Handed(Rc::clone(&slot));
    let taken = std::mem::replace(payload, stream(handed));
    (taken, HandOn(slot))
}

fn stream(parts: impl Stream<Item = Result<Bytes, PayloadError>> + 'static) -> Payload {
    Payload::Stream {
        payload: Box::pin(parts),
    }
}

#[derive(Default)]
struct Slot {
    payload: Option<Payload>,
    waiting: Option<Waker>,
}

/// The means to give a borrowed payload back.
pub(super) struct HandOn(Rc<RefCell<Slot>>);

impl HandOn {
    pub(super) fn give_back(self, payload: Payload) {
        let mut slot = self.0.borrow_mut();
        slot.payload = Some(payload);
        if let Some(waiting) = slot.waiting.take() {
            waiting.wake();
        }
    }
}

/// A payload that is borrowed and will be given back.
struct Handed(Rc<RefCell<Slot>>);

impl Stream for Handed {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut slot = self.0.borrow_mut();
        match &mut slot.payload {
            Some(payload) => Pin::new(payload).poll_next(cx),
            None => {
                slot.waiting = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// A body that was already read.
struct Once(Option<Bytes>);

impl Stream for Once {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}
