//! Tests `actix_identity::Identity` on the cookies of an app (feature `identity`).

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::time::Duration;

use actix_identity::{Identity, IdentityMiddleware};
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::SET_COOKIE;
use actix_web::middleware::from_fn;
use actix_web::test::{self, TestRequest};
use actix_web::{App, Error, HttpMessage, HttpRequest, HttpResponse, web};
use tokenpair::web::{Auth, identity_bridge, reissue};

#[path = "common/recorded_app.rs"]
#[allow(dead_code, reason = "shared with other tests, which use the rest")]
mod recorded_app;

use recorded_app::{Fixture, cookies, text};

async fn whoami(user: Option<Identity>) -> String {
    user.map_or_else(|| "nobody".to_owned(), |user| user.id().unwrap())
}

async fn members_only(user: Identity) -> String {
    user.id().unwrap()
}

async fn log_in(request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    Identity::login(&request.extensions(), id.into_inner()).unwrap();
    HttpResponse::Ok().finish()
}

async fn log_in_and_fail(request: HttpRequest) -> HttpResponse {
    Identity::login(&request.extensions(), "7".to_owned()).unwrap();
    HttpResponse::Conflict().finish()
}

async fn log_out(user: Identity) -> HttpResponse {
    user.logout();
    HttpResponse::Ok().finish()
}

async fn identity_app(
    auth: Auth,
    identity: IdentityMiddleware,
) -> impl Service<actix_http::Request, Response = ServiceResponse<impl MessageBody>, Error = Error>
{
    test::init_service(
        App::new()
            .app_data(auth)
            .wrap(identity)
            .wrap(from_fn(identity_bridge))
            .wrap(from_fn(reissue))
            .route("/", web::get().to(whoami))
            .route("/members", web::get().to(members_only))
            .route("/login/{id}", web::get().to(log_in))
            .route("/login-and-fail", web::get().to(log_in_and_fail))
            .route("/logout", web::get().to(log_out)),
    )
    .await
}

#[actix_web::test]
async fn identity_is_the_user_of_a_verified_access_token() {
    let fixture = Fixture::new();
    let app = identity_app(fixture.auth.clone(), IdentityMiddleware::default()).await;
    let cookie = format!("access_token_cookie={}", fixture.access_token().await);
    let get = |path: &str, cookie: &str| {
        TestRequest::get()
            .uri(path)
            .insert_header(("Cookie", cookie))
            .to_request()
    };
    assert_eq!(text(app.call(get("/", &cookie)).await.unwrap()).await, "7");
    assert_eq!(
        text(app.call(get("/members", &cookie)).await.unwrap()).await,
        "7"
    );
    assert!(
        app.call(get("/", &cookie))
            .await
            .unwrap()
            .headers()
            .get(SET_COOKIE)
            .is_none(),
        "nothing was done"
    );
    for stranger in ["", "access_token_cookie=x.y.z"] {
        assert_eq!(
            text(app.call(get("/", stranger)).await.unwrap()).await,
            "nobody"
        );
        let refused = app.call(get("/members", stranger)).await;
        let status = refused.map_or_else(
            |error| error.as_response_error().status_code(),
            |response| response.status(),
        );
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
}

#[actix_web::test]
async fn identity_login_issues_the_pair_and_logout_ends_it() {
    for identity in [
        IdentityMiddleware::default(),
        IdentityMiddleware::builder()
            .logout_behavior(actix_identity::config::LogoutBehavior::DeleteIdentityKeys)
            .build(),
    ] {
        let fixture = Fixture::new();
        let app = identity_app(fixture.auth.clone(), identity).await;
        let get = |path: &str, cookie: &str| {
            TestRequest::get()
                .uri(path)
                .insert_header(("Cookie", cookie))
                .to_request()
        };
        let login = app.call(get("/login/7", "")).await.unwrap();
        let jar = cookies(&login);
        assert_eq!(login.headers().get_all(SET_COOKIE).count(), 4);
        assert_eq!(
            text(app.call(get("/members", &jar)).await.unwrap()).await,
            "7"
        );

        let logout = app.call(get("/logout", &jar)).await.unwrap();
        assert_eq!(logout.status(), StatusCode::OK);
        assert_eq!(
            cookies(&logout),
            "access_token_cookie=; csrf_access_token=; refresh_token_cookie=; csrf_refresh_token="
        );
        assert_eq!(
            text(app.call(get("/", &jar)).await.unwrap()).await,
            "nobody",
            "the session has ended"
        );
    }
}

#[actix_web::test]
async fn identity_login_counts_for_nothing_if_the_handler_fails_or_the_user_may_not() {
    let fixture = Fixture::new();
    let app = identity_app(fixture.auth.clone(), IdentityMiddleware::default()).await;
    let failed = app
        .call(TestRequest::get().uri("/login-and-fail").to_request())
        .await
        .unwrap();
    assert_eq!(
        (failed.status(), failed.headers().get(SET_COOKIE)),
        (StatusCode::CONFLICT, None)
    );
    for who in ["nobody", "8"] {
        let refused = app
            .call(
                TestRequest::get()
                    .uri(&format!("/login/{who}"))
                    .to_request(),
            )
            .await
            .unwrap();
        assert_eq!(refused.status(), StatusCode::INTERNAL_SERVER_ERROR, "{who}");
        assert!(refused.headers().get(SET_COOKIE).is_none());
    }
}

#[actix_web::test]
async fn identity_s_cookies_are_reissued_like_any_other() {
    let fixture = Fixture::new();
    let app = identity_app(fixture.auth.clone(), IdentityMiddleware::default()).await;
    let get = |path: &str, cookie: &str| {
        TestRequest::get()
            .uri(path)
            .insert_header(("Cookie", cookie))
            .to_request()
    };
    let jar = cookies(&app.call(get("/login/7", "")).await.unwrap());
    fixture.clock.advance(Duration::from_secs(1800));
    assert_eq!(
        app.call(get("/", &jar))
            .await
            .unwrap()
            .headers()
            .get_all(SET_COOKIE)
            .count(),
        2
    );
    let logout = app.call(get("/logout", &jar)).await.unwrap();
    assert_eq!(
        logout.headers().get_all(SET_COOKIE).count(),
        4,
        "a logout stays one"
    );
}
