//! A body of JSON, and the same as a token's payload: the strict reader takes what another reader takes, with the same
//! values; a token in it is found, and the handler gets the body as it was sent.

#![no_main]

use std::sync::LazyLock;

use actix_web::FromRequest;
use actix_web::http::header::ContentType;
use actix_web::test::TestRequest;
use actix_web::web::Bytes;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fuzz::json::Strict;
use fuzz::{Due, NOW, auth, check, wait, with_tokens};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use tokenpair::token::{MAX_TOKEN_LEN, TokenKind};
use tokenpair::web::{Auth, Guard, Location, WebPolicy};

static AUTH: LazyLock<Auth> = LazyLock::new(|| {
    auth(WebPolicy {
        locations: vec![Location::Json],
        ..WebPolicy::default()
    })
});

fuzz_target!(|input: &[u8]| {
    let read = Strict::read(input);
    as_a_payload(input, read.as_ref());
    for (kind, guard) in [
        (TokenKind::Access, Guard::Access),
        (TokenKind::Refresh, Guard::Refresh),
    ] {
        as_a_body(with_tokens(input, kind), kind, guard);
    }
});

fn as_a_payload(payload: &[u8], read: Option<&Map<String, Value>>) {
    let token = format!("e30.{}.", URL_SAFE_NO_PAD.encode(payload));
    if token.len() <= MAX_TOKEN_LEN {
        let inspection = AUTH.tokens().inspect(&token, NOW);
        let claims = inspection.ok().map(|found| found.unverified_claims);
        assert_eq!(claims.as_ref(), read);
    }
}

fn as_a_body(body: Vec<u8>, kind: TokenKind, guard: Guard) {
    let body = Bytes::from(body);
    let (request, mut payload) = TestRequest::post()
        .insert_header(ContentType::json())
        .set_payload(body.clone())
        .to_http_parts();
    let answer = wait(AUTH.verify_with_body(&request, &mut payload, guard));
    let read = Strict::read(&body);
    let token = read.as_ref().and_then(|members| match kind {
        TokenKind::Access => members.get("access_token"),
        TokenKind::Refresh => members.get("refresh_token"),
    });
    let due = match token {
        Some(Value::String(token)) if !token.is_empty() => Due::Verdict(token.as_bytes()),
        Some(other) if is_true(other) => Due::Refusal(422, "invalid_token"),
        _ => Due::Refusal(401, "missing_token"),
    };
    check(answer, kind, &due);
    let left = wait(Bytes::from_request(&request, &mut payload)).expect("the body is there");
    assert_eq!(left, body);
}

/// Python's truth, by which Flask-JWT-Extended tells whether a token is there.
fn is_true(value: &Value) -> bool {
    let zero = value.as_f64() == Some(0.0);
    !zero
        && ![
            Value::Null,
            false.into(),
            "".into(),
            Value::Array(Vec::new()),
            Value::Object(Map::new()),
        ]
        .contains(value)
}
