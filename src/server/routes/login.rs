//! `POST /register` and `POST /login`.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::session::{Answer, Done, Granted, granted};
use crate::server::accounts::AccountError;
use crate::server::body::{Body, Fields, FromFields, missing};
use crate::server::device_cookie::Devices;
use crate::server::openapi::Problem;
use crate::server::state::AppState;
use crate::settings::Registration;
use tokenpair::session::{Login, Pair, RequestContext};
use tokenpair::web::{Auth, KnownClient, Location, Rejection, device};
use tokenpair_store::password::{Password, PasswordError, UnfitPassword};

/// A name and a password.
#[derive(ToSchema)]
pub(super) struct Credentials {
    #[schema(min_length = 1)]
    username: String,
    #[schema(value_type = String, format = Password, min_length = 1)]
    password: Password,
}

impl FromFields for Credentials {
    fn from_fields(fields: &Fields, _: &HttpRequest) -> Result<Self, Rejection> {
        let username = fields.required("username")?.to_owned();
        let password = fields.password("password")?;
        Ok(Self { username, password })
    }
}

/// Credentials, and how the answer is wanted.
pub(super) struct LoginRequest {
    credentials: Credentials,
    remember: Option<bool>,
    answer: Answer,
}

/// What a login sends, for the description alone.
#[expect(dead_code, reason = "the body is read member by member")]
#[derive(ToSchema)]
#[schema(as = Login)]
pub(super) struct LoginBody {
    #[schema(min_length = 1)]
    username: String,
    #[schema(format = Password, min_length = 1)]
    password: String,
    /// Cookies outlive the browser.
    remember: Option<bool>,
    /// Where the tokens go.
    #[schema(inline)]
    tokens: Option<Destination>,
}

/// Where a login's tokens go.
#[expect(dead_code, reason = "the body is read member by member")]
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Destination {
    Cookies,
    Body,
}

/// A new user.
#[derive(Serialize, ToSchema)]
pub(super) struct Registered {
    id: String,
    username: String,
}

impl FromFields for LoginRequest {
    const FORM: bool = true;

    fn from_fields(fields: &Fields, request: &HttpRequest) -> Result<Self, Rejection> {
        let (cookies, body) = (
            looks_in(request, Location::Cookies),
            looks_in(request, Location::Headers),
        );
        let answer = match fields.optional("tokens")? {
            _ if fields.are_a_form() && cookies => Answer::Page,
            None if cookies => Answer::Cookies,
            None => Answer::Body,
            Some("cookies") if cookies => Answer::Cookies,
            Some("body") if body => Answer::Body,
            Some(_) => return Err(unknown_answer(cookies, body)),
        };
        let mut credentials = Credentials::from_fields(fields, request)?;
        // No name has blanks around it, and some keyboards add one.
        credentials.username = credentials.username.trim().to_owned();
        if credentials.username.is_empty() {
            return Err(missing("username"));
        }
        Ok(Self {
            credentials,
            remember: fields.truth("remember")?,
            answer,
        })
    }
}

/// What the server would not look for is of no use to anyone.
fn looks_in(request: &HttpRequest, location: Location) -> bool {
    let auth = request.app_data::<Auth>();
    auth.is_some_and(|auth| auth.looks_in(location))
}

/// Makes an account.
#[utoipa::path(
    post,
    path = "/register",
    request_body = Credentials,
    responses((status = 201, body = Registered), (status = 403, body = Problem), (status = 409, body = Problem), (status = 429, body = Problem)),
    security(())
)]
pub(super) async fn register(
    state: web::Data<AppState>,
    _: KnownClient,
    context: RequestContext,
    Body(wanted): Body<Credentials>,
) -> Result<HttpResponse, Rejection> {
    if state.registration == Registration::Closed {
        return Err(Rejection::new(
            StatusCode::FORBIDDEN,
            "registration_closed",
            "Registration is closed",
        )
        .hint("Ask the operator for an account."));
    }
    let user = state
        .accounts
        .register(&wanted.username, wanted.password, Vec::new(), &context)
        .await?;
    Ok(HttpResponse::Created().json(Registered {
        id: user.id,
        username: user.username,
    }))
}

/// A new session: four cookies and the device cookie, or the tokens in the body.
#[utoipa::path(
    post,
    path = "/login",
    request_body(content((LoginBody = "application/json"), (LoginBody = "application/x-www-form-urlencoded"))),
    responses((status = 200, body = Granted<'_>), (status = 303), (status = 401, body = Problem), (status = 403, body = Problem), (status = 429, body = Problem)),
    security(())
)]
pub(super) async fn login(
    state: web::Data<AppState>,
    request: HttpRequest,
    _: KnownClient,
    context: RequestContext,
    Body(wanted): Body<LoginRequest>,
) -> Result<HttpResponse, Rejection> {
    let answer = wanted.answer;
    let devices = Devices::of(&state.auth, &request);
    let (name, pair) = log_in(&state, &request, wanted, (&devices, &context)).await?;
    let mut response = granted(&state.auth, &pair, Done::Login, answer);
    let device_cookie = state.accounts.device_cookie(&name, (&devices, &context));
    if let Some(cookie) = device_cookie.filter(|_| answer != Answer::Body) {
        Devices::set(&state.auth, response.headers_mut(), &cookie);
    }
    Ok(response)
}

async fn log_in(
    state: &AppState,
    request: &HttpRequest,
    wanted: LoginRequest,
    from: (&Devices, &RequestContext),
) -> Result<(String, Pair), Rejection> {
    let Credentials { username, password } = wanted.credentials;
    let user = state.accounts.authenticate(&username, password, from);
    let user = user.await?.ok_or_else(Rejection::bad_credentials)?;
    let remember = wanted.remember;
    let login = Login {
        remember: remember.unwrap_or(state.auth.policy().remember),
        device: device(request),
        delivery: wanted.answer.into(),
    };
    let pair = match wanted.answer {
        Answer::Cookies | Answer::Page => state.auth.log_in_again(request, &user, login).await,
        // The cookies stay, and so does their session.
        Answer::Body => state.auth.log_in(&user, login).await,
    }?;
    Ok((username, pair))
}

fn unknown_answer(cookies: bool, body: bool) -> Rejection {
    let choice = match (cookies, body) {
        (true, false) => "\"cookies\" on this server",
        (false, _) => "\"body\" on this server",
        (true, true) => "\"cookies\" or \"body\"",
    };
    let msg = format!("The parameter tokens has to be {choice}");
    Rejection::new(StatusCode::BAD_REQUEST, "invalid_parameter", msg)
}

impl From<AccountError> for Rejection {
    fn from(error: AccountError) -> Self {
        let refuse =
            |status, code| Self::new(status, code, Cow::Owned(sentence(&error.to_string())));
        match &error {
            AccountError::Username(_) => refuse(StatusCode::BAD_REQUEST, "invalid_username"),
            AccountError::Unfit(UnfitPassword::TooShort(_)) => {
                refuse(StatusCode::BAD_REQUEST, "password_too_short")
            }
            AccountError::Unfit(UnfitPassword::TooLong) => {
                refuse(StatusCode::BAD_REQUEST, "password_too_long")
            }
            AccountError::Unfit(UnfitPassword::TooCommon) => {
                refuse(StatusCode::BAD_REQUEST, "password_too_common").hint(TOO_COMMON)
            }
            AccountError::Taken => {
                refuse(StatusCode::CONFLICT, "username_taken").hint("Choose another name.")
            }
            AccountError::TooManyAttempts(wait) => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_attempts",
                "Too many attempts",
            )
            .hint(TOO_MANY)
            .retry_after(*wait),
            // Not 401, which would say that the login is over.
            AccountError::WrongPassword => refuse(StatusCode::FORBIDDEN, "wrong_password"),
            AccountError::LastAdmin => {
                refuse(StatusCode::CONFLICT, "last_admin").hint("Make another user an admin first.")
            }
            AccountError::NoSuchUser => {
                Self::new(StatusCode::NOT_FOUND, "user_not_found", "No such user")
                    .hint("GET /admin/users lists all.")
            }
            AccountError::Denied(denied) => (*denied).into(),
            AccountError::Password(PasswordError::Bcrypt(_) | PasswordError::Foreign(_)) => {
                Self::internal(error)
            }
            AccountError::Password(_) | AccountError::Store(_) => Self::unavailable(error),
        }
    }
}

const TOO_MANY: &str =
    "Try again after the seconds in Retry-After. Who is logged in stays logged in.";

const TOO_COMMON: &str = "It is one of the first that others would try: a common one, or made of the username or this \
                          server's name. Several words that do not belong together are a good password.";

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}
