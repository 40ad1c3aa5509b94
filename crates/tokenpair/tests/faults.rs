//! Tests what an operator sees when an app is wired wrongly or a service behind it fails: every
//! fault is answered with a 5xx that gives nothing away, and logged once with its causes.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::error::Error;
use std::io;
use std::sync::{Mutex, Once};

use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::from_fn;
use actix_web::test::{
    TestRequest, call_and_read_body, call_service, init_service, read_body_json,
};
use actix_web::web::ServiceConfig;
use actix_web::{App, Either, HttpResponse, ResponseError, web};
use serde_json::Value;
use tokenpair::config::JwtSettings;
use tokenpair::keys::{Algorithm, KeyRing};
use tokenpair::session::{SessionError, StoreError};
use tokenpair::token::{TokenPolicy, Tokens};
use tokenpair::web::{
    Access, Auth, AuthBuilder, CurrentUser, KnownClient, Location, MaybeAccess, Refresh, Rejection,
    reissue, require_access,
};

const SECRET: &str = "32 bytes that only the server knows";

/// Every record that the library logged, with the thread that did.
static LOGGED: Mutex<Vec<(std::thread::ThreadId, String)>> = Mutex::new(Vec::new());

struct Recorder;

impl log::Log for Recorder {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target().starts_with("tokenpair") {
            let line = format!("{} {} {}", record.level(), record.target(), record.args());
            let thread = std::thread::current().id();
            LOGGED.lock().unwrap().push((thread, line));
        }
    }

    fn flush(&self) {}
}

fn start_recording() {
    static START: Once = Once::new();
    START.call_once(|| {
        log::set_logger(&Recorder).unwrap();
        log::set_max_level(log::LevelFilter::Debug);
    });
}

/// Returns what this test's thread has logged since it was last asked.
fn logged() -> Vec<String> {
    let mut all = LOGGED.lock().unwrap();
    let own = std::thread::current().id();
    let (mine, others) = all.drain(..).partition(|(thread, _)| *thread == own);
    *all = others;
    let mine: Vec<(std::thread::ThreadId, String)> = mine;
    mine.into_iter().map(|(_, line)| line).collect()
}

fn builder() -> AuthBuilder {
    let keys = KeyRing::from_secret(Algorithm::Hs256, SECRET.as_bytes()).unwrap();
    Auth::builder(Tokens::new(keys, TokenPolicy::default()))
}

fn get(auth: &Auth, path: &str) -> TestRequest {
    let token = auth.access_token("ada").sign().unwrap().token;
    let bearer = format!("Bearer {}", token.as_str());
    TestRequest::get()
        .uri(path)
        .insert_header((AUTHORIZATION, bearer))
}

async fn whoami(user: Access) -> String {
    user.identity().to_owned()
}

#[derive(Debug, thiserror::Error)]
#[error("cannot read the user")]
struct Unreadable(#[source] io::Error);

#[actix_web::test]
async fn a_failing_loader_is_logged_once_with_every_cause() {
    start_recording();
    let refused = || Unreadable(io::Error::other("connection refused"));
    let auth = builder()
        .user_lookup(move |_| async move { Err::<Option<String>, _>(refused()) })
        .build();
    let user = async |user: CurrentUser<String>| String::clone(&user);
    let app = App::new().app_data(auth.clone());
    let app = init_service(app.route("/", web::get().to(user))).await;
    let response = call_service(&app, get(&auth, "/").to_request()).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let body: Value = read_body_json(response).await;
    assert_eq!(body["code"], "unavailable");
    assert!(!body.to_string().contains("connection refused"), "{body}");
    assert_eq!(
        logged(),
        [
            "ERROR tokenpair::fault 503 unavailable: \"user_lookup failed: cannot read the user: connection refused\""
        ]
    );
}

#[actix_web::test]
async fn a_rejection_is_logged_once_however_often_it_is_rendered() {
    start_recording();
    let rejection = Rejection::internal(io::Error::other("the disk is full"));
    let copy = rejection.clone();
    for rejection in [&rejection, &copy, &rejection] {
        assert_eq!(rejection.error_response().status(), 500);
    }
    let lines = logged();
    assert_eq!(
        lines,
        ["ERROR tokenpair::fault 500 internal_error: \"the disk is full\""]
    );

    Rejection::bad_credentials().error_response();
    assert_eq!(logged(), [""; 0], "the client is to blame");
}

#[actix_web::test]
async fn an_application_s_own_format_does_not_keep_a_cause_from_the_log() {
    start_recording();
    let auth = builder()
        .token_in_blocklist(|_| async { Err::<bool, _>(io::Error::other("timed out")) })
        .on_rejection(|_| Some(HttpResponse::ServiceUnavailable().body("later")))
        .build();
    let app = App::new().app_data(auth.clone());
    let app = init_service(app.route("/", web::get().to(whoami))).await;
    call_service(&app, get(&auth, "/").to_request()).await;
    assert_eq!(
        logged(),
        ["ERROR tokenpair::fault 503 unavailable: \"token_in_blocklist failed: timed out\""]
    );
}

#[actix_web::test]
async fn a_cause_with_control_characters_stays_in_one_line() {
    start_recording();
    Rejection::internal(io::Error::other("a\nINFO forged\x1b[31m")).error_response();
    let lines = logged();
    assert_eq!(lines.len(), 1);
    assert!(!lines[0].chars().any(char::is_control), "{lines:?}");
}

#[actix_web::test]
async fn a_guarded_route_without_auth_logs_what_to_add() {
    start_recording();
    let app = init_service(App::new().route("/", web::get().to(whoami))).await;
    let request = TestRequest::get().uri("/").to_request();
    let response = call_service(&app, request).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let lines = logged();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(".app_data(auth.clone())"), "{lines:?}");
}

#[actix_web::test]
async fn auth_in_web_data_guards_issues_and_reissues_like_auth_itself() {
    start_recording();
    let auth = builder().build();
    let app = App::new()
        .app_data(web::Data::new(auth.clone()))
        .wrap(from_fn(reissue))
        .route("/", web::get().to(whoami))
        .route("/client", web::get().to(async |_: KnownClient| "known"))
        .service(
            web::scope("/scope")
                .wrap(from_fn(require_access))
                .route("", web::get().to(async |auth: Auth| auth.now().to_string())),
        );
    let app = init_service(app).await;
    for path in ["/", "/client", "/scope"] {
        let response = call_service(&app, get(&auth, path).to_request()).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
    }
    let nobody = TestRequest::get().uri("/").to_request();
    let response = call_service(&app, nobody).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(logged(), [""; 0]);
}

#[actix_web::test]
async fn the_innermost_auth_in_web_data_counts() {
    let auth = builder().build();
    let cookies_only = web::Data::new(auth.only_from([Location::Cookies]));
    let app = App::new()
        .app_data(web::Data::new(auth.clone()))
        .route("/", web::get().to(whoami))
        .service(
            web::scope("/pages")
                .app_data(cookies_only)
                .route("", web::get().to(whoami)),
        );
    let app = init_service(app).await;
    let response = call_service(&app, get(&auth, "/").to_request()).await;
    assert_eq!(response.status(), StatusCode::OK);
    let response = call_service(&app, get(&auth, "/pages").to_request()).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn two_auths_in_different_forms_are_refused_loudly() {
    start_recording();
    let auth = builder().build();
    let scope = web::scope("/pages").app_data(auth.only_from([Location::Cookies]));
    let app = App::new()
        .app_data(web::Data::new(auth.clone()))
        .service(scope.route("", web::get().to(whoami)))
        .route("/", web::get().to(whoami));
    let app = init_service(app).await;
    let response = call_service(&app, get(&auth, "/").to_request()).await;
    assert_eq!(response.status(), StatusCode::OK);
    let response = call_service(&app, get(&auth, "/pages").to_request()).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let lines = logged();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("web::Data::new(auth)"), "{lines:?}");
}

#[test]
fn every_error_of_the_library_becomes_a_rejection_by_a_question_mark() {
    fn rejected<E: Into<Rejection>>(error: E) -> (u16, String, Option<String>) {
        let rejection: Rejection = error.into();
        let code = rejection.code().to_owned();
        (rejection.status_code().as_u16(), code, rejection.cause())
    }
    let internal = |cause: &str| (500, "internal_error".to_owned(), Some(cause.to_owned()));
    let short = || KeyRing::from_secret(Algorithm::Hs256, b"short").unwrap_err();
    let too_short = "the secret has 5 bytes, and HS256 needs at least 32";
    assert_eq!(rejected(short()), internal(too_short));
    let problems = JwtSettings::read(|_| None).unwrap_err();
    let said = problems.to_string();
    assert_eq!(rejected(problems), internal(&said));
    let away = || StoreError::new(io::Error::other("away"));
    let unavailable = |cause: &str| (503, "unavailable".to_owned(), Some(cause.to_owned()));
    assert_eq!(rejected(away()), unavailable("away"));
    assert_eq!(rejected(SessionError::Store(away())), unavailable("away"));
}

#[test]
fn any_error_can_be_the_cause_of_a_rejection() {
    fn boxed() -> Result<(), Box<dyn Error + Send + Sync>> {
        Err(Box::new(Unreadable(io::Error::other("timed out"))))
    }
    fn handler() -> Result<(), Rejection> {
        boxed().map_err(Rejection::unavailable)
    }
    let rejection = handler().unwrap_err();
    assert_eq!(rejection.status_code(), 503);
    let cause = rejection.cause();
    assert_eq!(cause.as_deref(), Some("cannot read the user: timed out"));
}

#[test]
fn settings_that_cannot_work_are_readable_when_main_returns_them() {
    let problems = JwtSettings::read(|_| None).unwrap_err();
    let printed = format!("{problems:?}"); // as the runtime prints the error of `main`
    assert_eq!(printed, problems.to_string());
    assert!(printed.contains("JWT_SECRET_KEY"), "{printed}");
}

async fn greets_visitors(user: Option<Access>) -> String {
    let name = user.map(|user| user.identity().to_owned());
    format!("hello {}", name.as_deref().unwrap_or("visitor"))
}

/// Adds a route whose guard swallows rejections, beside others that do not.
fn swallowing(app: &mut ServiceConfig) {
    let maybe = async |user: MaybeAccess| user.get().is_some().to_string();
    let either = async |_: Either<Access, Refresh>| "either";
    let redirects = async |_: Result<Access, Rejection>| {
        let login = ("Location", "/login");
        HttpResponse::SeeOther().insert_header(login).finish()
    };
    app.route("/swallows/{id}", web::get().to(greets_visitors))
        .route("/maybe", web::get().to(maybe))
        .route("/either", web::get().to(either))
        .route("/redirects", web::get().to(redirects));
}

#[actix_web::test]
async fn a_handler_that_serves_a_rejected_token_is_warned_of_once() {
    start_recording();
    let auth = builder().build();
    let app = App::new().app_data(auth.clone()).wrap(from_fn(reissue));
    let app = init_service(app.configure(swallowing)).await;
    let with = |token: &str| {
        let bearer = format!("Bearer {token}");
        TestRequest::get().insert_header((AUTHORIZATION, bearer))
    };
    let refresh = auth.refresh_token("ada").sign().unwrap().token;
    // None of these swallows a rejection.
    let innocent = [
        (get(&auth, "/swallows/1"), 200),
        (TestRequest::get().uri("/swallows/1"), 200),
        (TestRequest::get().uri("/maybe"), 200),
        (with("e30.e30.e30").uri("/maybe"), 422),
        (with(refresh.as_str()).uri("/either"), 200),
        (with("e30.e30.e30").uri("/redirects"), 303),
    ];
    for (request, status) in innocent {
        let response = call_service(&app, request.to_request()).await;
        assert_eq!(response.status(), status);
    }
    assert_eq!(logged(), [""; 0]);

    for _ in 0..2 {
        let request = with("e30.e30.e30").uri("/swallows/1").to_request();
        assert_eq!(call_and_read_body(&app, request).await, "hello visitor");
    }
    assert_eq!(
        logged(),
        [
            "WARN tokenpair::web::swallowed GET /swallows/{id} answered 200 although the request's token was rejected \
             (invalid_token). If its handler has an Option<Access>, forged and expired tokens pass as visitors there: \
             use MaybeAccess"
        ]
    );
}
