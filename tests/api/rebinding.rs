//! Tests DNS rebinding: an attacker's page makes its own name resolve to this server and then
//! passes for the same origin.

use serde_json::json;

use crate::support::{ADA, Backend, Request, Response, TestApp};

const PUBLIC: (&str, &str) = ("PUBLIC_URL", "https://login.example.org");

fn login(app: &TestApp) -> Request {
    app.post("/login")
        .json(json!({ "username": ADA.0, "password": ADA.1 }))
}

fn with(request: Request, headers: &[(&str, &str)]) -> Request {
    let header = |request: Request, (name, value): &(&str, &str)| request.header(name, *value);
    headers.iter().fold(request, header)
}

#[track_caller]
fn wrong_host(response: &Response) {
    let is_page = response.header("content-type") == Some("text/html; charset=utf-8");
    if is_page {
        assert_eq!(response.status, 403, "{response:?}");
        assert!(response.body.contains("This server has another name"));
    } else {
        response.refused(403, "wrong_host", "This server has another name");
        let hint = response.json()["hint"].to_string();
        assert!(hint.contains("https://login.example.org"), "{hint}");
    }
    assert!(!format!("{response:?}").contains("evil"), "{response:?}");
    assert!(response.cookies().is_empty());
}

/// The headers that browsers send for a rebound page.
const REBOUND: [&[(&str, &str)]; 9] = [
    &[("Host", "evil.example"), ("Origin", "http://evil.example")],
    &[
        ("Host", "evil.example:8080"),
        ("Origin", "http://evil.example:8080"),
    ],
    &[
        ("Host", "evil.example"),
        ("Origin", "http://evil.example"),
        ("Sec-Fetch-Site", "same-origin"),
    ],
    &[
        ("Host", "evil.example"),
        ("Referer", "http://evil.example/"),
    ],
    &[("Host", "evil.example"), ("Sec-Fetch-Site", "none")],
    &[
        ("Host", "evil.example"),
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Site", "same-origin"),
    ],
    &[("Host", "evil.example"), ("Origin", "null")],
    &[("Host", "evil.example"), ("Accept", "text/html")],
    &[
        ("Host", "login.example.org.evil.example"),
        ("Origin", "http://login.example.org.evil.example"),
    ],
];

fn a_page_by_another_name_makes_a_browser_change_nothing(on: Backend) {
    let app = on.app_with(&[PUBLIC]).with_ada();
    let mut browser = app.browser();
    for headers in REBOUND {
        for (method, path) in [
            ("POST", "/login"),
            ("POST", "/register"),
            ("POST", "/refresh"),
            ("POST", "/logout"),
            ("DELETE", "/account"),
            ("PATCH", "/admin/users/x"),
            ("GET", "/logout"),
        ] {
            let csrf = browser.value("csrf_access_token").to_owned();
            let request = app.request(method, path).header("X-CSRF-TOKEN", csrf);
            wrong_host(&browser.send(with(request, headers)));
        }
    }
    assert_eq!(browser.get("/protected").status, 200);
}

fn the_public_name_addresses_and_names_of_this_machine_are_ours(on: Backend) {
    let app = on.app_with(&[PUBLIC]).with_ada();
    for host in [
        "login.example.org",
        "LOGIN.example.org",
        "login.example.org.",
        "login.example.org:8080",
        // An attacker's name cannot look like any of these.
        "127.0.0.1:8080",
        "192.0.2.7",
        "[2001:db8::1]:8080",
        "localhost:8080",
        "login.localhost",
    ] {
        let here = format!("http://{host}").replace("org.", "org");
        let response = login(&app).header("Host", host).header("Origin", here);
        let response = response.send();
        let ours = response.status == 200 || response.json()["code"] == "cross_site_request";
        assert!(ours, "{host}: {response:?}");
        let silent = login(&app).header("Host", host).send();
        assert_eq!(silent.status, 200, "{host}");
    }
}

/// A proxy that rewrites `Host` is not rebinding: the page's origin is still the public origin or a
/// listed one.
fn a_page_of_the_public_address_may_come_through_a_proxy_that_changes_the_host(on: Backend) {
    let listed = ("SERVER_CORS_ORIGINS", "https://app.example.org");
    let app = on.app_with(&[PUBLIC, listed]).with_ada();
    for headers in [
        [
            ("Origin", "https://login.example.org"),
            ("Sec-Fetch-Site", "same-origin"),
        ],
        [
            ("Origin", "https://login.example.org"),
            ("Accept", "text/html"),
        ],
        [
            ("Referer", "https://login.example.org/page"),
            ("Accept", "text/html"),
        ],
        [
            ("Origin", "https://app.example.org"),
            ("Sec-Fetch-Site", "same-site"),
        ],
    ] {
        let request = with(login(&app).header("Host", "upstream:8080"), &headers);
        let response = request.send();
        assert!([200, 303].contains(&response.status), "{response:?}");
    }
}

/// Services call each other by internal names, and no browser is involved.
fn a_program_may_come_by_any_name(on: Backend) {
    let app = on.app_with(&[PUBLIC]).with_ada();
    for agent in ["curl/8.5.0", "python-requests/2.32", "node"] {
        let request = login(&app).header("Host", "tokenpair.internal:8080");
        let request = request.header("User-Agent", agent).header("Accept", "*/*");
        assert_eq!(request.send().status, 200, "{agent}");
    }
    // Node's `fetch` sends this one alone, which no browser does.
    let request = login(&app).header("Host", "tokenpair.internal:8080");
    let request = request.header("Sec-Fetch-Mode", "cors");
    assert_eq!(request.send().status, 200);
}

/// A browser on the proxy's machine could pass for the proxy, so the page's origin decides if there
/// is one.
fn a_trusted_proxy_may_change_the_host_and_vouches_for_no_page(on: Backend) {
    let proxy = ("SERVER_TRUSTED_PROXIES", "127.0.0.1");
    let app = on.app_with(&[PUBLIC, proxy]).with_ada();
    let by_another = |headers| with(login(&app).header("Host", "upstream:8080"), headers).send();
    assert_eq!(by_another(&[("Sec-Fetch-Site", "same-origin")]).status, 200);
    for headers in REBOUND {
        if headers
            .iter()
            .any(|(name, _)| ["Origin", "Referer"].contains(name))
        {
            wrong_host(&with(login(&app), headers).send());
        }
    }
}

/// Anyone on the network path controls the plain http page of that name.
fn the_public_name_by_another_scheme_or_port_is_another_site(on: Backend) {
    let app = on.app_with(&[PUBLIC]).with_ada();
    for (host, origin) in [
        ("login.example.org", "http://login.example.org"),
        ("login.example.org:8080", "http://login.example.org:8080"),
        ("login.example.org:8443", "https://login.example.org:8443"),
    ] {
        let request = login(&app).header("Host", host).header("Origin", origin);
        request
            .send()
            .refused(403, "cross_site_request", "Cross-site request refused");
    }
}

fn without_a_public_address_there_is_no_name_to_compare_with(on: Backend) {
    let app = on.app().with_ada();
    let by_another = [("Host", "evil.example"), ("Origin", "http://evil.example")];
    assert_eq!(with(login(&app), &by_another).send().status, 200);
}

fn reading_is_free_by_any_name(on: Backend) {
    let app = on.app_with(&[PUBLIC]).with_ada();
    let mut browser = app.browser();
    for path in ["/protected", "/health/live", "/health/ready", "/"] {
        let request = app.get(path).header("Host", "evil.example");
        assert_eq!(browser.send(request).status, 200, "{path}");
    }
}

on_both_databases!(
    a_page_by_another_name_makes_a_browser_change_nothing,
    the_public_name_addresses_and_names_of_this_machine_are_ours,
    a_page_of_the_public_address_may_come_through_a_proxy_that_changes_the_host,
    a_program_may_come_by_any_name,
    a_trusted_proxy_may_change_the_host_and_vouches_for_no_page,
    the_public_name_by_another_scheme_or_port_is_another_site,
    without_a_public_address_there_is_no_name_to_compare_with,
    reading_is_free_by_any_name,
);
