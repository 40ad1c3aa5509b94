//! What the targets share: users whose tokens an input can name, an app's `Auth`, and what has to hold of every refusal.

pub mod json;

use std::future::Future;
use std::rc::Rc;
use std::sync::LazyLock;

use actix_web::ResponseError;
use actix_web::body::MessageBody;
use actix_web::http::StatusCode;
use actix_web::rt::{System, SystemRunner};
use serde_json::Value;
use tokenpair::clock::{Clock, Timestamp};
use tokenpair::keys::{Algorithm, KeyRing};
use tokenpair::token::{Claims, Freshness, TokenKind, TokenPolicy, Tokens};
use tokenpair::web::{Auth, Rejection, Verified, WebPolicy};

/// When everything happens.
pub const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// Signs for the seeds too, so it stays as it is.
pub const SECRET: &[u8] = b"32 bytes that nobody else can know";

/// The ring of [`SECRET`].
pub fn keys() -> KeyRing {
    KeyRing::from_secret(Algorithm::Hs256, SECRET).expect("the secret is good")
}

/// An app's handle, under that policy.
pub fn auth(policy: WebPolicy) -> Auth {
    let tokens = Tokens::new(keys(), TokenPolicy::default());
    let auth = Auth::builder(tokens).policy(policy);
    auth.clock(Clock::fixed(NOW)).build()
}

/// Access tokens of the users `0` to `9`. An input says `@7` where it wants the token of `7`: no mutation would find one,
/// and whose token was believed tells which of several was looked at.
static ACCESS: LazyLock<Vec<String>> = LazyLock::new(|| issue(TokenKind::Access));

static REFRESH: LazyLock<Vec<String>> = LazyLock::new(|| issue(TokenKind::Refresh));

fn issue(kind: TokenKind) -> Vec<String> {
    let tokens = Tokens::new(keys(), TokenPolicy::default());
    let issue = |user: u8| {
        let claims = Claims {
            fresh: Freshness::Fresh,
            ..tokens.claims(kind, user.to_string(), format!("id {user}"), NOW)
        };
        let issued = tokens.sign(&claims).expect("plain claims can be signed");
        issued.token.as_str().to_owned()
    };
    (0..10).map(issue).collect()
}

/// The tokens that open something to that kind of guard.
pub fn genuine(kind: TokenKind) -> &'static [String] {
    match kind {
        TokenKind::Access => &ACCESS,
        TokenKind::Refresh => &REFRESH,
    }
}

/// The input with each `@7` replaced by the token of the user `7`.
pub fn with_tokens(input: &[u8], kind: TokenKind) -> Vec<u8> {
    let mut text = Vec::with_capacity(input.len());
    let mut rest = input;
    while let [first, behind @ ..] = rest {
        let user = behind.first().filter(|digit| digit.is_ascii_digit());
        match user {
            Some(digit) if *first == b'@' => {
                let token = &genuine(kind)[usize::from(digit - b'0')];
                text.extend_from_slice(token.as_bytes());
                rest = &behind[1..];
            }
            _ => {
                text.push(*first);
                rest = behind;
            }
        }
    }
    text
}

/// What a request has to be answered with.
#[derive(Debug)]
pub enum Due<'a> {
    /// This token was found, wherever it was: it is believed if it is genuine, byte for byte.
    Verdict(&'a [u8]),
    /// A refusal of this status and code.
    Refusal(u16, &'static str),
}

/// Whether the request was answered so.
pub fn check(answer: Result<Rc<Verified>, Rejection>, kind: TokenKind, due: &Due<'_>) {
    match (answer, due) {
        (Ok(verified), Due::Verdict(token)) => {
            let user = user_of(token, kind).unwrap_or_else(|| {
                panic!("believed, and not genuine: {}", token.escape_ascii());
            });
            assert_eq!(verified.claims.sub(), user.to_string(), "another's token");
            assert_eq!(verified.claims.kind, kind);
        }
        (Ok(verified), Due::Refusal(..)) => {
            panic!("{due:?}, and {} was let in", verified.claims.sub())
        }
        (Err(rejection), Due::Verdict(token)) => {
            assert_eq!(user_of(token, kind), None, "a genuine token: {rejection:?}");
            let (status, code) = refused(&rejection);
            assert_eq!(status, 422, "{code}");
            assert!(
                token.len() < 32
                    || !rejection
                        .to_string()
                        .as_bytes()
                        .windows(token.len())
                        .any(|part| part == *token),
                "a token is told"
            );
        }
        (Err(rejection), Due::Refusal(status, code)) => {
            assert_eq!(refused(&rejection), (*status, *code));
        }
    }
}

fn user_of(token: &[u8], kind: TokenKind) -> Option<usize> {
    genuine(kind)
        .iter()
        .position(|genuine| genuine.as_bytes() == token)
}

/// The status and the code of a refusal: one for the client's mistakes, in JSON.
pub fn refused(rejection: &Rejection) -> (u16, &'static str) {
    let status = rejection.status_code();
    assert!(status.is_client_error(), "{rejection:?}");
    assert!(rejection.cause().is_none(), "{rejection:?}");
    let response = rejection.error_response();
    assert_eq!(response.status(), status);
    let challenge = response.headers().contains_key("WWW-Authenticate");
    assert_eq!(challenge, status == StatusCode::UNAUTHORIZED);
    let Ok(body) = response.into_body().try_into_bytes() else {
        panic!("{rejection:?} is sent in pieces")
    };
    let body: Value = serde_json::from_slice(&body).expect("a refusal is JSON");
    assert_eq!(body["msg"], rejection.to_string());
    assert_eq!(body["code"], rejection.code());
    assert!(!rejection.code().is_empty());
    (status.as_u16(), rejection.code())
}

/// Runs it to its end.
pub fn wait<F: Future>(future: F) -> F::Output {
    thread_local! {
        static RUNNER: SystemRunner = System::new();
    }
    RUNNER.with(|runner| runner.block_on(future))
}
