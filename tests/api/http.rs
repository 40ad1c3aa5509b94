//! HTTP itself: what has no route, no method, no end or no form.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::support::{Backend, TestApp};

fn a_path_that_is_not_there_is_404_in_json(on: Backend) {
    let app = on.app();
    for path in ["/nowhere", "/login/", "/protected/x", "/..", "//"] {
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

fn a_body_that_is_too_large_is_413(on: Backend) {
    let app = on.app();
    let large = json!({ "username": "ada", "password": "x".repeat(17_000) });
    app.post("/login").json(large).send().refused(
        413,
        "body_too_large",
        "The body has more than 16384 bytes",
    );
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

/// What comes back on a raw connection until the server closes it.
fn raw(app: &TestApp, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.address()).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn a_body_that_never_ends_is_408_and_not_a_hang(on: Backend) {
    let app = on.app();
    let head = "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{";
    let answer = raw(&app, head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("\"code\":\"body_too_slow\""), "{answer}");
}

fn a_request_that_is_no_http_is_400_and_closed(on: Backend) {
    let app = on.app();
    for junk in [
        "GET / HTTP/1.1\r\nHost: x\r\nBad Header\r\n\r\n",
        "\u{0}\u{1}\u{2}\r\n\r\n",
    ] {
        let answer = raw(&app, junk.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer:?}");
    }
}

on_both_databases!(
    a_path_that_is_not_there_is_404_in_json,
    a_method_that_a_path_does_not_have_is_405_with_allow,
    options_are_answered_without_a_token,
    head_is_get_without_a_body,
    a_body_that_is_too_large_is_413,
    a_caller_s_request_id_is_kept_if_it_is_plain,
    a_body_that_never_ends_is_408_and_not_a_hang,
    a_request_that_is_no_http_is_400_and_closed,
);
