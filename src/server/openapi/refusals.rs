//! Describes errors: each operation has a response for every status that it answers, with an
//! example for every `code`.

use actix_web::http::{Method, StatusCode};
use serde_json::json;
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::path::Operation;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use super::security::{Tokens, needs_csrf};
use crate::server::error_code::{AnyCode, ServerErrorCode};
use tokenpair::web::{Auth, ErrorCode, RejectionKind};

const JSON: &str = "application/json";

/// Adds the response to an error of this code, as one of the answers of its status.
fn add(operation: &mut Operation, code: impl Into<AnyCode>) {
    let code = code.into();
    add_with_status(operation, code, code.status());
}

/// Adds it as an answer of another status than is usual for the code.
pub(in crate::server) fn add_with_status(
    operation: &mut Operation,
    code: AnyCode,
    status: StatusCode,
) {
    let responses = &mut operation.responses.responses;
    let response = responses
        .entry(status.as_str().to_owned())
        .or_insert_with(|| problem(status));
    let RefOr::T(response) = response else { return };
    if let Some(RefOr::T(content)) = response.content.get_mut(JSON) {
        let example = Ref::new(format!("#/components/examples/{}", code.as_str()));
        let examples = &mut content.examples;
        examples.insert(code.as_str().to_owned(), RefOr::Ref(example));
    }
}

fn problem(status: StatusCode) -> RefOr<Response> {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
    let response = ResponseBuilder::new().description(description(status));
    response.content(JSON, content.build()).into()
}

const fn description(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "A field or parameter is missing or invalid.",
        StatusCode::UNAUTHORIZED => "The credentials or the token are missing, expired or revoked.",
        StatusCode::FORBIDDEN => "The request is not allowed. `code` names the reason.",
        StatusCode::NOT_FOUND => "There is no such user or session.",
        StatusCode::REQUEST_TIMEOUT => "The request body took too long to arrive.",
        StatusCode::CONFLICT => "The request conflicts with the present state.",
        StatusCode::PAYLOAD_TOO_LARGE => "The request body is too large.",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "The request body has another media type.",
        StatusCode::UNPROCESSABLE_ENTITY => "The token is malformed, forged or of the wrong type.",
        StatusCode::TOO_MANY_REQUESTS => {
            "Too many attempts. Try again after the seconds in `Retry-After`."
        }
        StatusCode::INTERNAL_SERVER_ERROR => "The server failed. Its log has the cause.",
        StatusCode::SERVICE_UNAVAILABLE => {
            "The server cannot answer at the moment. Try again after the seconds in `Retry-After`."
        }
        _ => "An error. `code` names the reason.",
    }
}

/// Returns an example of each code, by its name.
pub(super) fn examples(auth: &Auth) -> impl Iterator<Item = (String, RefOr<Example>)> {
    let key = auth.policy().message_key.clone();
    AnyCode::all().map(move |code| {
        let mut value = json!({ key.as_str(): code.message(), "code": code.as_str() });
        if let (Some(seconds), Some(members)) = (retry_after(code), value.as_object_mut()) {
            members.insert("retry_after".to_owned(), seconds.into());
        }
        let example = ExampleBuilder::new().summary(code.message());
        let example = example.value(Some(value)).build();
        (code.as_str().to_owned(), example.into())
    })
}

/// Returns the seconds in the example, for codes that ask a client to wait.
fn retry_after(code: AnyCode) -> Option<u32> {
    match code {
        AnyCode::Server(ServerErrorCode::TooManyAttempts) => Some(60),
        AnyCode::Library(ErrorCode::TokenNotYetValid) => Some(5),
        _ => (code.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(1),
    }
}

/// Returns the codes that an operation answers.
pub(super) fn codes_of(operation: &Operation) -> impl Iterator<Item = String> {
    let responses = operation.responses.responses.values();
    let contents = responses.filter_map(|response| match response {
        RefOr::T(response) => response.content.get(JSON),
        RefOr::Ref(_) => None,
    });
    let examples = contents.filter_map(|content| match content {
        RefOr::T(content) => Some(&content.examples),
        RefOr::Ref(_) => None,
    });
    let shared = examples
        .flatten()
        .filter(|(_, example)| matches!(example, RefOr::Ref(_)));
    shared.map(|(code, _)| code.clone())
}

/// What the errors of an operation depend on beside its handler.
pub(super) struct Facts {
    pub(super) method: Method,
    pub(super) tokens: Tokens,
}

/// Adds the errors that every operation of its kind answers, so that handlers need not list them.
pub(super) fn add_usual(operation: &mut Operation, facts: &Facts, auth: &Auth) {
    add(operation, ErrorCode::InternalError);
    add(operation, ErrorCode::Unavailable);
    add(operation, ServerErrorCode::TooManyConnections);
    if !facts.method.is_safe() {
        add_all(operation, &FOREIGN);
    }
    if operation.request_body.is_some() {
        add_all(operation, &OF_BODY);
        add(operation, ErrorCode::IncompleteBody);
        add(operation, ErrorCode::BodyTooSlow);
        add(operation, ErrorCode::BodyTooLarge);
    }
    if operation.parameters.is_some() {
        add(operation, ServerErrorCode::BadRequest);
    }
    if facts.tokens.any() {
        add_of_tokens(operation, facts, auth);
    }
}

fn add_all(operation: &mut Operation, codes: &[ServerErrorCode]) {
    codes.iter().for_each(|code| add(operation, *code));
}

const FOREIGN: [ServerErrorCode; 2] = [
    ServerErrorCode::CrossSiteRequest,
    ServerErrorCode::WrongHost,
];

const OF_BODY: [ServerErrorCode; 6] = [
    ServerErrorCode::MissingJson,
    ServerErrorCode::MalformedJson,
    ServerErrorCode::NotAJsonObject,
    ServerErrorCode::MissingParameter,
    ServerErrorCode::InvalidParameter,
    ServerErrorCode::UnsupportedMediaType,
];

fn add_of_tokens(operation: &mut Operation, facts: &Facts, auth: &Auth) {
    let Tokens {
        access,
        refresh,
        optional,
    } = facts.tokens;
    if needs_csrf(&facts.method, auth) {
        add(operation, ErrorCode::CsrfMissing);
        add(operation, ErrorCode::CsrfMismatch);
    }
    if optional {
        return;
    }
    let either = [
        ErrorCode::MissingToken,
        ErrorCode::SessionExpired,
        ErrorCode::SessionRevoked,
        ErrorCode::UserDisabled,
    ];
    let of_access = [ErrorCode::TokenExpired, ErrorCode::TokenRevoked];
    let of_refresh = [
        ErrorCode::RefreshTokenExpired,
        ErrorCode::RefreshTokenReused,
        ErrorCode::RefreshSuperseded,
    ];
    let asked = either
        .into_iter()
        .chain(of_access.into_iter().filter(|_| access))
        .chain(of_refresh.into_iter().filter(|_| refresh));
    asked.for_each(|code| add(operation, code));
    let status = auth.policy().invalid_token_status;
    let invalid = ErrorCode::ALL
        .iter()
        .filter(|code| code.kind() == RejectionKind::InvalidToken);
    invalid.for_each(|code| add_with_status(operation, (*code).into(), status));
}
