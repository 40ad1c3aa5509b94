//! Implements the extractors of request bodies, which are read within limits of size and time and
//! then turned into structs.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_core::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

use super::error_code::ServerErrorCode;
use super::fields::Fields;
use super::page::Input;
use tokenpair::json::{self, JsonError};
use tokenpair::web::body::{FORM, bytes, content_type};
use tokenpair::web::{Auth, Rejection, guards_done};

/// More than any request to these routes needs.
const LIMIT: usize = 16 * 1024;

/// Extracts a JSON object.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest for JsonBody<T> {
    type Error = Rejection;
    type Future = LocalBoxFuture<'static, Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let fields = read(&request, &mut payload, &[JSON]).await?;
            Ok(Self(fields.read()?))
        })
    }
}

/// Extracts a JSON object or an HTML form.
pub(super) struct JsonOrForm<T> {
    pub(super) body: T,
    pub(super) is_form: bool,
}

impl<T: DeserializeOwned> FromRequest for JsonOrForm<T> {
    type Error = Rejection;
    type Future = LocalBoxFuture<'static, Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let fields = read(&request, &mut payload, &[JSON, FORM]).await?;
            let is_form = fields.are_of_form();
            if is_form {
                Input::keep(&request, &fields);
            }
            let body = fields.read()?;
            Ok(Self { body, is_form })
        })
    }
}

/// Extracts an HTML form.
pub(super) struct FormBody<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest for FormBody<T> {
    type Error = Rejection;
    type Future = LocalBoxFuture<'static, Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let fields = read(&request, &mut payload, &[FORM]).await?;
            Input::keep(&request, &fields);
            Ok(Self(fields.read()?))
        })
    }
}

const JSON: &str = "application/json";

async fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    accepted: &[&str],
) -> Result<Fields, Rejection> {
    // A guard in front that asks the database answers first.
    guards_done(request).await;
    let kind = content_type(request);
    if !kind.is_empty() && !accepted.contains(&kind.as_str()) {
        return Err(unsupported(accepted));
    }
    let text = bytes(request, payload, LIMIT).await?;
    let fields = match kind.as_str() {
        JSON => Fields::of_json(json::object(&text).map_err(not_an_object)?),
        FORM => Fields::of_form(&text),
        // Its first field is missing.
        _ if text.is_empty() && !accepted.contains(&JSON) => Fields::of_form(&text),
        // A request without any body is told what to send, as in Flask-JWT-Extended's examples.
        _ if text.is_empty() => return Err(missing_json()),
        _ => return Err(unsupported(accepted)),
    };
    // Reading may have taken long, and a guard has admitted the token before.
    Auth::of(request)?.recheck(request)?;
    Ok(fields)
}

fn not_an_object(error: JsonError) -> Rejection {
    match error {
        JsonError::NotAnObject => ServerErrorCode::NotAJsonObject.into(),
        JsonError::Malformed => ServerErrorCode::MalformedJson.into(),
    }
}

const CURE: &str = "Send a JSON object with the header Content-Type: application/json.";

fn missing_json() -> Rejection {
    Rejection::from(ServerErrorCode::MissingJson).hint(CURE)
}

fn unsupported(accepted: &[&str]) -> Rejection {
    let rejection = Rejection::from(ServerErrorCode::UnsupportedMediaType);
    if accepted.contains(&JSON) {
        return rejection.hint(CURE);
    }
    rejection
        .msg("The body is not a form by its Content-Type")
        .hint("Send a form with the header Content-Type: application/x-www-form-urlencoded.")
}
