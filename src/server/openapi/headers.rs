//! Describes response headers. Those of every HTTP server, and those for browsers alone, are left
//! out.

use serde_json::Value;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Response};

use super::security::Tokens;
use tokenpair::web::{Auth, Location};

/// A response header, with its name among the components.
struct Described {
    name: &'static str,
    component: &'static str,
    kind: Type,
    description: &'static str,
    example: &'static str,
}

const CACHE_CONTROL: Described = Described {
    name: "Cache-Control",
    component: "CacheControl",
    kind: Type::String,
    description: "Whether the response may be cached. Usually `no-store`.",
    example: "no-store",
};

const REQUEST_ID: Described = Described {
    name: "X-Request-Id",
    component: "RequestId",
    kind: Type::String,
    description: "Names the request in the server's log.",
    example: "0199d0c5-6a4e-7b61-9d0e-3f1f7c0a2b11",
};

const SET_COOKIE: Described = Described {
    name: "Set-Cookie",
    component: "SetCookie",
    kind: Type::String,
    description: "One header per cookie: the tokens and their CSRF tokens, or their removal. An access cookie near its \
                  expiry is also replaced by a response to another request.",
    example: "access_token_cookie=eyJ…; HttpOnly; SameSite=Lax; Path=/",
};

const LOCATION: Described = Described {
    name: "Location",
    component: "Location",
    kind: Type::String,
    description: "The page to continue with.",
    example: "/",
};

const CHALLENGE: Described = Described {
    name: "WWW-Authenticate",
    component: "WwwAuthenticate",
    kind: Type::String,
    description: "The challenge (RFC 6750 section 3). It has an error if a token was sent. `Basic` where a client authenticates.",
    example: "Bearer error=\"invalid_token\"",
};

const RETRY_AFTER: Described = Described {
    name: "Retry-After",
    component: "RetryAfter",
    kind: Type::Integer,
    description: "Seconds to wait before the next attempt.",
    example: "1",
};

const CONTENT_LANGUAGE: Described = Described {
    name: "Content-Language",
    component: "ContentLanguage",
    kind: Type::String,
    description: "The language of the page: `en` or `ko`, by `Accept-Language`.",
    example: "en",
};

const ALL: [Described; 7] = [
    CACHE_CONTROL,
    CONTENT_LANGUAGE,
    REQUEST_ID,
    SET_COOKIE,
    LOCATION,
    CHALLENGE,
    RETRY_AFTER,
];

impl Described {
    fn header(&self) -> Header {
        let schema = ObjectBuilder::new().schema_type(self.kind.clone());
        let example = match self.kind {
            Type::Integer => self.example.parse::<i64>().map(Value::from).ok(),
            _ => Some(self.example.into()),
        };
        HeaderBuilder::new()
            .schema(Some(schema))
            .description(Some(self.description))
            .example(example)
            .build()
    }

    fn add_to(&self, response: &mut Response) {
        let place = format!("#/components/headers/{}", self.component);
        let headers = &mut response.headers;
        headers.insert(self.name.to_owned(), RefOr::Ref(Ref::new(place)));
    }
}

/// Returns the headers that responses refer to, by their names among the components.
pub(super) fn components() -> impl Iterator<Item = (String, RefOr<Header>)> {
    let headers = ALL.into_iter();
    headers.map(|header| (header.component.to_owned(), header.header().into()))
}

/// The operations without a token whose responses set or remove cookies.
const SETTING_COOKIES: [&str; 2] = ["logIn", "getPage"];

/// The operations that remove cookies even where the settings let no token be in one.
const REMOVING_COOKIES: [&str; 4] = ["logOut", "logOutByLink", "endSession", "deleteAccount"];

/// Adds to each response the headers that it can have.
pub(super) fn add(operation: &mut Operation, tokens: Tokens, auth: &Auth, with_request_id: bool) {
    let name = operation.operation_id.as_deref().unwrap_or_default();
    let sets_cookies = if auth.looks_in(Location::Cookies) {
        tokens.any() || SETTING_COOKIES.contains(&name)
    } else {
        REMOVING_COOKIES.contains(&name)
    };
    let invalid = auth.policy().invalid_token_status;
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else {
            continue;
        };
        CACHE_CONTROL.add_to(response);
        if with_request_id {
            REQUEST_ID.add_to(response);
        }
        if response.content.contains_key("text/html") {
            CONTENT_LANGUAGE.add_to(response);
        }
        if sets_cookies && !status.starts_with('5') {
            SET_COOKIE.add_to(response);
        }
        if status == "303" {
            LOCATION.add_to(response);
        }
        if status == "401" {
            CHALLENGE.add_to(response);
        }
        let may_be_retried = ["429", "503"].contains(&status.as_str());
        if may_be_retried || (status == invalid.as_str() && tokens.any()) {
            RETRY_AFTER.add_to(response);
        }
    }
}
