//! Implements the forms of the page: for the login, a new account and a new password.

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::address::{Address, LOG_IN, NEXT, PASSWORD, REGISTER};
use super::document::{Shown, State};
use super::input::Input;
use super::next::Next;
use super::visit::Notice;

/// The id of the error summary.
const ERROR: &str = "error";

/// The name of the field for a CSRF value, as in Flask-JWT-Extended.
pub(super) const CSRF_FIELD: &str = "csrf_token";

/// An error as the page shows it.
pub(super) struct Failure {
    pub(super) says: Markup,
    /// The fields that are at fault. The first of them gets the focus.
    pub(super) fields: &'static [&'static str],
}

/// An input of a form.
struct Field<'a> {
    name: &'static str,
    label: &'static str,
    autocomplete: &'static str,
    /// Its value, unless it is a password.
    value: Option<&'a str>,
    hint: Option<String>,
}

/// The login form.
pub(in crate::server) fn log_in(
    shown: &Shown<'_>,
    notice: Option<Notice>,
    next: Option<Next>,
) -> HttpResponse {
    shown.respond(&log_in_state(shown, notice, &Input::returning(next), None))
}

pub(super) fn log_in_state(
    shown: &Shown<'_>,
    notice: Option<Notice>,
    input: &Input,
    failure: Option<&Failure>,
) -> State {
    let texts = shown.texts;
    let next = input.next.as_ref();
    let main = html! {
        (notice_line(shown, notice))
        (login_form(shown, input, failure))
        p.aside {
            @if shown.site.can_register() {
                (texts.no_account) " "
                a href=(Address::Register.with_next(next)) { (texts.create_account) }
            } @else {
                (texts.ask_operator)
            }
        }
    };
    State::new(texts.log_in, main).failed(failure.is_some())
}

/// The login form for a user who is logged in, before a change that needs the password.
pub(in crate::server) fn confirmation(
    shown: &Shown<'_>,
    username: &str,
    then: Address,
) -> HttpResponse {
    let input = Input::confirming(username, Next::parse(then.as_str()));
    let main = html! {
        p { (shown.texts.confirm_why) }
        (login_form(shown, &input, None))
        (back(shown))
    };
    shown.respond(&State::new(shown.texts.confirm, main))
}

/// Tells that browsers cannot log in here.
pub(in crate::server) fn programs_only(shown: &Shown<'_>) -> HttpResponse {
    let main = html! { p { (shown.texts.programs_only) } };
    shown.respond(&State::new(shown.texts.log_in, main))
}

fn login_form(shown: &Shown<'_>, input: &Input, failure: Option<&Failure>) -> Markup {
    let texts = shown.texts;
    let focus = focused(
        failure,
        if input.username.is_empty() {
            "username"
        } else {
            "password"
        },
    );
    let password = Field {
        name: "password",
        label: texts.password,
        autocomplete: "current-password",
        value: None,
        hint: None,
    };
    html! {
        (alert(failure))
        form method="post" action=(LOG_IN) {
            (field(&username(shown, input), failure, focus))
            (field(&password, failure, focus))
            (remember(shown, input))
            (next_field(input.next.as_ref()))
            button.primary { (texts.log_in) }
        }
    }
}

/// The form for a new account.
pub(in crate::server) fn register(shown: &Shown<'_>, next: Option<Next>) -> HttpResponse {
    shown.respond(&register_state(shown, &Input::returning(next), None))
}

pub(super) fn register_state(shown: &Shown<'_>, input: &Input, failure: Option<&Failure>) -> State {
    let texts = shown.texts;
    let focus = focused(failure, "username");
    let main = html! {
        (alert(failure))
        form method="post" action=(REGISTER) {
            (field(&username(shown, input), failure, focus))
            (field(&new_password(shown, "password", texts.password), failure, focus))
            (remember(shown, input))
            (next_field(input.next.as_ref()))
            button.primary { (texts.register) }
        }
        p.aside {
            (texts.have_account) " "
            a href=(Address::Start.with_next(input.next.as_ref())) { (texts.log_in) }
        }
    };
    State::new(texts.create_account, main).failed(failure.is_some())
}

/// The form for a new password.
pub(in crate::server) fn password(
    shown: &Shown<'_>,
    username: &str,
    csrf: Option<&str>,
) -> HttpResponse {
    shown.respond(&password_state(shown, username, csrf, None))
}

pub(super) fn password_state(
    shown: &Shown<'_>,
    username: &str,
    csrf: Option<&str>,
    failure: Option<&Failure>,
) -> State {
    let texts = shown.texts;
    let focus = focused(failure, "current_password");
    let current = Field {
        name: "current_password",
        label: texts.current_password,
        autocomplete: "current-password",
        value: None,
        hint: None,
    };
    let main = html! {
        (alert(failure))
        form method="post" action=(PASSWORD) {
            // For password managers, which otherwise ask whose password it is.
            input type="text" name="username" autocomplete="username" value=(username) readonly hidden;
            (field(&current, failure, focus))
            (field(&new_password(shown, "new_password", texts.new_password), failure, focus))
            (csrf_field(csrf))
            p.note { (texts.password_effect) }
            button.primary { (texts.change_password) }
        }
        (back(shown))
    };
    State::new(texts.change_password, main).failed(failure.is_some())
}

fn username<'a>(shown: &Shown<'_>, input: &'a Input) -> Field<'a> {
    Field {
        name: "username",
        label: shown.texts.username,
        autocomplete: "username",
        value: Some(&input.username),
        hint: None,
    }
}

fn new_password(shown: &Shown<'_>, name: &'static str, label: &'static str) -> Field<'static> {
    Field {
        name,
        label,
        autocomplete: "new-password",
        value: None,
        hint: Some((shown.texts.password_rule)(shown.site.min_chars)),
    }
}

/// Returns the field that gets the focus. `None` if the error does, which concerns no field.
fn focused(failure: Option<&Failure>, usual: &'static str) -> Option<&'static str> {
    match failure {
        Some(failure) => failure.fields.first().copied(),
        None => Some(usual),
    }
}

fn field(field: &Field<'_>, failure: Option<&Failure>, focus: Option<&str>) -> Markup {
    let Field { name, label, .. } = *field;
    let is_wrong = failure.is_some_and(|failure| failure.fields.contains(&name));
    let hint = field.hint.as_ref().map(|_| format!("{name}-hint"));
    let described = [is_wrong.then(|| ERROR.to_owned()), hint.clone()];
    let described: Vec<String> = described.into_iter().flatten().collect();
    let described = (!described.is_empty()).then(|| described.join(" "));
    let is_password = field.value.is_none();
    html! {
        div.field {
            label for=(name) { (label) }
            input id=(name) name=(name) type=(if is_password { "password" } else { "text" })
                autocomplete=(field.autocomplete) value=[field.value.filter(|value| !value.is_empty())]
                autocapitalize=[(!is_password).then_some("none")] spellcheck=[(!is_password).then_some("false")]
                aria-invalid=[is_wrong.then_some("true")] aria-describedby=[described]
                required autofocus[focus == Some(name)];
            @if let (Some(id), Some(hint)) = (&hint, &field.hint) {
                p.hint id=(id) { (hint) }
            }
        }
    }
}

fn remember(shown: &Shown<'_>, input: &Input) -> Markup {
    html! {
        label.check {
            input name="remember" type="checkbox" checked[input.remember];
            span { (shown.texts.remember) }
        }
    }
}

fn next_field(next: Option<&Next>) -> Markup {
    html! {
        @if let Some(next) = next {
            input type="hidden" name=(NEXT) value=(next.as_str());
        }
    }
}

/// The CSRF value of the access token, if it has one.
pub(super) fn csrf_field(csrf: Option<&str>) -> Markup {
    html! {
        @if let Some(csrf) = csrf {
            input type="hidden" name=(CSRF_FIELD) value=(csrf);
        }
    }
}

/// The error summary, which gets the focus unless a field does.
fn alert(failure: Option<&Failure>) -> Markup {
    html! {
        @if let Some(failure) = failure {
            div.alert #(ERROR) role="alert" tabindex="-1" autofocus[failure.fields.is_empty()] {
                (failure.says)
            }
        }
    }
}

/// Tells what was done before.
pub(super) fn notice_line(shown: &Shown<'_>, notice: Option<Notice>) -> Markup {
    let texts = shown.texts;
    let text = notice.map(|notice| match notice {
        Notice::Outdated => texts.form_outdated,
        Notice::Password => texts.password_changed,
        Notice::Session => texts.session_ended,
        Notice::Others => texts.others_ended,
        Notice::Logout => texts.logged_out,
    });
    html! {
        @if let Some(text) = text {
            p.notice role="status" { (text) }
        }
    }
}

fn back(shown: &Shown<'_>) -> Markup {
    html! {
        p.aside { a href=(Address::Start.as_str()) { (shown.texts.back) } }
    }
}
