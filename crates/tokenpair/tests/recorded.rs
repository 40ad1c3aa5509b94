//! Tests an app with a record of sessions: which tokens are reissued, and which refresh tokens a
//! guard admits.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::rc::Rc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::SET_COOKIE;
use actix_web::middleware::from_fn;
use actix_web::test::{self, TestRequest};
use actix_web::{App, HttpRequest, HttpResponse, web};
use tokenpair::session::{
    Delivery, EndReason, Login, MemoryStore, Pair, Refreshed, RequestContext, SessionError,
    SessionPolicy, SessionStore, Sessions, Subject,
};
use tokenpair::token::TokenKind;
use tokenpair::web::{Access, AnyToken, Auth, Guard, Refresh, Verified, WebPolicy, reissue};

#[path = "common/recorded_app.rs"]
#[allow(dead_code, reason = "shared with other tests, which use the rest")]
mod recorded_app;

use recorded_app::{Fixture, cookies, text};

async fn any(token: AnyToken) -> String {
    format!("{:?} from {}", token.claims().kind, token.location())
}

async fn sets_its_own_cookie(_user: Access) -> HttpResponse {
    let cookie = actix_web::cookie::Cookie::new("refresh_token_cookie", "the handler's");
    HttpResponse::Ok().cookie(cookie).finish()
}

async fn fails(_user: Access) -> HttpResponse {
    HttpResponse::InternalServerError().finish()
}

async fn succeeds(_user: Access) -> HttpResponse {
    HttpResponse::Ok().finish()
}

#[actix_web::test]
async fn reissue_touches_no_answer_that_sets_auth_cookies_or_failed() {
    let fixture = Fixture::new();
    let app = App::new()
        .app_data(fixture.auth.clone())
        .wrap(from_fn(reissue))
        .route("/sets", web::get().to(sets_its_own_cookie))
        .route("/fails", web::get().to(fails))
        .route("/succeeds", web::get().to(succeeds));
    let app = test::init_service(app).await;
    let cookie = both_cookies(&fixture.log_in().await);
    fixture.clock.advance(Duration::from_secs(1800));
    for (path, count) in [("/sets", 1), ("/fails", 0), ("/succeeds", 2)] {
        let request = TestRequest::get()
            .uri(path)
            .insert_header(("Cookie", cookie.as_str()));
        let response = test::call_service(&app, request.to_request()).await;
        assert_eq!(
            response.headers().get_all(SET_COOKIE).count(),
            count,
            "{path}"
        );
    }
}

/// Returns a browser's cookies after a login.
fn both_cookies(pair: &Pair) -> String {
    let (access, refresh) = (pair.access.token.as_str(), pair.refresh.token.as_str());
    format!("access_token_cookie={access}; refresh_token_cookie={refresh}")
}

impl Fixture {
    /// Refreshes with this token in another tab.
    async fn refreshed(&self, pair: &Pair) -> Pair {
        let token = self.verify(pair.refresh.token.as_str()).unwrap();
        let context = RequestContext::at(self.auth.now());
        match self.sessions.refresh(&token, &context).await.unwrap() {
            Refreshed::Granted(pair) => *pair,
            other => panic!("{other:?}"),
        }
    }

    async fn is_over(&self, pair: &Pair) -> bool {
        let token = self.verify(pair.refresh.token.as_str()).unwrap();
        let record = self.store.load(token.sid.as_deref().unwrap()).await;
        record.unwrap().unwrap().session.revoked.is_some()
    }
}

/// Past the rotation window.
const QUIET: Duration = Duration::from_secs(68);

/// The request came when its refresh token was the newest; only its handler took long.
#[actix_web::test]
async fn a_request_that_was_at_work_while_tabs_refreshed_is_no_copy() {
    let fixture = Rc::new(Fixture::new());
    let pair = Rc::new(fixture.log_in().await);
    fixture.clock.advance(Duration::from_secs(1800));
    let work = {
        let (fixture, pair) = (fixture.clone(), pair.clone());
        move |_: Access| {
            let (fixture, pair) = (fixture.clone(), pair.clone());
            async move {
                let next = fixture.refreshed(&pair).await;
                fixture.clock.advance(QUIET);
                fixture.refreshed(&next).await;
                HttpResponse::Ok().finish()
            }
        }
    };
    let app = App::new()
        .app_data(fixture.auth.clone())
        .wrap(from_fn(reissue))
        .route("/slow", web::get().to(work))
        .route("/quick", web::get().to(succeeds))
        .route("/quick", web::post().to(succeeds));
    let app = test::init_service(app).await;
    let csrf = pair.access.csrf.as_ref().unwrap().as_str();
    let send = |request: TestRequest| {
        let request = request.insert_header(("Cookie", both_cookies(&pair)));
        test::call_service(&app, request.to_request())
    };
    let slow = send(TestRequest::get().uri("/slow")).await;
    assert_eq!(cookies(&slow), "", "an outdated token gets no successor");
    assert!(!fixture.is_over(&pair).await);
    // An upload may have been in flight for as long.
    let upload = TestRequest::post().insert_header(("X-CSRF-TOKEN", csrf));
    let upload = send(upload.uri("/quick")).await;
    assert_eq!(
        (upload.status(), cookies(&upload)),
        (StatusCode::OK, String::new())
    );
    assert!(!fixture.is_over(&pair).await);

    let copy = send(TestRequest::get().uri("/quick")).await;
    assert_eq!(copy.headers().get_all(SET_COOKIE).count(), 4);
    assert!(fixture.is_over(&pair).await);
}

/// A later guard in the same request does not make it a later request.
#[actix_web::test]
async fn the_first_guard_of_a_request_tells_when_it_came() {
    let fixture = Rc::new(Fixture::new());
    let pair = Rc::new(fixture.log_in().await);
    fixture.clock.advance(Duration::from_secs(1800));
    let work = {
        let (fixture, pair) = (fixture.clone(), pair.clone());
        move |request: HttpRequest, _: Access| {
            let (fixture, pair) = (fixture.clone(), pair.clone());
            async move {
                let next = fixture.refreshed(&pair).await;
                fixture.clock.advance(QUIET);
                fixture.refreshed(&next).await;
                let again = fixture.auth.verify_request(&request, Guard::Access).await;
                assert!(again.is_ok());
                HttpResponse::Ok().finish()
            }
        }
    };
    let app = App::new()
        .app_data(fixture.auth.clone())
        .wrap(from_fn(reissue))
        .route("/", web::get().to(work));
    let app = test::init_service(app).await;
    let request = TestRequest::get().insert_header(("Cookie", both_cookies(&pair)));
    let answer = test::call_service(&app, request.to_request()).await;
    assert_eq!(
        (answer.status(), cookies(&answer)),
        (StatusCode::OK, String::new())
    );
    assert!(!fixture.is_over(&pair).await);
}

/// A session whose tokens were delivered in a body, and a session whose refresh token the app has
/// blocked.
#[actix_web::test]
async fn neither_a_client_that_keeps_its_tokens_nor_a_blocked_refresh_token_is_reissued() {
    let fixture = Fixture::new();
    let in_cookies = fixture.log_in().await;
    let login = Login {
        delivery: Delivery::Body,
        ..Login::default()
    };
    let in_body = fixture.auth.log_in(&fixture.subject, login).await.unwrap();
    let blocking = |token: Rc<Verified>| async move {
        let kind = token.claims.kind;
        Ok::<_, std::io::Error>(kind == TokenKind::Refresh)
    };
    let blocking = fixture
        .auth
        .to_builder()
        .token_in_blocklist(blocking)
        .build();
    fixture.clock.advance(Duration::from_secs(1800));
    for (auth, pair, count) in [
        (&fixture.auth, &in_body, 0),
        (&blocking, &in_cookies, 0),
        (&fixture.auth, &in_cookies, 2),
    ] {
        let app = App::new().app_data(auth.clone()).wrap(from_fn(reissue));
        let app = test::init_service(app.route("/", web::get().to(succeeds))).await;
        let request = TestRequest::get().insert_header(("Cookie", both_cookies(pair)));
        let answer = test::call_service(&app, request.to_request()).await;
        let set = answer.headers().get_all(SET_COOKIE).count();
        assert_eq!((answer.status(), set), (StatusCode::OK, count));
    }
}

/// Returns the response of `/any`, and of the guard itself, to a refresh token: the status, and the
/// code of the rejection.
async fn as_any_token(auth: &Auth, pair: &Pair) -> (u16, String) {
    let bearer = format!("Bearer {}", pair.refresh.token.as_str());
    let request = || TestRequest::get().insert_header(("Authorization", bearer.clone()));
    let app = App::new().app_data(auth.clone());
    let app = test::init_service(app.route("/", web::get().to(any))).await;
    let response = test::call_service(&app, request().to_request()).await;
    let status = response.status().as_u16();
    let body = text(response).await;
    let request = request().to_http_request();
    let guarded = auth.verify_request(&request, Guard::AnyToken).await;
    let code = guarded.err().map_or("", |refusal| refusal.code());
    assert!(body.contains(code), "{body}");
    (status, code.to_owned())
}

#[actix_web::test]
async fn a_refresh_token_is_a_token_of_any_type_only_while_its_session_goes_on() {
    let admitted = || (200, String::new());
    let refused = |code: &str| (401, code.to_owned());
    let fixture = Fixture::new();
    let auth = &fixture.auth;
    let pair = fixture.log_in().await;
    assert_eq!(as_any_token(auth, &pair).await, admitted());
    let token = fixture.verify(pair.refresh.token.as_str()).unwrap();
    let context = RequestContext::at(auth.now());
    let sid = token.sid.as_deref().unwrap();
    fixture
        .sessions
        .end(sid, EndReason::Logout, &context)
        .await
        .unwrap();
    assert_eq!(as_any_token(auth, &pair).await, refused("session_revoked"));
    let lenient = auth.skipping_revocation();
    assert_eq!(as_any_token(&lenient, &pair).await, admitted());

    let pair = fixture.log_in().await;
    let changed = |change: fn(&mut Subject)| {
        let mut subject = fixture.subject.clone();
        change(&mut subject);
        fixture.store.put_subject(subject);
    };
    changed(|subject| subject.disabled = true);
    assert_eq!(as_any_token(auth, &pair).await, refused("user_disabled"));
    changed(|subject| subject.epoch += 1);
    assert_eq!(as_any_token(auth, &pair).await, refused("session_revoked"));
    changed(|_| {});
    assert_eq!(as_any_token(auth, &pair).await, admitted());
    let forgotten = Auth::new(
        Sessions::new(
            MemoryStore::default(),
            fixture.sessions.tokens().clone(),
            SessionPolicy::default(),
        ),
        WebPolicy::default(),
        fixture.clock.clone(),
    );
    assert_eq!(
        as_any_token(&forgotten, &pair).await,
        refused("session_revoked")
    );
}

#[actix_web::test]
async fn an_outdated_refresh_token_is_no_token_of_any_type_where_a_refresh_would_not_take_it() {
    let fixture = Fixture::new();
    let auth = &fixture.auth;
    let first = fixture.log_in().await;
    let second = fixture.refreshed(&first).await;
    assert_eq!(as_any_token(auth, &first).await.0, 200, "as another tab's");
    fixture.clock.advance(QUIET);
    assert_eq!(as_any_token(auth, &second).await.0, 200);
    let third = fixture.refreshed(&second).await;
    let refused = (401, "refresh_superseded".to_owned());
    assert_eq!(as_any_token(auth, &first).await, refused);
    assert_eq!(as_any_token(auth, &third).await.0, 200);
    assert!(!fixture.is_over(&first).await, "a guard writes nothing");
}

/// The guard of a refresh does not ask the record, so that a refresh reads the row once; another
/// route must ask.
#[actix_web::test]
async fn a_route_that_does_not_refresh_asks_whether_it_may_believe_a_refresh_token() {
    async fn checked(
        auth: Auth,
        token: Refresh,
    ) -> Result<&'static str, tokenpair::web::Rejection> {
        auth.check_refresh_token(&token).await?;
        Ok("it continues")
    }
    let fixture = Fixture::new();
    let pair = fixture.log_in().await;
    let app = App::new().app_data(fixture.auth.clone());
    let app = test::init_service(app.route("/", web::get().to(checked))).await;
    let bearer = format!("Bearer {}", pair.refresh.token.as_str());
    let request = || TestRequest::get().insert_header(("Authorization", bearer.clone()));
    let answer = test::call_service(&app, request().to_request()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let token = fixture.verify(pair.refresh.token.as_str()).unwrap();
    let context = RequestContext::at(fixture.auth.now());
    let sid = token.sid.as_deref().unwrap();
    fixture
        .sessions
        .end(sid, EndReason::Admin, &context)
        .await
        .unwrap();
    let answer = test::call_service(&app, request().to_request()).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(text(answer).await.contains("session_revoked"));
}

#[actix_web::test]
async fn the_claims_of_a_subject_are_in_its_access_tokens_alone() {
    let fixture = Fixture::new();
    let ada = fixture.subject.clone().with_claim("team", "blue");
    fixture.store.put_subject(ada.clone());
    let now = fixture.auth.now();
    let pair = fixture.sessions.login(&ada, Login::default(), now);
    let pair = pair.await.unwrap();
    let access = fixture.verify(pair.access.token.as_str()).unwrap();
    let refresh = fixture.verify(pair.refresh.token.as_str()).unwrap();
    assert_eq!(access.extra["team"], "blue");
    assert!(refresh.extra.is_empty());
    let context = RequestContext::at(now);
    let refreshed = fixture.sessions.refresh(&refresh, &context).await.unwrap();
    let Refreshed::Granted(next) = refreshed else {
        panic!("{refreshed:?}")
    };
    let access = fixture.verify(next.access.token.as_str()).unwrap();
    assert_eq!(access.extra["team"], "blue");

    let shown = serde_json::to_value(&access).unwrap();
    assert_eq!(
        (&shown["team"], &shown["sub"]),
        (&"blue".into(), &access.sub().into())
    );
    assert!(access.csrf.is_some() && shown.get("csrf").is_none());
}

#[actix_web::test]
async fn a_subject_cannot_replace_the_claims_of_its_session() {
    let fixture = Fixture::new();
    for name in [
        "sub", "sid", "type", "csrf", "gen", "fresh", "exp", "roles", "epoch",
    ] {
        let ada = fixture.subject.clone().with_claim(name, "other");
        let login = fixture
            .sessions
            .login(&ada, Login::default(), fixture.auth.now());
        let refused = login.await.unwrap_err();
        assert!(
            matches!(refused, SessionError::Issue(_)),
            "{name}: {refused:?}"
        );
    }
}
