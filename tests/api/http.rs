//! Tests HTTP: unknown routes, methods and forms.

use crate::support::Backend;

fn a_path_that_is_not_there_is_404_in_json(on: Backend) {
    let app = on.app();
    for path in ["/nowhere", "/login/", "/protected/x", "/..", "//"] {
        app.get(path).send().refused(404, "not_found", "Not found");
    }
}

fn a_path_with_a_slash_too_many_is_404_and_its_hint_names_the_one_that_is_there(on: Backend) {
    let app = on.app();
    for (method, path, hint) in [
        ("POST", "/login/", "Leave out the / at the end: /login."),
        (
            "GET",
            "/health/ready//",
            "Leave out the / at the end: /health/ready.",
        ),
        (
            "DELETE",
            "/sessions/eyJ/",
            "Leave out the / at the end: /sessions/{id}.",
        ),
    ] {
        let response = app.request(method, path).send();
        response.refused(404, "not_found", "Not found");
        assert_eq!(response.json()["hint"], hint, "{path}");
    }
    for path in ["/nowhere/", "//", "/nowhere"] {
        assert!(app.get(path).send().json()["hint"].is_null(), "{path}");
    }
}

fn nothing_is_served_but_the_routes(on: Backend) {
    let app = on.app_with(&[("SERVER_DOCS", "off")]);
    for path in [
        "/docs",
        "/demo",
        "/swagger-ui/",
        "/debug/pprof/",
        "/console",
        "/status",
        "/env",
        "/actuator/env",
        "/server-status",
        "/admin",
        "/.env",
        "/.git/config",
        "/.well-known/",
        "/Cargo.toml",
        "/tokenpair.toml",
        "/data/secret_key",
        "/data/tokenpair.db",
        "/static/",
        "/index.html",
        "/robots.txt",
        "/etc/passwd",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
    ] {
        app.get(path).send().refused(404, "not_found", "Not found");
    }
}

fn a_method_that_a_path_does_not_have_is_405_with_allow(on: Backend) {
    let app = on.app();
    for (method, path, allow) in [
        ("GET", "/login", "POST, OPTIONS"),
        ("PUT", "/login", "POST, OPTIONS"),
        ("POST", "/protected", "GET, HEAD, OPTIONS"),
        ("PUT", "/account", "GET, HEAD, DELETE, OPTIONS"),
        ("PATCH", "/logout", "POST, GET, OPTIONS"),
        ("TRACE", "/health/live", "GET, HEAD, OPTIONS"),
        ("POST", "/", "GET, HEAD, OPTIONS"),
    ] {
        let response = app.request(method, path).send();
        response.refused(405, "method_not_allowed", "Method not allowed");
        assert_eq!(response.header("allow"), Some(allow), "{method} {path}");
    }
}

fn options_are_answered_without_a_token(on: Backend) {
    let app = on.app();
    let response = app.request("OPTIONS", "/protected").send();
    assert_eq!(
        (response.status, response.header("allow")),
        (200, Some("GET, HEAD, OPTIONS"))
    );
    assert_eq!(
        app.request("OPTIONS", "/login").send().header("allow"),
        Some("POST, OPTIONS")
    );
}

fn head_is_get_without_a_body(on: Backend) {
    let app = on.app().with_ada();
    let head = app
        .request("HEAD", "/protected")
        .bearer(&app.bearer().access)
        .send();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(app.request("HEAD", "/protected").send().status, 401);
}

fn a_caller_s_request_id_is_kept_if_it_is_plain(on: Backend) {
    let app = on.app();
    let answered = |id: &str| {
        app.get("/health/live")
            .header("X-Request-Id", id)
            .send()
            .header("x-request-id")
            .unwrap()
            .to_owned()
    };
    assert_eq!(answered("trace-1.a_B"), "trace-1.a_B");
    for odd in [
        "",
        "two words",
        "x;y",
        &"x".repeat(65),
        "eyJhbGciOiJIUzI1NiJ9",
    ] {
        assert_ne!(answered(odd), odd);
    }
}

fn a_body_of_another_type_is_415_and_none_at_all_is_400(on: Backend) {
    let app = on.app().with_ada();
    let login = r#"{"username":"ada","password":"correct horse battery"}"#;
    let odd = [
        "",
        "text/plain",
        "text/json",
        "application/vnd.api+json",
        "application/x-www-form-urlencoded;",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "*/*",
    ];
    let msg = "The body is not JSON by its Content-Type";
    for kind in odd {
        let response = app.post("/register").body(kind, login).send();
        response.refused(415, "unsupported_media_type", msg);
        assert!(
            response.json()["hint"]
                .as_str()
                .unwrap()
                .contains("application/json")
        );
    }
    for kind in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
    ] {
        assert_eq!(
            app.post("/login").body(kind, login).send().status,
            200,
            "{kind}"
        );
    }
    let none = app.post("/login").send();
    none.refused(400, "missing_json", "Missing JSON in request");
}

on_both_databases!(
    a_path_that_is_not_there_is_404_in_json,
    a_path_with_a_slash_too_many_is_404_and_its_hint_names_the_one_that_is_there,
    nothing_is_served_but_the_routes,
    a_method_that_a_path_does_not_have_is_405_with_allow,
    options_are_answered_without_a_token,
    head_is_get_without_a_body,
    a_caller_s_request_id_is_kept_if_it_is_plain,
    a_body_of_another_type_is_415_and_none_at_all_is_400,
);
