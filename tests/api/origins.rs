//! Tests pages of other origins: the requests they may make a browser send, and which may read
//! responses (CORS).

use serde_json::json;

use crate::support::{ADA, Backend, Browser, Request, Response, TestApp};

const APP: &str = "https://app.example.org";
const OTHER: &str = "https://evil.example";
const LISTED: (&str, &str) = (
    "SERVER_CORS_ORIGINS",
    "https://app.example.org, http://localhost:3000",
);

/// Every unsafe route, with or without a token.
const UNSAFE: [(&str, &str); 13] = [
    ("POST", "/register"),
    ("POST", "/login"),
    ("POST", "/refresh"),
    ("POST", "/logout"),
    ("POST", "/account/password"),
    ("DELETE", "/account"),
    ("DELETE", "/sessions"),
    ("DELETE", "/sessions/x"),
    ("PATCH", "/admin/users/x"),
    ("POST", "/page/register"),
    ("POST", "/page/password"),
    ("POST", "/page/sessions"),
    ("POST", "/page/logout"),
];

/// The headers of browsers on a request that another site's page made them send.
const FOREIGN: [&[(&str, &str)]; 7] = [
    &[("Sec-Fetch-Site", "cross-site"), ("Origin", OTHER)],
    &[
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "https://blog.example.org"),
    ],
    &[("Sec-Fetch-Site", "cross-site"), ("Origin", "null")],
    &[("Sec-Fetch-Site", "cross-site")],
    &[("Origin", OTHER)],
    &[("Origin", "null")],
    &[("Referer", "https://evil.example/page")],
];

fn with(request: Request, headers: &[(&str, &str)]) -> Request {
    let header = |request: Request, (name, value): &(&str, &str)| request.header(name, *value);
    headers.iter().fold(request, header)
}

fn login(app: &TestApp) -> Request {
    app.post("/login")
        .json(json!({ "username": ADA.0, "password": ADA.1 }))
}

fn cors(response: &Response) -> [Option<&str>; 2] {
    let names = [
        "access-control-allow-origin",
        "access-control-allow-credentials",
    ];
    names.map(|name| response.header(name))
}

fn no_page_of_another_site_can_make_a_browser_change_anything(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    for (method, path) in UNSAFE {
        for headers in FOREIGN {
            let csrf = browser.value("csrf_access_token").to_owned();
            let request = app.request(method, path).header("X-CSRF-TOKEN", csrf);
            let response = browser.send(with(request, headers));
            response.refused(403, "cross_site_request", "Cross-site request refused");
            assert!(response.cookies().is_empty(), "{method} {path}");
        }
    }
    assert_eq!(browser.get("/protected").status, 200);
}

fn every_unsafe_route_asks_a_cookie_for_its_csrf_value_and_a_header_for_none(on: Backend) {
    let app = on.app().with_ada();
    let (mut browser, program) = (app.browser(), app.bearer());
    let guarded = || {
        let open = ["/register", "/login", "/page/register"];
        UNSAFE.iter().filter(move |(_, path)| !open.contains(path))
    };
    for (method, path) in guarded() {
        let silent = browser.send(app.request(method, path));
        silent.refused(401, "csrf_missing", "Missing CSRF token");
        let wrong = app.request(method, path).header("X-CSRF-TOKEN", "wrong");
        let msg = "CSRF double submit tokens do not match";
        browser.send(wrong).refused(401, "csrf_mismatch", msg);
    }
    assert_eq!(browser.get("/protected").status, 200, "nothing was done");
    for (method, path) in guarded() {
        let answer = app.request(method, path).bearer(&program.access).send();
        assert!(!answer.body.contains("csrf"), "{method} {path}: {answer:?}");
    }
}

fn the_server_s_own_pages_and_programs_are_unhindered(on: Backend) {
    let app = on
        .app_with(&[("PUBLIC_URL", "https://login.example.org")])
        .with_ada();
    let here = format!("http://{}", app.address());
    let page = format!("{here}/page");
    let unhindered: [&[(&str, &str)]; 8] = [
        &[],
        &[("Accept", "application/json"), ("User-Agent", "curl/8")],
        &[("Sec-Fetch-Site", "same-origin"), ("Origin", OTHER)],
        &[("Sec-Fetch-Site", "none")],
        &[
            ("Sec-Fetch-Site", "same-site"),
            ("Origin", "https://login.example.org"),
        ],
        &[("Origin", "https://login.example.org")],
        &[("Origin", &here)],
        &[("Referer", &page)],
    ];
    for headers in unhindered {
        assert_eq!(with(login(&app), headers).send().status, 200, "{headers:?}");
    }
    // A client that asks for a page as browsers do, without an origin, is not a program.
    let silent = login(&app).header("Accept", "text/html");
    silent
        .send()
        .refused(403, "cross_site_request", "Cross-site request refused");
}

fn a_listed_origin_may_send_and_read_with_cookies(on: Backend) {
    let app = on.app_with(&[LISTED]).with_ada();
    for origin in [APP, "http://localhost:3000"] {
        let mut browser = Browser::new(&app);
        let from = |request: Request| {
            request
                .header("Origin", origin)
                .header("Sec-Fetch-Site", "same-site")
        };
        let response = browser.send(from(login(&app)));
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(cors(&response), [Some(origin), Some("true")]);
        let csrf = browser.value("csrf_refresh_token").to_owned();
        let refreshed = browser.send(from(app.post("/refresh").header("X-CSRF-TOKEN", csrf)));
        assert_eq!((refreshed.status, cors(&refreshed)[0]), (200, Some(origin)));
        let read = browser.send(from(app.get("/protected")));
        assert_eq!((read.status, cors(&read)[0]), (200, Some(origin)));
    }
    // Links act only from the server's own pages.
    let link = app.get("/logout").header("Referer", format!("{APP}/"));
    link.send()
        .refused(403, "cross_site_request", "Cross-site request refused");
}

fn errors_too_can_be_read_by_a_listed_origin(on: Backend) {
    let app = on
        .app_with(&[LISTED, ("REVOCATION_STALE_LIMIT", "10s")])
        .with_ada();
    let program = app.bearer();
    // From now on, revocations cannot be read.
    app.database().execute("DROP TABLE revocations");
    app.advance(std::time::Duration::from_secs(11));
    let large = "x".repeat(20_000);
    let json = "application/json";
    for (status, request) in [
        (400, app.post("/login").body(json, "{")),
        (400, app.get("/sessions/%00")),
        (401, app.get("/protected")),
        (404, app.get("/nowhere")),
        (405, app.request("PUT", "/login")),
        (413, app.post("/login").body(json, large)),
        (415, app.post("/login").body("text/plain", "{}")),
        (422, app.get("/protected").bearer("x.y.z")),
        (503, app.get("/protected").bearer(&program.access)),
    ] {
        let response = request.header("Origin", APP).send();
        assert_eq!(response.status, status, "{response:?}");
        assert_eq!(cors(&response), [Some(APP), Some("true")], "{response:?}");
        assert!(response.header("date").is_some(), "{response:?}");
        let told = response.header("access-control-expose-headers").unwrap();
        let told = told.to_ascii_lowercase();
        let mut told: Vec<&str> = told.split(',').map(str::trim).collect();
        told.sort_unstable();
        let wanted = [
            "date",
            "location",
            "retry-after",
            "www-authenticate",
            "x-request-id",
        ];
        assert_eq!(told, wanted);
    }
}

fn a_preflight_names_what_routes_use_and_no_more(on: Backend) {
    let app = on.app_with(&[LISTED, ("JWT_REFRESH_CSRF_HEADER_NAME", "X-CSRF-REFRESH")]);
    let preflight = |method: &str, headers: &str| {
        app.request("OPTIONS", "/refresh")
            .header("Origin", APP)
            .header("Access-Control-Request-Method", method)
            .header("Access-Control-Request-Headers", headers)
            .send()
    };
    let listed = |response: &Response, name: &str| {
        let value = response.header(name).unwrap().to_ascii_lowercase();
        let mut words: Vec<String> = value
            .split(',')
            .map(|word| word.trim().to_owned())
            .collect();
        words.sort();
        words.join(" ")
    };
    let headers = "content-type,x-csrf-token,x-csrf-refresh,authorization";
    let response = preflight("POST", headers);
    assert_eq!((response.status, response.body.as_str()), (200, ""));
    assert_eq!(cors(&response), [Some(APP), Some("true")]);
    assert_eq!(
        listed(&response, "access-control-allow-methods"),
        "delete get patch post"
    );
    let allowed = "authorization baggage content-type sentry-trace traceparent tracestate x-csrf-refresh x-csrf-token \
                   x-request-id x-requested-with";
    assert_eq!(listed(&response, "access-control-allow-headers"), allowed);
    assert!(response.header("access-control-max-age").is_some());
    let libraries = "x-requested-with,baggage,traceparent,tracestate,sentry-trace";
    assert_eq!(preflight("POST", libraries).status, 200);
    // A browser names the reason on its console only if the status is a success, since it compares
    // the lists itself.
    for (refused, msg) in [
        (preflight("PUT", headers), "Method not allowed: PUT"),
        (
            preflight("POST", "content-type, x-other,X-More"),
            "Request header not allowed: x-other, X-More",
        ),
    ] {
        refused.refused(200, "cors_refused", msg);
        assert_eq!(cors(&refused), [Some(APP), Some("true")], "{refused:?}");
        assert_eq!(
            listed(&refused, "access-control-allow-methods"),
            "delete get patch post"
        );
        assert_eq!(listed(&refused, "access-control-allow-headers"), allowed);
        assert_eq!(
            refused.header("access-control-max-age"),
            None,
            "a cure holds at once"
        );
        assert!(varies(&refused));
    }
}

/// Capacitor, Ionic and Tauri load the pages of an app with custom schemes.
fn the_pages_of_an_app_shell_may_be_listed_too(on: Backend) {
    let shells = [
        "capacitor://localhost",
        "ionic://localhost",
        "tauri://localhost",
    ];
    let listed = (
        "SERVER_CORS_ORIGINS",
        "capacitor://localhost,ionic://localhost,tauri://localhost",
    );
    let app = on.app_with(&[listed]).with_ada();
    for origin in shells {
        for site in [Some("cross-site"), None] {
            let from = |request: Request| {
                let request = request.header("Origin", origin);
                match site {
                    Some(site) => request.header("Sec-Fetch-Site", site),
                    None => request,
                }
            };
            let preflight = from(app.request("OPTIONS", "/login"))
                .header("Access-Control-Request-Method", "POST")
                .header("Access-Control-Request-Headers", "content-type")
                .send();
            assert_eq!((preflight.status, cors(&preflight)[0]), (200, Some(origin)));
            let login = from(login(&app)).send();
            assert_eq!(
                (login.status, cors(&login)),
                (200, [Some(origin), Some("true")]),
                "{login:?}"
            );
        }
    }
    for other in [
        "capacitor://evil",
        "capacitor://localhost:1",
        "null",
        "http://localhost",
    ] {
        let sent = login(&app).header("Origin", other).send();
        sent.refused(403, "cross_site_request", "Cross-site request refused");
        assert_eq!(cors(&sent)[0], None);
    }
}

fn a_missing_token_is_explained_to_the_developers_of_a_page_elsewhere(on: Backend) {
    let app = on.app_with(&[LISTED]).with_ada();
    let hint = |request: Request| {
        let answer = request.send();
        answer.refused(401, "missing_token", answer.json()["msg"].as_str().unwrap());
        answer.json()["hint"].as_str().unwrap().to_owned()
    };
    let port = app.address().port();
    for path in ["/protected", "/account"] {
        let elsewhere = hint(app.get(path).header("Origin", APP));
        assert!(
            elsewhere.contains("credentials: 'include'")
                && elsewhere.contains("SERVER_CORS_ORIGINS"),
            "{elsewhere}"
        );
        // The request names this server 127.0.0.1.
        for page in [
            "http://localhost:3000",
            "http://localhost:9",
            &format!("http://localhost:{port}"),
        ] {
            let mixed = hint(app.get(path).header("Origin", page));
            assert!(
                mixed.contains("localhost and 127.0.0.1")
                    && mixed.contains("credentials: 'include'"),
                "{mixed}"
            );
        }
    }
    let refresh = app
        .post("/refresh")
        .header("Origin", "http://localhost:3000");
    assert!(hint(refresh).contains("localhost and 127.0.0.1"));
    // These are unrelated.
    let own = format!("http://{}", app.address());
    for request in [
        app.get("/protected"),
        app.get("/protected").header("Origin", own),
        app.get("/protected")
            .header("Origin", APP)
            .cookie("theme=dark"),
    ] {
        assert!(hint(request).starts_with("Log in to get a token"));
    }
}

const IN_JSON: (&str, &str) = ("JWT_CSRF_IN_COOKIES", "false");

fn a_page_that_lost_its_csrf_values_can_ask_for_them(on: Backend) {
    let app = on.app_with(&[LISTED, IN_JSON]).with_ada();
    let from = |request: Request| {
        request
            .header("Origin", APP)
            .header("Sec-Fetch-Site", "same-site")
    };
    let mut browser = Browser::new(&app);
    let login = browser.send(from(login(&app))).json();
    let ask = |browser: &mut Browser<'_>| browser.send(from(app.get("/csrf")));
    let answer = ask(&mut browser);
    assert_eq!(
        (answer.status, cors(&answer)),
        (200, [Some(APP), Some("true")])
    );
    let values = answer.json();
    for name in ["csrf_access_token", "csrf_refresh_token"] {
        assert!(
            values[name].is_string() && values[name] == login[name],
            "{values} {login}"
        );
    }
    // Once the access token has expired, the refresh token suffices.
    app.advance(std::time::Duration::from_secs(3601));
    let values = ask(&mut browser).json();
    let refresh = &login["csrf_refresh_token"];
    assert_eq!(
        values,
        json!({ "csrf_access_token": null, "csrf_refresh_token": refresh })
    );
    let csrf = values["csrf_refresh_token"].as_str().unwrap().to_owned();
    let refreshed = browser.send(from(app.post("/refresh").header("X-CSRF-TOKEN", csrf)));
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    let values = ask(&mut browser).json();
    let csrf = values["csrf_access_token"].as_str().unwrap().to_owned();
    let logout = browser.send(from(app.post("/logout").header("X-CSRF-TOKEN", csrf)));
    assert_eq!(logout.status, 200, "{logout:?}");
    ask(&mut browser).refused(
        401,
        "missing_token",
        "Missing cookie \"access_token_cookie\"",
    );
}

/// A refresh token about to expire is not an access token about to expire.
fn asking_for_csrf_values_buys_no_token(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    app.advance(std::time::Duration::from_secs(30 * 86_400 - 600));
    let asked = browser.get("/csrf");
    assert_eq!(
        (asked.status, &asked.json()["csrf_access_token"]),
        (200, &json!(null))
    );
    assert!(asked.cookies().is_empty(), "{asked:?}");
}

fn csrf_values_are_for_cookies_and_for_trusted_pages_alone(on: Backend) {
    let app = on.app_with(&[LISTED]).with_ada();
    let mut browser = app.browser();
    assert_eq!(
        browser.get("/csrf").json()["csrf_access_token"],
        browser.value("csrf_access_token")
    );
    for headers in FOREIGN {
        let asked = browser.send(with(app.get("/csrf"), headers));
        asked.refused(403, "cross_site_request", "Cross-site request refused");
        assert!(!asked.body.contains("csrf_"));
    }
    // Its holder needs no CSRF value, and a page with only the text of a token must not get more by
    // it.
    let program = app.bearer();
    for token in [&program.access, &program.refresh] {
        let asked = app.get("/csrf").bearer(token).send();
        asked.refused(
            401,
            "missing_token",
            "Missing cookie \"access_token_cookie\"",
        );
    }
    let forged = app.get("/csrf").cookie("refresh_token_cookie=x.y.z").send();
    assert_eq!(forged.status, 422, "{forged:?}");
    // GET needs no CSRF value here, even where other routes need it for GET.
    let every = ("JWT_CSRF_METHODS", "GET,POST,PATCH,DELETE");
    let strict = on.app_with(&[every]).with_ada();
    let mut browser = strict.browser();
    assert_eq!(browser.get("/protected").status, 401);
    assert_eq!(browser.get("/csrf").status, 200);
    let headers = on.app_with(&[("JWT_TOKEN_LOCATION", "headers")]);
    assert_eq!(headers.get("/csrf").send().status, 404);
}

fn no_other_origin_is_let_in_however_alike(on: Backend) {
    let app = on.app_with(&[LISTED]).with_ada();
    for origin in [
        OTHER,
        "null",
        "*",
        "http://app.example.org",
        "https://app.example.org:444",
        "https://app.example.org.evil.example",
        "https://evil-app.example.org",
        "https://APP.example.org",
        "https://app.example.org/",
        "https://app.example.org, https://evil.example",
    ] {
        let read = app.get("/health/live").header("Origin", origin).send();
        assert_eq!((read.status, cors(&read)[0]), (200, None), "{origin}");
        let sent = login(&app).header("Origin", origin).send();
        assert_eq!(cors(&sent)[0], None, "{origin}");
        let preflight = app
            .request("OPTIONS", "/login")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST");
        let preflight = preflight.send();
        assert_eq!(
            (preflight.status, cors(&preflight)[0]),
            (403, None),
            "{origin}"
        );
        for response in [read, sent, preflight] {
            assert!(varies(&response), "{response:?}");
        }
    }
    // A cache must not serve a response without these headers to a page that needs them.
    assert!(varies(&app.get("/nowhere").send()));
}

fn varies(response: &Response) -> bool {
    let values = response.headers.get_all("vary").iter();
    let mut values = values.map(|value| value.to_str().unwrap().to_ascii_lowercase());
    values.any(|value| value.split(',').any(|name| name.trim() == "origin"))
}

fn without_a_list_no_origin_is_let_in(on: Backend) {
    let app = on.app();
    for method in ["GET", "OPTIONS"] {
        let own = format!("http://{}", app.address());
        for origin in [APP, &own] {
            let response = app
                .request(method, "/health/live")
                .header("Origin", origin)
                .header("Access-Control-Request-Method", "GET")
                .send();
            assert_eq!(response.status, 200);
            let mut names = response.headers.keys().map(|name| name.as_str());
            assert!(
                !names.any(|name| name.starts_with("access-control-")),
                "{response:?}"
            );
            assert!(!varies(&response));
        }
    }
}

on_both_databases!(
    no_page_of_another_site_can_make_a_browser_change_anything,
    every_unsafe_route_asks_a_cookie_for_its_csrf_value_and_a_header_for_none,
    the_server_s_own_pages_and_programs_are_unhindered,
    a_listed_origin_may_send_and_read_with_cookies,
    errors_too_can_be_read_by_a_listed_origin,
    a_preflight_names_what_routes_use_and_no_more,
    no_other_origin_is_let_in_however_alike,
    without_a_list_no_origin_is_let_in,
    the_pages_of_an_app_shell_may_be_listed_too,
    a_missing_token_is_explained_to_the_developers_of_a_page_elsewhere,
    a_page_that_lost_its_csrf_values_can_ask_for_them,
    asking_for_csrf_values_buys_no_token,
    csrf_values_are_for_cookies_and_for_trusted_pages_alone,
);
