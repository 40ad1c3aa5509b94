//! The page at `/`, which greets by actix-identity, and how browsers are sent there.

use serde_json::json;

use crate::support::{Backend, Browser};

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
    // Its form has to say where it comes from.
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

on_both_databases!(
    the_page_greets_who_is_logged_in_and_offers_others_a_form,
    a_token_that_is_not_believed_is_a_stranger_s,
    a_name_cannot_write_html,
    the_page_runs_no_script_and_stands_in_no_frame,
    a_browser_without_a_login_is_sent_to_the_page_and_a_script_is_not,
);
