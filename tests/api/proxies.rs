//! Tests the client's address: the peer's, or the one that a proxy in `SERVER_TRUSTED_PROXIES`
//! forwards.

use serde_json::json;

use crate::support::{ADA, Backend, Request, Response, TestApp};

const OWN: &str = "127.0.0.1";

fn app(on: Backend, trusted: &str) -> TestApp {
    on.app_with(&[("SERVER_TRUSTED_PROXIES", trusted)])
        .with_ada()
}

/// Returns the address of a new session, as its user sees it.
#[track_caller]
fn came_from(app: &TestApp, headers: &[(&str, &str)]) -> String {
    let login = json!({ "username": ADA.0, "password": ADA.1, "tokens": "body" });
    let request = headers
        .iter()
        .fold(app.post("/login"), |request, (name, value)| {
            request.header(name, *value)
        });
    let answer = request.json(login).send();
    assert_eq!(answer.status, 200, "{answer:?}");
    let access = answer.json()["access_token"].as_str().unwrap().to_owned();
    let sessions = app.get("/sessions").bearer(&access).send().json();
    let sessions = sessions["sessions"].as_array().unwrap();
    let current = sessions.iter().find(|session| session["current"] == true);
    current.unwrap()["ip"].as_str().unwrap().to_owned()
}

fn without_trusted_proxies_headers_are_anyones_to_write_and_nobody_believes_them(on: Backend) {
    for trusted in ["", "10.0.0.0/8,192.0.2.1"] {
        let app = app(on, trusted);
        for header in [
            ("X-Forwarded-For", "203.0.113.9"),
            ("Forwarded", "for=203.0.113.9"),
            ("X-Real-IP", "203.0.113.9"),
            ("CF-Connecting-IP", "203.0.113.9"),
        ] {
            assert_eq!(came_from(&app, &[header]), OWN, "{header:?}");
        }
    }
}

/// Headers of a trusted proxy, with the address that counts.
const FORWARDED: &[(&str, &str, &str)] = &[
    ("X-Forwarded-For", "203.0.113.9", "203.0.113.9"),
    ("X-Forwarded-For", "1.1.1.1, 203.0.113.9", "203.0.113.9"),
    (
        "X-Forwarded-For",
        "1.1.1.1,203.0.113.9,10.0.0.7,127.0.0.9",
        "203.0.113.9",
    ),
    ("X-Forwarded-For", "nonsense, 203.0.113.9", "203.0.113.9"),
    ("X-Forwarded-For", "203.0.113.9:4711", "203.0.113.9"),
    ("X-Forwarded-For", "2001:db8::9", "2001:db8::9"),
    (
        "X-Forwarded-For",
        "[2001:DB8::9]:4711, 2001:db8:ffff::1",
        "2001:db8::9",
    ),
    ("X-Forwarded-For", "::ffff:203.0.113.9", "203.0.113.9"),
    ("X-Forwarded-For", "10.0.0.7, 127.0.0.2", "10.0.0.7"),
    ("Forwarded", "for=203.0.113.9", "203.0.113.9"),
    (
        "Forwarded",
        "for=1.1.1.1, For=\"203.0.113.9:80\";proto=https;by=10.0.0.7",
        "203.0.113.9",
    ),
    (
        "Forwarded",
        "proto=https; for=203.0.113.9, for=10.0.0.7",
        "203.0.113.9",
    ),
    (
        "Forwarded",
        "for=\"[2001:db8::9]\", for=\"[2001:db8:ffff::1]:443\"",
        "2001:db8::9",
    ),
    ("Forwarded", "for=unknown, for=203.0.113.9", "203.0.113.9"),
    // A proxy repeats the client's Host.
    (
        "Forwarded",
        "for=203.0.113.9;host=\"a,for=1.1.1.1\"",
        "203.0.113.9",
    ),
    (
        "Forwarded",
        "for=203.0.113.9;host=\"a\\\",for=1.1.1.1\"",
        "203.0.113.9",
    ),
    (
        "Forwarded",
        "for=203.0.113.9;host=\"a;for=1.1.1.1\"",
        "203.0.113.9",
    ),
];

fn of_a_trusted_proxy_the_first_address_from_the_right_that_is_none_of_them_counts(on: Backend) {
    let app = app(on, "127.0.0.0/8,10.0.0.7,2001:db8:ffff::/48");
    for (name, value, address) in FORWARDED {
        assert_eq!(
            came_from(&app, &[(name, value)]),
            *address,
            "{name}: {value}"
        );
    }
    let lines = [
        ("X-Forwarded-For", "1.1.1.1"),
        ("X-Forwarded-For", "203.0.113.9"),
    ];
    assert_eq!(came_from(&app, &lines), "203.0.113.9", "lines are in order");
}

fn what_a_proxy_says_that_cannot_be_read_leaves_the_peer_s_address(on: Backend) {
    let app = app(on, OWN);
    for (name, value) in [
        ("X-Forwarded-For", ""),
        ("X-Forwarded-For", "1.1.1.1, unknown"),
        ("X-Forwarded-For", "1.1.1.1,"),
        ("X-Forwarded-For", "1.1.1.1;2.2.2.2"),
        ("X-Forwarded-For", "localhost"),
        ("Forwarded", ""),
        ("Forwarded", "for=1.1.1.1, for=_hidden"),
        ("Forwarded", "for=1.1.1.1, for=unknown"),
        ("Forwarded", "for=1.1.1.1, proto=https"),
        ("Forwarded", "for=1.1.1.1;for=2.2.2.2"),
        ("Forwarded", "for=\"1.1.1.1"),
        (
            "Forwarded",
            "for=\", for=203.0.113.9;host=\"a,for=1.1.1.1\"",
        ),
        ("Forwarded", "1.1.1.1"),
    ] {
        assert_eq!(came_from(&app, &[(name, value)]), OWN, "{name}: {value}");
    }
}

fn login(app: &TestApp, headers: &[(&str, &str)]) -> Response {
    let wrong = json!({ "username": ADA.0, "password": "not hers at all" });
    let request = headers.iter().fold(app.post("/login"), |request, header| {
        request.header(header.0, header.1)
    });
    request.json(wrong).send()
}

fn a_request_whose_headers_disagree_is_counted_nowhere_and_refused(on: Backend) {
    let settings = [("SERVER_TRUSTED_PROXIES", OWN), ("THROTTLE_PEER", "3/15m")];
    let app = on.app_with(&settings).with_ada();
    let refused = |forwarded: &str, custom: &str| {
        let headers = [("Forwarded", forwarded), ("X-Forwarded-For", custom)];
        let (code, msg) = (
            "conflicting_forwarded_headers",
            "Forwarded and X-Forwarded-For disagree",
        );
        login(&app, &headers).refused(400, code, msg);
    };
    for number in 0..4 {
        refused(&format!("for=1.1.1.{number}"), "203.0.113.9");
        refused("for=203.0.113.9", &format!("1.1.1.{number}"));
    }
    refused("nonsense", "203.0.113.9");
    refused("for=unknown", "203.0.113.9");
    refused("for=203.0.113.9", "");
    let both = [
        ("Forwarded", "for=203.0.113.9"),
        ("X-Forwarded-For", "203.0.113.9"),
    ];
    assert_eq!(came_from(&app, &both), "203.0.113.9");
    let own = [[].as_slice(), &[("X-Forwarded-For", "203.0.113.9")]];
    for headers in own {
        let statuses: Vec<u16> = (0..4).map(|_| login(&app, headers).status).collect();
        assert_eq!(
            statuses,
            [401, 401, 401, 429],
            "nobody used up what {headers:?} has"
        );
    }
    let ada = json!({ "username": "grace", "password": ADA.1 });
    let register = app.post("/register").header("Forwarded", "for=1.1.1.1");
    let register = register.header("X-Forwarded-For", "203.0.113.8").json(ada);
    assert_eq!(register.send().status, 400);
}

fn a_session_goes_on_whatever_its_headers_say(on: Backend) {
    let app = app(on, OWN);
    let ada = app.bearer();
    let both = |request: Request, token: &str| {
        let request = request.header("Forwarded", "for=1.1.1.1").bearer(token);
        request
            .header("X-Forwarded-For", "203.0.113.9")
            .send()
            .status
    };
    assert_eq!(both(app.get("/protected"), &ada.access), 200);
    assert_eq!(both(app.post("/refresh"), &ada.refresh), 200);
    assert_eq!(both(app.post("/logout"), &ada.access), 200);
}

fn where_the_proxy_s_header_is_named_the_other_is_not_looked_at(on: Backend) {
    for (name, address) in [
        ("forwarded", "203.0.113.1"),
        ("x-forwarded-for", "203.0.113.2"),
    ] {
        let settings = [
            ("SERVER_TRUSTED_PROXIES", OWN),
            ("SERVER_FORWARDED_HEADER", name),
        ];
        let app = on.app_with(&settings).with_ada();
        let (one, other) = (
            ("Forwarded", "for=203.0.113.1"),
            ("X-Forwarded-For", "203.0.113.2"),
        );
        assert_eq!(came_from(&app, &[one, other]), address);
        let alone = if name == "forwarded" { other } else { one };
        assert_eq!(
            came_from(&app, &[alone]),
            OWN,
            "anyone could have written that"
        );
    }
}

fn the_audit_trail_has_the_client_s_address(on: Backend) {
    let app = app(on, OWN);
    came_from(&app, &[("X-Forwarded-For", "203.0.113.9")]);
    let told = "SELECT count(*) AS n FROM audit_events WHERE kind = 'login' AND ip = '203.0.113.9'";
    assert_eq!(app.database().numbers(told), [1]);
}

on_both_databases!(
    without_trusted_proxies_headers_are_anyones_to_write_and_nobody_believes_them,
    of_a_trusted_proxy_the_first_address_from_the_right_that_is_none_of_them_counts,
    what_a_proxy_says_that_cannot_be_read_leaves_the_peer_s_address,
    a_request_whose_headers_disagree_is_counted_nowhere_and_refused,
    a_session_goes_on_whatever_its_headers_say,
    where_the_proxy_s_header_is_named_the_other_is_not_looked_at,
    the_audit_trail_has_the_client_s_address,
);
