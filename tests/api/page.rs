//! Tests the page at `/`, which greets users by actix-identity, and the redirects to it.

use serde_json::json;

use std::time::Duration;

use crate::support::{ADA, Backend, Browser, Request, Response, TestApp};

/// Returns a browser's request for a page.
fn navigation(request: Request) -> Request {
    request
        .header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
        .header("Sec-Fetch-Site", "same-origin")
        .header("Sec-Fetch-Mode", "navigate")
        .header("Sec-Fetch-Dest", "document")
}

fn form(app: &TestApp, body: &str) -> Request {
    navigation(app.post("/login")).form(body)
}

/// Asserts that this is the server's page with this text.
#[track_caller]
pub(crate) fn says(page: &Response, status: u16, words: &str) {
    let kind = page.header("content-type");
    assert_eq!(
        (page.status, kind),
        (status, Some("text/html; charset=utf-8")),
        "{page:?}"
    );
    assert!(page.body.contains(words), "{page:?}");
}

/// Returns Ada in a browser that stays logged in, two hours later.
fn two_hours_later(app: &TestApp) -> Browser<'_> {
    let login = json!({ "username": ADA.0, "password": ADA.1, "remember": true });
    let mut browser = Browser::log_in(app, login);
    app.advance(Duration::from_secs(7200));
    // A browser does this by itself.
    browser.remove("access_token_cookie");
    browser.remove("csrf_access_token");
    browser
}

fn who_stays_logged_in_is_greeted_after_the_access_token_has_ended(on: Backend) {
    for csrf_in_cookies in ["true", "false"] {
        let app = on
            .app_with(&[("JWT_CSRF_IN_COOKIES", csrf_in_cookies)])
            .with_ada();
        let mut browser = two_hours_later(&app);
        let page = browser.send(navigation(app.get("/")));
        says(&page, 200, "Hello, ada.");
        assert!(page.cookie("access_token_cookie").has("Max-Age=3600"));
        assert!(page.cookie("refresh_token_cookie").has("Max-Age=2592000"));
        assert_eq!(browser.get("/protected").status, 200);
        let again = browser.send(navigation(app.get("/")));
        says(&again, 200, "Hello, ada.");
        assert!(again.cookies().is_empty());
    }
}

/// The old token gets the same successor again, as at `/refresh`.
fn an_answer_of_the_page_that_was_lost_logs_nobody_out(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = two_hours_later(&app);
    says(
        &browser.clone().send(navigation(app.get("/"))),
        200,
        "Hello, ada.",
    );
    says(&browser.send(navigation(app.get("/"))), 200, "Hello, ada.");
    app.advance(Duration::from_secs(7200));
    says(&browser.send(navigation(app.get("/"))), 200, "Hello, ada.");
}

fn the_page_restores_only_for_a_person_and_only_what_lives(on: Backend) {
    let app = on.app().with_ada();
    let browser = two_hours_later(&app);
    for unasked in [
        app.get("/"),
        app.request("HEAD", "/").header("Accept", "text/html"),
        app.get("/")
            .header("Accept", "text/html")
            .header("Sec-Fetch-Mode", "no-cors"),
        app.get("/")
            .header("Accept", "text/html")
            .header("Sec-Fetch-Dest", "iframe"),
    ] {
        let page = browser.clone().send(unasked);
        assert_eq!((page.status, page.cookies().len()), (200, 0));
    }
    let bearer = format!("Bearer {}", browser.value("refresh_token_cookie"));
    let header = navigation(app.get("/"))
        .header("Authorization", bearer)
        .send();
    assert!(header.cookies().is_empty() && header.body.contains("<form"));
    let mut ended = browser.clone();
    let end = app
        .post("/logout")
        .header("X-CSRF-TOKEN", browser.value("csrf_refresh_token"));
    assert_eq!(browser.clone().send(end).status, 200);
    let page = ended.send(navigation(app.get("/")));
    says(&page, 200, "<form");
    assert!(ended.token_names().is_empty(), "{page:?}");
}

fn a_browser_gets_a_page_whatever_went_wrong(on: Backend) {
    let app = on.app().with_ada();
    let right = format!("username={}&password=correct+horse+battery", ADA.0);
    for (request, status, words) in [
        (
            form(&app, "username=ada&password=wrong"),
            401,
            "Bad username or password",
        ),
        (
            form(&app, "username=ada"),
            400,
            "Missing password parameter",
        ),
        (
            form(&app, &format!("{right}&x={}", "x".repeat(20_000))),
            413,
            "The body has more than 16384 bytes",
        ),
    ] {
        let page = request.send();
        says(&page, status, words);
        assert!(page.body.contains("action=\"/login\""), "{page:?}");
        assert!(page.body.contains("role=\"alert\""), "{page:?}");
    }
    let foreign = app
        .post("/login")
        .header("Accept", "text/html")
        .header("Sec-Fetch-Site", "cross-site");
    says(
        &foreign
            .header("Sec-Fetch-Mode", "navigate")
            .form(&right)
            .send(),
        403,
        "Cross-site request refused",
    );
    let silent = app.get("/logout").header("Accept", "text/html").send();
    says(&silent, 403, "Cross-site request refused");
    assert!(
        silent.body.contains("href=\"/\"") && !silent.body.contains("<form"),
        "{silent:?}"
    );
    says(&navigation(app.get("/nowhere")).send(), 404, "Not found");
    says(
        &navigation(app.get("/register")).send(),
        405,
        "Method not allowed",
    );
    let slash = navigation(app.post("/login/")).form(&right).send();
    says(&slash, 404, "Leave out the / at the end: /login.");
}

/// A script states what it accepts, and JSON is not a form.
fn a_script_gets_json_whatever_went_wrong(on: Backend) {
    let app = on.app().with_ada();
    let wrong = json!({ "username": "ada", "password": "wrong" });
    let accept = ("Accept", "text/html,*/*;q=0.8");
    let json = app
        .post("/login")
        .header(accept.0, accept.1)
        .header("Sec-Fetch-Site", "same-origin");
    json.json(wrong)
        .send()
        .refused(401, "bad_credentials", "Bad username or password");
    let fetched = app
        .get("/nowhere")
        .header(accept.0, accept.1)
        .header("Sec-Fetch-Mode", "cors");
    fetched.send().refused(404, "not_found", "Not found");
    app.get("/nowhere")
        .header("Accept", "*/*")
        .send()
        .refused(404, "not_found", "Not found");
}

fn the_page_greets_who_is_logged_in_and_offers_others_a_form(on: Backend) {
    let app = on.app().with_ada();
    let stranger = app.get("/").send();
    assert_eq!(
        (stranger.status, stranger.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    assert!(stranger.body.contains("action=\"/login\""));
    let mut browser = app.browser();
    assert!(browser.get("/").body.contains("Hello, ada."));
    browser.post("/logout");
    assert!(browser.get("/").body.contains("action=\"/login\""));
}

fn a_token_that_is_not_believed_is_a_stranger_s(on: Backend) {
    let app = on.app().with_ada();
    let page = app.get("/").cookie("access_token_cookie=x.y.z").send();
    assert_eq!(page.status, 200);
    assert!(page.body.contains("action=\"/login\""));
}

fn a_name_cannot_write_html(on: Backend) {
    let app = on.app();
    let mallory = json!({ "username": "<b>mallory</b>", "password": "let me in please" });
    assert_eq!(
        app.post("/register").json(mallory.clone()).send().status,
        201
    );
    let page = Browser::log_in(&app, mallory).get("/").body;
    assert!(
        page.contains("Hello, &lt;b&gt;mallory") && !page.contains("<b>"),
        "{page}"
    );
}

fn the_page_runs_no_script_and_stands_in_no_frame(on: Backend) {
    let page = on.app().get("/").send();
    // The form must send its origin.
    assert_eq!(page.header("referrer-policy"), Some("same-origin"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
}

fn a_browser_without_a_login_is_sent_to_the_page_and_a_script_is_not(on: Backend) {
    let app = on.app();
    for path in ["/protected", "/account"] {
        let browser = app
            .get(path)
            .header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
            .send();
        assert_eq!(
            (browser.status, browser.header("location")),
            (303, Some("/")),
            "{path}"
        );
        for accept in ["application/json", "*/*"] {
            assert_eq!(
                app.get(path).header("Accept", accept).send().status,
                401,
                "{path}"
            );
        }
    }
}

fn whoever_opens_the_address_of_the_login_form_is_sent_to_the_page(on: Backend) {
    let app = on.app();
    let opened = navigation(app.get("/login")).send();
    assert_eq!((opened.status, opened.header("location")), (303, Some("/")));
    let asked = app.get("/login").header("Accept", "application/json");
    assert_eq!(asked.send().status, 405);
}

fn the_accept_header_is_read_by_its_types_and_weights(on: Backend) {
    let app = on.app();
    let status = |accept: &str| app.get("/protected").header("Accept", accept).send().status;
    for page in [
        "text/html",
        "TEXT/HTML",
        "application/json, text/html;q=0.1",
    ] {
        assert_eq!(status(page), 303, "{page}");
    }
    for json in [
        "text/html;q=0",
        "application/json, text/html; q=0.0",
        "text/htmlx",
    ] {
        assert_eq!(status(json), 401, "{json}");
    }
}

on_both_databases!(
    the_accept_header_is_read_by_its_types_and_weights,
    whoever_opens_the_address_of_the_login_form_is_sent_to_the_page,
    who_stays_logged_in_is_greeted_after_the_access_token_has_ended,
    an_answer_of_the_page_that_was_lost_logs_nobody_out,
    the_page_restores_only_for_a_person_and_only_what_lives,
    a_browser_gets_a_page_whatever_went_wrong,
    a_script_gets_json_whatever_went_wrong,
    the_page_greets_who_is_logged_in_and_offers_others_a_form,
    a_token_that_is_not_believed_is_a_stranger_s,
    a_name_cannot_write_html,
    the_page_runs_no_script_and_stands_in_no_frame,
    a_browser_without_a_login_is_sent_to_the_page_and_a_script_is_not,
);
