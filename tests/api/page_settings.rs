//! Tests that the page at `/` works under every combination of settings with which the server starts.

use crate::page::{navigation, says};
use crate::support::{Backend, Browser, Response, TestApp};

const LOGIN: &str = "username=ada&password=correct+horse+battery&remember=on";

/// Returns what a browser sends with a form of this page: its hidden fields.
fn hidden(page: &Response) -> String {
    let fields = page.body.split("<input type=\"hidden\" name=\"").skip(1);
    let pairs = fields.map(|field| {
        let (name, rest) = field.split_once("\" value=\"").unwrap();
        format!("&{name}={}", rest.split('"').next().unwrap())
    });
    let mut pairs: Vec<String> = pairs.collect();
    pairs.dedup();
    pairs.concat()
}

/// Opens a state of the page and sends a form from there. Returns where it leads.
fn act(browser: &mut Browser<'_>, app: &TestApp, from: &str, to: &str, fields: &str) -> String {
    let page = browser.send(navigation(app.get(from)));
    let body = format!("{fields}{}", hidden(&page));
    let done = browser.send(navigation(app.post(to)).form(&body));
    assert_eq!(done.status, 303, "{to}: {done:?}");
    done.header("location").unwrap().to_owned()
}

const SETTINGS: [&[(&str, &str)]; 15] = [
    &[],
    &[("JWT_CSRF_METHODS", "GET,HEAD,POST,PUT,PATCH,DELETE")],
    &[("JWT_CSRF_METHODS", "GET")],
    &[("JWT_CSRF_METHODS", "PUT,PATCH,DELETE")],
    &[("JWT_COOKIE_CSRF_PROTECT", "false")],
    &[("JWT_CSRF_IN_COOKIES", "false")],
    &[
        ("JWT_ACCESS_CSRF_HEADER_NAME", "X-One"),
        ("JWT_REFRESH_CSRF_HEADER_NAME", "X-Two"),
    ],
    &[
        ("JWT_ACCESS_COOKIE_NAME", "a"),
        ("JWT_REFRESH_COOKIE_NAME", "b"),
        ("JWT_ACCESS_CSRF_COOKIE_NAME", "csrf_c"),
        ("JWT_REFRESH_CSRF_COOKIE_NAME", "csrf_d"),
    ],
    &[("JWT_TOKEN_LOCATION", "cookies")],
    &[("JWT_TOKEN_LOCATION", "headers,cookies")],
    &[("JWT_COOKIE_SAMESITE", "Strict")],
    &[("JWT_REFRESH_COOKIE_PATH", "/refresh")],
    &[
        ("JWT_ACCESS_CSRF_COOKIE_PATH", "/app"),
        ("JWT_REFRESH_CSRF_COOKIE_PATH", "/app"),
    ],
    &[("SESSION_REUSE_POLICY", "strict")],
    &[("JWT_HEADER_TYPE", "none"), ("JWT_REISSUE_WITHIN", "0")],
];

fn a_user_logs_in_changes_the_password_ends_sessions_and_logs_out(on: Backend) {
    for settings in SETTINGS {
        let app = on.app_with(settings).with_ada();
        let (mut browser, mut other) = (Browser::new(&app), Browser::new(&app));
        for browser in [&mut other, &mut browser] {
            let to = act(browser, &app, "/", "/login", LOGIN);
            assert_eq!(to, "/", "{settings:?}");
            let page = browser.send(navigation(app.get("/")));
            says(&page, 200, "Hello, ada.");
        }
        let others = act(&mut browser, &app, "/", "/page/sessions", "session=others");
        assert_eq!(others, "/?notice=others", "{settings:?}");
        says(
            &other.send(navigation(app.get("/"))),
            200,
            "name=\"password\"",
        );
        let change = "current_password=correct+horse+battery&new_password=amber+kettle+window";
        let changed = act(
            &mut browser,
            &app,
            "/?show=password",
            "/page/password",
            change,
        );
        assert_eq!(changed, "/?notice=password", "{settings:?}");
        let out = act(&mut browser, &app, "/", "/page/logout", "");
        assert_eq!(out, "/?notice=logout", "{settings:?}");
        says(
            &browser.send(navigation(app.get("/"))),
            200,
            "name=\"password\"",
        );
    }
}

on_both_databases!(a_user_logs_in_changes_the_password_ends_sessions_and_logs_out);
