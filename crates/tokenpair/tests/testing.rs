//! Tests the feature `testing`, as the tests of an app use it.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::io;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HeaderName};
use actix_web::middleware::from_fn;
use actix_web::test::{self, TestRequest, call_service};
use actix_web::{App, Error, HttpRequest, HttpResponse, web};
use serde_json::json;
use tokenpair::clock::Clock;
use tokenpair::config::JwtSettings;
use tokenpair::keys::{Algorithm, KeyRing};
use tokenpair::session::{EndReason, RequestContext, SessionStore, Subject};
use tokenpair::testing::{BEGIN, CookieJar, LoggedIn, SECRET, TestError, Testing};
use tokenpair::token::{Freshness, IssueError};
use tokenpair::web::{Access, Auth, Fresh, Refresh, Rejection, TokenCookies, WebPolicy, reissue};

async fn whoami(user: Access) -> String {
    let claims = user.claims();
    format!("{} {:?} {:?}", user.identity(), claims.roles, claims.extra)
}

async fn fresh_only(_: Fresh) -> &'static str {
    "fresh"
}

async fn refresh(
    auth: Auth,
    token: Refresh,
    context: RequestContext,
) -> Result<HttpResponse, Rejection> {
    if auth.sessions().is_some() {
        let pair = auth.refresh(&token, &context).await?;
        return Ok(HttpResponse::Ok().set_pair(&auth, &pair).finish());
    }
    let access = auth.access_token(token.identity()).sign()?;
    let mut answer = HttpResponse::Ok();
    Ok(answer.set_access_cookies(&auth, &access).finish())
}

async fn logout(
    auth: Auth,
    request: HttpRequest,
    context: RequestContext,
) -> Result<HttpResponse, Rejection> {
    auth.log_out(&request, &context).await?;
    Ok(HttpResponse::Ok().unset_jwt_cookies(&auth).finish())
}

async fn app(
    testing: &Testing,
) -> impl Service<actix_http::Request, Response = ServiceResponse<impl MessageBody>, Error = Error>
{
    test::init_service(
        App::new()
            .app_data(testing.auth())
            .wrap(from_fn(reissue))
            .route("/", web::get().to(whoami))
            .route("/", web::post().to(whoami))
            .route("/fresh", web::get().to(fresh_only))
            .route("/refresh", web::post().to(refresh))
            .route("/logout", web::post().to(logout)),
    )
    .await
}

/// Returns the status and the text of the response.
async fn said(
    app: &impl Service<actix_http::Request, Response = ServiceResponse<impl MessageBody>, Error = Error>,
    request: TestRequest,
) -> (u16, String) {
    let response = call_service(app, request.to_request()).await;
    let status = response.status().as_u16();
    let body = test::read_body(response).await;
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn kept(
    app: &impl Service<actix_http::Request, Response = ServiceResponse<impl MessageBody>, Error = Error>,
    jar: &mut CookieJar,
    request: TestRequest,
) -> StatusCode {
    let response = call_service(app, request.to_request()).await;
    jar.keep(&response);
    response.status()
}

fn get(path: &str) -> TestRequest {
    TestRequest::get().uri(path)
}

fn post(path: &str) -> TestRequest {
    TestRequest::post().uri(path)
}

fn both() -> [Testing; 2] {
    [Testing::new(), Testing::with_sessions()]
}

const HOUR: Duration = Duration::from_secs(3600);

#[actix_web::test]
async fn a_user_is_who_and_what_the_test_says() {
    for testing in both() {
        let app = app(&testing).await;
        let ada = testing.user("ada").role("admin").claim("team", 7);
        let ada = ada.log_in().await.unwrap();
        let expected = r#"ada ["admin"] {"team": Number(7)}"#;
        for request in [ada.as_cookies(get("/")), ada.as_bearer(get("/"))] {
            assert_eq!(said(&app, request).await, (200, expected.to_owned()));
        }
        let bob = testing.user("bob").log_in().await.unwrap();
        let (_, text) = said(&app, bob.as_bearer(get("/"))).await;
        assert_eq!(text, "bob [] {}", "and nobody else");
    }
}

#[actix_web::test]
async fn a_user_is_fresh_unless_it_is_said() {
    for testing in both() {
        let app = app(&testing).await;
        let fresh = testing.user("ada").log_in().await.unwrap();
        assert_eq!(said(&app, fresh.as_cookies(get("/fresh"))).await.0, 200);
        let stale = testing.user("ada").stale().log_in().await.unwrap();
        let (status, text) = said(&app, stale.as_cookies(get("/fresh"))).await;
        assert_eq!((status, text.contains("fresh_token_required")), (401, true));
        assert_eq!(said(&app, stale.as_cookies(get("/"))).await.0, 200);
    }
}

#[actix_web::test]
async fn an_expired_user_can_still_refresh() {
    for testing in both() {
        let app = app(&testing).await;
        let ada = testing.user("ada").expired().log_in().await.unwrap();
        for request in [ada.as_cookies(get("/")), ada.as_bearer(get("/"))] {
            let (status, text) = said(&app, request).await;
            assert_eq!((status, text.contains("token_expired")), (401, true));
        }
        let mut jar = ada.cookie_jar();
        let request = ada.as_cookies_to_refresh(post("/refresh"));
        assert_eq!(kept(&app, &mut jar, request).await, StatusCode::OK);
        assert_eq!(said(&app, jar.fill(get("/"))).await.0, 200);
        let request = ada.as_bearer_to_refresh(post("/refresh"));
        assert_eq!(said(&app, request).await.0, 200);
    }
}

#[actix_web::test]
async fn each_token_goes_with_its_own_csrf_value() {
    let testing = Testing::new();
    let app = app(&testing).await;
    let ada = testing.user("ada").log_in().await.unwrap();
    let jar = ada.cookie_jar();
    for (request, status) in [
        (ada.as_cookies(post("/")), 200),
        (ada.as_cookies_to_refresh(post("/")), 401),
        (ada.as_cookies(post("/refresh")), 401),
        (jar.fill(post("/")), 200),
        (jar.fill_to_refresh(post("/")), 401),
        (jar.fill_to_refresh(post("/refresh")), 200),
    ] {
        assert_eq!(said(&app, request).await.0, status);
    }
}

#[actix_web::test]
async fn the_tokens_of_a_recorded_session_have_one_csrf_value() {
    let testing = Testing::with_sessions();
    let app = app(&testing).await;
    let ada = testing.user("ada").log_in().await.unwrap();
    let other = testing.user("ada").log_in().await.unwrap();
    let csrf = |user: &LoggedIn| {
        let pair = user.pair();
        [&pair.access, &pair.refresh].map(|issued| issued.csrf.clone().unwrap())
    };
    let ([access, refresh], [others, _]) = (csrf(&ada), csrf(&other));
    assert!(access == refresh && access != others);
    for request in [
        ada.as_cookies_to_refresh(post("/")),
        ada.as_cookies(post("/refresh")),
    ] {
        assert_eq!(said(&app, request).await.0, 200);
    }
}

#[actix_web::test]
async fn the_csrf_value_is_sent_where_no_cookie_has_it() {
    let mut policy = WebPolicy::default();
    policy.cookies.csrf = false;
    policy.csrf.access_header = HeaderName::from_static("x-proof");
    let testing = Testing::new().with(|auth| auth.policy(policy));
    let app = app(&testing).await;
    let ada = testing.user("ada").log_in().await.unwrap();
    let names = ["access_token_cookie", "refresh_token_cookie"];
    assert_eq!(ada.cookie_jar().names(), names);
    assert_eq!(said(&app, ada.as_cookies(post("/"))).await.0, 200);
}

#[actix_web::test]
async fn the_header_is_the_one_that_the_policy_names() {
    let mut policy = WebPolicy::default();
    policy.header.name = HeaderName::from_static("x-token");
    policy.header.scheme = String::new();
    let testing = Testing::new().with(|auth| auth.policy(policy));
    let ada = testing.user("ada").log_in().await.unwrap();
    let request = ada.as_bearer(get("/")).to_http_request();
    assert_eq!(request.headers().get(AUTHORIZATION), None);
    let token = ada.pair().access.token.as_str();
    assert_eq!(request.headers().get("x-token").unwrap(), token);
    let app = app(&testing).await;
    assert_eq!(said(&app, ada.as_bearer(get("/"))).await.0, 200);
}

#[actix_web::test]
async fn a_test_moves_the_clock_to_the_reissue_and_past_it() {
    for testing in both() {
        let app = app(&testing).await;
        let ada = testing.user("ada").log_in().await.unwrap();
        let mut jar = ada.cookie_jar();
        let first = jar.value("access_token_cookie").map(str::to_owned);
        testing.advance_to_reissue();
        assert_eq!(testing.clock().now(), BEGIN + HOUR / 2);
        let request = jar.fill(get("/fresh"));
        assert_eq!(kept(&app, &mut jar, request).await, StatusCode::OK);
        assert_ne!(jar.value("access_token_cookie"), first.as_deref());
        let (status, _) = said(&app, jar.fill(get("/fresh"))).await;
        assert_eq!(status, 401, "a successor is not fresh");
        testing.advance(HOUR / 2);
        assert_eq!(said(&app, ada.as_cookies(get("/"))).await.0, 401);
        assert_eq!(said(&app, jar.fill(get("/"))).await.0, 200);
        testing.advance_past_access();
        assert_eq!(said(&app, jar.fill(get("/"))).await.0, 401);
    }
}

#[actix_web::test]
async fn a_second_before_the_reissue_nothing_is_set() {
    let testing = Testing::with_sessions();
    let app = app(&testing).await;
    let ada = testing.user("ada").log_in().await.unwrap();
    testing.advance(HOUR / 2 - Duration::from_secs(1));
    let mut nothing = testing.cookie_jar();
    let request = ada.as_cookies(get("/"));
    assert_eq!(kept(&app, &mut nothing, request).await, StatusCode::OK);
    assert!(nothing.names().is_empty(), "{nothing:?}");
}

#[actix_web::test]
async fn a_logout_empties_the_jar_and_ends_the_session() {
    let testing = Testing::with_sessions();
    let app = app(&testing).await;
    let ada = testing.user("ada").log_in().await.unwrap();
    let phone = testing.user("ada").log_in().await.unwrap();
    let mut jar = ada.cookie_jar();
    assert_eq!(jar.names().len(), 4);
    let request = jar.fill(post("/logout"));
    assert_eq!(kept(&app, &mut jar, request).await, StatusCode::OK);
    assert!(jar.names().is_empty(), "{jar:?}");
    let (status, text) = said(&app, ada.as_bearer(get("/"))).await;
    assert_eq!((status, text.contains("token_revoked")), (401, true));
    let (sid, other) = (ada.session().unwrap(), phone.session().unwrap());
    let store = testing.store().unwrap();
    let ended = |sid| async move { store.load(sid).await.unwrap().unwrap().session.revoked };
    assert_eq!(ended(&sid).await.unwrap().reason, EndReason::Logout);
    assert_eq!(ended(&other).await, None, "one login is one session");
}

#[actix_web::test]
async fn the_jar_forgets_a_cookie_at_its_end() {
    let policy = WebPolicy {
        remember: true,
        ..WebPolicy::default()
    };
    let testing = Testing::new().with(|auth| auth.policy(policy));
    let app = app(&testing).await;
    let ada = testing.user("ada").stale().log_in().await.unwrap();
    let mut jar = testing.cookie_jar();
    let request = ada.as_cookies_to_refresh(post("/refresh"));
    assert_eq!(kept(&app, &mut jar, request).await, StatusCode::OK);
    testing.advance(HOUR - Duration::from_secs(1));
    assert_eq!(jar.names(), ["access_token_cookie", "csrf_access_token"]);
    testing.advance(Duration::from_secs(1));
    assert!(jar.names().is_empty(), "{jar:?}");
    let (_, text) = said(&app, jar.fill(get("/"))).await;
    assert!(text.contains("missing_token"), "{text}");
}

#[actix_web::test]
async fn a_user_that_is_in_the_store_stays_as_it_is() {
    let testing = Testing::with_sessions();
    let app = app(&testing).await;
    let subject = |disabled| Subject {
        epoch: 3,
        disabled,
        ..Subject::new("7", "ada").with_role("author")
    };
    let store = testing.store().unwrap();
    store.put_subject(subject(false));
    let ada = testing.user("7").log_in().await.unwrap();
    assert_eq!(
        store.subject("7").await.unwrap(),
        Some(subject(false)),
        "a login changes nothing"
    );
    assert_eq!(
        said(&app, ada.as_bearer(get("/"))).await.1,
        r#"7 ["author"] {}"#
    );
    store.put_subject(subject(true));
    let request = ada.as_cookies_to_refresh(post("/refresh"));
    assert!(said(&app, request).await.1.contains("user_disabled"));
}

#[actix_web::test]
async fn an_app_s_own_settings_and_loaders_are_tested_as_they_are() {
    let settings = JwtSettings::read(|name| match name {
        "JWT_SECRET_KEY" => Some(SECRET.to_owned()),
        "JWT_ALGORITHM" => Some("HS512".to_owned()),
        "JWT_TOKEN_LOCATION" => Some("cookies".to_owned()),
        "JWT_DECODE_LEEWAY" => Some("10".to_owned()),
        _ => None,
    });
    let auth = settings
        .unwrap()
        .builder()
        .clock(Clock::fixed(BEGIN))
        .additional_claims(|_| {
            let claims = json!({ "by": "loader" });
            claims.as_object().cloned().unwrap_or_default()
        })
        .additional_headers(|_| {
            let header = json!({ "by": "loader" });
            header.as_object().cloned().unwrap_or_default()
        })
        .user_lookup(|token| async move {
            let known = token.claims.sub() == "ada";
            Ok::<_, io::Error>(known.then_some(()))
        })
        .build();
    let testing = Testing::of(&auth);
    let app = app(&testing).await;
    let ada = testing.user("ada").log_in().await.unwrap();
    let decoded = testing.auth();
    let decoded = decoded.decode(ada.pair().access.token.as_str()).run();
    assert_eq!(decoded.unwrap().header["by"], "loader");
    let expected = r#"ada [] {"by": String("loader")}"#;
    let (status, text) = said(&app, ada.as_cookies(get("/"))).await;
    assert_eq!((status, text.as_str()), (200, expected));
    assert_eq!(said(&app, ada.as_bearer(get("/"))).await.0, 401);
    let bob = testing.user("bob").log_in().await.unwrap();
    let (_, text) = said(&app, bob.as_cookies(get("/"))).await;
    assert!(text.contains("user_not_loaded"), "{text}");
    let late = testing.user("ada").expired().log_in().await.unwrap();
    assert_eq!(said(&app, late.as_cookies(get("/"))).await.0, 401);
    let fifteen_minutes = Duration::from_secs(900);
    testing.advance_past_access();
    assert_eq!(
        testing.clock().now(),
        BEGIN + fifteen_minutes + Duration::from_secs(10)
    );
    assert_eq!(auth.now(), BEGIN, "the app's own clock stays");
    assert_eq!(said(&app, ada.as_cookies(get("/"))).await.0, 401);
}

#[actix_web::test]
async fn a_claim_of_the_library_cannot_be_given() {
    let refused = Testing::new().user("ada").claim("type", "refresh").log_in();
    let error = refused.await.unwrap_err();
    assert!(matches!(error, TestError::Issue(IssueError::Reserved(_))));
}

#[actix_web::test]
async fn lifetimes_and_other_clocks_are_as_the_test_says() {
    let testing = Testing::new().with(|auth| auth.clock(Clock::system()));
    assert_eq!(testing.auth().now(), BEGIN, "the clock stays the test's");
    let minute = Duration::from_secs(60);
    let ada = testing
        .user("ada")
        .expires_in(minute)
        .log_in()
        .await
        .unwrap();
    assert_eq!(ada.pair().access.expires_at, Some(BEGIN + minute));
    assert!(ada.session().is_none());
    let decoded = testing.auth();
    let decoded = decoded
        .decode(ada.pair().access.token.as_str())
        .run()
        .unwrap();
    assert_eq!(decoded.claims.fresh, Freshness::Fresh);
}

#[test]
fn the_secret_will_do_for_every_algorithm_with_a_secret() {
    for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
        assert!(KeyRing::from_secret(algorithm, SECRET.as_bytes()).is_ok());
    }
}

#[actix_web::test]
async fn nothing_that_is_secret_is_printed_by_debug() {
    let testing = Testing::with_sessions();
    let ada = testing.user("ada").log_in().await.unwrap();
    let text = format!("{testing:?} {ada:?} {:?}", ada.cookie_jar());
    assert!(!text.contains("eyJ") && !text.contains(SECRET), "{text}");
}
