//! A header, a line feed and a payload, signed with the right secret: which tokens are believed, said once more in another
//! way, what is read out of them, and that one which was verified before is treated as if it had not been.

#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use actix_web::http::header::AUTHORIZATION;
use actix_web::test::TestRequest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fuzz::json::Strict;
use fuzz::{NOW, keys, refused, wait};
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::{Map, Value};
use tokenpair::clock::Clock;
use tokenpair::keys::KeyRing;
use tokenpair::token::{Claims, Expiry, MAX_TOKEN_LEN, TokenError, TokenPolicy, Tokens};
use tokenpair::web::{Auth, Guard, Rejection};

static KEYS: LazyLock<KeyRing> = LazyLock::new(keys);
static TOKENS: LazyLock<Tokens> = LazyLock::new(|| Tokens::new(keys(), TokenPolicy::default()));

/// As Flask-JWT-Extended's settings have it.
static LAX: LazyLock<Tokens> = LazyLock::new(|| {
    let policy = TokenPolicy {
        strict: false,
        ..TokenPolicy::default()
    };
    Tokens::new(keys(), policy)
});

/// One app at several times: a token that it believes first is remembered then.
static MOMENTS: LazyLock<Vec<Auth>> = LazyLock::new(|| {
    let tokens = Tokens::new(keys(), TokenPolicy::default());
    let at = |now| Auth::builder(tokens.clone()).clock(Clock::fixed(now));
    let hour = Duration::from_secs(3600);
    let moments = [NOW, NOW - Duration::from_secs(1), NOW + hour, NOW];
    moments.map(|now| at(now).build()).into()
});

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
        return Corpus::Reject;
    };
    let (header, payload) = (&input[..end], &input[end + 1..]);
    let encode = |part| URL_SAFE_NO_PAD.encode(part);
    let signed = format!("{}.{}", encode(header), encode(payload));
    let signature = KEYS.sign(signed.as_bytes()).expect("a secret signs");
    let token = format!("{signed}.{signature}");

    let decoded = TOKENS.decode(&token, NOW, Expiry::Enforced);
    let fine = token.len() <= MAX_TOKEN_LEN && good_header(header) && good_payload(payload);
    assert_eq!(decoded.is_ok(), fine, "{decoded:?}");
    let lax = LAX.decode(&token, NOW, Expiry::Enforced);
    match decoded {
        Ok(decoded) => {
            assert_eq!(Ok(&decoded), lax.as_ref());
            assert_read(&decoded.claims, payload);
            assert_signed_again(&decoded.claims);
            assert_remembered(&token);
        }
        Err(error) => {
            let expired = error == TokenError::Expired;
            let (status, _) = refused(&Rejection::from(error));
            assert_eq!(status, if expired { 401 } else { 422 });
        }
    }
    Corpus::Keep
});

/// RFC 7515 section 4, with HS256 alone, and no extension.
fn good_header(text: &[u8]) -> bool {
    Strict::read(text).is_some_and(|header| {
        header.get("alg") == Some(&Value::from("HS256"))
            && header.get("kid").is_none_or(Value::is_string)
            && header.get("b64").is_none_or(|b64| *b64 == true)
            && !header.contains_key("crit")
    })
}

/// RFC 7519 section 4.1, and tokenpair's claims.
fn good_payload(text: &[u8]) -> bool {
    let Some(claims) = Strict::read(text) else {
        return false;
    };
    let is = |name: &str, good: fn(&Value) -> bool| claims.get(name).is_some_and(good);
    let may_be = |name: &str, good: fn(&Value) -> bool| claims.get(name).is_none_or(good);
    is("sub", Value::is_string)
        && is("jti", Value::is_string)
        && is("type", |kind| kind == "access" || kind == "refresh")
        && is("iat", |iat| second(iat).is_some_and(|iat| iat <= now()))
        && is("exp", |exp| second(exp).is_some_and(|exp| exp > now()))
        && may_be("nbf", |nbf| second(nbf).is_some_and(|nbf| nbf <= now()))
        && may_be("gen", Value::is_i64)
        && may_be("epoch", Value::is_i64)
        && may_be("roles", are_texts)
        && ["csrf", "iss", "sid", "username"]
            .iter()
            .all(|name| may_be(name, Value::is_string))
}

fn are_texts(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|items| items.iter().all(Value::is_string))
}

/// A NumericDate without its fraction. Near the present a double has every second.
fn second(value: &Value) -> Option<f64> {
    value.as_f64().map(f64::trunc)
}

fn now() -> f64 {
    1_800_000_000.0
}

/// What was read is what stands there, and what has no meaning is kept.
fn assert_read(claims: &Claims, payload: &[u8]) {
    let mut said = Strict::read(payload).expect("it was believed");
    let mut text = |name: &str| {
        said.remove(name)
            .and_then(|value| value.as_str().map(str::to_owned))
    };
    assert_eq!(text("sub").as_deref(), Some(claims.sub()));
    assert_eq!(text("jti"), claims.jti);
    assert_eq!(
        text("csrf").as_deref(),
        claims.csrf.as_ref().map(|csrf| csrf.as_str())
    );
    assert_eq!(text("iss"), claims.iss);
    assert_eq!(text("sid"), claims.sid);
    assert_eq!(text("username"), claims.username);
    assert_eq!(
        text("type"),
        serde_json::to_value(claims.kind)
            .ok()
            .and_then(|kind| kind.as_str().map(str::to_owned))
    );
    let roles = said.remove("roles").unwrap_or_default();
    assert_eq!(roles.as_array().map_or(0, Vec::len), claims.roles.len());
    for name in ["iat", "nbf", "exp", "gen", "epoch", "fresh"] {
        said.remove(name);
    }
    if !claims.aud.is_empty() {
        said.remove("aud");
    }
    said.retain(|name, value| name != "aud" || *value != Value::Array(Vec::new()));
    assert_eq!(said, claims.extra);
}

/// A token that is made of a believed one's claims, as a reissue makes it, says the same.
fn assert_signed_again(claims: &Claims) {
    let Ok(issued) = TOKENS.sign_with(claims, &Map::new(), &Map::new()) else {
        panic!("believed, and cannot be signed")
    };
    match TOKENS.verify(issued.token.as_str(), NOW, Expiry::Enforced) {
        Ok(again) => assert_eq!(again, *claims),
        // What was short in the input may be written longer.
        Err(error) => assert_eq!(error, TokenError::TooLong),
    }
}

/// At each time a request with this token is answered as if it was the first.
fn assert_remembered(token: &str) {
    for auth in MOMENTS.iter() {
        let request = TestRequest::get().insert_header((AUTHORIZATION, format!("Bearer {token}")));
        let request = request.to_http_request();
        let answer = wait(auth.verify_request(&request, Guard::AnyToken));
        match (answer, TOKENS.decode(token, auth.now(), Expiry::Enforced)) {
            (Ok(verified), Ok(decoded)) => {
                assert_eq!(verified.header, decoded.header);
                assert_eq!(verified.claims, decoded.claims);
            }
            (Err(rejection), Err(error)) => {
                refused(&rejection);
                assert_eq!(rejection.to_string(), error.to_string());
            }
            (answer, decoded) => panic!("{answer:?}, and at first {decoded:?}"),
        }
    }
}
