//! Tests the forms of the page at `/`, as a browser without scripts sends them.

use std::time::Duration;

use crate::page::{navigation, says};
use crate::support::{ADA, Backend, Browser, Request, Response, TestApp};

const RIGHT: &str = "username=ada&password=correct+horse+battery";

/// Returns the value of the hidden field of that name in a page.
#[track_caller]
fn hidden(page: &Response, name: &str) -> String {
    let start = format!("type=\"hidden\" name=\"{name}\" value=\"");
    let found = page.body.split_once(&start);
    let (_, rest) = found.unwrap_or_else(|| panic!("no {name}: {page:?}"));
    rest.split('"').next().unwrap().to_owned()
}

fn open(browser: &mut Browser<'_>, app: &TestApp, path: &str) -> Response {
    browser.send(navigation(app.get(path)))
}

/// Sends a form of the page with its CSRF value, as a browser does.
fn send(browser: &mut Browser<'_>, app: &TestApp, path: &str, fields: &str) -> Response {
    let page = open(browser, app, "/");
    let csrf = hidden(&page, "csrf_token");
    let body = format!("{fields}&csrf_token={csrf}");
    browser.send(navigation(app.post(path)).form(&body))
}

#[track_caller]
fn redirects(response: &Response, location: &str) {
    let found = (response.status, response.header("location"));
    assert_eq!(found, (303, Some(location)), "{response:?}");
}

fn form(app: &TestApp, path: &str, body: &str) -> Request {
    navigation(app.post(path)).form(body)
}

fn a_login_returns_to_the_path_in_next(on: Backend) {
    let app = on.app().with_ada();
    for (next, sent) in [
        ("/app", "/app"),
        ("/app%3Fa%3Db%26c%3Dd", "/app?a=b&c=d"),
        ("%2Fcaf%C3%A9", "/caf%C3%A9"),
    ] {
        let page = navigation(app.get(&format!("/?next={next}"))).send();
        let kept = hidden(&page, "next").replace("&amp;", "&");
        assert_eq!(kept, sent);
        let sent_back: String = kept.replace('%', "%25").replace('&', "%26");
        let login = form(&app, "/login", &format!("{RIGHT}&next={sent_back}"));
        redirects(&login.send(), sent);
        let register = "href=\"/?show=register&amp;next=%2F";
        assert!(page.body.contains(register), "{page:?}");
    }
    let failed = form(&app, "/login", "username=ada&password=wrong&next=/app").send();
    says(&failed, 401, "The username or the password is wrong.");
    assert_eq!(hidden(&failed, "next"), "/app");
}

/// The unit tests of `Next` have more of them.
fn a_login_returns_to_no_other_origin(on: Backend) {
    let app = on.app().with_ada();
    for next in [
        "//evil.example",
        "/%5Cevil.example",
        "\\\\evil.example",
        "/%09/evil.example",
        "/%0A/evil.example",
        "/%252Fevil.example",
        "/%255Cevil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "/.//evil.example",
        "/a%0D%0ASet-Cookie:x",
        "/logout",
        "%22%3E%3Cb%3E",
    ] {
        let page = navigation(app.get(&format!("/?next={next}"))).send();
        assert!(
            !page.body.contains("evil") && !page.body.contains("\"><b>"),
            "{next}: {page:?}"
        );
        assert!(!page.body.contains("name=\"next\""), "{next}: {page:?}");
    }
    for next in [
        "//evil.example",
        "/%5Cevil.example",
        "/%09/evil.example",
        "/logout",
    ] {
        let login = form(&app, "/login", &format!("{RIGHT}&next={next}")).send();
        redirects(&login, "/");
        let missing = form(&app, "/login", &format!("username=ada&next={next}")).send();
        says(&missing, 400, "Enter your password.");
        assert!(
            !missing.body.contains("name=\"next\""),
            "{next}: {missing:?}"
        );
    }
    let quote = navigation(app.get("/?next=/%22%3E%3Cb%3E")).send();
    assert!(!quote.body.contains("<b>"), "{quote:?}");
}

/// An app behind a proxy may have another host than the login page.
fn a_login_returns_to_a_page_of_a_listed_origin(on: Backend) {
    let listed = "https://app.example.org,capacitor://localhost";
    let app = on.app_with(&[("SERVER_CORS_ORIGINS", listed)]).with_ada();
    let next = "https://app.example.org/notes?of=ada";
    let page = navigation(app.get(&format!("/?next={next}"))).send();
    assert_eq!(hidden(&page, "next"), next);
    let policy = page.header("content-security-policy").unwrap();
    let allowed = "form-action 'self' https://app.example.org; ";
    assert!(policy.contains(allowed), "{policy}");
    let login = form(&app, "/login", &format!("{RIGHT}&next={next}"));
    redirects(&login.send(), next);
    for other in [
        "https://app.example.org.evil.example/",
        "https://ada@app.example.org/",
        "https://app.example.org:8443/",
        "http://app.example.org/",
        "https://evil.example/https://app.example.org/",
        "capacitor://localhost/",
        "https://app.example.org/logout",
        "https://app.example.org/%256Cogout",
        "https://app.example.org/logout%252F",
        "https://app.example.org/logout/x%252F..",
    ] {
        let page = navigation(app.get(&format!("/?next={other}"))).send();
        assert!(!page.body.contains("name=\"next\""), "{other}: {page:?}");
        let login = form(&app, "/login", &format!("{RIGHT}&next={other}"));
        redirects(&login.send(), "/");
    }
    // Browsers read a backslash as a slash, so this is the listed origin.
    let odd = "https:%5C%5Capp.example.org%5Cnotes";
    let login = form(&app, "/login", &format!("{RIGHT}&next={odd}"));
    redirects(&login.send(), "https://app.example.org/notes");
}

/// JSON has no redirect, so the member means nothing, whatever it is.
fn next_in_json_means_nothing(on: Backend) {
    let app = on.app().with_ada();
    let login = serde_json::json!({ "username": ADA.0, "password": ADA.1, "next": 7 });
    let response = app.post("/login").json(login).send();
    assert_eq!((response.status, response.header("location")), (200, None));
}

/// If the token were refused there, the next visit would show the page: no loop.
fn a_restored_login_returns_at_once_and_a_present_one_offers_to(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = Browser::new(&app);
    browser.send(form(&app, "/login", &format!("{RIGHT}&remember=on")));
    let page = open(&mut browser, &app, "/?next=/app");
    says(&page, 200, "href=\"/app\"");
    app.advance(Duration::from_secs(7200));
    browser.remove("access_token_cookie");
    let restored = open(&mut browser, &app, "/?next=/app");
    redirects(&restored, "/app");
    assert!(!restored.cookie("access_token_cookie").value.is_empty());
    says(&open(&mut browser, &app, "/?next=/app"), 200, "Hello, ada.");
}

fn a_registration_logs_in_and_a_wrong_one_keeps_the_name(on: Backend) {
    let app = on.app().with_ada();
    says(
        &navigation(app.get("/?show=register")).send(),
        200,
        "action=\"/page/register\"",
    );
    for (fields, status, words) in [
        ("username=grace", 400, "Enter your password."),
        (
            "username=&password=violet+lamp+anchor",
            400,
            "Enter your username.",
        ),
        (
            "username=grace&password=short",
            400,
            "The password is too short.",
        ),
        (
            "username=grace&password=password1",
            400,
            "This password is too easy to guess.",
        ),
        (
            "username=gr%00ace&password=violet+lamp",
            400,
            "This username cannot be used.",
        ),
        (
            "username=ada&password=violet+lamp+anchor",
            409,
            "The username is taken.",
        ),
    ] {
        let page = form(&app, "/page/register", &format!("{fields}&next=/app")).send();
        says(&page, status, words);
        assert!(
            page.body.contains("role=\"alert\"") && page.body.contains("aria-invalid=\"true\"")
        );
        assert_eq!(hidden(&page, "next"), "/app");
        assert!(
            page.cookies().is_empty() && !page.body.contains("amber"),
            "{page:?}"
        );
    }
    let mut browser = Browser::new(&app);
    let body = "username=+grace+&password=violet+lamp+anchor&remember=on&next=/app";
    let done = browser.send(form(&app, "/page/register", body));
    redirects(&done, "/app");
    assert!(done.cookie("refresh_token_cookie").has("Max-Age=2592000"));
    assert!(!done.cookie("device_cookie").value.is_empty());
    says(&open(&mut browser, &app, "/"), 200, "Hello, grace.");
}

fn nobody_registers_where_registration_is_closed(on: Backend) {
    let app = on.app_with(&[("REGISTRATION", "closed")]);
    let page = navigation(app.get("/?show=register")).send();
    says(&page, 200, "Ask the operator of this server for one.");
    assert!(page.body.contains("action=\"/login\"") && !page.body.contains("register"));
    let body = "username=grace&password=violet+lamp+anchor";
    let sent = form(&app, "/page/register", body).send();
    says(&sent, 403, "Registration is closed");
    assert!(!sent.body.contains("<form"), "{sent:?}");
    let program = app.post("/page/register").form(body).send();
    program.refused(403, "registration_closed", "Registration is closed");
}

fn the_page_lists_sessions_and_ends_one_of_them(on: Backend) {
    let app = on.app().with_ada();
    let linux = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let (mut here, mut there) = (Browser::new(&app), Browser::new(&app));
    let login = || form(&app, "/login", RIGHT);
    there.send(login().header("User-Agent", linux));
    app.advance(Duration::from_secs(180));
    here.send(login().header("User-Agent", "<b>Curl</b>/8.5.0"));
    let page = open(&mut here, &app, "/");
    for words in [
        "Firefox on Linux",
        "Last used 3 minutes ago",
        "&lt;b&gt;Curl&lt;",
        "This device",
        "127.0.0.1 · Last used just now",
    ] {
        assert!(page.body.contains(words), "{words}: {page:?}");
    }
    let (_, rest) = page.body.split_once("name=\"session\" value=\"").unwrap();
    let id = rest.split('"').next().unwrap().to_owned();
    let ended = send(&mut here, &app, "/page/sessions", &format!("session={id}"));
    redirects(&ended, "/?notice=session");
    assert_eq!(there.get("/protected").status, 401);
    assert_eq!(here.get("/protected").status, 200);
    let notice = open(&mut here, &app, "/?notice=session");
    says(&notice, 200, "That device is logged out.");
    assert!(!notice.body.contains("Firefox"), "{notice:?}");
    let again = send(&mut here, &app, "/page/sessions", &format!("session={id}"));
    says(&again, 404, "This session has already ended");
    let impossible = send(&mut here, &app, "/page/sessions", "session=%00");
    says(&impossible, 404, "This session has already ended");
    let missing = send(&mut here, &app, "/page/sessions", "session=");
    says(&missing, 400, "Fill in all fields");
}

fn the_page_ends_all_other_sessions_or_this_one(on: Backend) {
    let app = on.app().with_ada();
    let (mut here, mut there) = (app.browser(), app.browser());
    let ended = send(&mut here, &app, "/page/sessions", "session=others");
    redirects(&ended, "/?notice=others");
    assert_eq!(
        (
            here.get("/protected").status,
            there.get("/protected").status
        ),
        (200, 401)
    );
    let sessions = here.get("/sessions").json();
    let own = sessions["sessions"][0]["id"].as_str().unwrap().to_owned();
    let ended = send(&mut here, &app, "/page/sessions", &format!("session={own}"));
    redirects(&ended, "/?notice=logout");
    assert!(here.token_names().is_empty(), "{ended:?}");
}

fn the_page_changes_the_password(on: Backend) {
    let app = on.app().with_ada();
    let (mut here, mut there) = (app.browser(), app.browser());
    let before = here.value("access_token_cookie").to_owned();
    says(
        &open(&mut here, &app, "/?show=password"),
        200,
        "action=\"/page/password\"",
    );
    let change =
        |current: &str, new: &str| format!("current_password={current}&new_password={new}");
    for (fields, status, words) in [
        (
            change("wrong", "amber+kettle+window"),
            403,
            "The current password is wrong.",
        ),
        (
            change("correct+horse+battery", "short"),
            400,
            "The password is too short.",
        ),
        (
            change("correct+horse+battery", ""),
            400,
            "Fill in all fields.",
        ),
    ] {
        let page = send(&mut here, &app, "/page/password", &fields);
        says(&page, status, words);
        // The form can be sent again.
        assert!(!hidden(&page, "csrf_token").is_empty() && !page.body.contains("amber"));
    }
    let fields = change("correct+horse+battery", "amber+kettle+window");
    let changed = send(&mut here, &app, "/page/password", &fields);
    redirects(&changed, "/?notice=password");
    assert_ne!(here.value("access_token_cookie"), before);
    assert_eq!(
        (
            here.get("/protected").status,
            there.get("/protected").status
        ),
        (200, 401)
    );
    says(
        &open(&mut here, &app, "/?notice=password"),
        200,
        "Your password was changed.",
    );
    let old = form(&app, "/login", RIGHT).send();
    assert_eq!(old.status, 401);
    let new = form(&app, "/login", "username=ada&password=amber+kettle+window").send();
    assert_eq!(new.status, 303);
}

fn a_login_that_is_not_fresh_is_confirmed_before_the_password_changes(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    browser.refresh();
    let page = open(&mut browser, &app, "/?show=password");
    says(&page, 200, "Enter your password again");
    assert!(page.body.contains("value=\"ada\"") && page.body.contains("action=\"/login\""));
    let next = hidden(&page, "next");
    assert_eq!(next, "/?show=password");
    let fields = "current_password=correct+horse+battery&new_password=amber+kettle+window";
    let sent = send(&mut browser, &app, "/page/password", fields);
    redirects(&sent, "/?show=password");
    let login = browser.send(form(
        &app,
        "/login",
        &format!("{RIGHT}&next=/%3Fshow%3Dpassword"),
    ));
    redirects(&login, "/?show=password");
    says(
        &open(&mut browser, &app, "/?show=password"),
        200,
        "action=\"/page/password\"",
    );
}

fn the_page_logs_out_by_a_form(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    let copy = browser.clone();
    let out = send(&mut browser, &app, "/page/logout", "");
    redirects(&out, "/?notice=logout");
    assert!(browser.token_names().is_empty());
    assert_eq!(copy.clone().get("/protected").status, 401);
    says(
        &open(&mut browser, &app, "/?notice=logout"),
        200,
        "You are logged out.",
    );
    redirects(&form(&app, "/page/logout", "").send(), "/?notice=logout");
}

/// The page was left open until the access token had expired, and its cookie with it.
fn the_page_logs_out_after_the_access_token_has_expired_too(on: Backend) {
    let app = on.app().with_ada();
    for forgets in [true, false] {
        let mut browser = app.browser();
        let page = open(&mut browser, &app, "/");
        let body = format!("csrf_token={}", hidden(&page, "csrf_token"));
        app.advance(Duration::from_secs(7200));
        if forgets {
            browser.remove("access_token_cookie");
        }
        let copy = browser.clone();
        redirects(
            &browser.send(form(&app, "/page/logout", &body)),
            "/?notice=logout",
        );
        assert!(browser.token_names().is_empty(), "{forgets}");
        assert_eq!(copy.clone().refresh().status, 401, "{forgets}");
    }
}

fn a_form_without_its_csrf_value_changes_nothing(on: Backend) {
    let app = on.app().with_ada();
    let (mut here, mut there) = (app.browser(), app.browser());
    let change = "current_password=correct+horse+battery&new_password=amber+kettle+window";
    let forms = [
        ("/page/sessions", "session=others"),
        ("/page/password", change),
        ("/page/logout", ""),
    ];
    for (path, fields) in forms {
        let other = there.value("csrf_refresh_token").to_owned();
        let wrong = format!("{fields}&csrf_token={other}");
        for body in [fields, wrong.as_str()] {
            let program = here.send(app.post(path).form(body));
            assert_eq!(program.status, 401, "{path}: {program:?}");
            let code = program.json()["code"].to_string();
            assert!(code.contains("csrf_"), "{path}: {code}");
            // The page that the browser is sent to has the value.
            redirects(&here.send(form(&app, path, body)), "/?notice=outdated");
        }
        let csrf = here.value("csrf_access_token").to_owned();
        let evil = app
            .post(path)
            .header("Origin", "https://evil.example")
            .form(&format!("{fields}&csrf_token={csrf}"));
        here.send(evil)
            .refused(403, "cross_site_request", "Cross-site request refused");
    }
    assert_eq!(
        (
            here.get("/protected").status,
            there.get("/protected").status
        ),
        (200, 200)
    );
    says(
        &open(&mut here, &app, "/?notice=outdated"),
        200,
        "nothing was changed",
    );
    assert_eq!(form(&app, "/login", RIGHT).send().status, 303);
}

/// A link of another site cannot make the page claim that something was done.
fn only_the_page_itself_tells_what_was_done(on: Backend) {
    let app = on.app().with_ada();
    let foreign = app
        .get("/?notice=password")
        .header("Accept", "text/html")
        .header("Sec-Fetch-Site", "cross-site")
        .header("Sec-Fetch-Mode", "navigate");
    let page = app.browser().send(foreign);
    says(&page, 200, "Hello, ada.");
    assert!(
        !page.body.contains("Your password was changed."),
        "{page:?}"
    );
}

fn a_form_of_another_type_is_415_and_too_large_a_one_413(on: Backend) {
    let app = on.app().with_ada();
    let json = app.post("/page/register").json(serde_json::json!({}));
    let told = "The body is not a form by its Content-Type";
    json.send().refused(415, "unsupported_media_type", told);
    let large = format!("session={}", "x".repeat(20_000));
    let mut browser = app.browser();
    let csrf = browser.value("csrf_access_token").to_owned();
    let sent = browser.send(form(
        &app,
        "/page/sessions",
        &format!("csrf_token={csrf}&{large}"),
    ));
    says(&sent, 413, "The form is too large");
}

/// A program with a token in a header gets no cookies.
fn a_program_that_sends_the_form_gets_its_tokens_in_the_body(on: Backend) {
    let app = on.app().with_ada();
    let program = app.bearer();
    let fields = "current_password=correct+horse+battery&new_password=amber+kettle+window";
    let sent = app
        .post("/page/password")
        .bearer(&program.access)
        .form(fields);
    let changed = sent.send();
    assert_eq!((changed.status, changed.cookies().len()), (200, 0));
    assert!(changed.json()["access_token"].is_string());
    let page = app
        .get("/")
        .bearer(changed.json()["access_token"].as_str().unwrap());
    let page = page.send();
    assert!(
        page.body.contains("Hello, ada.") && !page.body.contains("csrf_token"),
        "{page:?}"
    );
}

fn without_cookies_the_page_says_so(on: Backend) {
    let app = on.app_with(&[("JWT_TOKEN_LOCATION", "headers")]).with_ada();
    let page = navigation(app.get("/")).send();
    says(&page, 200, "You cannot log in with a browser.");
    assert!(!page.body.contains("<form"), "{page:?}");
    let sent = form(
        &app,
        "/page/register",
        "username=grace&password=violet+lamp+anchor",
    );
    assert_eq!(sent.send().status, 404);
}

fn without_csrf_protection_forms_have_no_value(on: Backend) {
    let app = on
        .app_with(&[("JWT_COOKIE_CSRF_PROTECT", "false")])
        .with_ada();
    let mut browser = app.browser();
    let page = open(&mut browser, &app, "/");
    assert!(
        page.body.contains("Log out") && !page.body.contains("csrf_token"),
        "{page:?}"
    );
    redirects(
        &browser.send(form(&app, "/page/logout", "")),
        "/?notice=logout",
    );
}

on_both_databases!(
    a_login_returns_to_the_path_in_next,
    a_login_returns_to_no_other_origin,
    a_login_returns_to_a_page_of_a_listed_origin,
    next_in_json_means_nothing,
    a_restored_login_returns_at_once_and_a_present_one_offers_to,
    a_registration_logs_in_and_a_wrong_one_keeps_the_name,
    nobody_registers_where_registration_is_closed,
    the_page_lists_sessions_and_ends_one_of_them,
    the_page_ends_all_other_sessions_or_this_one,
    the_page_changes_the_password,
    a_login_that_is_not_fresh_is_confirmed_before_the_password_changes,
    the_page_logs_out_by_a_form,
    the_page_logs_out_after_the_access_token_has_expired_too,
    a_form_without_its_csrf_value_changes_nothing,
    only_the_page_itself_tells_what_was_done,
    a_form_of_another_type_is_415_and_too_large_a_one_413,
    a_program_that_sends_the_form_gets_its_tokens_in_the_body,
    without_cookies_the_page_says_so,
    without_csrf_protection_forms_have_no_value,
);
