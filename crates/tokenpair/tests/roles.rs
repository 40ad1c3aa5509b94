//! Guards of routes that only users with a certain role may use.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::time::Duration;

use actix_web::test::{self, TestRequest};
use actix_web::{App, web};
use serde_json::Value;
use tokenpair::session::{EndReason, MemoryStore, RequestContext, Subject};
use tokenpair::web::{Auth, Fresh, Rejection, Role, RoleSource, WithRole};

#[path = "common/recorded_app.rs"]
#[allow(dead_code, reason = "shared with other tests, which use the rest")]
mod recorded_app;

use recorded_app::Fixture;

/// By the token.
struct Author;

impl Role for Author {
    const NAME: &'static str = "author";
}

/// By the record of sessions.
struct AuthorNow;

impl Role for AuthorNow {
    const NAME: &'static str = "author";
    const SOURCE: RoleSource = RoleSource::Record;
}

/// By the token; this role has a code of its own.
struct Admin;

impl Role for Admin {
    const NAME: &'static str = "admin";
}

async fn by_token(author: WithRole<Author>) -> String {
    author.identity().to_owned()
}

async fn by_fresh_token(author: WithRole<Author, Fresh>) -> String {
    author.into_inner().identity().to_owned()
}

async fn by_record(author: WithRole<AuthorNow>) -> String {
    author.identity().to_owned()
}

async fn admins_only(_: WithRole<Admin>) -> &'static str {
    "admin"
}

/// The user loses the role between the guard and the write.
async fn write_without_the_role(
    auth: Auth,
    store: web::Data<MemoryStore>,
    context: RequestContext,
    author: WithRole<Author>,
) -> Result<&'static str, Rejection> {
    let sessions = auth.sessions().unwrap();
    let user = sessions.subject(author.identity()).await?.unwrap();
    store.put_subject(Subject {
        roles: Vec::new(),
        ..user.clone()
    });
    sessions.end_all(&user.id, &context).await?;
    Ok("written")
}

/// The status, and the code or the text.
async fn answer(fixture: &Fixture, auth: &Auth, path: &str, token: &str) -> (u16, String) {
    let app = App::new()
        .app_data(auth.clone())
        .app_data(web::Data::new(fixture.store.clone()))
        .route("/token", web::get().to(by_token))
        .route("/fresh", web::get().to(by_fresh_token))
        .route("/record", web::get().to(by_record))
        .route("/admin", web::get().to(admins_only))
        .route("/write", web::get().to(write_without_the_role));
    let app = test::init_service(app).await;
    let bearer = ("Authorization", format!("Bearer {token}"));
    let request = TestRequest::get().uri(path).insert_header(bearer);
    let response = test::call_service(&app, request.to_request()).await;
    let status = response.status().as_u16();
    let body = test::read_body(response).await;
    let said = match serde_json::from_slice::<Value>(&body) {
        Ok(Value::Object(error)) => error["code"].as_str().unwrap().to_owned(),
        _ => String::from_utf8(body.to_vec()).unwrap(),
    };
    (status, said)
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[actix_web::test]
async fn a_role_in_the_token_admits_and_without_it_the_answer_is_403() {
    let fixture = Fixture::new();
    let auth = Auth::builder(fixture.sessions.tokens().clone()).build();
    let issued = |roles: &[&str]| {
        let builder = auth.access_token("ada").claim("roles", roles);
        builder.sign().unwrap().token.as_str().to_owned()
    };
    let answer = async |path, token: &str| answer(&fixture, &auth, path, token).await;
    let (author, other) = (
        issued(&["editor", "author"]),
        issued(&["Author", "authors"]),
    );
    assert_eq!(answer("/token", &author).await, (200, "ada".to_owned()));
    assert_eq!(
        answer("/token", &other).await,
        refused(403, "role_required")
    );
    assert_eq!(
        answer("/admin", &author).await,
        refused(403, "admin_required")
    );
    assert_eq!(
        answer("/token", "").await,
        refused(422, "bad_authorization_header")
    );
    let stale = answer("/fresh", &author).await;
    assert_eq!(stale, refused(401, "fresh_token_required"));
    let unrecorded = answer("/record", &author).await;
    assert_eq!(unrecorded, refused(500, "internal_error"));
}

#[actix_web::test]
async fn the_record_decides_on_a_role_whatever_the_token_says() {
    let fixture = Fixture::new();
    let pair = fixture.log_in().await;
    let token = pair.access.token.as_str();
    let answer = async |path| answer(&fixture, &fixture.auth, path, token).await;
    for path in ["/token", "/fresh", "/record"] {
        assert_eq!(answer(path).await, (200, "7".to_owned()), "{path}");
    }
    // A store that raises no epoch, so the token stays good.
    fixture.store.put_subject(Subject {
        roles: Vec::new(),
        ..fixture.subject.clone()
    });
    assert_eq!(answer("/token").await, (200, "7".to_owned()));
    assert_eq!(answer("/record").await, refused(403, "role_required"));
    fixture.store.put_subject(Subject {
        disabled: true,
        ..fixture.subject.clone()
    });
    assert_eq!(answer("/record").await, refused(401, "user_disabled"));
    fixture.store.put_subject(fixture.subject.clone());
    assert_eq!(answer("/record").await, (200, "7".to_owned()));
    let sid = fixture.verify(token).unwrap().sid.unwrap();
    let context = RequestContext::at(fixture.auth.now());
    let ended = fixture.sessions.end(&sid, EndReason::Logout, &context);
    ended.await.unwrap();
    assert_eq!(answer("/record").await, refused(401, "token_revoked"));
    fixture.clock.advance(Duration::from_secs(3600));
    assert_eq!(answer("/record").await, refused(401, "token_expired"));
}

#[actix_web::test]
async fn a_write_behind_the_guard_needs_the_role_once_more() {
    let fixture = Fixture::new();
    let pair = fixture.log_in().await;
    let token = pair.access.token.as_str();
    let answer = answer(&fixture, &fixture.auth, "/write", token).await;
    assert_eq!(answer, refused(403, "role_required"));
    let list = fixture.sessions.list("7", fixture.auth.now()).await;
    assert_eq!(list.unwrap().len(), 1, "nothing was ended");
}

#[actix_web::test]
async fn a_missing_role_is_answered_in_the_app_s_own_form() {
    let fixture = Fixture::new();
    let auth = fixture.auth.to_builder();
    let auth = auth.on_rejection(|rejection| {
        let who = rejection.token().map(|token| token.claims.sub().to_owned());
        let text = format!("{} needs {}", who.unwrap_or_default(), rejection.code());
        Some(actix_web::HttpResponse::ImATeapot().body(text))
    });
    let pair = fixture.log_in().await;
    let token = pair.access.token.as_str();
    let answer = answer(&fixture, &auth.build(), "/admin", token).await;
    assert_eq!(answer, (418, "7 needs admin_required".to_owned()));
}
