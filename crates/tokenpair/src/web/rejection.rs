//! Rejections: every error a client sees, as one JSON object `{"msg", "code", "hint"?, "retry_after"?}`.
//!
//! A rejection has two sides. The client reads `msg` (Flask-JWT-Extended's text where it has one), the stable `code`
//! and what to do; the operator reads the cause, which goes to the log and never into an answer.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::cause::{Cause, error_chain};
use super::error_code::{ErrorCode, RejectionKind};
use crate::token::Decoded;

pub(super) type Responder = Arc<dyn Fn(&Rejection) -> Option<HttpResponse> + Send + Sync>;

/// An answer that says no.
///
/// ```
/// use actix_web::ResponseError;
/// use actix_web::body::to_bytes;
/// use actix_web::http::StatusCode;
/// use tokenpair::web::Rejection;
///
/// # tokenpair::sample::run(async {
/// let rejection = Rejection::new(StatusCode::FORBIDDEN, "admins_only", "Admins only!").hint("Ask one of them.");
/// let response = rejection.error_response();
/// assert_eq!(response.status(), 403);
/// let body = to_bytes(response.into_body()).await?;
/// assert_eq!(body, r#"{"msg":"Admins only!","code":"admins_only","hint":"Ask one of them."}"#);
/// # Ok(()) });
/// ```
///
/// A rejection with a cause is logged once, when it is rendered: the status, the code, and the cause
/// with its sources, under [`Rejection::LOG_TARGET`]. A 5xx is logged as an error, anything else at
/// level `info`. The client gets nothing of the cause.
#[derive(Clone)]
pub struct Rejection {
    status: StatusCode,
    code: Code,
    msg: Cow<'static, str>,
    hint: Option<Cow<'static, str>>,
    /// Makes the hint, if it names the route that refreshes.
    hint_for: Option<HintFor>,
    retry_after: Option<u32>,
    cause: Option<Arc<Cause>>,
    dress: Option<Arc<Dress>>,
}

/// Where a code comes from.
#[derive(Clone, Copy)]
enum Code {
    Library(ErrorCode),
    Application(&'static str),
}

/// How an application's rejections look, and the token that one is about.
#[derive(Clone, Default)]
struct Dress {
    message_key: Option<String>,
    responder: Option<Responder>,
    token: Option<Arc<Decoded>>,
}

/// Makes a hint that names a route, from the route's path.
type HintFor = fn(&str) -> String;

/// The route that refreshes in Flask-JWT-Extended's guide.
pub(super) const REFRESH_ROUTE: &str = "/refresh";

/// The member that holds the text, unless `JWT_ERROR_MESSAGE_KEY` says otherwise.
const MSG: &str = "msg";

impl Rejection {
    /// The target of the [`log`] records about causes. Turn it off if your app logs
    /// [`Rejection::cause`] itself, for example with the request.
    pub const LOG_TARGET: &'static str = "tokenpair::fault";

    /// Creates a rejection with a code of an application's own. Its [`kind`](Self::kind) is [`RejectionKind::Other`], even if
    /// the text is that of an [`ErrorCode`]: make those with `Rejection::from(ErrorCode::…)`.
    pub fn new(status: StatusCode, code: &'static str, msg: impl Into<Cow<'static, str>>) -> Self {
        Self::with_code(status, Code::Application(code), msg.into())
    }

    const fn with_code(status: StatusCode, code: Code, msg: Cow<'static, str>) -> Self {
        Self {
            status,
            code,
            msg,
            hint: None,
            hint_for: None,
            retry_after: None,
            cause: None,
            dress: None,
        }
    }

    /// Replaces the text.
    #[must_use]
    pub fn msg(self, msg: impl Into<Cow<'static, str>>) -> Self {
        Self {
            msg: msg.into(),
            ..self
        }
    }

    /// Replaces the status.
    #[must_use]
    pub fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Tells the client what to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        Self {
            hint: Some(hint.into()),
            hint_for: None,
            ..self
        }
    }

    /// Gives a hint that names the route that refreshes: Flask-JWT-Extended's, until
    /// [`naming_refresh_route`](Self::naming_refresh_route).
    pub(super) fn hint_for_refresh(self, hint_for: HintFor) -> Self {
        Self {
            hint_for: Some(hint_for),
            ..self
        }
        .naming_refresh_route(REFRESH_ROUTE)
    }

    /// Names the application's route in a hint that names one.
    pub(super) fn naming_refresh_route(self, route: &str) -> Self {
        let named = self.hint_for.map(|hint_for| hint_for(route).into());
        Self {
            hint: named.or(self.hint),
            ..self
        }
    }

    /// Tells the client when to come again, in whole seconds: `Retry-After`, and `retry_after` in the JSON.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        Self {
            retry_after: Some(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX)),
            ..self
        }
    }

    /// Keeps the cause for the log: an error, a boxed error, or a text. It must not hold a secret.
    #[must_use]
    pub fn caused_by(self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            cause: Some(Arc::new(Cause::new(cause.into()))),
            ..self
        }
    }

    /// 503: something the answer needs is away or full. Nobody is logged out, and the same request may be sent again.
    ///
    /// ```
    /// use std::io;
    /// use actix_web::ResponseError;
    /// use tokenpair::web::Rejection;
    ///
    /// let response = Rejection::unavailable(io::Error::other("connection refused")).error_response();
    /// assert_eq!(response.status(), 503);
    /// assert_eq!(response.headers().get("Retry-After").unwrap(), "1"); // seconds
    ///
    /// // Any error of an app, in a handler:
    /// fn count() -> Result<i64, Rejection> {
    ///     "many".parse().map_err(Rejection::unavailable)
    /// }
    /// assert_eq!(count().unwrap_err().code(), "unavailable");
    /// ```
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::from(ErrorCode::Unavailable).hint("Send the same request again after the seconds in Retry-After. No user is logged out by this.")
        .retry_after(Duration::from_secs(1))
        .caused_by(cause)
    }

    /// 500: our mistake. The body is a constant; the cause is only logged.
    ///
    /// ```
    /// use std::io;
    /// use tokenpair::web::Rejection;
    ///
    /// let rejection = Rejection::internal(io::Error::other("the disk is full"));
    /// assert_eq!(rejection.to_string(), "Internal server error"); // for the client
    /// assert_eq!(rejection.cause().as_deref(), Some("the disk is full")); // for the log
    /// ```
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::from(ErrorCode::InternalError).caused_by(cause)
    }

    /// Returns the text of the stable code. To decide by the code, use [`Rejection::error_code`].
    pub const fn code(&self) -> &'static str {
        match self.code {
            Code::Library(code) => code.as_str(),
            Code::Application(text) => text,
        }
    }

    /// Returns the code, unless it is an application's own.
    pub const fn error_code(&self) -> Option<ErrorCode> {
        match self.code {
            Code::Library(code) => Some(code),
            Code::Application(_) => None,
        }
    }

    /// Returns the hint: what the client can do.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Returns after how many seconds the client may try again.
    pub const fn seconds_to_wait(&self) -> Option<u32> {
        self.retry_after
    }

    /// Returns which of Flask-JWT-Extended's error loaders it is for.
    pub fn kind(&self) -> RejectionKind {
        self.error_code()
            .map_or(RejectionKind::Other, ErrorCode::kind)
    }

    /// The token that it is about, where one was believed.
    pub fn token(&self) -> Option<&Decoded> {
        self.dress.as_ref()?.token.as_deref()
    }

    fn with_dress(mut self, change: impl FnOnce(&mut Dress)) -> Self {
        change(Arc::make_mut(self.dress.get_or_insert_default()));
        self
    }

    pub(super) fn of_token(self, token: Arc<Decoded>) -> Self {
        self.with_dress(|dress| dress.token = Some(token))
    }

    /// Replaces the status if the rejection is [`RejectionKind::InvalidToken`].
    pub(super) fn with_invalid_token_status(self, status: StatusCode) -> Self {
        match self.kind() {
            RejectionKind::InvalidToken => self.status(status),
            _ => self,
        }
    }

    /// In the form that an application's rejections have.
    pub(super) fn dressed(self, message_key: &str, responder: Option<&Responder>) -> Self {
        if message_key == MSG && responder.is_none() {
            return self;
        }
        self.with_dress(|dress| {
            dress.message_key = Some(message_key.to_owned());
            dress.responder = responder.cloned();
        })
    }

    /// Returns the cause and its sources, for the log. `None` if the client was to blame.
    pub fn cause(&self) -> Option<String> {
        Some(error_chain(self.cause.as_ref()?.error()))
    }
}

/// A rejection with the code's usual status and text.
impl From<ErrorCode> for Rejection {
    fn from(code: ErrorCode) -> Self {
        let msg = Cow::Borrowed(code.message());
        Self::with_code(code.status(), Code::Library(code), msg)
    }
}

/// The JSON of an answer.
struct ErrorBody<'a>(&'a Rejection);

impl Serialize for ErrorBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rejection = self.0;
        let dress = rejection.dress.as_ref();
        let key = dress.and_then(|dress| dress.message_key.as_deref());
        let mut body = serializer.serialize_map(None)?;
        body.serialize_entry(key.unwrap_or(MSG), &rejection.msg)?;
        body.serialize_entry("code", rejection.code())?;
        if let Some(hint) = &rejection.hint {
            body.serialize_entry("hint", hint)?;
        }
        if let Some(seconds) = rejection.retry_after {
            body.serialize_entry("retry_after", &seconds)?;
        }
        body.end()
    }
}

impl ResponseError for Rejection {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        if let Some(cause) = &self.cause {
            cause.log(Self::LOG_TARGET, self.status, self.code());
        }
        let responder = self
            .dress
            .as_ref()
            .and_then(|dress| dress.responder.as_ref());
        if let Some(response) = responder.and_then(|respond| respond(self)) {
            return response;
        }
        let mut response = HttpResponse::build(self.status);
        response.insert_header((CACHE_CONTROL, "no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110 section 11.6.1: a 401 names the scheme.
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            response.insert_header((RETRY_AFTER, seconds));
        }
        response.json(ErrorBody(self))
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.msg)
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.cause.as_ref()?.error())
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rejection({} {})", self.status.as_u16(), self.code())
    }
}
