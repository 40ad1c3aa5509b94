//! Lines, each of them an `Authorization` header: read by the rules of Flask-JWT-Extended, with its `Bearer` and with
//! a bare token in a header of its own.

#![no_main]

use std::sync::LazyLock;

use actix_web::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use actix_web::test::TestRequest;
use fuzz::{Due, auth, check, wait, with_tokens};
use libfuzzer_sys::{Corpus, fuzz_target};
use tokenpair::token::TokenKind;
use tokenpair::web::{Auth, Guard, HeaderPolicy, Location, WebPolicy};

static BEARER: LazyLock<Auth> = LazyLock::new(|| in_headers(HeaderPolicy::default()));

static BARE: LazyLock<Auth> = LazyLock::new(|| {
    in_headers(HeaderPolicy {
        name: HeaderName::from_static("x-token"),
        title: "X-Token".to_owned(),
        scheme: String::new(),
        ..HeaderPolicy::default()
    })
});

fn in_headers(header: HeaderPolicy) -> Auth {
    auth(WebPolicy {
        locations: vec![Location::Headers],
        header,
        ..WebPolicy::default()
    })
}

const MISSING: Due<'_> = Due::Refusal(401, "missing_token");
const BAD: Due<'_> = Due::Refusal(422, "bad_authorization_header");

fuzz_target!(|input: &[u8]| -> Corpus {
    let kind = TokenKind::Access;
    let text = with_tokens(input, kind);
    let lines = text.split(|byte| *byte == b'\n');
    let headers: Result<Vec<_>, _> = lines.map(HeaderValue::from_bytes).collect();
    let Ok(headers) = headers else {
        return Corpus::Reject; // No HTTP parser lets it through.
    };
    let request = |name: HeaderName| {
        let append = |request: TestRequest, value| request.append_header((name.clone(), value));
        let request = headers.iter().cloned().fold(TestRequest::get(), append);
        request.to_http_request()
    };
    // Several headers of one name are one, with commas between them (RFC 9110 section 5.3).
    let value = String::from_utf8_lossy(&text).replace('\n', ", ");
    let value = value.trim().trim_matches(',');

    let answer = wait(BEARER.verify_request(&request(AUTHORIZATION), Guard::Access));
    check(answer, kind, &bearer(value));
    let name = HeaderName::from_static("x-token");
    let answer = wait(BARE.verify_request(&request(name), Guard::Access));
    check(answer, kind, &bare(value));
    Corpus::Keep
});

/// `view_decorators._decode_jwt_from_headers`, where `JWT_HEADER_TYPE` is `Bearer`.
fn bearer(value: &str) -> Due<'_> {
    let fields = value.split(',').map(words);
    let ours: Vec<_> = fields
        .filter(|words| {
            // RFC 9110 section 11.1, beyond Flask-JWT-Extended.
            let scheme = words.first();
            scheme.is_some_and(|word| word.eq_ignore_ascii_case("Bearer"))
        })
        .collect();
    match ours.as_slice() {
        [ours] => match ours.as_slice() {
            [_, token] => Due::Verdict(token.as_bytes()),
            _ => BAD,
        },
        _ => MISSING,
    }
}

/// The same where it is empty.
fn bare(value: &str) -> Due<'_> {
    match words(value).as_slice() {
        _ if value.is_empty() => MISSING,
        [token] => Due::Verdict(token.as_bytes()),
        _ => BAD,
    }
}

fn words(text: &str) -> Vec<&str> {
    text.split(char::is_whitespace)
        .filter(|word| !word.is_empty())
        .collect()
}
