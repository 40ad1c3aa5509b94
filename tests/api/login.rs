//! Tests `POST /login`.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::support::jwt::{claim_names, claims, header};
use crate::support::{ADA, Backend, Bearer, Browser, START};

fn a_login_answers_with_its_end_and_five_cookies(on: Backend) {
    let app = on.app().with_ada();
    let response = app
        .post("/login")
        .json(json!({ "username": ADA.0, "password": ADA.1 }))
        .send();
    assert_eq!(response.status, 200);
    assert_eq!(
        response.json(),
        json!({
            "login": true,
            "expires_in": 3600,
            "refresh_expires_in": 2_592_000,
            "expires_at": START.unix() + 3600,
            "refresh_expires_at": START.unix() + 2_592_000,
        })
    );
    let names = [
        "access_token_cookie",
        "csrf_access_token",
        "refresh_token_cookie",
        "csrf_refresh_token",
        "device_cookie",
    ];
    assert_eq!(response.cookie_names(), names);
    for name in names {
        let mut expected = vec!["Path=/", "SameSite=Lax"];
        if name == "device_cookie" {
            expected.insert(0, "Max-Age=15552000");
        }
        if name.ends_with("_cookie") {
            expected.insert(0, "HttpOnly");
        }
        assert_eq!(response.cookie(name).attributes, expected, "{name}");
    }
}

fn cookies_are_secure_except_on_plain_http_on_loopback(on: Backend) {
    for (setting, value, secure) in [
        ("PUBLIC_URL", "http://localhost:8080", false),
        ("PUBLIC_URL", "https://login.example.org", true),
        ("PUBLIC_URL", "http://login.example.org", true),
        ("JWT_COOKIE_SECURE", "true", true),
        ("JWT_COOKIE_SECURE", "false", false),
    ] {
        let app = on.app_with(&[(setting, value)]).with_ada();
        let response = app
            .post("/login")
            .json(json!({ "username": ADA.0, "password": ADA.1 }))
            .send();
        assert!(
            response
                .cookies()
                .iter()
                .all(|cookie| cookie.has("Secure") == secure),
            "{setting}={value}"
        );
    }
}

fn a_remembered_login_has_cookies_that_live_as_long_as_their_tokens(on: Backend) {
    let app = on.app().with_ada();
    let login = json!({ "username": ADA.0, "password": ADA.1, "remember": true });
    let response = app.post("/login").json(login).send();
    for (name, lifetime) in [
        ("access_token_cookie", "Max-Age=3600"),
        ("csrf_access_token", "Max-Age=3600"),
        ("refresh_token_cookie", "Max-Age=2592000"),
        ("csrf_refresh_token", "Max-Age=2592000"),
    ] {
        assert!(response.cookie(name).has(lifetime), "{name}");
    }
}

fn tokens_in_the_body_come_without_cookies(on: Backend) {
    let app = on.app().with_ada();
    let login = json!({ "username": ADA.0, "password": ADA.1, "tokens": "body" });
    let response = app.post("/login").json(login).send();
    assert_eq!(response.status, 200);
    assert!(response.cookies().is_empty());
    let body = response.json();
    assert_eq!(
        (&body["login"], &body["token_type"], &body["expires_in"]),
        (&json!(true), &json!("Bearer"), &json!(3600))
    );
    for (token, end) in [
        ("access_token", "expires_at"),
        ("refresh_token", "refresh_expires_at"),
    ] {
        let claims = claims(body[token].as_str().unwrap());
        assert_eq!(body[end], claims["exp"], "{end}");
    }
    let access = body["access_token"].as_str().unwrap();
    assert_eq!(
        app.get("/protected").bearer(access).send().json(),
        json!({ "logged_in_as": "ada" })
    );
}

fn a_form_with_an_unknown_place_for_tokens_is_refused(on: Backend) {
    let app = on.app().with_ada();
    let (username, password) = (ADA.0, ADA.1.replace(' ', "+"));
    let form = |tokens: &str| {
        let form = format!("username={username}&password={password}&tokens={tokens}");
        app.post("/login").form(&form).send()
    };
    let msg = "The parameter tokens has to be \"cookies\" or \"body\"";
    form("url").refused(400, "invalid_parameter", msg);
    assert_eq!(form("cookies").status, 303);
}

fn an_answer_that_the_server_would_not_look_for_is_refused(on: Backend) {
    for (location, wish, choice) in [
        ("cookies", "body", "\"cookies\" on this server"),
        ("headers", "cookies", "\"body\" on this server"),
    ] {
        let app = on.app_with(&[("JWT_TOKEN_LOCATION", location)]).with_ada();
        let login = json!({ "username": ADA.0, "password": ADA.1, "tokens": wish });
        let msg = format!("The parameter tokens has to be {choice}");
        app.post("/login")
            .json(login)
            .send()
            .refused(400, "invalid_parameter", &msg);
    }
}

fn cookies_outlive_the_browser_where_the_settings_say_so(on: Backend) {
    let app = on.app_with(&[("JWT_SESSION_COOKIE", "false")]).with_ada();
    let login = |remember: Option<bool>| {
        let login = json!({ "username": ADA.0, "password": ADA.1, "remember": remember });
        app.post("/login")
            .json(login)
            .send()
            .cookie("refresh_token_cookie")
    };
    assert!(login(None).has("Max-Age=2592000"));
    assert!(
        !login(Some(false)).has("Max-Age=2592000"),
        "a login may say otherwise"
    );
}

fn a_server_that_looks_for_no_cookies_sets_none(on: Backend) {
    let app = on.app_with(&[("JWT_TOKEN_LOCATION", "headers")]).with_ada();
    let response = app
        .post("/login")
        .json(json!({ "username": ADA.0, "password": ADA.1 }))
        .send();
    assert!(response.cookies().is_empty());
    let access = response.json()["access_token"].as_str().unwrap().to_owned();
    assert!(!claims(&access).contains_key("csrf"));
    assert_eq!(
        app.get("/protected")
            .cookie(&format!("access_token_cookie={access}"))
            .send()
            .status,
        401
    );
}

fn tokens_say_what_flask_jwt_extended_s_say_in_its_order_and_our_own_behind(on: Backend) {
    let app = on.app().with_ada();
    let ada = app.bearer();
    assert_eq!(
        serde_json::to_value(header(&ada.access)).unwrap(),
        json!({ "alg": "HS256", "typ": "JWT" })
    );
    let flask = ["fresh", "iat", "jti", "type", "sub", "nbf", "csrf", "exp"];
    assert_eq!(
        claim_names(&ada.access),
        [&flask[..], &["sid", "username", "epoch"]].concat()
    );
    assert_eq!(
        claim_names(&ada.refresh),
        [&flask[..], &["sid", "gen"]].concat()
    );

    let (access, refresh) = (claims(&ada.access), claims(&ada.refresh));
    let now = START.unix();
    for (token, kind, fresh, lifetime) in [
        (&access, "access", true, 3600),
        (&refresh, "refresh", false, 2_592_000),
    ] {
        assert_eq!(
            (&token["type"], &token["fresh"]),
            (&json!(kind), &json!(fresh))
        );
        assert_eq!(
            (&token["iat"], &token["nbf"], &token["exp"]),
            (&json!(now), &json!(now), &json!(now + lifetime))
        );
        // 128 random bits.
        assert_eq!(
            (
                token["jti"].as_str().unwrap().len(),
                token["csrf"].as_str().unwrap().len()
            ),
            (22, 22)
        );
    }
    assert_eq!(access["sub"], refresh["sub"]);
    assert_eq!(access["sid"], refresh["sid"]);
    assert_eq!(ada.get("/account").json()["id"], access["sub"]);
    assert_ne!(access["jti"], refresh["jti"]);
    assert_eq!(access["csrf"], refresh["csrf"]);
}

/// In 40 values, each bit has been both 0 and 1, except in one run in a billion.
fn every_bit_of_a_token_s_id_and_of_a_csrf_value_is_random(on: Backend) {
    let app = on.app().with_ada();
    let logins: Vec<_> = (0..40).map(|_| app.bearer()).collect();
    for name in ["jti", "csrf"] {
        for kind in ["access", "refresh"] {
            let value = |ada: &crate::support::Bearer<'_>| {
                let token = match kind {
                    "access" => &ada.access,
                    _ => &ada.refresh,
                };
                let text = claims(token)[name].as_str().unwrap().to_owned();
                let bytes: [u8; 16] = URL_SAFE_NO_PAD.decode(text).unwrap().try_into().unwrap();
                u128::from_be_bytes(bytes)
            };
            let values = || logins.iter().map(value);
            let (ever, always) = (
                values().fold(0, |ever, one| ever | one),
                values().fold(u128::MAX, |always, one| always & one),
            );
            assert_eq!((ever, always), (u128::MAX, 0), "{kind} {name}");
        }
    }
}

fn every_login_is_a_session_of_its_own(on: Backend) {
    let app = on.app().with_ada();
    let first = app.browser();
    // Cookies sent with a login are neither adopted nor trusted.
    let mut second = first.clone();
    second.send(
        app.post("/login")
            .json(json!({ "username": ADA.0, "password": ADA.1 })),
    );
    let sid = |browser: &Browser<'_>, name: &str| claims(browser.value(name))["sid"].clone();
    assert_ne!(
        sid(&first, "access_token_cookie"),
        sid(&second, "access_token_cookie")
    );
    assert_ne!(
        first.value("csrf_access_token"),
        second.value("csrf_access_token")
    );
}

/// Bodies of `POST /login`, with the code and the text of the answer.
const ODD_BODIES: &[(&str, &str, &str)] = &[
    ("", "malformed_json", "The body is not valid JSON"),
    ("{", "malformed_json", "The body is not valid JSON"),
    ("{} {}", "malformed_json", "The body is not valid JSON"),
    (
        r#"{"username":"a","username":"b","password":"c"}"#,
        "malformed_json",
        "The body is not valid JSON",
    ),
    ("\u{feff}{}", "malformed_json", "The body is not valid JSON"),
    (
        "[]",
        "not_a_json_object",
        "The body has to be a JSON object",
    ),
    (
        "null",
        "not_a_json_object",
        "The body has to be a JSON object",
    ),
    ("{}", "missing_username", "Missing username parameter"),
    (
        r#"{"username":""}"#,
        "missing_username",
        "Missing username parameter",
    ),
    (
        r#"{"username":null}"#,
        "missing_username",
        "Missing username parameter",
    ),
    (
        r#"{"username":7}"#,
        "invalid_parameter",
        "The parameter username has to be a string",
    ),
    (
        r#"{"username":"a"}"#,
        "missing_password",
        "Missing password parameter",
    ),
    (
        r#"{"username":"a","password":""}"#,
        "missing_password",
        "Missing password parameter",
    ),
    (
        r#"{"username":"a","password":"b","remember":"yes"}"#,
        "invalid_parameter",
        "The parameter remember has to be true or false",
    ),
    (
        r#"{"username":"a","password":"b","tokens":"url"}"#,
        "invalid_parameter",
        "The parameter tokens has to be \"cookies\" or \"body\"",
    ),
];

fn what_is_missing_or_odd_is_named(on: Backend) {
    let app = on.app();
    let json = "application/json";
    let nested = "[".repeat(9000);
    let too_deep = (
        nested.as_str(),
        "malformed_json",
        "The body is not valid JSON",
    );
    for (body, code, msg) in ODD_BODIES.iter().copied().chain([too_deep]) {
        app.post("/login")
            .body(json, body)
            .send()
            .refused(400, code, msg);
    }
    app.post("/login")
        .send()
        .refused(400, "missing_json", "Missing JSON in request");
}

fn a_wrong_password_an_unknown_and_an_impossible_name_get_the_same_answer(on: Backend) {
    let app = on.app().with_ada();
    let answers = [
        ("ada", "wrong"),
        ("nobody", ADA.1),
        ("no such name", ADA.1),
        ("ada", "x\0y"),
    ]
    .map(|(name, password)| {
        let response = app
            .post("/login")
            .json(json!({ "username": name, "password": password }))
            .send();
        response.refused(401, "bad_credentials", "Bad username or password");
        assert!(response.cookies().is_empty());
        response.body
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

/// No username has surrounding spaces, and phone keyboards add one. They start no second count of
/// failures.
fn blanks_around_a_name_are_left_out_at_a_login(on: Backend) {
    let app = on.app_with(&[("THROTTLE_ACCOUNT", "3/15m")]).with_ada();
    for name in ["ada ", " ada", "\tada\u{a0}"] {
        assert_eq!(
            Bearer::log_in(&app, (name, ADA.1)).get("/protected").json(),
            json!({ "logged_in_as": "ada" })
        );
    }
    let login = |name: &str, password: &str| {
        app.post("/login")
            .json(json!({ "username": name, "password": password }))
            .send()
    };
    login(" ", ADA.1).refused(400, "missing_username", "Missing username parameter");
    for name in ["ada ", " ada", "  ada"] {
        assert_eq!(login(name, "not hers").status, 401, "{name:?}");
    }
    assert_eq!(login("ada", "not hers").status, 429);
}

fn a_form_logs_in_and_goes_on_to_the_page(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = Browser::new(&app);
    let response = browser.send(
        app.post("/login")
            .form("username=ada&password=correct+horse+battery&remember=on"),
    );
    assert_eq!(
        (response.status, response.header("location")),
        (303, Some("/"))
    );
    assert!(
        response
            .cookie("refresh_token_cookie")
            .has("Max-Age=2592000")
    );
    assert!(browser.get("/").body.contains("Hello, ada"));
}

fn a_wrong_form_comes_back_to_a_browser_and_is_json_to_others(on: Backend) {
    let app = on.app().with_ada();
    let wrong = "username=ada&password=wrong";
    let response = app
        .post("/login")
        .header("Accept", "text/html,*/*;q=0.8")
        .header("Sec-Fetch-Site", "same-origin")
        .form(wrong)
        .send();
    assert_eq!(
        (response.status, response.header("content-type")),
        (401, Some("text/html; charset=utf-8"))
    );
    assert!(
        response
            .body
            .contains("The username or the password is wrong.")
            && response.body.contains("<form")
    );
    app.post("/login").form(wrong).send().refused(
        401,
        "bad_credentials",
        "Bad username or password",
    );
}

fn another_sites_page_cannot_log_anyone_in(on: Backend) {
    let app = on.app().with_ada();
    let form = || {
        app.post("/login")
            .form("username=ada&password=correct+horse+battery")
    };
    for (name, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Referer", "https://evil.example/page"),
    ] {
        let response = form().header(name, value).send();
        response.refused(403, "cross_site_request", "Cross-site request refused");
        assert!(response.cookies().is_empty());
    }
    let own = format!("http://{}", app.address());
    assert_eq!(form().header("Origin", own).send().status, 303);
    assert_eq!(
        form().header("Sec-Fetch-Site", "same-origin").send().status,
        303
    );
}

fn cookies_and_headers_have_the_names_and_paths_of_the_settings(on: Backend) {
    let app = on
        .app_with(&[
            ("JWT_ACCESS_COOKIE_NAME", "__Host-access"),
            ("JWT_COOKIE_SECURE", "true"),
            ("JWT_COOKIE_SAMESITE", "Strict"),
            ("JWT_REFRESH_COOKIE_PATH", "/refresh"),
            ("JWT_HEADER_NAME", "X-Token"),
            ("JWT_HEADER_TYPE", "JWT"),
            ("JWT_ENCODE_ISSUER", "us"),
            ("JWT_DECODE_ISSUER", "us"),
            ("JWT_ENCODE_AUDIENCE", "a,b"),
            ("JWT_DECODE_AUDIENCE", "b,c"),
            ("JWT_ACCESS_TOKEN_EXPIRES", "45m"),
            ("JWT_ALGORITHM", "HS384"),
            ("JWT_ENCODE_NBF", "false"),
        ])
        .with_ada();
    let response = app
        .post("/login")
        .json(json!({ "username": ADA.0, "password": ADA.1 }))
        .send();
    assert_eq!(response.json()["expires_in"], 2700);
    assert!(response.cookie("refresh_token_cookie").has("Path=/refresh"));
    let access = response.cookie("__Host-access");
    assert_eq!(
        access.attributes,
        ["HttpOnly", "Path=/", "SameSite=Strict", "Secure"]
    );
    let said = claims(&access.value);
    assert_eq!(
        (&said["iss"], &said["aud"], said.get("nbf")),
        (&json!("us"), &json!(["a", "b"]), None)
    );
    assert_eq!(header(&access.value)["alg"], "HS384");
    assert_eq!(
        app.get("/protected")
            .header("X-Token", format!("JWT {}", access.value))
            .send()
            .status,
        200
    );
    app.advance(Duration::from_secs(2700));
    let expired = app
        .get("/protected")
        .header("X-Token", format!("JWT {}", access.value))
        .send();
    expired.refused(401, "token_expired", "Token has expired");
}

fn where_csrf_values_do_not_travel_in_cookies_they_are_in_the_body(on: Backend) {
    let app = on.app_with(&[("JWT_CSRF_IN_COOKIES", "false")]).with_ada();
    let mut browser = Browser::new(&app);
    let body = browser
        .send(
            app.post("/login")
                .json(json!({ "username": ADA.0, "password": ADA.1 })),
        )
        .json();
    assert_eq!(
        browser.token_names(),
        ["access_token_cookie", "refresh_token_cookie"]
    );
    assert_eq!(
        body["csrf_access_token"],
        claims(browser.value("access_token_cookie"))["csrf"]
    );
    let csrf = body["csrf_refresh_token"].as_str().unwrap();
    assert_eq!(
        browser
            .send(app.post("/refresh").header("X-CSRF-TOKEN", csrf))
            .status,
        200
    );
}

on_both_databases!(
    a_login_answers_with_its_end_and_five_cookies,
    cookies_are_secure_except_on_plain_http_on_loopback,
    a_remembered_login_has_cookies_that_live_as_long_as_their_tokens,
    tokens_in_the_body_come_without_cookies,
    a_form_with_an_unknown_place_for_tokens_is_refused,
    an_answer_that_the_server_would_not_look_for_is_refused,
    cookies_outlive_the_browser_where_the_settings_say_so,
    a_server_that_looks_for_no_cookies_sets_none,
    tokens_say_what_flask_jwt_extended_s_say_in_its_order_and_our_own_behind,
    every_bit_of_a_token_s_id_and_of_a_csrf_value_is_random,
    every_login_is_a_session_of_its_own,
    what_is_missing_or_odd_is_named,
    a_wrong_password_an_unknown_and_an_impossible_name_get_the_same_answer,
    blanks_around_a_name_are_left_out_at_a_login,
    a_form_logs_in_and_goes_on_to_the_page,
    a_wrong_form_comes_back_to_a_browser_and_is_json_to_others,
    another_sites_page_cannot_log_anyone_in,
    cookies_and_headers_have_the_names_and_paths_of_the_settings,
    where_csrf_values_do_not_travel_in_cookies_they_are_in_the_body,
);
