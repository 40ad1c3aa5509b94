//! Describes the headers of `/forward-auth`, whose names are settings.

use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{OpenApi, Ref, RefOr};

use super::operations_of;
use crate::config::ForwardAuth;
use crate::server::forward_auth::{COOKIES, PATH};

/// Adds the headers to each response of the route.
pub(super) fn add_headers(description: &mut OpenApi, names: &ForwardAuth) {
    let Some(path) = description.paths.paths.get_mut(PATH) else {
        return;
    };
    operations_of(path).for_each(|operation| add(operation, names));
}

fn add(operation: &mut Operation, names: &ForwardAuth) {
    // It is a 401 here.
    operation.responses.responses.remove("422");
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else {
            continue;
        };
        let mut add = |name: &str, description: &str| {
            response
                .headers
                .insert(name.to_owned(), header(description).into());
        };
        if matches!(status.as_str(), "200" | "204") {
            add(names.user.as_str(), "The user's name.");
            add(
                names.groups.as_str(),
                "The user's roles, separated by commas.",
            );
            add(names.session.as_str(), "The id of the session.");
        }
        if !status.starts_with('5') {
            for name in COOKIES {
                add(name.as_str(), "A copy of a `Set-Cookie`.");
            }
        }
        if status == "401" {
            add("Location", "The login page, if a login helps.");
            let wait = Ref::new("#/components/headers/RetryAfter");
            let headers = &mut response.headers;
            headers.insert("Retry-After".to_owned(), RefOr::Ref(wait));
        }
    }
}

fn header(description: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(Type::String);
    let header = HeaderBuilder::new().schema(Some(schema));
    header.description(Some(description)).build()
}
