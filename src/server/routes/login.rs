//! `POST /register` and `POST /login`.

use std::borrow::Cow;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use futures_core::future::LocalBoxFuture;
use serde_json::json;

use super::public;
use super::session::{Answer, Done, granted};
use crate::password::{Password, PasswordError};
use crate::server::accounts::AccountError;
use crate::server::body::{self, Fields};
use crate::server::{State, browser};
use crate::session::Login;
use crate::settings::Registration;
use crate::web::{Location, Rejection, device};

/// A name and a password.
pub(super) struct Credentials {
    username: String,
    password: Password,
}

impl Credentials {
    fn of(fields: &Fields) -> Result<Self, Rejection> {
        let username = fields.required("username")?.to_owned();
        let password = Password::new(fields.required("password")?.to_owned());
        Ok(Self { username, password })
    }
}

impl FromRequest for Credentials {
    type Error = Rejection;
    type Future = LocalBoxFuture<'static, Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move { Self::of(&body::json(&request, &mut payload).await?) })
    }
}

/// Credentials, and how the answer is wanted.
pub(super) struct LoginRequest {
    credentials: Credentials,
    remember: Option<bool>,
    answer: Answer,
}

impl LoginRequest {
    fn of(fields: &Fields, request: &HttpRequest) -> Result<Self, Rejection> {
        let answer = match fields.optional("tokens")? {
            _ if fields.are_a_form() => Answer::Page,
            None | Some("cookies") => Answer::Cookies,
            Some("body") => Answer::Body,
            Some(_) => return Err(unknown_answer()),
        };
        let answer = if takes_cookies(request) {
            answer
        } else {
            Answer::Body
        };
        Ok(Self {
            credentials: Credentials::of(fields)?,
            remember: fields.truth("remember")?,
            answer,
        })
    }
}

impl FromRequest for LoginRequest {
    type Error = Rejection;
    type Future = LocalBoxFuture<'static, Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(
            async move { Self::of(&body::json_or_form(&request, &mut payload).await?, &request) },
        )
    }
}

/// A server that looks for no cookies has no use for setting them.
fn takes_cookies(request: &HttpRequest) -> bool {
    let state = request.app_data::<web::Data<State>>();
    state.is_some_and(|state| state.auth.policy().locations.contains(&Location::Cookies))
}

pub(super) async fn register(
    state: web::Data<State>,
    wanted: Credentials,
) -> Result<HttpResponse, Rejection> {
    if state.registration == Registration::Closed {
        return Err(Rejection::new(
            StatusCode::FORBIDDEN,
            "registration_closed",
            "Registration is closed",
        )
        .hint("Ask the operator for an account."));
    }
    let now = state.auth.now();
    let user = state
        .accounts
        .register(&wanted.username, wanted.password, Vec::new(), now)
        .await?;
    Ok(HttpResponse::Created().json(json!({ "id": user.id, "username": user.username })))
}

pub(super) async fn login(
    state: web::Data<State>,
    request: HttpRequest,
    wanted: LoginRequest,
) -> Result<HttpResponse, Rejection> {
    browser::refuse_cross_site(&request, state.public_origin.as_deref())?;
    let LoginRequest {
        credentials,
        remember,
        answer,
    } = wanted;
    let Some(user) = state
        .accounts
        .authenticate(&credentials.username, credentials.password)
        .await?
    else {
        return refused(answer, &request);
    };
    let login = Login {
        remember: remember.unwrap_or(state.auth.policy().remember),
        device: device(&request),
    };
    let pair = state
        .auth
        .sessions()
        .login(&user, login, state.auth.now())
        .await?;
    Ok(granted(&state.auth, &pair, Done::Login, answer))
}

/// A browser that sent a form gets the form again; every other client gets JSON.
fn refused(answer: Answer, request: &HttpRequest) -> Result<HttpResponse, Rejection> {
    let rejection = Rejection::new(
        StatusCode::UNAUTHORIZED,
        "bad_credentials",
        "Bad username or password",
    );
    match answer {
        Answer::Page if browser::wants_html(request) => Ok(public::login_page(&rejection)),
        _ => Err(rejection),
    }
}

fn unknown_answer() -> Rejection {
    Rejection::new(
        StatusCode::BAD_REQUEST,
        "invalid_parameter",
        "The parameter tokens has to be \"cookies\" or \"body\"",
    )
}

impl From<AccountError> for Rejection {
    fn from(error: AccountError) -> Self {
        let refuse =
            |status, code| Self::new(status, code, Cow::Owned(sentence(&error.to_string())));
        match &error {
            AccountError::Username(_) => refuse(StatusCode::BAD_REQUEST, "invalid_username"),
            AccountError::PasswordTooShort(_) => {
                refuse(StatusCode::BAD_REQUEST, "password_too_short")
            }
            AccountError::Taken => {
                refuse(StatusCode::CONFLICT, "username_taken").hint("Choose another name.")
            }
            AccountError::Password(PasswordError::Bcrypt(_)) => Self::internal(error),
            AccountError::Password(_) | AccountError::Store(_) => Self::unavailable(error),
        }
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}
