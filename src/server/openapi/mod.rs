//! Implements `/openapi.json` (OpenAPI 3.1): completes the routes' description with what the
//! settings decide, and with the responses and headers that all operations of a kind have.

mod examples;
mod forward_auth;
mod grants;
mod headers;
mod oauth;
pub(super) mod refusals;
mod security;

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::thread;

use actix_web::http::Method;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{OpenApi, RefOr, ResponseBuilder, Schema, Server};

use self::examples::Examples;
pub(super) use self::grants::GRANT;
use self::refusals::Facts;
use self::security::Tokens;
use super::start_error::StartError;
use crate::config::ForwardAuth;
use tokenpair::web::{Auth, Location};

/// The description of routes.
pub(super) struct Described {
    pub(super) routes: Box<dyn FnOnce() -> OpenApi + Send>,
    /// The URL that their paths are relative to. Default: that of the description itself.
    pub(super) server: Option<String>,
    /// Whether they are the program's, and not in another app: responses then name their request in
    /// the log, and a browser that lacks a token is sent to the built-in page.
    pub(super) by_program: bool,
    /// The names of the headers of `/forward-auth`, where it is served.
    pub(super) forward_auth: Option<ForwardAuth>,
}

impl Described {
    /// Returns the description as JSON, with the names that the settings give to cookies and
    /// headers.
    ///
    /// It takes megabytes while it is made, in a thread of its own: the system gets them back when
    /// the thread ends, while this one's allocator would keep them.
    pub(super) fn complete(self, auth: &Auth) -> Result<String, StartError> {
        let written = thread::scope(|scope| {
            let thread = thread::Builder::new().name("description".to_owned());
            let thread = thread.spawn_scoped(scope, || self.write(auth))?;
            Ok(thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
        });
        Ok(written.map_err(StartError::Threads)??)
    }

    fn write(self, auth: &Auth) -> Result<String, serde_json::Error> {
        let mut description = (self.routes)();
        let server = self.server.as_deref().unwrap_or("/");
        description.servers = Some(vec![Server::new(server)]);
        if !auth.looks_in(Location::Cookies) {
            description.paths.paths.remove("/csrf");
        }
        let examples = Examples::load(auth)?;
        let mut codes = BTreeSet::new();
        for item in description.paths.paths.values_mut() {
            for (method, operation) in operations(item) {
                let security = operation.security.take().unwrap_or_default();
                let tokens = Tokens::of(&security);
                operation.security = Some(security::requirements(security, &method, auth));
                let needs_token = method.is_safe() && tokens.any() && !tokens.optional;
                refusals::add_usual(operation, &Facts { method, tokens }, auth);
                if self.by_program && needs_token {
                    add_way_to_login(operation);
                }
                headers::add(operation, tokens, auth, self.by_program);
                codes.extend(refusals::codes_of(operation));
                examples.add_to(operation);
            }
        }
        if let Some(names) = &self.forward_auth {
            forward_auth::add_headers(&mut description, names);
        }
        complete_components(&mut description, &codes, auth);
        oauth::complete(&mut description);
        drop_unused_tags(&mut description);
        serde_json::to_string(&description)
    }
}

/// Adds the answer to a browser that opens the address of a route without a valid token.
fn add_way_to_login(operation: &mut Operation) {
    let response = ResponseBuilder::new().description(
        "Instead of 401 and 422, for a browser that opens the address (`Accept: text/html`): the page to log in on.",
    );
    let responses = &mut operation.responses.responses;
    let described = responses.entry("303".to_owned());
    described.or_insert_with(|| response.build().into());
}

/// Returns the operations of a path, with their methods.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let all = [
        (Method::GET, &mut item.get),
        (Method::POST, &mut item.post),
        (Method::PUT, &mut item.put),
        (Method::PATCH, &mut item.patch),
        (Method::DELETE, &mut item.delete),
    ];
    all.into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Returns the operations of a path.
pub(super) fn operations_of(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    operations(item).map(|(_, operation)| operation)
}

fn complete_components(description: &mut OpenApi, codes: &BTreeSet<String>, auth: &Auth) {
    let components = description.components.get_or_insert_default();
    for (name, scheme) in security::schemes(auth) {
        components.add_security_scheme(name, scheme);
    }
    components.headers.extend(headers::components());
    // The transport's errors belong to no operation.
    let examples = refusals::examples(auth).filter(|(code, _)| codes.contains(code));
    components.examples.extend(examples);
    components.schemas.extend(grants::schemas(auth));
    if let Some(RefOr::T(Schema::Object(problem))) = components.schemas.get_mut("Problem") {
        rename_message(problem, &auth.policy().message_key);
    }
}

/// Gives the text of an error the name that the settings give it.
fn rename_message(problem: &mut utoipa::openapi::Object, key: &str) {
    if let Some(text) = problem.properties.remove("msg") {
        problem.properties.insert(key.to_owned(), text);
        problem.required.retain(|name| name != "msg");
        problem.required.insert(0, key.to_owned());
    }
}

/// Drops the tags of routes that are not mounted.
fn drop_unused_tags(description: &mut OpenApi) {
    let mut used = BTreeSet::new();
    for item in description.paths.paths.values_mut() {
        let tags = operations(item).filter_map(|(_, operation)| operation.tags.clone());
        used.extend(tags.flatten());
    }
    if let Some(tags) = &mut description.tags {
        tags.retain(|tag| used.contains(&tag.name));
    }
}
