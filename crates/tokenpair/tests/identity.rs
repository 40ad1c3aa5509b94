//! Tests `actix_identity::Identity` on the cookies of an app (feature `identity`).

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_identity::{Identity, IdentityMiddleware};
use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_session::{Session, SessionMiddleware};
use actix_web::body::MessageBody;
use actix_web::cookie::{Key, time};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::SET_COOKIE;
use actix_web::middleware::from_fn;
use actix_web::test::{self, TestRequest};
use actix_web::{App, Error, HttpMessage, HttpRequest, HttpResponse, web};
use tokenpair::session::SessionStore as _;
use tokenpair::web::{Auth, Rejection, identity_bridge, reissue};

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

type State = HashMap<String, String>;

/// Sessions of actix-session, for an app that has them beside the tokens.
#[derive(Clone, Default)]
struct Baskets(Arc<Mutex<HashMap<String, State>>>);

impl SessionStore for Baskets {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        Ok(self.0.lock().unwrap().get(key.as_ref()).cloned())
    }

    async fn save(&self, state: State, _: &time::Duration) -> Result<SessionKey, SaveError> {
        let mut baskets = self.0.lock().unwrap();
        let key = format!("basket {}", baskets.len());
        baskets.insert(key.clone(), state);
        Ok(key.try_into().unwrap())
    }

    async fn update(
        &self,
        key: SessionKey,
        state: State,
        _: &time::Duration,
    ) -> Result<SessionKey, UpdateError> {
        let name = key.as_ref().to_owned();
        self.0.lock().unwrap().insert(name, state);
        Ok(key)
    }

    async fn update_ttl(&self, _: &SessionKey, _: &time::Duration) -> Result<(), anyhow::Error> {
        Ok(())
    }

    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        self.0.lock().unwrap().remove(key.as_ref());
        Ok(())
    }
}

async fn fill_basket(session: Session, user: Option<Identity>) -> String {
    let count = session.get::<u32>("count").unwrap().unwrap_or_default() + 1;
    session.insert("count", count).unwrap();
    format!("{}: {count}", whoami(user).await)
}

fn sessions(store: &Baskets) -> SessionMiddleware<Baskets> {
    SessionMiddleware::new(store.clone(), Key::from(&[7; 64]))
}

/// Returns the request with the cookies of a browser.
fn with_cookies(path: &str, cookies: &str) -> actix_http::Request {
    let request = TestRequest::get().uri(path);
    request.insert_header(("Cookie", cookies)).to_request()
}

#[actix_web::test]
async fn the_bridge_around_session_middleware_is_refused_at_the_first_request() {
    let fixture = Fixture::new();
    let app = App::new()
        .app_data(fixture.auth.clone())
        .wrap(IdentityMiddleware::default())
        .wrap(sessions(&Baskets::default()))
        .wrap(from_fn(identity_bridge))
        .route("/", web::get().to(whoami))
        .route("/basket", web::get().to(fill_basket));
    let app = test::init_service(app).await;
    let user = format!("access_token_cookie={}", fixture.access_token().await);
    for (path, cookies) in [("/", ""), ("/", &user), ("/basket", ""), ("/basket", &user)] {
        let response = app.call(with_cookies(path, cookies)).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(
            response.headers().get(SET_COOKIE).is_none(),
            "{path} {cookies}"
        );
        let error = response.response().error().unwrap();
        let cause = error.as_error::<Rejection>().unwrap().cause().unwrap();
        let right = ".wrap(IdentityMiddleware::default()).wrap(from_fn(identity_bridge)).wrap(SessionMiddleware";
        assert!(cause.contains(right), "{cause}");
    }
    let token = user.trim_start_matches("access_token_cookie=");
    let sid = fixture.verify(token).unwrap().sid.unwrap();
    let record = fixture.store.load(&sid).await.unwrap().unwrap();
    assert_eq!(record.session.revoked, None, "the user stays logged in");
}

#[actix_web::test]
async fn the_bridge_inside_session_middleware_leaves_the_session_alone() {
    let fixture = Fixture::new();
    let store = Baskets::default();
    let app = App::new()
        .app_data(fixture.auth.clone())
        .wrap(IdentityMiddleware::default())
        .wrap(from_fn(identity_bridge))
        .wrap(sessions(&store))
        .route("/", web::get().to(whoami))
        .route("/basket", web::get().to(fill_basket));
    let app = test::init_service(app).await;
    let user = format!("access_token_cookie={}", fixture.access_token().await);
    let filled = app.call(with_cookies("/basket", &user)).await.unwrap();
    let basket = cookies(&filled);
    assert_eq!(text(filled).await, "7: 1");
    assert!(basket.starts_with("id="), "{basket}");

    let both = format!("{user}; {basket}");
    let filled = app.call(with_cookies("/basket", &both)).await.unwrap();
    assert_eq!(text(filled).await, "7: 2");
    let filled = app.call(with_cookies("/basket", &basket)).await.unwrap();
    assert_eq!(text(filled).await, "nobody: 3", "the session names no user");

    fixture.clock.advance(Duration::from_secs(2 * 3600));
    let expired = app.call(with_cookies("/basket", &both)).await.unwrap();
    assert_eq!(
        text(expired).await,
        "nobody: 4",
        "a token's end is the user's"
    );
    for state in store.0.lock().unwrap().values() {
        assert_eq!(Vec::from_iter(state.keys()), ["count"]);
    }
}

#[actix_web::test]
async fn the_bridge_without_auth_is_refused_at_the_first_request() {
    let app = App::new()
        .wrap(IdentityMiddleware::default())
        .wrap(from_fn(identity_bridge))
        .route("/", web::get().to(whoami));
    let app = test::init_service(app).await;
    let response = app.call(with_cookies("/", "")).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}
