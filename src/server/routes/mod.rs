//! Lists the routes. Both the app and the OpenAPI description are made from this one list. A
//! handler is guard, call, shape.

mod account;
mod admin;
mod endpoint;
mod events;
mod fallback;
mod grant;
mod login;
mod public;
mod responses;
mod session;
mod sessions;

use actix_web::web::ServiceConfig;
use utoipa::OpenApi;

use self::endpoint::{Endpoint, endpoint};
pub(super) use self::fallback::not_found;
use self::responses::Problem;

fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(login::register),
        endpoint!(login::login),
        endpoint!(account::protected),
        endpoint!(session::refresh),
        endpoint!(session::logout),
        endpoint!(session::logout_by_link).without_head(),
        endpoint!(session::csrf),
        endpoint!(account::account),
        endpoint!(account::delete),
        endpoint!(account::change_password),
        endpoint!(sessions::list),
        endpoint!(sessions::end_others),
        endpoint!(sessions::end_one),
        endpoint!(admin::users),
        endpoint!(admin::change),
        endpoint!(admin::end_sessions),
        endpoint!(events::events),
        endpoint!(public::keys),
        endpoint!(public::live),
        endpoint!(public::ready),
        endpoint!(public::openapi),
        endpoint!(public::greet).mounted_by(public::mount_with_identity),
    ]
}

/// Adds all routes to an app.
pub(super) fn configure(app: &mut ServiceConfig) {
    endpoint::mount(endpoints(), app);
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "tokenpair",
        description = "Logs people in with a pair of JSON Web Tokens: a short-lived access token and a refresh token.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    components(schemas(Problem))
)]
struct Description;

/// Returns the description of all routes, before anything in it depends on the settings.
pub(super) fn description() -> utoipa::openapi::OpenApi {
    let described = endpoints().into_iter();
    described.fold(Description::openapi(), |all, endpoint| {
        all.merge_from(endpoint.description)
    })
}
