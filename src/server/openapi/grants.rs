//! Describes the answer to a login, a refresh or a new password, which depends on where the
//! settings let tokens be.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::schema::{
    AdditionalProperties, Object, ObjectBuilder, OneOfBuilder, SchemaType, Type,
};
use utoipa::openapi::{Ref, RefOr, Schema};

use tokenpair::web::{Auth, Location};

/// The name of the schema to which routes refer.
pub(in crate::server) const GRANT: &str = "Grant";

const BY_COOKIE: &str = "CookieGrant";
const IN_BODY: &str = "BodyGrant";

/// Returns the schema [`GRANT`] and those that it consists of.
pub(super) fn schemas(auth: &Auth) -> Vec<(String, RefOr<Schema>)> {
    // A client that validates takes the first that fits, and tokens fit only in the body's.
    let mut forms = Vec::new();
    if takes_tokens_elsewhere(auth) {
        forms.push((IN_BODY, in_body(auth)));
    }
    if auth.looks_in(Location::Cookies) {
        forms.push((BY_COOKIE, by_cookie(auth)));
    }
    let grant = forms.iter().fold(OneOfBuilder::new(), |grant, (name, _)| {
        grant.item(Ref::from_schema_name(*name))
    });
    let grant = grant.description(Some("Confirms a login, a refresh or a new password."));
    let forms = forms.into_iter();
    let mut schemas: Vec<_> = forms
        .map(|(name, form)| (name.to_owned(), form.into()))
        .collect();
    schemas.push((GRANT.to_owned(), grant.into()));
    schemas
}

/// Returns whether the settings let a token be in a place other than a cookie. A login can then ask
/// for tokens in the body.
fn takes_tokens_elsewhere(auth: &Auth) -> bool {
    let mut locations = auth.policy().locations.iter();
    locations.any(|place| *place != Location::Cookies)
}

/// The members of both forms. The first three tell what was done.
fn usual() -> ObjectBuilder {
    let done = |told: &str| {
        ObjectBuilder::new()
            .schema_type(Type::Boolean)
            .enum_values(Some([true]))
            .description(Some(told))
    };
    let seconds = |told: &str| {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(0))
            .description(Some(told))
    };
    let message = text("After a new password: `Password changed`.");
    ObjectBuilder::new()
        .property("login", done("True after a login."))
        .property("refresh", done("True after a refresh."))
        .property("msg", message)
        .property(
            "expires_in",
            seconds("Seconds until the access token expires."),
        )
        .property(
            "refresh_expires_in",
            seconds("Seconds until the refresh token expires."),
        )
        .property(
            "expires_at",
            seconds("The time at which the access token expires, in Unix seconds."),
        )
        .property(
            "refresh_expires_at",
            seconds("The time at which the refresh token expires, in Unix seconds."),
        )
        .required("expires_in")
        .required("refresh_expires_in")
        .required("expires_at")
        .required("refresh_expires_at")
}

fn text(told: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(told))
}

fn by_cookie(auth: &Auth) -> Object {
    let mut grant = usual()
        .description(Some("The tokens are in cookies (`Set-Cookie`)."))
        // It has no tokens, so that exactly one form fits.
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    if !auth.cookies().csrf {
        for (name, kind) in [
            ("csrf_access_token", "access"),
            ("csrf_refresh_token", "refresh"),
        ] {
            let told = format!("The CSRF token of the {kind} token, for the header.");
            let mut value = text(&told);
            if !auth.tokens().policy().encode_csrf {
                value = value.schema_type(SchemaType::from_iter([Type::String, Type::Null]));
            }
            grant = grant.property(name, value).required(name);
        }
    }
    grant.build()
}

fn in_body(auth: &Auth) -> Object {
    let scheme = auth.policy().header.scheme.as_str();
    let scheme =
        text("The scheme in front of the token in the header.").enum_values(Some([scheme]));
    usual()
        .description(Some("The tokens are in the body."))
        .property("token_type", scheme)
        .property("access_token", text("A JWT."))
        .property("refresh_token", text("A JWT, for `POST /refresh` alone."))
        .required("token_type")
        .required("access_token")
        .required("refresh_token")
        .build()
}

/// Returns an example of each form, for an answer that confirms what was done.
pub(super) fn examples(done: &Map<String, Value>, auth: &Auth) -> BTreeMap<String, Example> {
    let grant = |more: Value| {
        let mut grant = done.clone();
        grant.insert("expires_in".to_owned(), 3600.into());
        grant.insert("refresh_expires_in".to_owned(), 2_592_000.into());
        grant.insert("expires_at".to_owned(), 1_800_003_600.into());
        grant.insert("refresh_expires_at".to_owned(), 1_802_592_000.into());
        if let Value::Object(more) = more {
            grant.extend(more);
        }
        Some(Value::Object(grant))
    };
    let mut examples = BTreeMap::new();
    if auth.looks_in(Location::Cookies) {
        let csrf = if auth.cookies().csrf {
            json!({})
        } else {
            json!({
                "csrf_access_token": "b0c7a3b1-6d3c-4f0e-8a57-6f1f0a4b7d21",
                "csrf_refresh_token": "b0c7a3b1-6d3c-4f0e-8a57-6f1f0a4b7d21",
            })
        };
        let example = ExampleBuilder::new().summary("The tokens are in cookies");
        let example = example.value(grant(csrf));
        examples.insert("cookies".to_owned(), example.build());
    }
    if takes_tokens_elsewhere(auth) {
        let tokens = json!({
            "token_type": auth.policy().header.scheme,
            "access_token": "eyJhbGciOiJIUzI1NiJ9.eyJ0eXBlIjoiYWNjZXNzIn0.c2lnbmF0dXJl",
            "refresh_token": "eyJhbGciOiJIUzI1NiJ9.eyJ0eXBlIjoicmVmcmVzaCJ9.c2lnbmF0dXJl",
        });
        let example = ExampleBuilder::new().summary("The tokens are in the body");
        let example = example.value(grant(tokens));
        examples.insert("body".to_owned(), example.build());
    }
    examples
}
