//! Tests `/logout`.

use std::time::Duration;

use serde_json::json;

use crate::page::says;
use crate::support::jwt::{claims, signed};
use crate::support::{Backend, Browser, Request, Response};

fn a_logout_ends_both_tokens_at_once(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let mut copy = browser.clone();
    let response = browser.post("/logout");
    assert_eq!(
        (response.status, response.json()),
        (200, json!({ "msg": "Logout Successful" }))
    );
    assert!(browser.token_names().is_empty());
    copy.get("/protected")
        .refused(401, "token_revoked", "Token has been revoked");
    copy.refresh()
        .refused(401, "session_revoked", "Token has been revoked");
}

fn a_logout_clears_what_a_login_set_with_the_same_attributes(on: Backend) {
    let app = on
        .app_with(&[
            ("JWT_COOKIE_SECURE", "true"),
            ("PUBLIC_URL", "https://login.example.org"),
            ("JWT_COOKIE_DOMAIN", "example.org"),
            ("JWT_REFRESH_COOKIE_PATH", "/refresh"),
        ])
        .with_ada();
    let login = json!({ "username": crate::support::ADA.0, "password": crate::support::ADA.1 });
    let mut set = app.post("/login").json(login).send().cookies();
    assert_eq!(set.pop().unwrap().name, "device_cookie", "stays");
    let cleared = app.post("/logout").send().cookies();
    assert_eq!((set.len(), cleared.len()), (4, 4));
    for (set, mut cleared) in set.into_iter().zip(cleared) {
        assert_eq!((cleared.name, cleared.value.as_str()), (set.name, ""));
        cleared
            .attributes
            .retain(|attribute| attribute != "Expires=Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(cleared.attributes, set.attributes);
    }
}

fn a_logout_can_be_repeated_and_needs_no_token(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let mut copy = browser.clone();
    assert_eq!(browser.post("/logout").status, 200);
    assert_eq!(copy.post("/logout").status, 200);
    let anonymous = app.post("/logout").send();
    assert_eq!((anonymous.status, anonymous.cookies().len()), (200, 4));
    let junk = app
        .post("/logout")
        .cookie("access_token_cookie=junk; refresh_token_cookie=x.y.z")
        .send();
    assert_eq!((junk.status, junk.cookies().len()), (200, 4));
}

fn a_logout_by_cookie_needs_the_csrf_value_of_either_token(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let response = browser.send(app.post("/logout"));
    response.refused(401, "csrf_missing", "Missing CSRF token");
    assert!(response.cookies().is_empty());
    let wrong = browser.send(app.post("/logout").header("X-CSRF-TOKEN", "wrong"));
    wrong.refused(
        401,
        "csrf_mismatch",
        "CSRF double submit tokens do not match",
    );
    assert_eq!(browser.get("/protected").status, 200);
    for name in ["csrf_access_token", "csrf_refresh_token"] {
        let mut browser = app.browser();
        let (mut copy, csrf) = (browser.clone(), browser.value(name).to_owned());
        assert_eq!(
            browser
                .send(app.post("/logout").header("X-CSRF-TOKEN", csrf))
                .status,
            200,
            "{name}"
        );
        assert_eq!(copy.get("/protected").status, 401);
    }
}

fn a_logout_works_after_the_access_token_has_expired(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let mut copy = browser.clone();
    app.advance(Duration::from_secs(4000));
    assert_eq!(browser.post("/logout").status, 200);
    copy.refresh()
        .refused(401, "session_revoked", "Token has been revoked");
}

/// Under `remember` a browser removes both cookies of the access token when it expires.
fn a_logout_works_after_the_access_cookie_has_gone_with_either_value(on: Backend) {
    let names = [
        ("JWT_ACCESS_CSRF_HEADER_NAME", "X-Access"),
        ("JWT_REFRESH_CSRF_HEADER_NAME", "X-Refresh"),
    ];
    let usual: &[_] = &[
        ("X-CSRF-TOKEN", "csrf_access_token"),
        ("X-CSRF-TOKEN", "csrf_refresh_token"),
    ];
    let own: &[_] = &[
        ("X-Access", "csrf_access_token"),
        ("X-Refresh", "csrf_refresh_token"),
    ];
    for (settings, headers) in [(&names[..0], usual), (&names[..], own)] {
        let app = on.app_with(settings).with_ada();
        let (refresh, _) = *headers.last().unwrap();
        for (header, of) in headers {
            let mut browser = app.browser();
            let mut copy = browser.clone();
            let (value, other) = (browser.value(of).to_owned(), app.browser());
            app.advance(Duration::from_secs(3601));
            for gone in ["access_token_cookie", "csrf_access_token"] {
                browser.remove(gone);
            }
            let out = |value: &str| app.post("/logout").header(header, value);
            let wrong = browser.send(out(other.value(of)));
            assert_eq!(wrong.status, 401, "{wrong:?}");
            assert!(wrong.cookies().is_empty());
            // The hint names the header of the token that came.
            let hint = wrong.json()["hint"].as_str().unwrap().to_owned();
            assert!(hint.contains(&refresh.to_ascii_uppercase()), "{hint}");
            browser
                .send(app.post("/logout"))
                .refused(401, "csrf_missing", "Missing CSRF token");
            let done = browser.send(out(&value));
            assert_eq!(done.status, 200, "{header} {of}: {done:?}");
            assert!(browser.token_names().is_empty());
            let csrf = copy.value("csrf_refresh_token").to_owned();
            copy.send(app.post("/refresh").header(refresh, csrf))
                .refused(401, "session_revoked", "Token has been revoked");
        }
    }
}

fn a_logout_works_where_the_signer_s_clock_runs_ahead(on: Backend) {
    let app = on.app().with_ada();
    let ada = app.bearer();
    let mut ahead = claims(&ada.access);
    for time in ["iat", "nbf"] {
        ahead.insert(time.to_owned(), json!(app.now().unix() + 2));
    }
    assert_eq!(
        app.post("/logout").bearer(&signed(&ahead)).send().status,
        200
    );
    ada.get("/protected")
        .refused(401, "token_revoked", "Token has been revoked");
}

fn a_program_logs_out_by_header_with_either_token(on: Backend) {
    let app = on.app().with_ada();
    for refresh in [false, true] {
        let ada = app.bearer();
        let token = if refresh { &ada.refresh } else { &ada.access };
        assert_eq!(app.post("/logout").bearer(token).send().status, 200);
        ada.get("/protected")
            .refused(401, "token_revoked", "Token has been revoked");
        ada.try_refresh()
            .refused(401, "session_revoked", "Token has been revoked");
    }
}

fn a_logout_ends_one_session_and_no_other(on: Backend) {
    let app = on.app().with_ada();
    let (mut phone, mut laptop) = (app.browser(), app.browser());
    phone.post("/logout");
    assert_eq!(laptop.get("/protected").status, 200);
    assert_eq!(laptop.refresh().status, 200);
}

fn a_link_on_our_own_page_logs_out_and_a_browser_sees_the_page_again(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let link = app.get("/logout").header("Accept", "text/html");
    let response = browser.send(clicked(link, "same-origin"));
    assert_eq!(
        (response.status, response.header("location")),
        (303, Some("/"))
    );
    assert!(browser.token_names().is_empty());
    let mut browser = app.browser();
    assert_eq!(
        browser.get("/logout").json(),
        json!({ "msg": "Logout Successful" })
    );
    assert!(browser.token_names().is_empty());
}

/// The headers that browsers send when a person follows a link.
fn clicked(request: Request, site: &str) -> Request {
    request
        .header("Sec-Fetch-Site", site)
        .header("Sec-Fetch-Mode", "navigate")
        .header("Sec-Fetch-Dest", "document")
}

fn another_sites_link_or_picture_logs_nobody_out(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    for (name, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Referer", "https://evil.example/"),
    ] {
        let response = browser.send(app.get("/logout").header(name, value));
        response.refused(403, "cross_site_request", "Cross-site request refused");
        assert_eq!(browser.get("/protected").status, 200, "{name}: {value}");
    }
}

fn a_browser_that_does_not_say_where_a_link_was_is_not_believed(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let silent = || app.get("/logout").header("Accept", "text/html");
    says(&browser.send(silent()), 403, "Cross-site request refused");
    let own = format!("http://{}/", app.address());
    assert_eq!(browser.send(silent().header("Referer", own)).status, 303);
}

fn only_tokens_from_where_the_server_looks_end_a_session(on: Backend) {
    for (location, by_cookie) in [("headers", true), ("cookies", false)] {
        let app = on.app().with_ada();
        let ada = app.bearer();
        // The same secret and session, on a server with other token locations.
        let other = crate::support::TestApp::start(
            &app.database().url(),
            &[("JWT_TOKEN_LOCATION", location)],
            app.clock(),
        );
        let request = other.get("/logout");
        let request = match by_cookie {
            true => request.cookie(&format!("access_token_cookie={}", ada.access)),
            false => request.bearer(&ada.access),
        };
        assert_eq!(request.send().status, 200);
        assert_eq!(ada.try_refresh().status, 200, "{location}");
    }
}

fn what_has_ended_is_forgotten_without_a_csrf_value(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let mut copy = browser.clone();
    browser.post("/logout");
    assert_eq!(copy.send(app.post("/logout")).status, 200);
    assert!(copy.token_names().is_empty());
}

fn neither_head_nor_a_prefetch_logs_anyone_out(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let head = browser.send(app.request("HEAD", "/logout"));
    assert_eq!(head.status, 405);
    for (name, value) in [
        ("Sec-Purpose", "prefetch"),
        ("Sec-Purpose", "prefetch;prerender"),
        ("Purpose", "prefetch"),
        ("X-Purpose", "preview"),
        ("X-Moz", "prefetch"),
        ("X-Sec-Purpose", "prefetch"),
        ("RSC", "1"),
        ("Next-Router-Prefetch", "1"),
    ] {
        for request in [
            app.get("/logout"),
            clicked(app.get("/logout"), "same-origin"),
        ] {
            let fetched = browser.send(request.header(name, value));
            fetched.refused(403, "prefetch_refused", "This is not fetched in advance");
            hints_at_post(&fetched);
        }
    }
    assert_eq!(browser.get("/protected").status, 200);
}

#[track_caller]
fn hints_at_post(refusal: &Response) {
    let hint = refusal.json()["hint"].to_string();
    assert!(hint.contains("POST /logout"), "{hint}");
    assert!(refusal.cookies().is_empty());
}

/// Images, scripts and frames on the server's own pages are loaded without a click.
fn by_get_only_a_visit_logs_out(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    for (mode, dest) in [
        (Some("no-cors"), Some("image")),
        (Some("no-cors"), Some("script")),
        (Some("cors"), Some("empty")),
        (Some("same-origin"), Some("empty")),
        (Some("navigate"), Some("iframe")),
        (Some("navigate"), Some("object")),
        (None, Some("image")),
        (None, None),
    ] {
        let request = app.get("/logout").header("Sec-Fetch-Site", "same-origin");
        let named = [("Sec-Fetch-Mode", mode), ("Sec-Fetch-Dest", dest)];
        let request = named
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .fold(request, |request, (name, value)| {
                request.header(name, value)
            });
        let refusal = browser.send(request);
        refusal.refused(403, "link_required", "By GET only a link logs out");
        hints_at_post(&refusal);
    }
    assert_eq!(browser.get("/protected").status, 200);
    // Chrome before version 80 sent no destination.
    let old = app
        .get("/logout")
        .header("Sec-Fetch-Site", "same-origin")
        .header("Sec-Fetch-Mode", "navigate");
    assert_eq!(browser.send(old).status, 200);
}

/// Old browsers, and all browsers on plain http, send no Fetch Metadata, but `Accept` shows the
/// kind of resource.
fn an_image_in_an_old_browser_logs_nobody_out(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let own = format!("http://{}/", app.address());
    for accept in [
        "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
        "image/webp,*/*",
        "image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5",
        "*/*;q=0.1, Image/PNG",
        "video/webm,video/ogg,video/*;q=0.9,*/*;q=0.5",
        "text/css,*/*;q=0.1",
    ] {
        let request = app.get("/logout").header("Accept", accept);
        let refusal = browser.send(request.header("Referer", &own));
        refusal.refused(403, "link_required", "By GET only a link logs out");
    }
    assert_eq!(browser.get("/protected").status, 200);
}

fn programs_log_out_by_get(on: Backend) {
    let app = on.app().with_ada();
    for accept in [
        None,
        Some("*/*"),
        Some("application/json"),
        Some("*/*, image/png"),
    ] {
        let mut program = app.browser();
        let request = app.get("/logout");
        let request = match accept {
            Some(accept) => request.header("Accept", accept),
            None => request,
        };
        assert_eq!(program.send(request).status, 200, "{accept:?}");
        assert!(program.token_names().is_empty());
    }
}

fn the_public_address_is_ours_and_another_port_is_not(on: Backend) {
    let app = on
        .app_with(&[("PUBLIC_URL", "https://login.example.org")])
        .with_ada();
    let from = |name: &str, value: &str| app.get("/logout").header(name, value).send().status;
    assert_eq!(from("Referer", "https://login.example.org/page"), 200);
    assert_eq!(from("Referer", "https://login.example.org:444/"), 403);
    assert_eq!(from("Referer", "http://login.example.org/"), 403);
    assert_eq!(from("Origin", &format!("http://{}", app.address())), 200);
    assert_eq!(
        from("Origin", &format!("http://{}", app.address().ip())),
        403
    );
    let typed = clicked(app.get("/logout"), "none");
    assert_eq!(typed.send().status, 200);
}

fn a_login_after_a_logout_is_a_new_session(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    browser.post("/logout");
    let credentials =
        json!({ "username": crate::support::ADA.0, "password": crate::support::ADA.1 });
    let mut again = Browser::log_in(&app, credentials);
    assert_eq!(again.get("/protected").status, 200);
}

on_both_databases!(
    a_logout_ends_both_tokens_at_once,
    a_logout_clears_what_a_login_set_with_the_same_attributes,
    a_logout_can_be_repeated_and_needs_no_token,
    a_logout_by_cookie_needs_the_csrf_value_of_either_token,
    a_logout_works_after_the_access_token_has_expired,
    a_logout_works_after_the_access_cookie_has_gone_with_either_value,
    a_logout_works_where_the_signer_s_clock_runs_ahead,
    a_program_logs_out_by_header_with_either_token,
    a_logout_ends_one_session_and_no_other,
    a_link_on_our_own_page_logs_out_and_a_browser_sees_the_page_again,
    another_sites_link_or_picture_logs_nobody_out,
    a_browser_that_does_not_say_where_a_link_was_is_not_believed,
    only_tokens_from_where_the_server_looks_end_a_session,
    what_has_ended_is_forgotten_without_a_csrf_value,
    neither_head_nor_a_prefetch_logs_anyone_out,
    by_get_only_a_visit_logs_out,
    an_image_in_an_old_browser_logs_nobody_out,
    programs_log_out_by_get,
    the_public_address_is_ours_and_another_port_is_not,
    a_login_after_a_logout_is_a_new_session,
);
