//! Measures the cost of tokens by algorithm. Prints figures and judges none:
//!
//!     cargo bench --bench tokens --no-default-features
//!
//! - `issue`: signs claims.
//! - `verify, cold`: a request with an unknown token; `verify, warm`: with a token in the cache
//!   (`JWT_CACHE`).
//! - `cookies`: the same warm token among more and more cookies, so the difference is the scan.
//! - `decide`: the decision about a refresh token, for each case of the rule.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "it measures and prints"
)]

use std::hint::black_box;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use actix_web::HttpRequest;
use actix_web::test::TestRequest;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use secrecy::ExposeSecret;
use tokenpair::clock::{Clock, Timestamp};
use tokenpair::keys::{Algorithm, KeyRing, generate_pem};
use tokenpair::session::{Rotation, Row, SessionPolicy, decide};
use tokenpair::token::{Claims, CsrfValue, Freshness, TokenKind, TokenPolicy, Tokens};
use tokenpair::web::{Auth, Guard, Verified};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
const SECRET: &[u8] = b"sixty-four bytes that sign the tokens of this bench and no other";

fn ring(algorithm: Algorithm) -> KeyRing {
    match algorithm.min_secret_len() {
        Some(_) => KeyRing::from_secret(algorithm, SECRET).unwrap(),
        None => {
            let pem = generate_pem(algorithm).unwrap();
            KeyRing::from_pem(algorithm, pem.expose_secret()).unwrap()
        }
    }
}

fn tokens(algorithm: Algorithm, cache: usize) -> Tokens {
    let policy = TokenPolicy {
        cache,
        ..TokenPolicy::default()
    };
    Tokens::new(ring(algorithm), policy)
}

/// Like the server's: with a session, a name and a CSRF value.
fn claims(tokens: &Tokens) -> Claims {
    let id = "019a4e52-7c3e-7d60-9f7b-2f6d6a1c8e11";
    Claims {
        fresh: Freshness::Fresh,
        csrf: Some(CsrfValue::new("tqTzDL2TKeJbo4nUEGFn0Q".to_owned())),
        sid: Some(id.to_owned()),
        username: Some("ada".to_owned()),
        epoch: Some(0),
        ..tokens.claims(TokenKind::Access, id, id.to_owned(), NOW)
    }
}

fn auth(tokens: Tokens) -> Auth {
    Auth::builder(tokens).clock(Clock::fixed(NOW)).build()
}

/// Returns a request with this token, as the last of this many cookies.
fn request(auth: &Auth, cookies: usize) -> HttpRequest {
    let issued = auth.tokens().sign(&claims(auth.tokens())).unwrap();
    let others = (1..cookies).map(|number| format!("preference_{number}=a_value_of_some_length; "));
    let token = issued.token.as_str();
    let header = format!("{}access_token_cookie={token}", others.collect::<String>());
    let request = TestRequest::get().insert_header(("Cookie", header));
    request.to_http_request()
}

/// The future is ready at once.
fn verify(auth: &Auth, request: &HttpRequest) -> Rc<Verified> {
    let verifying = pin!(auth.verify_request(request, Guard::Access));
    match verifying.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(verified) => verified.unwrap(),
        Poll::Pending => panic!("no loader was given"),
    }
}

/// Without AWS-LC, RSA keys only verify.
fn signs(algorithm: &Algorithm) -> bool {
    cfg!(feature = "aws-lc-rs") || !["RS", "PS"].contains(&&algorithm.name()[..2])
}

fn by_algorithm(bench: &mut Criterion) {
    for algorithm in Algorithm::ALL.into_iter().filter(signs) {
        let name = algorithm.name();
        let (cold, warm) = (tokens(algorithm, 0), auth(tokens(algorithm, 10_000)));
        let claims = claims(&cold);
        bench.bench_with_input(BenchmarkId::new("issue", name), &claims, |bench, claims| {
            bench.iter(|| cold.sign(claims).unwrap());
        });
        let cold = auth(cold.clone());
        for (state, auth) in [("verify, cold", cold), ("verify, warm", warm)] {
            let request = request(&auth, 3);
            bench.bench_with_input(BenchmarkId::new(state, name), &request, |bench, request| {
                bench.iter(|| verify(&auth, request));
            });
        }
    }
}

fn cookies(bench: &mut Criterion) {
    let auth = auth(tokens(Algorithm::Hs256, 10_000));
    for cookies in [1, 3, 10, 30] {
        let request = request(&auth, cookies);
        bench.bench_with_input(
            BenchmarkId::new("cookies", cookies),
            &request,
            |bench, request| {
                bench.iter(|| verify(&auth, request));
            },
        );
    }
}

fn decisions(bench: &mut Criterion) {
    let at = Timestamp::from_unix;
    let row = Row {
        rotation: Rotation {
            generation: 3,
            previous: Some(2),
            handed_at: Some(at(1000)),
            ..Rotation::first(at(1000))
        },
        revoked: false,
        user_disabled: false,
        last_used_at: at(1000),
        expires_at: at(9000),
    };
    let policy = SessionPolicy::default();
    let cases = [
        ("rotate", 3, 1060),
        ("again", 3, 1059),
        ("same", 2, 1059),
        ("recover", 2, 1060),
        ("reused", 1, 1001),
    ];
    for (name, presented, now) in cases {
        bench.bench_function(&format!("decide/{name}"), |bench| {
            bench.iter(|| decide(black_box(&row), presented, at(now), &policy));
        });
    }
}

criterion_group!(benches, by_algorithm, cookies, decisions);
criterion_main!(benches);
