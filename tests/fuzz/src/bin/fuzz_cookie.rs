//! Lines, each of them a `Cookie` header: of the first four cookies of exactly the configured name, the first genuine one
//! counts, and nothing else does.

#![no_main]

use std::sync::LazyLock;

use actix_web::http::Method;
use actix_web::http::header::{COOKIE, HeaderValue};
use actix_web::test::TestRequest;
use fuzz::{Due, auth, check, genuine, wait, with_tokens};
use libfuzzer_sys::{Corpus, fuzz_target};
use tokenpair::token::TokenKind;
use tokenpair::web::{Auth, CookiePolicy, Guard, Location, WebPolicy};

const ACCESS: &str = "__Host-access";
const REFRESH: &str = "refresh_token_cookie";

static AUTH: LazyLock<Auth> = LazyLock::new(|| {
    let cookies = CookiePolicy {
        access_name: ACCESS.to_owned(),
        ..CookiePolicy::default()
    };
    auth(WebPolicy {
        locations: vec![Location::Cookies],
        cookies,
        ..WebPolicy::default()
    })
});

fuzz_target!(|input: &[u8]| -> Corpus {
    for (kind, guard, name) in [
        (TokenKind::Access, Guard::Access, ACCESS),
        (TokenKind::Refresh, Guard::Refresh, REFRESH),
    ] {
        let text = with_tokens(input, kind);
        let lines = text.split(|byte| *byte == b'\n');
        let headers: Result<Vec<_>, _> = lines.map(HeaderValue::from_bytes).collect();
        let Ok(headers) = headers else {
            return Corpus::Reject; // No HTTP parser lets it through.
        };
        let request = |method| {
            let request = TestRequest::with_uri("/").method(method);
            let append = |request: TestRequest, value| request.append_header((COOKIE, value));
            headers
                .iter()
                .cloned()
                .fold(request, append)
                .to_http_request()
        };
        let mut cookies = all(&text, name);
        cookies.truncate(4);
        cookies.retain(|value| !value.is_empty());
        let is_genuine =
            |value: &&[u8]| genuine(kind).iter().any(|token| token.as_bytes() == *value);
        let cookie = cookies.iter().copied().find(is_genuine);
        let cookie = cookie.or_else(|| cookies.first().copied());
        let missing = Due::Refusal(401, "missing_token");

        let answer = wait(AUTH.verify_request(&request(Method::GET), guard));
        check(answer, kind, &cookie.map_or(missing, Due::Verdict));

        // However the cookies look, they do nothing by themselves.
        let answer = wait(AUTH.verify_request(&request(Method::POST), guard));
        let code = cookie.map_or("missing_token", |_| "csrf_missing");
        check(answer, kind, &Due::Refusal(401, code));
    }
    Corpus::Keep
});

/// RFC 6265bis section 5.7 from the other side: pairs are parted by `;`, a name ends at the first `=`, and around either
/// blanks and tabs do not count.
fn all<'a>(lines: &'a [u8], name: &str) -> Vec<&'a [u8]> {
    let pairs = lines.split(|byte| b";\n".contains(byte));
    let named = pairs.filter_map(|pair| {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let (found, value) = (bare(halves.next()?), halves.next()?);
        (found == name.as_bytes()).then(|| bare(value))
    });
    named.collect()
}

fn bare(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}
