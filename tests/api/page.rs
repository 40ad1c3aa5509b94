//! Tests the page at `/`, which greets users by actix-identity, and the redirects to it.

use serde_json::json;

use std::time::Duration;

use crate::support::{ADA, Backend, Browser, Request, Response, TestApp};

/// Returns a browser's request for a page.
pub(crate) fn navigation(request: Request) -> Request {
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

/// Anyone can make a browser open the page twice, and its response can get lost.
fn under_strict_reuse_the_page_restores_nothing(on: Backend) {
    let app = on
        .app_with(&[("SESSION_REUSE_POLICY", "strict")])
        .with_ada();
    let mut browser = two_hours_later(&app);
    for _ in 0..2 {
        let page = browser.clone().send(navigation(app.get("/")));
        assert!(page.cookies().is_empty() && page.body.contains("<form"));
    }
    let refresh = app
        .post("/refresh")
        .header("X-CSRF-TOKEN", browser.value("csrf_refresh_token"));
    assert_eq!(browser.send(refresh).status, 200);
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
            "The username or the password is wrong.",
        ),
        (form(&app, "username=ada"), 400, "Enter your password."),
        (
            form(&app, &format!("{right}&x={}", "x".repeat(20_000))),
            413,
            "The form is too large.",
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
    let nowhere = navigation(app.get("/nowhere")).send();
    says(&nowhere, 404, "Page not found");
    let method = navigation(app.get("/refresh")).send();
    says(&method, 405, "This page cannot be opened");
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

fn whoever_opens_the_address_of_a_form_is_sent_to_the_form(on: Backend) {
    let app = on.app();
    for (path, form) in [
        ("/login", "/"),
        ("/register", "/?show=register"),
        ("/page/register", "/?show=register"),
        ("/page/password", "/?show=password"),
        ("/page/sessions", "/"),
        ("/page/logout", "/"),
    ] {
        let opened = navigation(app.get(path)).send();
        let found = (opened.status, opened.header("location"));
        assert_eq!(found, (303, Some(form)), "{path}");
        let asked = app.get(path).header("Accept", "application/json");
        assert_eq!(asked.send().status, 405, "{path}");
    }
}

/// The unit tests of `Language` have more of them.
fn the_page_speaks_the_visitor_s_language(on: Backend) {
    let app = on.app().with_ada();
    for (accepted, language, words) in [
        (
            "en-GB,en;q=0.9,ko;q=0.8",
            "en",
            "Stay logged in on this device",
        ),
        ("ko-KR,ko;q=0.9,en;q=0.8", "ko", "이 기기에서 로그인 유지"),
        ("de, ko;q=0.2", "ko", "이 기기에서 로그인 유지"),
        ("ko;q=0", "en", "Stay logged in on this device"),
        ("de", "en", "Stay logged in on this device"),
    ] {
        let asked = navigation(app.get("/")).header("Accept-Language", accepted);
        let page = asked.send();
        says(&page, 200, words);
        assert!(
            page.body.contains(&format!("<html lang=\"{language}\">")),
            "{page:?}"
        );
        assert_eq!(page.header("content-language"), Some(language));
        assert_eq!(page.header("vary"), Some("Accept-Language"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
    }
    let korean = |request: Request| navigation(request).header("Accept-Language", "ko");
    let mut browser = app.browser();
    says(
        &browser.send(korean(app.get("/"))),
        200,
        "ada님, 안녕하세요.",
    );
}

/// The code and the English text of the JSON never change.
fn errors_are_in_the_visitor_s_language_for_people_alone(on: Backend) {
    let app = on.app().with_ada();
    let korean = |request: Request| request.header("Accept-Language", "ko");
    let wrong = || korean(app.post("/login")).form("username=ada&password=wrong");
    let page = navigation(wrong()).send();
    says(&page, 401, "아이디 또는 비밀번호가 올바르지 않습니다.");
    assert_eq!(page.header("content-language"), Some("ko"));
    assert_eq!(page.header("vary"), Some("Accept-Language"));
    let json = wrong().send();
    json.refused(401, "bad_credentials", "Bad username or password");
    assert_eq!(
        (json.header("vary"), json.header("content-language")),
        (None, None)
    );
    let lost = navigation(korean(app.get("/nowhere"))).send();
    says(&lost, 404, "페이지를 찾을 수 없습니다");
    // A text without a translation says that it is English.
    let other = navigation(korean(app.post("/login")));
    let other = other.body("text/plain", "a").send();
    assert_eq!(other.json()["code"], "unsupported_media_type");
    let query = korean(navigation(app.get("/sessions?page=0")));
    let untranslated = app.browser().send(query);
    says(
        &untranslated,
        400,
        "<h1 lang=\"en\">The parameter page has to be",
    );
}

fn with_cors_the_page_varies_by_both(on: Backend) {
    let app = on.app_with(&[("SERVER_CORS_ORIGINS", "https://app.example.org")]);
    let page = navigation(app.get("/")).send();
    let vary: Vec<_> = page.headers.get_all("vary").iter().collect();
    let both =
        "Accept-Language, Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
    assert_eq!(vary, [both]);
}

fn the_title_is_the_operator_s_and_cannot_write_html(on: Backend) {
    let app = on.app_with(&[("SERVER_TITLE", "A & <b>B</b>")]);
    let page = app.get("/").send();
    says(
        &page,
        200,
        "<title>Log in – A &amp; &lt;b&gt;B&lt;/b&gt;</title>",
    );
    assert!(!page.body.contains("<b>"), "{page:?}");
}

fn the_policy_allows_the_page_s_own_style_alone(on: Backend) {
    use aws_lc_rs::digest::{SHA256, digest};
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    let page = on.app().get("/").send();
    let (_, rest) = page.body.split_once("<style>").unwrap();
    let (style, rest) = rest.split_once("</style>").unwrap();
    assert!(
        !rest.contains("<style") && !page.body.contains("style=") && !page.body.contains("<script")
    );
    let hash = STANDARD.encode(digest(&SHA256, style.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    assert_eq!(
        page.header("content-security-policy"),
        Some(policy.as_str())
    );
}

fn head_says_what_get_says(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    for path in ["/", "/?show=password", "/?show=register"] {
        let get = browser.send(navigation(app.get(path)));
        let head = browser.send(navigation(app.request("HEAD", path)));
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        for name in [
            "content-type",
            "content-language",
            "vary",
            "cache-control",
            "content-security-policy",
        ] {
            assert_eq!(head.header(name), get.header(name), "{path}: {name}");
        }
    }
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
    the_page_speaks_the_visitor_s_language,
    errors_are_in_the_visitor_s_language_for_people_alone,
    with_cors_the_page_varies_by_both,
    the_title_is_the_operator_s_and_cannot_write_html,
    the_policy_allows_the_page_s_own_style_alone,
    under_strict_reuse_the_page_restores_nothing,
    head_says_what_get_says,
    the_accept_header_is_read_by_its_types_and_weights,
    whoever_opens_the_address_of_a_form_is_sent_to_the_form,
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
