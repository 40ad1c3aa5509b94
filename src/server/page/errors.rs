//! Implements errors as pages, with the form that was sent.

use std::rc::Rc;

use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::{HttpMessage, HttpRequest, web};
use maud::{Markup, html};

use super::address::{LOG_IN, PAGE, PASSWORD, REGISTER};
use super::document::{Shown, State};
use super::forms::{Failure, log_in_state, password_state, register_state};
use super::input::Input;
use crate::server::browser;
use crate::server::error_code::ServerErrorCode;
use crate::server::state::AppState;
use tokenpair::web::{ErrorCode, Location, Rejection, Verified};

/// Shows an error as a page if a browser navigates to it. Other headers of the response are kept.
pub(in crate::server) fn show_error(response: ServiceResponse) -> ServiceResponse {
    let request = response.request();
    let error = response.response().error();
    let rejection = error.and_then(|error| error.as_error::<Rejection>());
    let state = request.app_data::<web::Data<AppState>>();
    let (Some(rejection), Some(state)) = (rejection, state) else {
        return response;
    };
    if !browser::navigates(request) {
        return response;
    }
    let state = state.clone();
    let shown = Shown::to(request, &state.site);
    let look = state.site.look();
    let text = shown.document(&page(&shown, rejection, request), &look);
    let mut response = response.map_body(|_, _| BoxBody::new(text));
    shown.describe(response.headers_mut(), &look);
    response
}

/// Returns the form that was sent, with the error, or a page of its own for it.
fn page(shown: &Shown<'_>, rejection: &Rejection, request: &HttpRequest) -> State {
    let is_form = *request.method() == Method::POST;
    let failure = |fields| Failure {
        says: Words::of(shown, rejection).summary(fields),
        fields,
    };
    let input = Input::of(request);
    match request.path() {
        LOG_IN if is_form && shown.site.in_cookies => {
            let fields = fields(rejection, &["password"]);
            log_in_state(shown, None, &input, Some(&failure(fields)))
        }
        REGISTER if is_form && shown.site.can_register() => {
            let fields = fields(rejection, &["password"]);
            register_state(shown, &input, Some(&failure(fields)))
        }
        PASSWORD if is_form => match user(request) {
            Some(user) => {
                let csrf = user.claims.csrf.as_ref().map(|csrf| csrf.as_str());
                let name = user.claims.username.as_deref();
                let fields = fields(rejection, &["new_password"]);
                password_state(
                    shown,
                    name.unwrap_or_default(),
                    csrf,
                    Some(&failure(fields)),
                )
            }
            None => error_state(shown, rejection, request),
        },
        _ => error_state(shown, rejection, request),
    }
}

/// Returns the user whose cookie a guard has verified.
fn user(request: &HttpRequest) -> Option<Rc<Verified>> {
    let user = request.extensions().get::<Rc<Verified>>().cloned();
    user.filter(|user| user.location == Location::Cookies)
}

/// Returns a page of its own for an error.
fn error_state(shown: &Shown<'_>, rejection: &Rejection, request: &HttpRequest) -> State {
    let texts = shown.texts;
    let can_repeat = match request.path() {
        "/logout" => rejection.seconds_to_wait().is_some(),
        path => path == PAGE,
    };
    let words = Words::of(shown, rejection);
    let main = html! {
        (words.advice())
        p.aside {
            @if can_repeat {
                a href=(request.path()) { (texts.try_again) }
            } @else {
                a href=(PAGE) { (texts.start_page) }
            }
        }
    };
    State {
        language: words.language,
        failed: true,
        ..State::new(words.says, main)
    }
}

/// Returns the fields of the form that an error is about: `new_password` if it is the new password.
fn fields(rejection: &Rejection, new_password: &'static [&'static str]) -> &'static [&'static str] {
    if rejection.error_code() == Some(ErrorCode::BadCredentials) {
        return &["password", "username"];
    }
    match ServerErrorCode::of(rejection) {
        Some(
            ServerErrorCode::MissingUsername
            | ServerErrorCode::InvalidUsername
            | ServerErrorCode::UsernameTaken,
        ) => &["username"],
        Some(ServerErrorCode::WrongPassword) => &["current_password"],
        Some(
            ServerErrorCode::MissingPassword
            | ServerErrorCode::PasswordTooShort
            | ServerErrorCode::PasswordTooLong
            | ServerErrorCode::PasswordTooCommon,
        ) => new_password,
        _ => &[],
    }
}

/// An error in words for people.
struct Words {
    says: String,
    advice: Option<String>,
    /// The language, if it is not the page's: a text without a translation is English.
    language: Option<&'static str>,
    /// The same of the advice.
    advice_language: Option<&'static str>,
}

impl Words {
    fn of(shown: &Shown<'_>, rejection: &Rejection) -> Self {
        let texts = shown.texts;
        let explained = texts.errors.explain(rejection);
        let language = explained.is_none().then_some("en");
        let wait = rejection.seconds_to_wait();
        Self {
            says: explained.map_or_else(|| rejection.to_string(), |found| found.says.to_owned()),
            // The hint about waiting names a header, which is for programs.
            advice: match (wait, explained) {
                (Some(seconds), _) => Some(texts.retry_in(seconds)),
                (None, Some(explained)) => Some(explained.advice.to_owned()),
                (None, None) => rejection.advice().map(str::to_owned),
            },
            language,
            advice_language: language.filter(|_| wait.is_none()),
        }
    }

    /// Returns what went wrong, as a link to the field that is at fault, and what to do next.
    fn summary(&self, fields: &[&str]) -> Markup {
        html! {
            p lang=[self.language] {
                strong {
                    @match fields.first() {
                        Some(field) => a href={ "#" (field) } { (self.says) "." },
                        None => { (self.says) "." },
                    }
                }
            }
            (self.advice())
        }
    }

    fn advice(&self) -> Markup {
        html! {
            @if let Some(advice) = &self.advice {
                p lang=[self.advice_language] { (advice) }
            }
        }
    }
}
