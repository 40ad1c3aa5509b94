//! Tests headers and cookies as browsers understand them. Each exchange of each test checks the
//! properties of all responses.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::admin;
use crate::support::pair::Pair;
use crate::support::{ADA, Backend, Browser, TestApp};

fn on_https_browsers_are_told_to_stay_there(on: Backend) {
    let https = on.app_with(&[("PUBLIC_URL", "https://login.example.org")]);
    for path in ["/health/live", "/", "/nowhere", "/protected"] {
        assert_eq!(
            https.get(path).send().header("strict-transport-security"),
            Some("max-age=63072000; includeSubDomains"),
            "{path}"
        );
    }
    for elsewhere in ["http://login.example.org", "https://localhost:8443"] {
        let app = on.app_with(&[("PUBLIC_URL", elsewhere)]);
        let live = app.get("/health/live").send();
        assert_eq!(
            live.header("strict-transport-security"),
            None,
            "{elsewhere}"
        );
    }
}

fn a_refused_token_is_called_so_and_an_absent_one_is_not(on: Backend) {
    let app = on.app().with_ada();
    let challenge = |response: crate::support::Response| {
        assert_eq!(response.status, 401, "{response:?}");
        response.header("www-authenticate").unwrap().to_owned()
    };
    let mut browser = app.browser();
    assert_eq!(challenge(app.get("/protected").send()), "Bearer");
    assert_eq!(challenge(browser.send(app.post("/refresh"))), "Bearer");
    let invalid = "Bearer error=\"invalid_token\"";
    let ended = app.bearer();
    app.post("/logout").bearer(&ended.access).send();
    assert_eq!(challenge(ended.get("/protected")), invalid);
    assert_eq!(challenge(ended.try_refresh()), invalid);
    let stale = app.bearer().refreshed();
    let body = json!({ "current_password": ADA.1, "new_password": "another horse" });
    let change = app
        .post("/account/password")
        .bearer(&stale.access)
        .json(body);
    let step_up = "Bearer error=\"insufficient_user_authentication\"";
    assert_eq!(challenge(change.send()), step_up);
}

fn a_host_that_someone_made_up_is_nowhere_in_an_answer(on: Backend) {
    let app = on.app().with_ada();
    let login = json!({ "username": ADA.0, "password": ADA.1 });
    let request = app.post("/login").json(login);
    let answers = [
        request,
        app.get("/nowhere"),
        app.get("/protected").header("Accept", "text/html"),
        app.get("/"),
        app.get("/openapi.json"),
        app.get("/.well-known/jwks.json"),
    ];
    for request in answers {
        let response = request
            .header("Host", "evil.example")
            .header("X-Forwarded-Host", "evil.example")
            .header("X-Forwarded-Proto", "https")
            .header("Forwarded", "host=evil.example;proto=https")
            .send();
        assert!([200, 303, 404].contains(&response.status), "{response:?}");
        assert!(!format!("{response:?}").contains("evil"), "{response:?}");
    }
}

/// Returns the response of `/protected` to a Cookie header of these bytes.
fn protected_with(app: &TestApp, cookies: &[&[u8]]) -> String {
    let mut request = b"GET /protected HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".to_vec();
    for cookie in cookies {
        request.extend_from_slice(b"Cookie: ");
        request.extend_from_slice(cookie);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    let mut stream = TcpStream::connect(app.address()).unwrap();
    stream.write_all(&request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

fn nothing_but_the_very_name_of_a_cookie_counts(on: Backend) {
    let app = on
        .app_with(&[("JWT_COOKIE_PREFIX", "host"), ("JWT_COOKIE_SECURE", "true")])
        .with_ada();
    let token = app.bearer().access;
    let status = |before: &[u8], name: &[u8], after: &[u8]| {
        let cookie = [before, name, b"=", token.as_bytes(), after].concat();
        protected_with(&app, &[&cookie])
    };
    let name = b"__Host-access_token_cookie";
    for forged in [
        &b"__%48ost-access_token_cookie"[..],
        b"%5F_Host-access_token_cookie",
        b"__Host-access%5Ftoken_cookie",
        b"__host-access_token_cookie",
        b"\xe2\x80\x80__Host-access_token_cookie",
        b"\xc2\xa0__Host-access_token_cookie",
        b"\xc2\x85__Host-access_token_cookie",
        b"\x0b__Host-access_token_cookie",
        b"__Host-access_token_cookie\xe2\x80\x80",
        b"access_token_cookie",
        b"$Version=1; x__Host-access_token_cookie",
    ] {
        let status = status(b"", forged, b"");
        assert!(
            ["401", "400"].contains(&status.as_str()),
            "{forged:?} {status}"
        );
    }
    // A malformed cookie beside it, even one set by another site, hides nothing.
    for before in [
        &b"\xff=\xfe; "[..],
        b"a=\xfc; ",
        b"=x; ",
        b"; ;;",
        b"\"; ",
        b"a=%ff%; ",
    ] {
        assert_eq!(status(before, name, b"; last"), "200", "{before:?}");
    }
    let whole = [&name[..], b"=", token.as_bytes()].concat();
    assert_eq!(protected_with(&app, &[b"a=b", &whole]), "200");
    // A stale cookie of the same name hides nothing.
    let tossed = [&name[..], b"=x.y.z"].concat();
    assert_eq!(protected_with(&app, &[&tossed, &whole]), "200");
    assert_eq!(protected_with(&app, &[&whole, &tossed]), "200");
    let both = [&tossed[..], b"; ", &whole].concat();
    assert_eq!(protected_with(&app, &[&both]), "200");
}

fn a_prefix_is_on_all_names_and_the_whole_life_of_a_session_goes_on_under_it(on: Backend) {
    for (word, prefix) in [("host", "__Host-"), ("secure", "__Secure-")] {
        let settings = [("JWT_COOKIE_PREFIX", word), ("JWT_COOKIE_SECURE", "true")];
        let app = on.app_with(&settings).with_ada();
        let mut browser = Browser::new(&app);
        let login = json!({ "username": ADA.0, "password": ADA.1, "remember": true });
        let response = browser.send(app.post("/login").json(login));
        let bare = [
            "access_token_cookie",
            "csrf_access_token",
            "refresh_token_cookie",
            "csrf_refresh_token",
            "device_cookie",
        ];
        let names = bare.map(|name| format!("{prefix}{name}"));
        assert_eq!(response.cookie_names(), names);
        for cookie in response.cookies() {
            assert!(cookie.has("Secure") && cookie.has("Path=/"), "{cookie:?}");
            let domain = cookie
                .attributes
                .iter()
                .any(|one| one.starts_with("Domain"));
            assert!(!domain, "{cookie:?}");
        }
        assert_eq!(browser.get("/protected").status, 200);
        let hint = browser.send(app.post("/refresh")).json()["hint"].to_string();
        assert!(hint.contains(&names[3]), "{hint}");
        let csrf = browser.value(&names[3]).to_owned();
        let refresh = app.post("/refresh").header("X-CSRF-TOKEN", csrf);
        assert_eq!(browser.send(refresh).status, 200);
        let csrf = browser.value(&names[1]).to_owned();
        let logout = browser.send(app.post("/logout").header("X-CSRF-TOKEN", csrf));
        assert_eq!(
            (logout.status, logout.cookie_names()),
            (200, names[..4].to_vec())
        );
        assert!(browser.token_names().is_empty());
    }
}

fn the_largest_cookies_are_ones_that_browsers_keep(on: Backend) {
    let long = "x".repeat(512);
    let pair = Pair::new("-algorithm RSA -pkeyopt rsa_keygen_bits:4096");
    let mut settings = pair.settings("RS512");
    settings.extend([
        ("JWT_COOKIE_PREFIX", "secure"),
        ("JWT_COOKIE_SECURE", "true"),
        ("JWT_ENCODE_ISSUER", long.as_str()),
        ("JWT_ENCODE_AUDIENCE", long.as_str()),
    ]);
    let app = on.app_with(&settings);
    let root = admin::register(&app, "root");
    admin::promote(&app, &root);
    // The longest username, and the maximum number of the longest roles.
    let name = "𠀀".repeat(127);
    let id = admin::register(&app, &name);
    let roles: Vec<String> = (0..16).map(|index| format!("{index:r>32}")).collect();
    let body = json!({ "roles": roles });
    let changed = admin::patch(&app, &admin::log_in(&app, "root"), &id, body);
    assert_eq!(changed.status, 200, "{changed:?}");
    let login = json!({ "username": name, "password": format!("{name}'s password") });
    let response = app.post("/login").json(login).send();
    assert_eq!(response.cookies().len(), 5, "{response:?}");
    for cookie in response.cookies() {
        // RFC 6265bis section 5.6: 4096 bytes for a name and its value.
        let size = cookie.name.len() + cookie.value.len();
        assert!(size <= 4096, "{}: {size}", cookie.name);
    }
    assert!(response.cookies()[0].value.len() > 3900, "nearly all of it");
}

on_both_databases!(
    on_https_browsers_are_told_to_stay_there,
    a_refused_token_is_called_so_and_an_absent_one_is_not,
    a_host_that_someone_made_up_is_nowhere_in_an_answer,
    nothing_but_the_very_name_of_a_cookie_counts,
    a_prefix_is_on_all_names_and_the_whole_life_of_a_session_goes_on_under_it,
    the_largest_cookies_are_ones_that_browsers_keep,
);
