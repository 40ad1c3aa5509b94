//! Tests the library from outside: in an Actix app with the store in memory and without our server.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::SET_COOKIE;
use actix_web::middleware::from_fn;
use actix_web::test::{self, TestRequest};
use actix_web::{App, HttpRequest, HttpResponse, ResponseError, web};
use tokenpair::config::JwtSettings;
use tokenpair::keys::{Algorithm, KeyError, KeyRing};
use tokenpair::session::{
    EndReason, Login, Presented, Refreshed, Reissue, RequestContext, SessionStore, Subject,
};
use tokenpair::web::{
    Access, AnyToken, Auth, Fresh, Guard, MaybeAccess, Refresh, Rejection, TokenCookies, reissue,
};

#[path = "common/recorded_app.rs"]
#[allow(dead_code, reason = "shared with other tests, which use the rest")]
mod recorded_app;

use recorded_app::{Fixture, text};

async fn fresh_only(_user: Fresh) -> &'static str {
    "fresh"
}

async fn any(token: AnyToken) -> String {
    format!("{:?} from {}", token.claims().kind, token.location())
}

async fn maybe(user: MaybeAccess) -> String {
    user.get()
        .map_or_else(|| "nobody".to_owned(), |user| user.identity().to_owned())
}

async fn trap(user: Option<Access>) -> String {
    user.map_or_else(|| "nobody".to_owned(), |user| user.identity().to_owned())
}

#[actix_web::test]
async fn an_optional_token_is_none_only_if_none_came() {
    let fixture = Fixture::new();
    let app = App::new()
        .app_data(fixture.auth.clone())
        .route("/maybe", web::get().to(maybe));
    let app = test::init_service(app.route("/trap", web::get().to(trap))).await;
    let get = |path: &str, token: &str| {
        let request = TestRequest::get().uri(path);
        let request = if token.is_empty() {
            request
        } else {
            request.insert_header(("Authorization", format!("Bearer {token}")))
        };
        request.to_request()
    };
    let good = fixture.access_token().await;
    assert_eq!(
        text(test::call_service(&app, get("/maybe", &good)).await).await,
        "7"
    );
    assert_eq!(
        text(test::call_service(&app, get("/maybe", "")).await).await,
        "nobody"
    );
    let forged = format!("{}x", &good[..good.len() - 1]);
    assert_eq!(
        test::call_service(&app, get("/maybe", &forged))
            .await
            .status(),
        StatusCode::UNPROCESSABLE_ENTITY
    );
    // Actix's own Option lets the forged token pass as a visitor, hence MaybeAccess.
    assert_eq!(
        text(test::call_service(&app, get("/trap", &forged)).await).await,
        "nobody"
    );
}

#[actix_web::test]
async fn a_sensitive_route_asks_for_a_fresh_token() {
    let fixture = Fixture::new();
    let app = App::new()
        .app_data(fixture.auth.clone())
        .route("/fresh", web::get().to(fresh_only));
    let app = test::init_service(app.route("/any", web::get().to(any))).await;
    let pair = fixture.log_in().await;
    let presented = Presented {
        access: &fixture.verify(pair.access.token.as_str()).unwrap(),
        refresh: &fixture.verify(pair.refresh.token.as_str()).unwrap(),
        arrived: Some(fixture.auth.now()),
    };
    let context = RequestContext::at(fixture.auth.now());
    let reissue = fixture.sessions.reissue(presented, &context).await;
    let Ok(Reissue::Granted(reissued)) = reissue else {
        panic!("{reissue:?}")
    };
    let get = |path: &str, token: &str| {
        TestRequest::get()
            .uri(path)
            .insert_header(("Authorization", format!("Bearer {token}")))
            .to_request()
    };
    assert_eq!(
        text(test::call_service(&app, get("/fresh", pair.access.token.as_str())).await).await,
        "fresh"
    );
    let stale = test::call_service(&app, get("/fresh", reissued.access.token.as_str())).await;
    assert_eq!(stale.status(), StatusCode::UNAUTHORIZED);
    assert!(text(stale).await.contains("Fresh token required"));
    let of_both = [
        (&pair.access, "Access from headers"),
        (&pair.refresh, "Refresh from headers"),
    ];
    for (issued, said) in of_both {
        assert_eq!(
            text(test::call_service(&app, get("/any", issued.token.as_str())).await).await,
            said
        );
    }
}

#[actix_web::test]
async fn an_app_without_auth_answers_500_and_does_not_panic() {
    let app = test::init_service(
        App::new()
            .wrap(from_fn(reissue))
            .route("/maybe", web::get().to(maybe)),
    )
    .await;
    let response = test::call_service(&app, TestRequest::get().uri("/maybe").to_request()).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        text(response).await,
        r#"{"msg":"Internal server error","code":"internal_error"}"#
    );
}

#[test]
fn secrets_that_cannot_be_safe_are_refused() {
    let make = |algorithm, secret: &[u8]| KeyRing::from_secret(algorithm, secret);
    for (algorithm, len) in [
        (Algorithm::Hs256, 31),
        (Algorithm::Hs384, 47),
        (Algorithm::Hs512, 63),
    ] {
        let secret: Vec<u8> = (0..len).map(|number| b'a' + number % 23).collect();
        assert!(
            matches!(make(algorithm, &secret), Err(KeyError::TooShort { .. })),
            "{len}"
        );
        let enough = [&secret[..], b"!"].concat();
        assert!(make(algorithm, &enough).is_ok());
    }
    let placeholders = [
        "",
        "super-secret",
        "CHANGE-ME",
        "your-256-bit-secret",
        "change_me_in_production_0123456789",
        &"x".repeat(64),
    ];
    for placeholder in placeholders {
        assert!(
            matches!(
                make(Algorithm::Hs256, placeholder.as_bytes()),
                Err(KeyError::Placeholder)
            ),
            "{placeholder:?}"
        );
    }
}

#[actix_web::test]
async fn nothing_that_is_secret_is_printed_by_debug() {
    let fixture = Fixture::new();
    let pair = fixture.log_in().await;
    let text = format!(
        "{pair:?} {:?} {:?}",
        fixture.auth,
        KeyRing::from_secret(Algorithm::Hs256, &[b'a'; 31])
    );
    assert!(
        !text.contains("eyJ") && !text.contains("only the server knows"),
        "{text}"
    );
}

#[actix_web::test]
async fn a_revocation_is_known_for_as_long_as_a_token_is_believed() {
    let fixture = Fixture::new();
    let sessions = &fixture.sessions;
    let pair = fixture.log_in().await;
    let verify = || fixture.verify(pair.access.token.as_str());
    let claims = verify().unwrap();
    let sid = claims.sid.clone().unwrap();
    sessions.sync_revocations(fixture.auth.now()).await.unwrap();
    sessions
        .end(
            &sid,
            EndReason::Logout,
            &RequestContext::at(fixture.auth.now()),
        )
        .await
        .unwrap();
    for _ in 0..59 {
        fixture.clock.advance(Duration::from_secs(60));
        sessions.sync_revocations(fixture.auth.now()).await.unwrap();
        assert!(verify().is_ok(), "its text is good");
        assert!(
            sessions.revocations().is_revoked(&claims),
            "and its session has ended"
        );
    }
    fixture.clock.advance(Duration::from_secs(180));
    sessions.sync_revocations(fixture.auth.now()).await.unwrap();
    assert!(verify().is_err());
    assert!(
        !sessions.revocations().is_revoked(&claims),
        "nothing is kept for ever"
    );
}

#[actix_web::test]
async fn a_revocation_that_becomes_visible_late_is_still_seen() {
    let fixture = Fixture::new();
    let sessions = &fixture.sessions;
    let pair = fixture.log_in().await;
    let token = pair.access.token.as_str();
    let claims = fixture.verify(token).unwrap();
    let recorded_at = fixture.auth.now();
    fixture.clock.advance(Duration::from_secs(30));
    sessions.sync_revocations(fixture.auth.now()).await.unwrap();
    // Another replica's commit, half a minute late.
    let sid = claims.sid.as_deref().unwrap();
    let context = RequestContext::at(recorded_at);
    let revoked = fixture.store.revoke(sid, EndReason::Logout, &context).await;
    assert_eq!(revoked.unwrap(), Ok(true));
    sessions.sync_revocations(fixture.auth.now()).await.unwrap();
    assert!(sessions.revocations().is_revoked(&claims));
}

/// Otherwise it would be a second less if a second began between the two.
#[actix_web::test]
async fn a_cookie_is_kept_for_as_long_as_its_token_was_given_however_long_the_answer_took() {
    let fixture = Fixture::new();
    let login = Login {
        remember: true,
        ..Login::default()
    };
    let pair = fixture.auth.log_in(&fixture.subject, login).await.unwrap();
    fixture.clock.advance(Duration::from_secs(1));
    let answer = HttpResponse::Ok().set_pair(&fixture.auth, &pair).finish();
    let kept: Vec<i64> = answer
        .cookies()
        .map(|cookie| cookie.max_age().unwrap().whole_seconds())
        .collect();
    assert_eq!(kept, [3600, 3600, 2_592_000, 2_592_000]);
}

#[actix_web::test]
async fn a_revoked_access_token_is_no_token_of_any_type() {
    let fixture = Fixture::new();
    let app = App::new()
        .app_data(fixture.auth.clone())
        .route("/any", web::get().to(any));
    let app = test::init_service(app).await;
    let token = fixture.access_token().await;
    let request = || {
        let header = ("Authorization", format!("Bearer {token}"));
        TestRequest::get()
            .uri("/any")
            .insert_header(header)
            .to_request()
    };
    assert_eq!(
        test::call_service(&app, request()).await.status(),
        StatusCode::OK
    );
    let sessions = &fixture.sessions;
    let claims = fixture.verify(&token).unwrap();
    sessions
        .end(
            claims.sid.as_deref().unwrap(),
            EndReason::Logout,
            &RequestContext::at(fixture.auth.now()),
        )
        .await
        .unwrap();
    assert_eq!(
        test::call_service(&app, request()).await.status(),
        StatusCode::UNAUTHORIZED
    );
}

async fn greet(auth: Auth, login: web::Path<String>) -> Result<HttpResponse, Rejection> {
    let subject = Subject {
        id: login.into_inner(),
        ..Fixture::new().subject
    };
    let pair = auth.log_in(&subject, Login::default()).await?;
    Ok(HttpResponse::Ok().set_pair(&auth, &pair).finish())
}

async fn go_on(
    auth: Auth,
    token: Refresh,
    context: RequestContext,
) -> Result<HttpResponse, Rejection> {
    let pair = auth.refresh(&token, &context).await?;
    Ok(HttpResponse::Ok().set_pair(&auth, &pair).finish())
}

async fn leave(
    auth: Auth,
    request: HttpRequest,
    context: RequestContext,
) -> Result<HttpResponse, Rejection> {
    auth.log_out(&request, &context).await?;
    Ok(HttpResponse::Ok().unset_jwt_cookies(&auth).finish())
}

/// Returns the status, the code in the words of [`own_words`], and the number of cookies set.
async fn outcome(auth: &Auth, request: TestRequest) -> (u16, String, usize) {
    let app = App::new()
        .app_data(auth.clone())
        .route("/login/{id}", web::post().to(greet))
        .route("/refresh", web::post().to(go_on))
        .route("/logout", web::post().to(leave));
    let app = test::init_service(app).await;
    let response = test::call_service(&app, request.to_request()).await;
    let count = response.headers().get_all(SET_COOKIE).count();
    (response.status().as_u16(), text(response).await, count)
}

fn own_words(rejection: &Rejection) -> Option<HttpResponse> {
    let status = rejection.status_code();
    Some(HttpResponse::build(status).body(rejection.code()))
}

#[actix_web::test]
async fn the_routes_of_an_app_with_sessions_are_a_line_each_and_refuse_in_its_words() {
    let fixture = Fixture::new();
    let auth = fixture.auth.to_builder().on_rejection(own_words).build();
    let bearer = |path: &str, token: &str| {
        let header = ("Authorization", format!("Bearer {token}"));
        TestRequest::post().uri(path).insert_header(header)
    };
    let login = outcome(&auth, TestRequest::post().uri("/login/7")).await;
    assert_eq!(login, (200, String::new(), 4));
    let pair = fixture.log_in().await;
    let (access, refresh) = (pair.access.token.as_str(), pair.refresh.token.as_str());
    let refreshed = outcome(&auth, bearer("/refresh", refresh)).await;
    assert_eq!(refreshed, (200, String::new(), 4));
    let logout = outcome(&auth, bearer("/logout", access)).await;
    assert_eq!(logout, (200, String::new(), 4));
    let refused = outcome(&auth, bearer("/refresh", refresh)).await;
    assert_eq!(refused, (401, "session_revoked".to_owned(), 0));
    let again = outcome(&auth, bearer("/logout", access)).await;
    assert_eq!(again, (200, String::new(), 4), "to repeat it does no harm");

    // A copy of a token that was replaced long ago ends the session.
    let stolen = fixture.log_in().await;
    let mut owner = stolen.refresh.token.as_str().to_owned();
    for _ in 0..2 {
        fixture.clock.advance(Duration::from_secs(3600));
        let claims = fixture.verify(&owner).unwrap();
        let context = RequestContext::at(fixture.auth.now());
        let refreshed = fixture.sessions.refresh(&claims, &context).await.unwrap();
        let Refreshed::Granted(pair) = refreshed else {
            panic!("{refreshed:?}")
        };
        owner = pair.refresh.token.as_str().to_owned();
    }
    let copy = bearer("/refresh", stolen.refresh.token.as_str());
    let reused = outcome(&auth, copy).await;
    assert_eq!(reused, (401, "refresh_token_reused".to_owned(), 0));
    let ended = outcome(&auth, bearer("/refresh", &owner)).await;
    assert_eq!(ended, (401, "session_revoked".to_owned(), 0));
}

#[actix_web::test]
async fn without_a_record_of_sessions_there_is_none_to_log_in_to() {
    let tokens = Fixture::new().sessions.tokens().clone();
    let auth = Auth::builder(tokens).on_rejection(own_words).build();
    for path in ["/login/7", "/logout"] {
        let refused = outcome(&auth, TestRequest::post().uri(path)).await;
        assert_eq!(refused, (500, "internal_error".to_owned(), 0), "{path}");
    }
}

#[test]
fn a_rejection_is_an_error_with_a_cause() {
    let cause = std::io::Error::other("the disk is full");
    let error: Box<dyn std::error::Error> = Rejection::unavailable(cause).into();
    let told = error.source().map(ToString::to_string);
    assert_eq!(told.as_deref(), Some("the disk is full"));
}

fn in_cookies(tokens: &[&str]) -> HttpRequest {
    let cookie = |token: &&str| format!("access_token_cookie={token}");
    let cookies: Vec<String> = tokens.iter().map(cookie).collect();
    let request = TestRequest::get().insert_header(("Cookie", cookies.join("; ")));
    request.to_http_request()
}

#[actix_web::test]
async fn a_token_on_the_blocklist_hides_no_other_cookie_of_its_name() {
    let auth = Auth::builder(Fixture::new().sessions.tokens().clone())
        .token_in_blocklist(|token| async move {
            Ok::<_, std::io::Error>(token.claims.sub() == "blocked")
        })
        .build();
    let token = |user: &str| auth.access_token(user).sign().unwrap();
    let (blocked, ada) = (token("blocked"), token("ada"));
    let (blocked, ada) = (blocked.token.as_str(), ada.token.as_str());
    for tokens in [[blocked, ada], [ada, blocked]] {
        let request = in_cookies(&tokens);
        let verified = auth.verify_request(&request, Guard::Access);
        assert_eq!(verified.await.unwrap().claims.sub(), "ada");
    }
    let request = in_cookies(&[blocked, "x"]);
    let alone = auth.verify_request(&request, Guard::Access);
    assert_eq!(alone.await.unwrap_err().code(), "token_revoked");
}

#[actix_web::test]
async fn under_flask_jwt_extended_s_settings_the_first_cookie_and_the_exact_scheme_count() {
    let settings = JwtSettings::read(|name| match name {
        "JWT_SECRET_KEY" => Some("a secret of 32 bytes that is not in any book".to_owned()),
        "JWT_TOKEN_LOCATION" => Some("cookies,headers".to_owned()),
        _ => None,
    });
    let auth = settings.unwrap().builder().build();
    let ada = auth.access_token("ada").sign().unwrap();
    let ada = ada.token.as_str();
    let request = in_cookies(&["x", ada]);
    let first = auth.verify_request(&request, Guard::Access);
    assert_eq!(first.await.unwrap_err().code(), "invalid_token");
    let lower = TestRequest::get().insert_header(("Authorization", format!("bearer {ada}")));
    let lower = lower.to_http_request();
    let lower = auth.verify_request(&lower, Guard::Access);
    assert_eq!(lower.await.unwrap_err().code(), "missing_token");
}

#[test]
fn never_expires_is_any_word_for_false() {
    for never in ["false", "False", "off", "no", "0"] {
        let settings = JwtSettings::read(|name| match name {
            "JWT_SECRET_KEY" => Some("a secret of 32 bytes that is not in any book".to_owned()),
            "JWT_ACCESS_TOKEN_EXPIRES" | "JWT_REFRESH_TOKEN_EXPIRES" => Some(never.to_owned()),
            _ => None,
        });
        let tokens = settings.unwrap().tokens;
        assert_eq!(
            (tokens.access_expires, tokens.refresh_expires),
            (None, None)
        );
    }
}
