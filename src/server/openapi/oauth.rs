//! Describes what the routes for services have beside the others: their security scheme, and the
//! members that OAuth gives to errors.

use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{OpenApi, Ref, RefOr, Schema};

use super::operations_of;
use crate::server::oauth::PATHS;

const PROBLEM: &str = "#/components/schemas/Problem";
const OAUTH_PROBLEM: &str = "OAuthProblem";

/// Completes the description, if it has the routes.
pub(super) fn complete(description: &mut OpenApi) {
    let paths = &mut description.paths.paths;
    if !PATHS.iter().any(|path| paths.contains_key(*path)) {
        return;
    }
    for path in PATHS {
        let operations = paths.get_mut(path).into_iter().flat_map(operations_of);
        for operation in operations {
            let responses = operation.responses.responses.values_mut();
            for response in responses {
                let RefOr::T(response) = response else {
                    continue;
                };
                for content in response.content.values_mut() {
                    let RefOr::T(content) = content else {
                        continue;
                    };
                    if matches!(&content.schema, Some(RefOr::Ref(schema)) if schema.ref_location == PROBLEM)
                    {
                        content.schema = Some(Ref::from_schema_name(OAUTH_PROBLEM).into());
                    }
                }
            }
        }
    }
    let components = description.components.get_or_insert_default();
    let mut basic = Http::new(HttpAuthScheme::Basic);
    basic.description =
        Some("The id and the secret of a client, which `tokenpair client add` prints.".to_owned());
    components.add_security_scheme("client", SecurityScheme::Http(basic));
    let schemas = &mut components.schemas;
    schemas.insert(OAUTH_PROBLEM.to_owned(), problem());
}

/// Only errors from before the request reached its route lack the members.
fn problem() -> RefOr<Schema> {
    let text = |description: &str| {
        let text = ObjectBuilder::new().schema_type(Type::String);
        text.description(Some(description))
    };
    let members = ObjectBuilder::new()
        .property(
            "error",
            text("The error's word in OAuth (RFC 6749 section 5.2)."),
        )
        .property("error_description", text("For people."));
    let all = AllOfBuilder::new()
        .description(Some("An error, with the members of OAuth."))
        .item(Ref::new(PROBLEM))
        .item(members);
    RefOr::T(Schema::AllOf(all.build()))
}
