//! Lists the routes. Both the app and the OpenAPI description are made from this one list. A
//! handler is guard, call, shape.

mod account;
mod admin;
mod endpoint;
mod events;
mod fallback;
mod forward_auth;
mod grant;
mod login;
mod oauth;
mod page;
mod pages;
mod public;
mod responses;
mod session;
mod session_state;
mod sessions;
mod tags;

use std::rc::Rc;

use actix_web::http::StatusCode;
use actix_web::web::ServiceConfig;
use utoipa::OpenApi;

pub(super) use self::endpoint::Mount;
use self::endpoint::{Endpoint, endpoint};
pub(super) use self::fallback::{not_found, other_method};
pub(super) use self::pages::Pages;
use self::responses::Problem;
use crate::server::error_code::ServerErrorCode::{
    self, CrossSiteRequest, DatabaseFull, DatabaseNotWritable, DatabaseReadOnly, InvalidParameter,
    InvalidUsername, LastAdmin, LinkRequired, MissingPassword, MissingUsername, PasswordTooCommon,
    PasswordTooLong, PasswordTooShort, PrefetchRefused, RegistrationClosed, SessionNotFound,
    TooManyAttempts, UserNotFound, UsernameTaken, WrongHost, WrongPassword,
};
use crate::server::metrics::Recorder;
use tokenpair::web::ErrorCode::{
    AdminRequired, BadCredentials, ConflictingForwardedHeaders, FreshTokenRequired,
    TokenNotYetValid,
};

/// The errors of a registration.
const OF_REGISTRATION: [ServerErrorCode; 6] = [
    MissingUsername,
    MissingPassword,
    InvalidUsername,
    UsernameTaken,
    RegistrationClosed,
    TooManyAttempts,
];

/// The errors of a password that a user chooses.
const OF_NEW_PASSWORD: [ServerErrorCode; 3] =
    [PasswordTooShort, PasswordTooLong, PasswordTooCommon];

/// The routes of accounts and sessions, which other apps can mount.
fn of_accounts() -> Vec<Endpoint> {
    vec![
        endpoint!(login::register)
            .refuses(&OF_REGISTRATION)
            .refuses(&OF_NEW_PASSWORD)
            .refuses(&[ConflictingForwardedHeaders]),
        endpoint!(login::login)
            .refuses(&[MissingUsername, MissingPassword, TooManyAttempts])
            .refuses(&[BadCredentials, ConflictingForwardedHeaders]),
        endpoint!(session::refresh),
        endpoint!(session::logout),
        endpoint!(session::logout_by_link).without_head().refuses(&[
            CrossSiteRequest,
            WrongHost,
            LinkRequired,
            PrefetchRefused,
        ]),
        endpoint!(session::csrf).refuses(&[CrossSiteRequest, WrongHost]),
        endpoint!(session_state::session)
            .refuses(&[CrossSiteRequest, WrongHost])
            .refuses_with(StatusCode::SERVICE_UNAVAILABLE, TokenNotYetValid),
        endpoint!(account::account),
        endpoint!(account::delete)
            .refuses(&[MissingPassword, WrongPassword, TooManyAttempts, LastAdmin])
            .refuses(&[FreshTokenRequired, ConflictingForwardedHeaders]),
        endpoint!(account::change_password)
            .refuses(&OF_NEW_PASSWORD)
            .refuses(&[WrongPassword, TooManyAttempts])
            .refuses(&[FreshTokenRequired, ConflictingForwardedHeaders]),
        endpoint!(sessions::list).refuses(&[InvalidParameter]),
        endpoint!(sessions::end_others),
        endpoint!(sessions::end_one).refuses(&[SessionNotFound]),
    ]
}

/// The routes for admins, which other apps can mount too.
fn of_admins() -> Vec<Endpoint> {
    vec![
        endpoint!(admin::users)
            .refuses(&[AdminRequired])
            .refuses(&[InvalidParameter]),
        endpoint!(admin::change)
            .refuses(&[AdminRequired])
            .refuses(&[UserNotFound, LastAdmin]),
        endpoint!(admin::end_sessions)
            .refuses(&[AdminRequired])
            .refuses(&[UserNotFound]),
        endpoint!(events::events)
            .refuses(&[AdminRequired])
            .refuses(&[InvalidParameter]),
    ]
}

/// The routes of the program alone.
fn of_program() -> Vec<Endpoint> {
    let [introspect, revoke] = oauth::endpoints();
    vec![
        endpoint!(account::protected),
        forward_auth::endpoint(),
        introspect,
        revoke,
        endpoint!(public::keys),
        endpoint!(public::live),
        endpoint!(public::ready).refuses(&[DatabaseReadOnly, DatabaseFull, DatabaseNotWritable]),
        endpoint!(public::openapi),
        endpoint!(page::greet).mounted_by(page::mount_with_identity),
    ]
}

/// The routes in the order in which a request's path is compared with them, those that take the most
/// requests first.
fn endpoints() -> Vec<Endpoint> {
    let all = [of_program(), of_accounts(), of_admins(), page::forms()];
    all.into_iter().flatten().collect()
}

/// Adds all routes to the program's app, and the pages on which people try them. The recorder counts
/// their requests.
pub(super) fn configure(pages: &Pages, recorder: Option<Rc<Recorder>>, app: &mut ServiceConfig) {
    let counted = recorder.is_some();
    if let Some(recorder) = recorder {
        app.app_data(recorder);
    }
    let endpoints = endpoints().into_iter().chain(pages.endpoints());
    endpoint::mount(endpoints.collect(), "", counted, app);
}

/// The routes that another app mounts.
#[derive(Clone, Debug, Default)]
pub(super) struct Selection {
    /// The path in front of each route, such as `/auth`. Default: none.
    pub(super) prefix: String,
    /// Whether the routes for admins are mounted. Default: false.
    pub(super) with_admin: bool,
}

impl Selection {
    fn endpoints(&self) -> Vec<Endpoint> {
        let mut endpoints = of_accounts();
        if self.with_admin {
            endpoints.extend(of_admins());
        }
        endpoints
    }

    /// Returns the full path of each route.
    pub(super) fn paths(&self) -> Vec<String> {
        let endpoints = self.endpoints();
        let paths = endpoints.iter();
        paths
            .map(|endpoint| format!("{}{}", self.prefix, endpoint.path()))
            .collect()
    }

    /// Adds the routes to an app, each resource by `mount`.
    pub(super) fn configure(&self, mount: Mount, app: &mut ServiceConfig) {
        let endpoints = self.endpoints().into_iter();
        let endpoints = endpoints.map(|endpoint| endpoint.mounted_by(mount));
        endpoint::mount(endpoints.collect(), &self.prefix, false, app);
    }

    /// Returns the description of these routes, with paths relative to the prefix.
    pub(super) fn description(&self) -> utoipa::openapi::OpenApi {
        described(self.endpoints())
    }
}

const DESCRIPTION: &str = "Logs people in with a pair of JSON Web Tokens: a short-lived access token and a refresh token.

Tokens are sent in cookies or in the `Authorization` header. A cookie needs its CSRF token in a header too, except for `GET`. \
Where both are sent, cookies are looked at first.

An error is a JSON object: `code` is for programs, the text for people, and `hint` says what to do next. A browser that opens \
an address gets pages and redirects instead.";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "tokenpair",
        description = DESCRIPTION,
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    components(schemas(Problem))
)]
struct Description;

/// Returns the description of all routes, before anything in it depends on the settings.
pub(super) fn description() -> utoipa::openapi::OpenApi {
    described(endpoints())
}

fn described(endpoints: Vec<Endpoint>) -> utoipa::openapi::OpenApi {
    let mut start = Description::openapi();
    start.tags = Some(tags::all());
    endpoints.into_iter().fold(start, |all, endpoint| {
        all.merge_from(endpoint.description())
    })
}
