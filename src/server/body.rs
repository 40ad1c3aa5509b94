//! Request bodies: read with a limit of size and of time, and understood as one JSON object or one HTML form.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest};
use futures_core::future::LocalBoxFuture;
use serde_json::{Map, Value};

use tokenpair::json::{self, JsonError};
use tokenpair::web::body::{FORM, bytes, content_type};
use tokenpair::web::{Auth, Rejection};
use tokenpair_store::password::Password;

/// More than any request to these routes needs.
const LIMIT: usize = 16 * 1024;

/// The members of a request's body. Passwords are among them, so it has no `Debug`.
pub(super) struct Fields {
    members: Map<String, Value>,
    form: bool,
}

impl Fields {
    /// Whether an HTML form sent them.
    pub(super) const fn are_a_form(&self) -> bool {
        self.form
    }

    /// A text that has to be there. The complaint is the one of Flask-JWT-Extended's examples.
    pub(super) fn required(&self, name: &'static str) -> Result<&str, Rejection> {
        match self.members.get(name) {
            None | Some(Value::Null) => Err(missing(name)),
            Some(Value::String(text)) if text.is_empty() => Err(missing(name)),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(bad(
                "invalid_parameter",
                format!("The parameter {name} has to be a string"),
            )),
        }
    }

    /// A password that has to be there.
    pub(super) fn password(&self, name: &'static str) -> Result<Password, Rejection> {
        self.required(name)
            .map(|text| Password::new(text.to_owned()))
    }

    /// Whatever stands there.
    pub(super) fn value(&self, name: &'static str) -> Option<&Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// A text that may be there.
    pub(super) fn optional(&self, name: &'static str) -> Result<Option<&str>, Rejection> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => self.required(name).map(Some),
        }
    }

    /// True or false; a form's checkbox says `on`.
    pub(super) fn truth(&self, name: &'static str) -> Result<Option<bool>, Rejection> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(*truth)),
            Some(Value::String(text)) if self.form => {
                Ok(Some(matches!(text.as_str(), "on" | "true" | "1")))
            }
            Some(_) => Err(bad(
                "invalid_parameter",
                format!("The parameter {name} has to be true or false"),
            )),
        }
    }
}

/// What a route asks of a body.
pub(super) trait FromFields: Sized {
    /// Whether an HTML form will do as well as JSON.
    const FORM: bool = false;

    fn from_fields(fields: &Fields, request: &HttpRequest) -> Result<Self, Rejection>;
}

/// The extractor of a body. It may take its time, so a token that a guard admitted before is checked again after it.
pub(super) struct Body<T>(pub(super) T);

impl<T: FromFields + 'static> FromRequest for Body<T> {
    type Error = Rejection;
    type Future = LocalBoxFuture<'static, Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let fields = fields(&request, &mut payload, T::FORM).await?;
            Auth::of(&request)?.recheck(&request)?;
            T::from_fields(&fields, &request).map(Self)
        })
    }
}

async fn fields(
    request: &HttpRequest,
    payload: &mut Payload,
    form_too: bool,
) -> Result<Fields, Rejection> {
    match content_type(request).as_str() {
        "application/json" => json_object(&bytes(request, payload, LIMIT).await?),
        FORM if form_too => Ok(form(&bytes(request, payload, LIMIT).await?)),
        // Whoever sent nothing at all is told what to send, as in Flask-JWT-Extended's examples.
        "" if bytes(request, payload, LIMIT).await?.is_empty() => Err(missing_json()),
        _ => Err(unsupported()),
    }
}

fn json_object(text: &[u8]) -> Result<Fields, Rejection> {
    match json::object(text) {
        Ok(members) => Ok(Fields {
            members,
            form: false,
        }),
        Err(JsonError::NotAnObject) => {
            Err(bad("not_a_json_object", "The body has to be a JSON object"))
        }
        Err(JsonError::Malformed) => Err(bad("malformed_json", "The body is not valid JSON")),
    }
}

fn form(text: &[u8]) -> Fields {
    let pairs = url::form_urlencoded::parse(text);
    let members = pairs
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect();
    Fields {
        members,
        form: true,
    }
}

pub(super) fn missing(name: &'static str) -> Rejection {
    let code = match name {
        "username" => "missing_username",
        "password" => "missing_password",
        _ => "missing_parameter",
    };
    bad(code, format!("Missing {name} parameter"))
}

const CURE: &str = "Send a JSON object with the header Content-Type: application/json.";

fn missing_json() -> Rejection {
    bad("missing_json", "Missing JSON in request").hint(CURE)
}

fn unsupported() -> Rejection {
    Rejection::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "The body is not JSON by its Content-Type",
    )
    .hint(CURE)
}

pub(super) fn bad(code: &'static str, msg: impl Into<std::borrow::Cow<'static, str>>) -> Rejection {
    Rejection::new(StatusCode::BAD_REQUEST, code, msg)
}
