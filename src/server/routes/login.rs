//! Implements `POST /register` and `POST /login`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::grant::{Answer, Done, Grant, granted};
use super::tags::{ACCOUNT, SESSIONS};
use crate::config::Registration;
use crate::server::account_error::AccountError;
use crate::server::body::{JsonBody, JsonOrForm};
use crate::server::device_cookie::Devices;
use crate::server::error_code::ServerErrorCode;
use crate::server::fields;
use crate::server::page::Input;
use crate::server::state::AppState;
use tokenpair::session::{Login, RequestContext, Subject};
use tokenpair::web::{Auth, KnownClient, Location, Rejection, device};
use tokenpair_store::password::{Password, PasswordError, UnfitPassword};

/// A username and a password.
#[derive(Deserialize, ToSchema)]
pub(super) struct Credentials {
    #[schema(min_length = 1)]
    username: String,
    #[serde(deserialize_with = "fields::password")]
    #[schema(value_type = String, format = Password, min_length = 1)]
    password: Password,
}

/// Credentials, and how to deliver the tokens.
#[derive(Deserialize, ToSchema)]
#[schema(as = Login)]
pub(super) struct LoginBody {
    #[serde(deserialize_with = "trimmed_username")]
    #[schema(min_length = 1)]
    username: String,
    #[serde(deserialize_with = "fields::password")]
    #[schema(value_type = String, format = Password, min_length = 1)]
    password: Password,
    /// Whether the cookies outlive the browser session.
    remember: Option<bool>,
    /// Where the tokens go.
    #[schema(inline)]
    tokens: Option<Destination>,
}

/// A login by an HTML form.
#[expect(dead_code, reason = "a form is read into LoginBody")]
#[derive(ToSchema)]
struct LoginForm {
    #[schema(min_length = 1)]
    username: String,
    #[schema(format = Password, min_length = 1)]
    password: String,
    /// The cookies outlive the browser session if it is `on`, as of a checkbox, `true` or `1`.
    #[schema(nullable = false)]
    remember: Option<String>,
    /// Where the tokens of a form go is up to the server: cookies, if it takes them.
    #[schema(inline, nullable = false)]
    tokens: Option<Destination>,
}

/// Where a login's tokens go.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Destination {
    Cookies,
    Body,
    #[serde(other, skip_serializing)]
    Unknown,
}

/// No username has blanks around it, and some keyboards add one.
pub(super) fn trimmed_username<'de, D: Deserializer<'de>>(field: D) -> Result<String, D::Error> {
    let text = String::deserialize(field)?;
    match text.trim() {
        "" => Err(D::Error::missing_field("username")),
        username => Ok(username.to_owned()),
    }
}

/// A new user.
#[derive(Serialize, ToSchema)]
pub(super) struct Registered {
    id: String,
    username: String,
}

/// Creates an account.
///
/// Does not log in. The operator can close registration.
#[utoipa::path(
    post,
    path = "/register",
    operation_id = "register",
    tag = ACCOUNT,
    request_body = Credentials,
    responses((status = 201, body = Registered, description = "The account was created.")),
    security(())
)]
pub(super) async fn register(
    state: web::Data<AppState>,
    _: KnownClient,
    context: RequestContext,
    JsonBody(wanted): JsonBody<Credentials>,
) -> Result<HttpResponse, Rejection> {
    let user = registered(&state, &wanted.username, wanted.password, &context).await?;
    Ok(HttpResponse::Created().json(Registered {
        id: user.id,
        username: user.username,
    }))
}

/// Creates an account, unless nobody may.
pub(super) async fn registered(
    state: &AppState,
    username: &str,
    password: Password,
    context: &RequestContext,
) -> Result<Subject, Rejection> {
    if state.registration == Registration::Closed {
        return Err(Rejection::from(ServerErrorCode::RegistrationClosed)
            .hint("Ask the operator for an account."));
    }
    let roles = Vec::new();
    let user = state.accounts.register(username, password, roles, context);
    Ok(user.await?)
}

/// Logs in: starts a session.
///
/// The tokens come in four cookies, beside the device cookie, or in the body. A login that sets
/// cookies ends the session whose cookies came with it. A form of a page gets cookies and a
/// redirect to the page, or to the path in its field `next`.
#[utoipa::path(
    post,
    path = "/login",
    operation_id = "logIn",
    tag = SESSIONS,
    request_body(content((LoginBody = "application/json"), (LoginForm = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, body = Grant, description = "Logged in."),
        (status = 303, description = "Logged in by a form."),
    ),
    security(())
)]
pub(super) async fn login(
    state: web::Data<AppState>,
    request: HttpRequest,
    _: KnownClient,
    context: RequestContext,
    JsonOrForm { body, is_form }: JsonOrForm<LoginBody>,
) -> Result<HttpResponse, Rejection> {
    let answer = answer(&state.auth, body.tokens, is_form)?;
    let devices = Devices::of(&state.auth, &request);
    let user = state
        .accounts
        .authenticate(&body.username, body.password, &devices, &context);
    let user = user.await?.ok_or_else(Rejection::bad_credentials)?;
    let entry = Entry {
        username: &body.username,
        remember: body.remember,
        devices,
        answer,
    };
    entry.start(&state, &request, &user, &context).await
}

/// How a user whose password is right begins a session.
pub(super) struct Entry<'a> {
    /// The name as the user wrote it.
    pub(super) username: &'a str,
    pub(super) remember: Option<bool>,
    pub(super) devices: Devices,
    pub(super) answer: Answer,
}

impl Entry<'_> {
    /// Starts a session and delivers its tokens.
    pub(super) async fn start(
        &self,
        state: &AppState,
        request: &HttpRequest,
        user: &Subject,
        context: &RequestContext,
    ) -> Result<HttpResponse, Rejection> {
        let answer = self.answer;
        let login = Login {
            remember: self.remember.unwrap_or(state.auth.policy().remember),
            device: device(request),
            delivery: answer.into(),
        };
        let pair = match answer {
            Answer::Cookies | Answer::Page => state.auth.log_in_again(request, user, login).await,
            // The browser's cookies stay, and so does their session.
            Answer::Body => state.auth.log_in(user, login).await,
        };
        state.count_login(pair.is_ok());
        let pair = pair?;
        let mut response = granted(state, &pair, Done::Login, answer);
        let device_cookie = state
            .accounts
            .device_cookie(self.username, &self.devices, context);
        if let Some(cookie) = device_cookie.filter(|_| answer != Answer::Body) {
            Devices::set(&state.auth, response.headers_mut(), &cookie);
        }
        if answer == Answer::Page {
            Input::of(request).return_by(response.headers_mut());
        }
        Ok(response)
    }
}

/// Chooses where the tokens go. Where the server does not look for tokens, they would be of no use.
fn answer(auth: &Auth, tokens: Option<Destination>, is_form: bool) -> Result<Answer, Rejection> {
    let cookies = auth.looks_in(Location::Cookies);
    let body = auth.looks_in(Location::Headers);
    Ok(match tokens {
        Some(Destination::Unknown) => return Err(unknown_destination(cookies, body)),
        _ if is_form && cookies => Answer::Page,
        None if cookies => Answer::Cookies,
        None => Answer::Body,
        Some(Destination::Cookies) if cookies => Answer::Cookies,
        Some(Destination::Body) if body => Answer::Body,
        Some(_) => return Err(unknown_destination(cookies, body)),
    })
}

fn unknown_destination(cookies: bool, body: bool) -> Rejection {
    let choice = match (cookies, body) {
        (true, false) => "\"cookies\" on this server",
        (false, _) => "\"body\" on this server",
        (true, true) => "\"cookies\" or \"body\"",
    };
    let msg = format!("The parameter tokens has to be {choice}");
    Rejection::from(ServerErrorCode::InvalidParameter).msg(msg)
}

impl From<AccountError> for Rejection {
    fn from(error: AccountError) -> Self {
        let refuse = |code: ServerErrorCode| Self::from(code).msg(sentence(&error.to_string()));
        match &error {
            AccountError::Username(_) => refuse(ServerErrorCode::InvalidUsername),
            AccountError::Unfit(UnfitPassword::TooShort(_)) => {
                refuse(ServerErrorCode::PasswordTooShort)
            }
            AccountError::Unfit(UnfitPassword::TooLong) => refuse(ServerErrorCode::PasswordTooLong),
            AccountError::Unfit(UnfitPassword::TooCommon) => {
                refuse(ServerErrorCode::PasswordTooCommon).hint(TOO_COMMON)
            }
            AccountError::Taken => {
                refuse(ServerErrorCode::UsernameTaken).hint("Choose another name.")
            }
            AccountError::TooManyAttempts(wait) => Self::from(ServerErrorCode::TooManyAttempts)
                .hint(TOO_MANY)
                .retry_after(*wait),
            // Not 401, which would say that the login is over.
            AccountError::WrongPassword => refuse(ServerErrorCode::WrongPassword),
            AccountError::LastAdmin => {
                refuse(ServerErrorCode::LastAdmin).hint("Make another user an admin first.")
            }
            AccountError::NoSuchUser => ServerErrorCode::UserNotFound.into(),
            AccountError::Denied(denied) => (*denied).into(),
            AccountError::Password(PasswordError::Bcrypt(_) | PasswordError::Foreign(_)) => {
                Self::internal(error)
            }
            AccountError::Password(_) | AccountError::Store(_) => Self::unavailable(error),
        }
    }
}

const TOO_MANY: &str =
    "Try again after the seconds in Retry-After. Existing sessions are not affected.";

const TOO_COMMON: &str = "Choose several words that do not belong together. This password is common, or made of the \
                          username or this server's name.";

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}
