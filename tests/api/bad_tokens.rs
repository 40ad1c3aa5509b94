//! Tests malformed, forged, misplaced and early tokens: their statuses and hints.

use serde_json::json;

use crate::support::jwt::{claims, signed};
use crate::support::{Backend, Response, TestApp};

/// Returns Ada's access token, valid only from that many seconds on.
fn begins_in(app: &TestApp, name: &str, seconds: i64) -> String {
    let mut early = claims(&app.bearer().access);
    early.insert(name.to_owned(), json!(app.now().unix() + seconds));
    signed(&early)
}

fn a_client_whose_token_is_not_yet_valid_is_told_how_long_to_wait(on: Backend) {
    let app = on.app_with(&[("JWT_DECODE_LEEWAY", "10s")]).with_ada();
    for name in ["iat", "nbf"] {
        for (seconds, wait) in [(11, 1), (40, 30), (310, 300), (86_400, 300)] {
            let early = begins_in(&app, name, seconds);
            let response = app.get("/protected").bearer(&early).send();
            let msg = format!("The token is not yet valid ({name})");
            response.refused(422, "token_not_yet_valid", &msg);
            let json = response.json();
            assert_eq!(json["retry_after"], wait, "{name} {seconds}");
            assert_eq!(response.header("retry-after"), Some(&*wait.to_string()));
            let hint = json["hint"].as_str().unwrap();
            assert!(hint.contains("Retry-After"), "{hint}");
            assert!(!hint.to_lowercase().contains("log in"), "{hint}");
        }
    }
    let early = begins_in(&app, "nbf", 40);
    app.advance(std::time::Duration::from_secs(30));
    assert_eq!(app.get("/protected").bearer(&early).send().status, 200);
}

/// Returns a response for each code whose status `JWT_INVALID_TOKEN_STATUS` sets.
fn answers(app: &TestApp) -> Vec<(&'static str, Response)> {
    let ada = app.bearer();
    let (unsigned, _) = ada.access.rsplit_once('.').unwrap();
    let forged = format!("{unsigned}.AAAA");
    let get = |token: &str| app.get("/protected").bearer(token).send();
    let cookie = format!("access_token_cookie={forged}");
    vec![
        ("invalid_token", get("x")),
        ("invalid_signature", get(&forged)),
        (
            "invalid_signature",
            app.get("/protected").cookie(&cookie).send(),
        ),
        ("wrong_token_type", get(&ada.refresh)),
        (
            "wrong_token_type",
            app.post("/refresh").bearer(&ada.access).send(),
        ),
        ("token_not_yet_valid", get(&begins_in(app, "nbf", 40))),
        ("bad_authorization_header", get("a b")),
    ]
}

fn the_operator_chooses_the_status_for_invalid_tokens(on: Backend) {
    const NAME: &str = "JWT_INVALID_TOKEN_STATUS";
    for (settings, status) in [
        (vec![], 422),
        (vec![(NAME, "422")], 422),
        (vec![(NAME, "401")], 401),
    ] {
        let app = on.app_with(&settings).with_ada();
        for (code, answer) in answers(&app) {
            assert_eq!(
                (answer.status, &answer.json()["code"]),
                (status, &json!(code))
            );
            let challenge = (status == 401).then_some("Bearer error=\"invalid_token\"");
            assert_eq!(answer.header("www-authenticate"), challenge, "{code}");
        }
        let described = app.get("/openapi.json").send().json();
        let responses = &described["paths"]["/protected"]["get"]["responses"];
        assert_eq!(responses.get("422").is_some(), status == 422);
        assert!(responses.get("401").is_some());
        let odd = app.post("/login").json(json!({ "username": 1 })).send();
        assert_eq!(odd.status, 400);
    }
}

fn a_browser_with_an_invalid_token_is_sent_to_the_login_form(on: Backend) {
    for status in ["422", "401"] {
        let app = on
            .app_with(&[("JWT_INVALID_TOKEN_STATUS", status)])
            .with_ada();
        let page = |token: &str| {
            let cookie = format!("access_token_cookie={token}");
            let request = app.get("/account").header("Accept", "text/html");
            request.cookie(&cookie).send()
        };
        for token in ["x", &app.bearer().refresh] {
            let sent = page(token);
            assert_eq!(
                (sent.status, sent.header("location")),
                (303, Some("/")),
                "{sent:?}"
            );
        }
        // Waiting helps here; logging in does not. Of these, 5 s are the leeway.
        let early = page(&begins_in(&app, "nbf", 45));
        assert_eq!(early.status, status.parse::<u16>().unwrap());
        assert_eq!(early.header("retry-after"), Some("40"));
        assert!(early.body.contains("Try again in 40 seconds."), "{early:?}");
    }
}

on_both_databases!(
    a_client_whose_token_is_not_yet_valid_is_told_how_long_to_wait,
    the_operator_chooses_the_status_for_invalid_tokens,
    a_browser_with_an_invalid_token_is_sent_to_the_login_form,
);
