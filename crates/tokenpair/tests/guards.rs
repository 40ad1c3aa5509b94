//! Tests the guards that ask for a role, a recent login or typed claims, in an app with CORS.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::time::Duration;

use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::test::{self, TestRequest};
use actix_web::{App, web};
use serde_json::Value;
use tokenpair::clock::{Clock, Timestamp};
use tokenpair::keys::{Algorithm, KeyRing};
use tokenpair::session::Subject;
use tokenpair::token::{Freshness, TokenPolicy, Tokens};
use tokenpair::web::{
    AccessWith, Auth, CurrentUser, FreshWithin, RoleSource, require_fresh_within, require_role,
};

#[path = "common/recorded_app.rs"]
#[allow(dead_code, reason = "shared with other tests, which use the rest")]
mod recorded_app;

use recorded_app::Fixture;

#[derive(serde::Deserialize)]
struct Plan {
    plan: String,
}

async fn plan(user: AccessWith<Plan>) -> String {
    user.extra().plan.clone()
}

async fn pay(user: FreshWithin<300>) -> String {
    user.identity().to_owned()
}

async fn named(user: CurrentUser<u32>) -> String {
    user.to_string()
}

/// The status, whether the header of the middleware outside is there, and the code or the text.
struct Answer {
    status: u16,
    has_outer_header: bool,
    said: String,
}

async fn ask(auth: &Auth, path: &str, method: &str, token: &str) -> Answer {
    let scope = |path| web::scope(path).route("", web::get().to(async || "served"));
    let by_token = from_fn(require_role("author", RoleSource::Token));
    let by_record = from_fn(require_role("author", RoleSource::Record));
    let recent = from_fn(require_fresh_within(Duration::from_secs(300)));
    let app = App::new()
        .app_data(auth.clone())
        .wrap(DefaultHeaders::new().add(("Access-Control-Allow-Origin", "*")))
        .service(scope("/token").wrap(by_token))
        .service(scope("/record").wrap(by_record))
        .service(scope("/recent").wrap(recent))
        .route("/pay", web::get().to(pay))
        .route("/plan", web::get().to(plan))
        .route("/named", web::get().to(named));
    let app = test::init_service(app).await;
    let request = TestRequest::default()
        .method(method.parse().unwrap())
        .uri(path);
    let bearer = ("Authorization", format!("Bearer {token}"));
    let response = test::call_service(&app, request.insert_header(bearer).to_request()).await;
    let status = response.status().as_u16();
    let has_outer_header = response
        .headers()
        .contains_key("Access-Control-Allow-Origin");
    let body = test::read_body(response).await;
    let said = match serde_json::from_slice::<Value>(&body) {
        Ok(Value::Object(error)) => error["code"].as_str().unwrap().to_owned(),
        _ => String::from_utf8(body.to_vec()).unwrap(),
    };
    Answer {
        status,
        has_outer_header,
        said,
    }
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.said.as_str()), (status, code));
    assert!(
        answer.has_outer_header,
        "middleware outside adds its headers"
    );
}

fn fixed() -> (Auth, Clock) {
    let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know");
    let tokens = Tokens::new(keys.unwrap(), TokenPolicy::default());
    let clock = Clock::fixed(Timestamp::from_unix(1_800_000_000));
    (Auth::builder(tokens).clock(clock.clone()).build(), clock)
}

fn token_with(auth: &Auth, name: &str, value: Value) -> String {
    let issued = auth.access_token("ada").claim(name, value).sign().unwrap();
    issued.token.as_str().to_owned()
}

#[actix_web::test]
async fn a_scope_for_a_role_admits_its_holders_and_answers_others_behind_cors() {
    let (auth, _) = fixed();
    let author = token_with(&auth, "roles", ["editor", "author"].as_slice().into());
    assert_eq!(ask(&auth, "/token", "GET", &author).await.said, "served");
    let other = token_with(&auth, "roles", ["editor"].as_slice().into());
    assert_refused(
        &ask(&auth, "/token", "GET", &other).await,
        403,
        "role_required",
    );
    assert_refused(
        &ask(&auth, "/token", "GET", "e30.e30.e30").await,
        422,
        "invalid_token",
    );
    assert_eq!(
        ask(&auth, "/token", "OPTIONS", "").await.status,
        404,
        "no token is needed"
    );
}

#[actix_web::test]
async fn a_scope_for_a_recorded_role_asks_the_record_and_not_the_token() {
    let fixture = Fixture::new();
    let token = fixture.access_token().await;
    let record = |roles: &[&str]| {
        fixture.store.put_subject(Subject {
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            ..fixture.subject.clone()
        });
    };
    record(&["author"]);
    assert_eq!(
        ask(&fixture.auth, "/record", "GET", &token).await.said,
        "served"
    );
    record(&[]);
    assert_refused(
        &ask(&fixture.auth, "/record", "GET", &token).await,
        403,
        "role_required",
    );
}

#[actix_web::test]
async fn a_login_is_recent_to_the_second() {
    let (auth, clock) = fixed();
    let fresh = auth
        .access_token("ada")
        .fresh(Freshness::Fresh)
        .sign()
        .unwrap();
    let (fresh, stale) = (fresh.token.as_str(), token_with(&auth, "x", Value::Null));
    for path in ["/recent", "/pay"] {
        assert_refused(
            &ask(&auth, path, "GET", &stale).await,
            401,
            "fresh_token_required",
        );
    }
    clock.advance(Duration::from_secs(300));
    for path in ["/recent", "/pay"] {
        assert_eq!(ask(&auth, path, "GET", fresh).await.status, 200, "{path}");
    }
    clock.advance(Duration::from_secs(1));
    for path in ["/recent", "/pay"] {
        assert_refused(
            &ask(&auth, path, "GET", fresh).await,
            401,
            "fresh_token_required",
        );
    }
}

#[actix_web::test]
async fn claims_that_do_not_fit_their_type_are_refused() {
    let (auth, _) = fixed();
    let pro = token_with(&auth, "plan", "pro".into());
    assert_eq!(ask(&auth, "/plan", "GET", &pro).await.said, "pro");
    for token in [
        token_with(&auth, "plan", 7.into()),
        token_with(&auth, "x", 7.into()),
    ] {
        assert_refused(
            &ask(&auth, "/plan", "GET", &token).await,
            422,
            "invalid_token",
        );
    }
}

#[actix_web::test]
async fn a_user_of_another_type_is_a_fault_of_the_server() {
    let (auth, _) = fixed();
    let token = token_with(&auth, "x", Value::Null);
    assert_refused(
        &ask(&auth, "/named", "GET", &token).await,
        500,
        "internal_error",
    );
}
