//! Tests `/forward-auth`, which proxies ask whether to pass a request on.

use std::time::Duration;

use serde_json::json;

use crate::admin::{log_in, patch, register, with_root};
use crate::support::recorder::{recorded_app, sent};
use crate::support::{ADA, Backend, Browser, Request, TestApp};

/// Access tokens live for an hour, and are reissued in its second half.
const NEAR_ITS_END: Duration = Duration::from_secs(1800);

/// Returns a proxy's question about a request with this method.
fn about(app: &TestApp, method: &str) -> Request {
    app.get("/forward-auth")
        .header("X-Forwarded-Method", method)
}

/// Gives Ada these roles in the database, as before her login.
fn with_roles(on: Backend, roles: &str) -> TestApp {
    let app = on.app().with_ada();
    app.database()
        .execute(&format!("UPDATE users SET roles = '{roles}'"));
    app
}

fn a_valid_token_is_a_204_that_names_the_user_the_roles_and_the_session(on: Backend) {
    let app = with_roles(on, "author,editor");
    let mut browser = app.browser();
    let session = browser.get("/session").json()["session_id"].clone();
    let answer = browser.send(about(&app, "GET"));
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert_eq!(answer.header("remote-user"), Some(ADA.0));
    assert_eq!(answer.header("remote-groups"), Some("author,editor"));
    assert_eq!(answer.header("x-auth-session"), session.as_str());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let program = app.bearer();
    let answer = about(&app, "DELETE").bearer(&program.access).send();
    assert_eq!(
        (answer.status, answer.header("remote-user")),
        (204, Some(ADA.0))
    );
}

/// A proxy that copies the header may leave the client's in its place if it is absent.
fn a_user_without_roles_has_an_empty_header(on: Backend) {
    let app = on.app().with_ada();
    let answer = app.browser().send(about(&app, "GET"));
    assert_eq!(answer.header("remote-groups"), Some(""));
}

fn the_headers_have_the_names_of_the_settings(on: Backend) {
    let app = on
        .app_with(&[
            ("FORWARD_AUTH_USER_HEADER", "X-Forwarded-User"),
            ("FORWARD_AUTH_GROUPS_HEADER", "X-Forwarded-Groups"),
            ("FORWARD_AUTH_SESSION_HEADER", "X-Sid"),
        ])
        .with_ada();
    let answer = app.browser().send(about(&app, "GET"));
    assert_eq!(answer.header("x-forwarded-user"), Some(ADA.0));
    assert_eq!(answer.header("x-forwarded-groups"), Some(""));
    assert!(answer.header("x-sid").is_some());
    for usual in ["remote-user", "remote-groups", "x-auth-session"] {
        assert_eq!(answer.header(usual), None);
    }
}

/// nginx turns every other status into a 500.
fn without_a_valid_token_it_is_a_401_whatever_is_wrong(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let before = browser.clone();
    assert_eq!(browser.post("/logout").status, 200);
    for (code, cookie) in [
        ("missing_token", String::new()),
        ("token_revoked", before.cookie_header()),
        (
            "invalid_signature",
            "access_token_cookie=eyJhbGciOiJIUzI1NiJ9.e30.AAAA".to_owned(),
        ),
        ("invalid_token", "access_token_cookie=nonsense".to_owned()),
        (
            "wrong_token_type",
            format!(
                "access_token_cookie={}",
                before.value("refresh_token_cookie")
            ),
        ),
    ] {
        for accept in ["*/*", "text/html"] {
            let request = about(&app, "GET").header("Accept", accept).cookie(&cookie);
            let answer = request
                .header("X-Forwarded-Uri", "/notes?of=ada&to=b")
                .send();
            assert_eq!(answer.status, 401, "{code} {answer:?}");
            let login = answer.header("location");
            assert_eq!(login, Some("/?next=%2Fnotes%3Fof%3Dada%26to%3Db"), "{code}");
            if accept == "*/*" {
                assert_eq!(answer.json()["code"], code);
            }
        }
    }
}

fn a_browser_is_redirected_to_the_login_page_if_the_proxy_asks_for_that(on: Backend) {
    let app = on.app().with_ada();
    let page = |method: &str, accept: &str| {
        let request = app.get("/forward-auth?login=redirect");
        let request = request
            .header("X-Forwarded-Method", method)
            .header("Accept", accept);
        request.header("X-Forwarded-Uri", "/notes").send()
    };
    let answer = page("GET", "text/html");
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/?next=%2Fnotes"))
    );
    assert_eq!(
        page("GET", "application/json").status,
        401,
        "a script's request"
    );
    assert_eq!(page("DELETE", "text/html").status, 401);
    let odd = app
        .get("/forward-auth?login=page")
        .header("X-Forwarded-Method", "GET");
    let mut browser = app.browser();
    browser.send(odd).refused(
        400,
        "invalid_parameter",
        "The parameter login has to be redirect",
    );
}

/// nginx turns a response whose head exceeds 4 KiB into a 500, and the login page takes no longer path.
fn a_login_does_not_return_to_a_page_with_a_very_long_address(on: Backend) {
    let app = on.app();
    for (length, is_kept) in [(2000, true), (2100, false), (7000, false)] {
        let uri = format!("/{}", "a".repeat(length));
        let answer = about(&app, "GET").header("X-Forwarded-Uri", &uri).send();
        let kept = format!("/?next=%2F{}", &uri[1..]);
        let location = if is_kept { kept.as_str() } else { "/" };
        assert_eq!(
            (answer.status, answer.header("location")),
            (401, Some(location))
        );
    }
    let uri = format!("/?{}", "&".repeat(1000));
    let answer = about(&app, "GET").header("X-Forwarded-Uri", &uri).send();
    assert_eq!(answer.header("location"), Some("/"), "3000 bytes with %26");
}

fn a_login_page_on_another_host_learns_the_whole_address(on: Backend) {
    let login = ("FORWARD_AUTH_LOGIN", "https://login.example.org/");
    let app = on.app_with(&[login]);
    let location = |host: &str| {
        let request = about(&app, "GET").header("X-Forwarded-Proto", "https");
        let request = request.header("X-Forwarded-Host", host);
        let answer = request.header("X-Forwarded-Uri", "/notes").send();
        answer.header("location").unwrap().to_owned()
    };
    assert_eq!(
        location("app.example.org"),
        "https://login.example.org/?next=https%3A%2F%2Fapp.example.org%2Fnotes"
    );
    assert_eq!(
        location("login.example.org"),
        "https://login.example.org/?next=%2Fnotes"
    );
    assert_eq!(location("not a host"), "https://login.example.org/");
    let script = about(&app, "GET").header("X-Forwarded-Proto", "javascript");
    let script = script.header("X-Forwarded-Host", "app.example.org");
    assert_eq!(
        script
            .header("X-Forwarded-Uri", "/notes")
            .send()
            .header("location"),
        Some("https://login.example.org/")
    );
    let posted = about(&app, "POST")
        .header("X-Forwarded-Uri", "/notes")
        .send();
    assert_eq!(
        posted.header("location"),
        Some("https://login.example.org/")
    );
}

fn the_csrf_token_is_required_by_the_method_of_the_original_request(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let answer = browser.send(about(&app, method));
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (401, &json!("csrf_missing"))
        );
        let csrf = browser.value("csrf_access_token").to_owned();
        let request = about(&app, method).header("X-CSRF-TOKEN", csrf);
        assert_eq!(browser.send(request).status, 204, "{method}");
        // Envoy asks with the method itself.
        let request = app.request(method, "/forward-auth");
        let request = request.header("X-Forwarded-Method", method);
        let csrf = browser.value("csrf_access_token").to_owned();
        let request = request.header("X-CSRF-TOKEN", csrf);
        assert_eq!(browser.send(request).status, 204, "{method}");
    }
    // Many frameworks, such as Flask, take it for the method in capitals.
    for method in ["post", "Patch", "delete"] {
        let answer = browser.send(about(&app, method));
        assert_eq!(answer.status, 401, "{method}");
    }
    for method in ["GET", "HEAD", "PROPFIND"] {
        assert_eq!(browser.send(about(&app, method)).status, 204, "{method}");
    }
}

fn a_proxy_that_does_not_name_the_method_learns_what_is_missing(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let twice = about(&app, "GET").header("X-Forwarded-Method", "POST");
    let odd = about(&app, "GE T");
    for request in [app.get("/forward-auth"), twice, odd] {
        browser.send(request).refused(
            400,
            "bad_request",
            "The header X-Forwarded-Method is missing, or has no method",
        );
    }
    let program = app.bearer();
    let by_header = app.get("/forward-auth").bearer(&program.access).send();
    assert_eq!(
        by_header.status, 204,
        "a token in a header needs no CSRF token"
    );
}

/// A preflight never has cookies. The app answers it. The headers are there, so that a proxy replaces
/// what the client sent in them.
fn a_preflight_passes_and_names_nobody(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let preflight = about(&app, "OPTIONS").header("Origin", "https://app.example");
    let preflight = preflight.header("Access-Control-Request-Method", "POST");
    let answer = browser.send(preflight);
    assert_eq!(answer.status, 204);
    for header in ["remote-user", "remote-groups", "x-auth-session"] {
        assert_eq!(answer.header(header), Some(""), "{header}");
    }
    let other = about(&app, "OPTIONS").send();
    assert_eq!(other.status, 401, "any other OPTIONS needs a token");
}

fn a_role_can_be_required(on: Backend) {
    let app = with_roles(on, "author");
    let mut browser = app.browser();
    let mut ask = |role: &str| {
        let request = app.get(&format!("/forward-auth?role={role}"));
        browser.send(request.header("X-Forwarded-Method", "GET"))
    };
    assert_eq!(ask("author").status, 204);
    ask("editor").refused(
        403,
        "role_required",
        "Only users with another role may do this",
    );
    ask("admin").refused(403, "admin_required", "Only admins may do this");
    for odd in ["", "Editor", "a%20b"] {
        let answer = ask(odd);
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (400, &json!("invalid_parameter"))
        );
    }
}

/// Envoy takes every other status for a refusal.
fn a_proxy_may_ask_for_a_200(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let asks = |query: &str| {
        let request = app.get(&format!("/forward-auth?{query}"));
        request.header("X-Forwarded-Method", "GET")
    };
    let answer = browser.send(asks("login=redirect&status=200"));
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(answer.header("remote-user"), Some(ADA.0));
    assert_eq!(asks("status=200").send().status, 401);
    let role = browser.send(asks("role=author&status=200"));
    assert_eq!(role.status, 403);
    for odd in ["204", "201", ""] {
        let odd = browser.send(asks(&format!("status={odd}")));
        odd.refused(
            400,
            "invalid_parameter",
            "The parameter status has to be 200",
        );
    }
    let preflight = app.request("OPTIONS", "/forward-auth?status=200");
    let preflight = preflight
        .header("X-Forwarded-Method", "OPTIONS")
        .header("Origin", "https://other.example")
        .header("Access-Control-Request-Method", "POST");
    assert_eq!(preflight.send().status, 200);
}

/// A misspelled parameter must not admit everyone, nor a second role replace the first.
fn a_query_that_could_mean_another_thing_admits_nobody(on: Backend) {
    let app = with_roles(on, "author");
    let mut browser = app.browser();
    for query in [
        "roles=admin",
        "Role=admin",
        "%20role=admin",
        "admin",
        "role=admin&role=author",
        "login=redirect&login=redirect",
        "role=author&to=/app",
    ] {
        let ask = || {
            let request = app.get(&format!("/forward-auth?{query}"));
            request.header("X-Forwarded-Method", "GET")
        };
        // The operator sees the mistake without a login.
        for answer in [browser.send(ask()), ask().send()] {
            answer.refused(
                400,
                "invalid_parameter",
                "The query may have the parameters role, login and status, each once",
            );
        }
    }
}

fn a_role_that_was_taken_away_opens_nothing_any_more(on: Backend) {
    let (app, _) = with_root(on);
    let id = register(&app, "bob");
    let root = log_in(&app, "root");
    let roles = |roles: &[&str]| patch(&app, &root, &id, json!({ "roles": roles })).status;
    assert_eq!(roles(&["author"]), 200);
    let bob = json!({ "username": "bob", "password": "bob's password" });
    let mut browser = Browser::log_in(&app, bob);
    let asks = || {
        let request = app.get("/forward-auth?role=author");
        request.header("X-Forwarded-Method", "GET")
    };
    assert_eq!(browser.send(asks()).status, 204);
    assert_eq!(roles(&[]), 200);
    assert_eq!(browser.send(asks()).status, 401);
    assert_eq!(browser.refresh().status, 200);
    assert_eq!(browser.send(asks()).status, 403);
}

fn cookies_to_set_are_in_headers_of_their_own_too(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    assert_eq!(
        browser
            .send(about(&app, "GET"))
            .header("x-auth-set-cookie-1"),
        None
    );
    app.advance(NEAR_ITS_END);
    let mut thief = browser.clone();
    let answer = browser.send(about(&app, "GET"));
    let set: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    let copies = ["x-auth-set-cookie-1", "x-auth-set-cookie-2"].map(|name| &answer.headers[name]);
    assert_eq!(set, copies);
    assert!(set.len() == 2 && answer.header("x-auth-set-cookie-3").is_none());
    assert_eq!(thief.send(about(&app, "GET")).cookies().len(), 2);
    assert_eq!(browser.refresh().status, 200);
    app.advance(NEAR_ITS_END);
    thief.send(about(&app, "GET"));
    assert_eq!(browser.send(about(&app, "GET")).cookies().len(), 2);
    app.advance(NEAR_ITS_END);
    let answer = thief.send(about(&app, "GET"));
    assert_eq!(answer.cookies().len(), 4, "the removals after a theft");
    assert!(answer.header("x-auth-set-cookie-4").is_some());
}

fn it_asks_the_database_nothing(on: Backend) {
    let app = recorded_app(on);
    let mut browser = app.browser();
    let asked = sent(&app, || {
        assert_eq!(browser.send(about(&app, "GET")).status, 204)
    });
    assert_eq!(asked, [""; 0]);
}

on_both_databases!(
    a_valid_token_is_a_204_that_names_the_user_the_roles_and_the_session,
    a_user_without_roles_has_an_empty_header,
    the_headers_have_the_names_of_the_settings,
    without_a_valid_token_it_is_a_401_whatever_is_wrong,
    a_browser_is_redirected_to_the_login_page_if_the_proxy_asks_for_that,
    a_login_does_not_return_to_a_page_with_a_very_long_address,
    a_login_page_on_another_host_learns_the_whole_address,
    the_csrf_token_is_required_by_the_method_of_the_original_request,
    a_proxy_that_does_not_name_the_method_learns_what_is_missing,
    a_preflight_passes_and_names_nobody,
    a_role_can_be_required,
    a_proxy_may_ask_for_a_200,
    a_query_that_could_mean_another_thing_admits_nobody,
    a_role_that_was_taken_away_opens_nothing_any_more,
    cookies_to_set_are_in_headers_of_their_own_too,
    it_asks_the_database_nothing,
);
