//! The routes of accounts in an app of another author, with a prefix.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::DefaultHeaders;
use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use tokenpair::clock::Clock;
use tokenpair::session::RequestContext;
use tokenpair::web::Access;
use tokenpair_server::server::{AccountRoutes, AccountRoutesBuilder};
use tokenpair_store::{
    ADMIN, Changed, DatabaseUrl, DieselStore, StorePolicy, UserChange, Username,
};

use super::support::{
    ADA, Backend, Database, Jar, Request, Response, START, block_on, settings_for,
};

/// An app of another author, with our routes in it.
struct Host {
    address: SocketAddr,
    clock: Clock,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
    openapi: Value,
    // Dropped after the server has stopped.
    database: Database,
}

impl Host {
    fn start(backend: Backend, settings: &[(&str, &str)]) -> Self {
        Self::start_with(backend, settings, |accounts| accounts)
    }

    fn start_with(
        backend: Backend,
        settings: &[(&str, &str)],
        change: fn(AccountRoutesBuilder) -> AccountRoutesBuilder,
    ) -> Self {
        Self::listening_on("127.0.0.1", (backend, settings), change)
    }

    fn listening_on(
        listener: &'static str,
        (backend, settings): (Backend, &[(&str, &str)]),
        change: fn(AccountRoutesBuilder) -> AccountRoutesBuilder,
    ) -> Self {
        let database = Database::create(backend);
        let settings = settings_for(&database.url(), settings);
        let (tell, told) = mpsc::channel();
        let clock = Clock::fixed(START);
        let its_clock = clock.clone();
        let thread = std::thread::spawn(move || {
            block_on(async move {
                let accounts = AccountRoutes::builder(settings).prefix("/auth");
                let accounts = accounts.clock(its_clock);
                let accounts = change(accounts).start().await;
                let accounts = accounts.expect("the routes start");
                let openapi = serde_json::from_slice(&accounts.openapi()).unwrap();
                let server = HttpServer::new(move || {
                    App::new()
                        .wrap(DefaultHeaders::new().add(("X-Request-ID", "the app's")))
                        .configure(accounts.routes())
                        .route("/hello", web::get().to(hello))
                        .default_service(web::to(not_found))
                });
                let server = server.workers(1).disable_signals();
                let server = server.bind((listener, 0)).unwrap();
                let address = SocketAddr::from(([127, 0, 0, 1], server.addrs()[0].port()));
                let server = server.run();
                tell.send((address, server.handle(), openapi)).unwrap();
                server.await.unwrap();
            });
        });
        let (address, handle, openapi) = told.recv().expect("the app starts");
        Self {
            address,
            clock,
            handle,
            thread: Some(thread),
            openapi,
            database,
        }
    }

    fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
    }

    fn post(&self, path: &str) -> Request {
        self.request("POST", path)
    }

    fn register(&self) {
        let registered = self.post("/auth/register").json(credentials()).send();
        assert_eq!(registered.status, 201, "{registered:?}");
    }

    /// Returns the cookies of Ada's new session.
    fn log_in(&self) -> Jar {
        let mut jar = Jar::default();
        let login = self.post("/auth/login").json(credentials()).send();
        assert_eq!(login.status, 200, "{login:?}");
        jar.keep(&login);
        jar
    }

    /// Returns the status and body of the app's own route, which has headers of its own.
    fn hello(&self, jar: &Jar) -> (u16, Value) {
        let request = ureq::get(format!("http://{}/hello", self.address));
        let request = request.header("Cookie", jar.cookie_header());
        let config = request.config().http_status_as_error(false).proxy(None);
        let mut response = config.build().call().unwrap();
        let body = serde_json::from_reader(response.body_mut().as_reader()).unwrap();
        (response.status().as_u16(), body)
    }

    fn make_ada_an_admin(&self) {
        let url = DatabaseUrl::parse(&self.database.url()).unwrap();
        let store = DieselStore::open(&url, StorePolicy::default()).unwrap();
        block_on(async {
            let name = Username::parse(ADA.0).unwrap();
            let ada = store.user_by_name(&name).await.unwrap().unwrap();
            let admin = UserChange::Roles(vec![ADMIN.to_owned()]);
            let context = RequestContext::at(START);
            let changed = store.change_user(&ada.subject.id, admin, &context).await;
            assert!(matches!(changed, Ok(Changed::Done(_))));
        });
    }

    fn get(&self, path: &str, jar: &Jar) -> Response {
        jar.fill(self.request("GET", path)).send()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the app ends in good order");
        }
    }
}

fn credentials() -> Value {
    json!({ "username": ADA.0, "password": ADA.1 })
}

async fn hello(user: Access) -> web::Json<Value> {
    web::Json(json!({ "hello": user.claims().username }))
}

/// Has the headers by which the tests check each response.
async fn not_found() -> HttpResponse {
    let headers = [
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Content-Security-Policy", "default-src 'none'"),
    ];
    let mut response = HttpResponse::NotFound();
    for header in headers {
        response.insert_header(header);
    }
    response.json(json!({ "msg": "The app has no such page", "code": "of_the_app" }))
}

fn with_csrf(request: Request, jar: &Jar, kind: &str) -> Request {
    let csrf = jar.value(&format!("csrf_{kind}_token")).to_owned();
    jar.fill(request.header("X-CSRF-TOKEN", csrf))
}

on_both_databases!(
    a_session_lives_and_ends_behind_the_prefix,
    a_deleted_account_is_gone_from_the_app_s_own_routes_too,
);

fn a_session_lives_and_ends_behind_the_prefix(backend: Backend) {
    let app = Host::start(backend, &[]);
    app.register();
    let mut jar = app.log_in();
    assert_eq!(app.hello(&jar), (200, json!({ "hello": ADA.0 })));
    assert_eq!(app.get("/auth/account", &jar).json()["username"], ADA.0);
    let sessions = app.get("/auth/sessions", &jar).json();
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1);

    let before = jar.clone();
    let refreshed = with_csrf(app.post("/auth/refresh"), &jar, "refresh").send();
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    jar.keep(&refreshed);
    assert_ne!(before, jar);

    let change = json!({ "current_password": ADA.1, "new_password": "another good password" });
    let changed = with_csrf(app.post("/auth/account/password"), &app.log_in(), "access");
    let changed = changed.json(change).send();
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(app.hello(&jar).1["code"], "token_revoked");

    let password = "another good password";
    let login = json!({ "username": ADA.0, "password": password });
    let mut jar = Jar::default();
    jar.keep(&app.post("/auth/login").json(login).send());
    let copy = jar.clone();
    let logout = with_csrf(app.post("/auth/logout"), &jar, "access").send();
    assert_eq!(logout.status, 200, "{logout:?}");
    jar.keep(&logout);
    assert!(jar.token_names().is_empty(), "{jar:?}");
    assert_eq!(app.hello(&copy).1["code"], "token_revoked");
    let rejected = app.get("/auth/account", &copy);
    assert_eq!(rejected.json()["code"], "token_revoked", "{rejected:?}");
    let again = with_csrf(app.post("/auth/refresh"), &copy, "refresh").send();
    assert_eq!(again.status, 401, "{again:?}");
}

fn a_deleted_account_is_gone_from_the_app_s_own_routes_too(backend: Backend) {
    let app = Host::start(backend, &[]);
    app.register();
    let jar = app.log_in();
    let deleted = with_csrf(app.request("DELETE", "/auth/account"), &jar, "access");
    let deleted = deleted.json(json!({ "password": ADA.1 })).send();
    assert_eq!(deleted.status, 200, "{deleted:?}");
    assert_eq!(app.hello(&jar).0, 401);
}

#[test]
fn mounted_routes_reject_requests_of_other_sites_and_without_a_csrf_value() {
    let app = Host::start(Backend::Sqlite, &[("PUBLIC_URL", "https://app.example")]);
    app.register();
    let jar = app.log_in();
    let missing = jar.fill(app.post("/auth/refresh")).send();
    missing.refused(401, "csrf_missing", "Missing CSRF token");
    for header in [
        ("Origin", "https://evil.example"),
        ("Sec-Fetch-Site", "cross-site"),
    ] {
        let foreign = app.post("/auth/login").header(header.0, header.1);
        let foreign = foreign.json(credentials()).send();
        assert_eq!(foreign.status, 403, "{foreign:?}");
        assert_eq!(foreign.json()["code"], "cross_site_request", "{foreign:?}");
    }
    let rebound = app.post("/auth/login").header("Host", "evil.example");
    let rebound = rebound.header("Sec-Fetch-Site", "same-origin");
    let rebound = rebound.json(credentials()).send();
    assert_eq!(rebound.json()["code"], "wrong_host", "{rebound:?}");
}

#[test]
fn errors_of_mounted_routes_are_json_for_browsers_too() {
    let app = Host::start(Backend::Sqlite, &[]);
    let login = || app.post("/auth/login");
    let errors = [
        (login().body("application/json", "{"), 400, "malformed_json"),
        (
            login().body("text/plain", "x"),
            415,
            "unsupported_media_type",
        ),
        (
            login().body("application/json", "x".repeat(17 * 1024)),
            413,
            "body_too_large",
        ),
        (app.request("PUT", "/auth/login"), 405, "method_not_allowed"),
        (
            app.request("GET", "/auth/sessions?x=%00"),
            400,
            "bad_request",
        ),
    ];
    for (request, status, code) in errors {
        let response = request
            .header("Accept", "text/html")
            .header("Sec-Fetch-Site", "none");
        let response = response.send();
        assert_eq!(
            (response.status, response.json()["code"].as_str()),
            (status, Some(code))
        );
    }
    let page = app
        .request("GET", "/auth/account")
        .header("Accept", "text/html");
    page.send().refused(
        401,
        "missing_token",
        "Missing JWT in cookies or headers (Missing cookie \"access_token_cookie\"; Missing Authorization Header)",
    );
}

#[test]
fn other_paths_behind_the_prefix_are_the_app_s() {
    let app = Host::start(Backend::Sqlite, &[]);
    for path in [
        "/auth",
        "/auth/protected",
        "/auth/health/live",
        "/auth/admin/users",
        "/login",
    ] {
        let response = app.get(path, &Jar::default());
        response.refused(404, "of_the_app", "The app has no such page");
    }
}

#[test]
fn the_routes_for_admins_are_mounted_on_request() {
    let app = Host::start_with(Backend::Sqlite, &[], AccountRoutesBuilder::with_admin);
    app.register();
    let rejected = app.get("/auth/admin/users", &app.log_in());
    assert_eq!(rejected.status, 403, "{rejected:?}");
    assert!(app.openapi["paths"]["/admin/users"].is_object());
}

#[test]
fn the_description_has_the_mounted_routes_and_their_prefix() {
    let app = Host::start(Backend::Sqlite, &[]);
    assert_eq!(app.openapi["servers"], json!([{ "url": "/auth" }]));
    let paths = app.openapi["paths"].as_object().unwrap();
    let paths = Vec::from_iter(paths.keys().map(String::as_str));
    let mounted = [
        "/account",
        "/account/password",
        "/csrf",
        "/login",
        "/logout",
        "/refresh",
        "/register",
        "/sessions",
        "/sessions/{id}",
    ];
    assert_eq!(paths, mounted);
}

#[test]
fn the_description_names_the_text_of_an_error_as_the_settings_do() {
    let database = Database::create(Backend::Sqlite);
    let mut settings = settings_for(&database.url(), &[]);
    settings.web.message_key = "error".to_owned();
    let openapi = block_on(async move {
        let routes = AccountRoutes::builder(settings).start().await;
        routes.expect("the routes start").openapi()
    });
    let description: Value = serde_json::from_slice(&openapi).unwrap();
    let components = &description["components"];
    let problem = &components["schemas"]["Problem"];
    assert_eq!(problem["required"], json!(["error", "code"]));
    assert!(problem["properties"]["error"].is_object());
    let example = &components["examples"]["token_expired"]["value"];
    assert_eq!(example["error"], "Token has expired");
    assert_eq!(example.get("msg"), None);
}

#[test]
fn a_refresh_cookie_for_its_route_alone_has_the_prefix_in_its_path() {
    let app = Host::start(
        Backend::Sqlite,
        &[("JWT_REFRESH_COOKIE_PATH", "/auth/refresh")],
    );
    app.register();
    let login = app.post("/auth/login").json(credentials()).send();
    assert!(
        login
            .cookie("refresh_token_cookie")
            .has("Path=/auth/refresh")
    );
}

#[test]
fn hints_name_routes_with_their_prefix() {
    let app = Host::start_with(Backend::Sqlite, &[], AccountRoutesBuilder::with_admin);
    app.register();
    let jar = app.log_in();
    let hint = |response: Response| response.json()["hint"].as_str().unwrap().to_owned();

    let unknown = with_csrf(app.request("DELETE", "/auth/sessions/x"), &jar, "access").send();
    assert_eq!(hint(unknown), "List your sessions with GET /auth/sessions.");
    let by_script = jar.fill(app.request("GET", "/auth/logout"));
    let by_script = by_script.header("Sec-Fetch-Site", "same-origin");
    let by_script = by_script.header("Sec-Fetch-Mode", "cors").send();
    assert!(hint(by_script).contains("POST /auth/logout"));

    let access = jar.value("access_token_cookie");
    let wrong = app.post("/auth/refresh").bearer(access).send();
    assert_eq!(
        hint(wrong),
        "Send the refresh token here, not the access token."
    );
    let refresh = jar.value("refresh_token_cookie");
    let wrong = app.request("GET", "/auth/account").bearer(refresh).send();
    assert_eq!(
        hint(wrong),
        "Send the access token here; a refresh token is for /auth/refresh."
    );
    app.clock.advance(Duration::from_secs(3600));
    for response in [app.get("/auth/account", &jar).json(), app.hello(&jar).1] {
        assert_eq!(
            response["hint"],
            "Send POST /auth/refresh to get a new access token, or log in again."
        );
    }
}

#[test]
fn an_admin_s_hint_has_the_prefix_too() {
    let app = Host::start_with(Backend::Sqlite, &[], |accounts| accounts.with_admin());
    app.register();
    app.make_ada_an_admin();
    let jar = app.log_in();
    let unknown = app.request("DELETE", "/auth/admin/users/nobody/sessions");
    let unknown = with_csrf(unknown, &jar, "access").send();
    assert_eq!(
        (unknown.status, unknown.json()["hint"].as_str()),
        (404, Some("List the users with GET /auth/admin/users."))
    );
}

#[test]
fn browsers_are_redirected_to_the_app_s_own_page() {
    let form = format!("username={}&password={}", ADA.0, ADA.1.replace(' ', "+"));
    for (change, home) in [
        ((|accounts| accounts) as fn(AccountRoutesBuilder) -> _, "/"),
        (
            |accounts| accounts.home("/welcome?from=login"),
            "/welcome?from=login",
        ),
    ] {
        let app = Host::start_with(Backend::Sqlite, &[], change);
        app.register();
        let login = app.post("/auth/login").form(&form);
        let login = login
            .header("Accept", "text/html")
            .header("Sec-Fetch-Site", "same-origin")
            .send();
        assert_eq!((login.status, login.header("location")), (303, Some(home)));
        let mut jar = Jar::default();
        jar.keep(&login);
        assert_eq!(app.hello(&jar).0, 200);
        let logout = jar.fill(app.request("GET", "/auth/logout"));
        let logout = logout
            .header("Accept", "text/html")
            .header("Sec-Fetch-Site", "same-origin");
        let logout = logout.header("Sec-Fetch-Mode", "navigate").send();
        assert_eq!(
            (logout.status, logout.header("location")),
            (303, Some(home))
        );
    }
}

#[test]
fn an_app_that_other_machines_reach_needs_a_public_url() {
    let rejected = |settings: &[(&str, &str)]| {
        let settings = (Backend::Sqlite, settings);
        let app = Host::listening_on("0.0.0.0", settings, |accounts| accounts);
        let response = app.post("/auth/register").json(credentials()).send();
        (
            response.status,
            response.json()["code"].as_str().map(str::to_owned),
        )
    };
    let internal_error = (500, Some("internal_error".to_owned()));
    assert_eq!(rejected(&[]), internal_error);
    // Nothing that depends on the address is sent or checked.
    assert_eq!(rejected(&[("JWT_TOKEN_LOCATION", "headers")]).0, 201);
    assert_eq!(rejected(&[("JWT_COOKIE_SECURE", "true")]).0, 201);
    assert_eq!(rejected(&[("PUBLIC_URL", "http://127.0.0.1:8080")]).0, 201);
    assert_eq!(rejected(&[("PUBLIC_URL", "https://app.example")]).0, 201);
}

fn refused(
    settings: &[(&str, &str)],
    change: impl FnOnce(AccountRoutesBuilder) -> AccountRoutesBuilder,
) -> String {
    let database = Database::create(Backend::Sqlite);
    let accounts = AccountRoutes::builder(settings_for(&database.url(), settings));
    let refused = block_on(change(accounts).start());
    refused.expect_err("it cannot work").to_string()
}

#[test]
fn a_home_on_another_site_is_refused_at_the_start() {
    for home in ["//evil.example", "https://evil.example/", "welcome"] {
        let refused = refused(&[], |accounts| accounts.home(home));
        let problem = format!("AccountRoutesBuilder::home is {home:?}; write a path of this app");
        assert!(refused.contains(&problem), "{refused}");
    }
    let both = refused(&[], |accounts| accounts.prefix("auth").home(""));
    assert!(
        both.contains("::home is \"\"") && both.contains("::prefix is \"auth\""),
        "{both}"
    );
}

#[test]
fn a_prefix_that_cannot_work_is_refused_at_the_start() {
    let refused = |prefix: &str, settings: &[(&str, &str)]| {
        refused(settings, |accounts| accounts.prefix(prefix))
    };
    let paths = [
        ("JWT_ACCESS_COOKIE_PATH", "/app"),
        ("JWT_REFRESH_COOKIE_PATH", "/refresh"),
    ];
    let problems = refused("/auth", &paths);
    let cures = [
        "JWT_REFRESH_COOKIE_PATH is \"/refresh\", so browsers do not send the cookie to /auth/refresh; set it to \"/auth\" or \"/\"",
        "JWT_ACCESS_COOKIE_PATH is \"/app\", so browsers do not send the cookie to /auth/account",
    ];
    for cure in cures {
        assert!(problems.contains(cure), "{problems}");
    }
    let malformed = refused("auth/", &[]);
    assert!(
        malformed.contains("write a path without a slash at the end"),
        "{malformed}"
    );
}

#[test]
fn routes_in_a_scope_are_refused_instead_of_losing_their_cookies() {
    let database = Database::create(Backend::Sqlite);
    let settings = settings_for(&database.url(), &[]);
    let status = block_on(async move {
        let accounts = AccountRoutes::builder(settings)
            .prefix("/auth")
            .start()
            .await
            .unwrap();
        let scope = web::scope("/api").configure(accounts.routes());
        let app = actix_web::test::init_service(App::new().service(scope)).await;
        let request = actix_web::test::TestRequest::get().uri("/api/auth/account");
        actix_web::test::call_service(&app, request.to_request())
            .await
            .status()
    });
    assert_eq!(status.as_u16(), 500);
}
