//! Tests `GET /protected` and `GET /account`: where tokens are found, and which are accepted. The
//! table of messages is that of Flask-JWT-Extended (4.7.4 over PyJWT 2.15.1).

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::support::jwt::{claims, signed, signed_with_header};
use crate::support::{ADA, Backend, START, TestApp};

const NO_TOKEN: &str = "Missing JWT in cookies or headers (Missing cookie \"access_token_cookie\"; Missing Authorization Header)";
const NO_BEARER: &str = "Missing JWT in cookies or headers (Missing cookie \"access_token_cookie\"; Missing 'Bearer' type \
                         in 'Authorization' header. Expected 'Authorization: Bearer <JWT>')";
const BAD_HEADER: &str = "Bad Authorization header. Expected 'Authorization: Bearer <JWT>'";

fn a_token_opens_the_door_from_a_cookie_and_from_a_header(on: Backend) {
    let app = on.app().with_ada();
    let opened = json!({ "logged_in_as": "ada" });
    assert_eq!(app.browser().get("/protected").json(), opened);
    assert_eq!(app.bearer().get("/protected").json(), opened);
}

fn the_account_says_who_one_is(on: Backend) {
    let app = on.app().with_ada();
    let account = app.browser().get("/account").json();
    assert_eq!(
        (&account["username"], &account["roles"]),
        (&json!("ada"), &json!([]))
    );
    assert_eq!(account["created_at"], "2027-01-15T08:00:00Z");
    assert_eq!(account.as_object().unwrap().len(), 4);
    app.get("/account")
        .send()
        .refused(401, "missing_token", NO_TOKEN);
}

fn headers_are_understood_as_flask_jwt_extended_does(on: Backend) {
    let app = on.app().with_ada();
    let good = app.bearer().access;
    for header in [
        format!("Bearer {good}, Basic x"),
        format!("Basic x, Bearer {good}"),
        format!("Bearer {good} ,"),
        // RFC 9110 section 11.1: schemes are case-insensitive.
        format!("bearer {good}"),
        format!("BEARER {good}"),
        format!("Basic x, bEARER {good}"),
    ] {
        assert_eq!(
            app.get("/protected")
                .header("Authorization", header.as_str())
                .send()
                .status,
            200,
            "{header}"
        );
    }
    let doubled = format!("Bearer {good}, Bearer {good}");
    for (header, status, code, msg) in [
        ("", 401, "missing_token", NO_TOKEN),
        ("Basic YTpi", 401, "missing_token", NO_BEARER),
        (&format!("bearerx {good}"), 401, "missing_token", NO_BEARER),
        (&good, 401, "missing_token", NO_BEARER),
        (&doubled, 401, "missing_token", NO_BEARER),
        (
            &format!("bearer {good}, Bearer {good}"),
            401,
            "missing_token",
            NO_BEARER,
        ),
        ("Bearer", 422, "bad_authorization_header", BAD_HEADER),
        ("bearer", 422, "bad_authorization_header", BAD_HEADER),
        ("Bearer a b", 422, "bad_authorization_header", BAD_HEADER),
        ("Bearer a", 422, "invalid_token", "Not enough segments"),
    ] {
        app.get("/protected")
            .header("Authorization", header)
            .send()
            .refused(status, code, msg);
    }
    let twice = app.get("/protected").bearer(&good).bearer(&good).send();
    twice.refused(401, "missing_token", NO_BEARER);
}

fn the_first_location_that_has_a_token_decides(on: Backend) {
    let app = on.app().with_ada();
    let good = app.bearer().access;
    let bad_cookie = app
        .get("/protected")
        .cookie("access_token_cookie=bad")
        .bearer(&good)
        .send();
    bad_cookie.refused(422, "invalid_token", "Not enough segments");
    let empty_cookie = app
        .get("/protected")
        .cookie("access_token_cookie=")
        .bearer(&good)
        .send();
    assert_eq!(empty_cookie.status, 200);

    let app = on
        .app_with(&[("JWT_TOKEN_LOCATION", "headers,cookies")])
        .with_ada();
    let good = format!("access_token_cookie={}", app.bearer().access);
    let bad_header = app.get("/protected").cookie(&good).bearer("bad").send();
    bad_header.refused(422, "invalid_token", "Not enough segments");
    let other_scheme = app
        .get("/protected")
        .cookie(&good)
        .header("Authorization", "Basic YTpi")
        .send();
    assert_eq!(other_scheme.status, 200);
}

fn a_location_that_is_not_configured_is_not_looked_at(on: Backend) {
    let app = on.app_with(&[("JWT_TOKEN_LOCATION", "cookies")]).with_ada();
    let access = app.browser().value("access_token_cookie").to_owned();
    let msg = "Missing cookie \"access_token_cookie\"";
    app.get("/protected")
        .bearer(&access)
        .send()
        .refused(401, "missing_token", msg);
    app.get(&format!("/protected?jwt={access}"))
        .send()
        .refused(401, "missing_token", msg);
}

fn cookies_are_read_raw(on: Backend) {
    let app = on.app().with_ada();
    let token = app.bearer().access;
    for forged in [
        "access%5Ftoken_cookie",
        "\u{2000}access_token_cookie",
        "Access_Token_Cookie",
    ] {
        let response = app
            .get("/protected")
            .cookie(&format!("{forged}={token}"))
            .send();
        response.refused(401, "missing_token", NO_TOKEN);
    }
    // A malformed cookie beside it hides nothing, even with the same name.
    for siblings in ["broken; ", "=; ", "a=\u{fc}\u{2603}; ", "b=%ff%; ;; "] {
        let response = app
            .get("/protected")
            .cookie(&format!("{siblings}access_token_cookie={token}; last"))
            .send();
        assert_eq!(response.status, 200, "{siblings:?}");
    }
    let tossed = app
        .get("/protected")
        .cookie(&format!(
            "access_token_cookie=x.y.z; access_token_cookie={token}"
        ))
        .send();
    assert_eq!(tossed.status, 200);
}

fn a_token_ends_at_the_second_it_names(on: Backend) {
    let app = on.app().with_ada();
    let ada = app.bearer();
    app.advance(Duration::from_secs(3599));
    assert_eq!(ada.get("/protected").status, 200);
    app.advance(Duration::from_secs(1));
    ada.get("/protected")
        .refused(401, "token_expired", "Token has expired");
}

fn leeway_bears_with_clocks_that_differ(on: Backend) {
    let app = on.app_with(&[("JWT_DECODE_LEEWAY", "30s")]).with_ada();
    for (ahead, status) in [(30, 200), (31, 422)] {
        let ahead = json!(START.unix() + ahead);
        for name in ["iat", "nbf"] {
            let early = with(&app, name, Some(ahead.clone()));
            assert_eq!(
                app.get("/protected").bearer(&early).send().status,
                status,
                "{name} {ahead}"
            );
        }
    }
    let ada = app.bearer();
    app.advance(Duration::from_secs(3629));
    assert_eq!(ada.get("/protected").status, 200);
    app.advance(Duration::from_secs(1));
    assert_eq!(ada.get("/protected").status, 401);
}

fn a_token_may_begin_five_seconds_from_now_whatever_the_leeway_below_that(on: Backend) {
    for settings in [vec![], vec![("JWT_DECODE_LEEWAY", "3s")]] {
        let app = on.app_with(&settings).with_ada();
        for name in ["iat", "nbf"] {
            for (ahead, status) in [(5, 200), (6, 422)] {
                let early = with(&app, name, Some(json!(START.unix() + ahead)));
                // The second time, from the cache.
                for _ in 0..2 {
                    let answer = app.get("/protected").bearer(&early).send();
                    assert_eq!(answer.status, status, "{settings:?} {name} {ahead}");
                }
            }
        }
    }
}

/// Returns Ada's claims with one claim changed or, by null in `change`, removed.
fn with(app: &TestApp, name: &str, value: Option<Value>) -> String {
    let mut said = claims(&app.bearer().access);
    match value {
        Some(value) => said.insert(name.to_owned(), value),
        None => said.remove(name),
    };
    signed(&said)
}

fn with_json(app: &TestApp, name: &str, value: Option<&str>) -> String {
    with(
        app,
        name,
        value.map(|value| serde_json::from_str(value).unwrap()),
    )
}

/// Claims with another value, in JSON, or without one, and the text of the answer. Empty: accepted.
const ODD_CLAIMS: &[(&str, Option<&str>, &str)] = &[
    ("sub", None, "Missing claim: sub"),
    ("sub", Some("7"), "Subject must be a string"),
    ("jti", Some("7"), "JWT ID must be a string"),
    ("jti", None, "Missing claim: jti"),
    (
        "exp",
        Some(r#""soon""#),
        "Expiration Time claim (exp) must be an integer.",
    ),
    (
        "exp",
        Some("null"),
        "Expiration Time claim (exp) must be an integer.",
    ),
    ("exp", None, "Token is missing the \"exp\" claim"),
    (
        "nbf",
        Some("[]"),
        "Not Before claim (nbf) must be an integer.",
    ),
    (
        "iat",
        Some("{}"),
        "Issued At claim (iat) must be an integer.",
    ),
    (
        "type",
        Some(r#""refresh""#),
        "Only non-refresh tokens are allowed",
    ),
    (
        "type",
        Some(r#""REFRESH""#),
        "Token type must be \"access\" or \"refresh\"",
    ),
    (
        "type",
        Some(r#"["refresh"]"#),
        "Token type must be \"access\" or \"refresh\"",
    ),
    ("type", None, "Missing claim: type"),
    ("sid", None, "Missing claim: sid"),
    ("csrf", Some("7"), "CSRF claim must be a string"),
    (
        "roles",
        Some(r#""admin""#),
        "Roles claim must be a list of strings",
    ),
    ("exp", Some("1e300"), ""),
    ("exp", Some("18446744073709551615"), ""),
    ("aud", Some(r#""anyone""#), ""),
];

fn well_signed_tokens_with_odd_claims_are_refused_in_flask_jwt_extended_s_words(on: Backend) {
    let app = on.app().with_ada();
    for (name, value, msg) in ODD_CLAIMS {
        accepted_or_refused(&app, &with_json(&app, name, *value), msg, name);
    }
    let later = json!(START.unix() + 6);
    for name in ["nbf", "iat"] {
        let msg = format!("The token is not yet valid ({name})");
        accepted_or_refused(&app, &with(&app, name, Some(later.clone())), &msg, name);
    }
    let past = app
        .get("/protected")
        .bearer(&with(&app, "exp", Some(json!(-1))))
        .send();
    past.refused(401, "token_expired", "Token has expired");
}

fn what_is_not_signed_by_us_is_refused_before_its_claims_are_read(on: Backend) {
    let app = on.app().with_ada();
    let good = app.bearer().access;
    let [head, body, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        panic!("three segments")
    };
    let expired = with(&app, "exp", Some(json!(1)));
    let expired_body = expired.split('.').nth(1).unwrap();
    for (token, msg) in [
        (
            format!("{head}.{expired_body}.{signature}"),
            "Signature verification failed",
        ),
        (format!("{head}.{body}."), "Signature verification failed"),
        (
            format!("{head}.{body}.{}", &signature[..40]),
            "Signature verification failed",
        ),
        (
            format!("{head}.{body}.{signature}="),
            "Invalid crypto padding",
        ),
        (
            format!("{head}.{body}.{signature}.x"),
            "Invalid payload padding",
        ),
        (
            format!("{head}=.{body}.{signature}"),
            "Invalid header padding",
        ),
        (
            format!("{head}.{body}+.{signature}"),
            "Invalid payload padding",
        ),
        (format!("{head}.{body}"), "Not enough segments"),
        ("x".to_owned(), "Not enough segments"),
        ("x".repeat(9000), "Token is longer than 8192 bytes"),
    ] {
        let response = app.get("/protected").bearer(&token).send();
        assert_eq!(
            (response.status, &response.json()["msg"]),
            (422, &json!(msg)),
            "{token}"
        );
    }
    // The last character has unused bits: another spelling of the same bytes is another token.
    let respelled = good[..good.len() - 1].to_owned() + if good.ends_with('A') { "B" } else { "A" };
    assert_eq!(app.get("/protected").bearer(&respelled).send().status, 422);
}

/// Heads of tokens, with the text of the answer. Empty: the token is accepted.
const ODD_HEADS: &[(&str, &str)] = &[
    (r#"{"typ":"JWT"}"#, "Algorithm not specified"),
    (
        r#"{"alg":"none"}"#,
        "The specified alg value is not allowed",
    ),
    (
        r#"{"alg":"hs256"}"#,
        "The specified alg value is not allowed",
    ),
    (
        r#"{"alg":"HS512"}"#,
        "The specified alg value is not allowed",
    ),
    (
        r#"{"alg":["HS256"]}"#,
        "The specified alg value is not allowed",
    ),
    (
        r#"{"alg":"HS256","kid":7}"#,
        "Key ID header parameter must be a string",
    ),
    (
        r#"{"alg":"HS256","crit":["evil"],"evil":1}"#,
        "Unsupported critical extension: evil",
    ),
    (
        r#"{"alg":"HS256","crit":["b64"],"b64":true}"#,
        "Unsupported critical extension: b64",
    ),
    (
        r#"{"alg":"HS256","crit":[]}"#,
        "Invalid 'crit' header: must be a non-empty list",
    ),
    (
        r#"{"alg":"HS256","b64":false}"#,
        "Unsupported critical extension: b64",
    ),
    (
        r#"["alg","HS256"]"#,
        "Invalid header string: must be a json object",
    ),
    (
        r#"{"alg":"none","alg":"HS256"}"#,
        "Invalid header string: not valid JSON",
    ),
    (
        r#"{"alg":"HS256","x":1,"jku":"http://127.0.0.1:9/","jwk":{}}"#,
        "",
    ),
];

/// Payloads of tokens, with the text of the answer.
const ODD_PAYLOADS: &[(&str, &str)] = &[
    ("[]", "Invalid payload string: must be a json object"),
    ("{", "Invalid payload string: not valid JSON"),
    (
        r#"{"sub":"1","sub":"2"}"#,
        "Invalid payload string: not valid JSON",
    ),
    (
        r#"{"a":{"b":1,"b":2}}"#,
        "Invalid payload string: not valid JSON",
    ),
];

fn headers_of_tokens_are_held_to_the_letter(on: Backend) {
    let app = on.app().with_ada();
    let body = serde_json::to_string(&claims(&app.bearer().access)).unwrap();
    for (header, msg) in ODD_HEADS {
        accepted_or_refused(&app, &signed_with_header(header, &body), msg, header);
    }
    for (body, msg) in ODD_PAYLOADS {
        let response = app
            .get("/protected")
            .bearer(&signed_with_header(r#"{"alg":"HS256"}"#, body))
            .send();
        response.refused(422, "invalid_token", msg);
    }
}

/// Asserts that the token is accepted if `msg` is empty, and refused with it otherwise.
fn accepted_or_refused(app: &TestApp, token: &str, msg: &str, case: &str) {
    let response = app.get("/protected").bearer(token).send();
    match msg {
        "" => assert_eq!(response.status, 200, "{case}: {response:?}"),
        msg => assert_eq!(
            (response.status, &response.json()["msg"]),
            (422, &json!(msg)),
            "{case}"
        ),
    }
}

/// Issuers and audiences, as in [`ODD_CLAIMS`].
const ODD_PARTIES: &[(&str, Option<&str>, &str)] = &[
    ("iss", None, "Token is missing the \"iss\" claim"),
    ("iss", Some(r#""US""#), "Invalid issuer"),
    ("iss", Some(r#""u""#), "Invalid issuer"),
    ("iss", Some(r#""us ""#), "Invalid issuer"),
    ("iss", Some(r#""us.evil.example""#), "Invalid issuer"),
    ("iss", Some(r#""""#), "Invalid issuer"),
    ("iss", Some("null"), "Payload Issuer (iss) must be a string"),
    (
        "iss",
        Some(r#"{"us":1}"#),
        "Payload Issuer (iss) must be a string",
    ),
    (
        "iss",
        Some(r#"["us"]"#),
        "Payload Issuer (iss) must be a string",
    ),
    ("aud", None, "Token is missing the \"aud\" claim"),
    ("aud", Some(r#""our""#), "Audience doesn't match"),
    ("aud", Some(r#""OURS""#), "Audience doesn't match"),
    ("aud", Some(r#""yours, ours""#), "Audience doesn't match"),
    ("aud", Some("[]"), "Token is missing the \"aud\" claim"),
    ("aud", Some(r#"["ou", "rs"]"#), "Audience doesn't match"),
    ("aud", Some("7"), "Invalid claim format in token"),
    (
        "aud",
        Some(r#"{"ours":1}"#),
        "Invalid claim format in token",
    ),
    (
        "aud",
        Some(r#"[["ours"]]"#),
        "Invalid claim format in token",
    ),
    (
        "aud",
        Some(r#"["theirs", 7]"#),
        "Invalid claim format in token",
    ),
    ("aud", Some(r#"["theirs", "ours"]"#), ""),
];

fn audience_and_issuer_are_asked_for_where_they_are_set(on: Backend) {
    let app = on
        .app_with(&[
            ("JWT_ENCODE_ISSUER", "us"),
            ("JWT_DECODE_ISSUER", "us"),
            ("JWT_ENCODE_AUDIENCE", "ours"),
            ("JWT_DECODE_AUDIENCE", "ours"),
        ])
        .with_ada();
    for (name, value, msg) in ODD_PARTIES {
        let case = format!("{name} {value:?}");
        accepted_or_refused(&app, &with_json(&app, name, *value), msg, &case);
    }
}

/// Even with this server's key, such tokens are rejected.
fn a_user_is_found_by_the_very_id_and_by_nothing_like_it(on: Backend) {
    let app = on.app().with_ada();
    let id = claims(&app.bearer().access)["sub"]
        .as_str()
        .unwrap()
        .to_owned();
    let own = with(&app, "sub", Some(json!(id)));
    assert_eq!(app.get("/account").bearer(&own).send().status, 200);
    for other in [
        id.to_uppercase(),
        format!("{id} "),
        format!(" {id}"),
        id.replace('-', ""),
        id[..id.len() - 1].to_owned(),
        "%".to_owned(),
        "ada".to_owned(),
        String::new(),
    ] {
        let forged = with(&app, "sub", Some(json!(other)));
        let account = app.get("/account").bearer(&forged).send();
        account.refused(401, "user_disabled", "Token has been revoked");
        let sessions = app.get("/sessions").bearer(&forged).send();
        assert!(!sessions.body.contains("127.0.0.1"), "{sessions:?}");
        let change = json!({ "current_password": ADA.1, "new_password": "another horse" });
        let change = app.post("/account/password").bearer(&forged).json(change);
        // The token's session is not that user's.
        change
            .send()
            .refused(401, "session_revoked", "Token has been revoked");
    }
}

fn a_refresh_token_opens_nothing(on: Backend) {
    let app = on.app().with_ada();
    let ada = app.bearer();
    let response = app.get("/protected").bearer(&ada.refresh).send();
    response.refused(
        422,
        "wrong_token_type",
        "Only non-refresh tokens are allowed",
    );
    let response = app
        .get("/protected")
        .cookie(&format!("access_token_cookie={}", ada.refresh))
        .send();
    response.refused(
        422,
        "wrong_token_type",
        "Only non-refresh tokens are allowed",
    );
}

fn a_token_of_another_server_is_refused(on: Backend) {
    let (one, other) = (
        on.app().with_ada(),
        on.app_with(&[(
            "JWT_SECRET_KEY",
            "the secret of another server, and as long as the algorithm wants it",
        )]),
    );
    let response = other.get("/protected").bearer(&one.bearer().access).send();
    response.refused(422, "invalid_signature", "Signature verification failed");
}

fn a_token_for_a_session_that_was_never_made_cannot_refresh(on: Backend) {
    let app = on.app().with_ada();
    let mut forged: Map<String, Value> = claims(&app.bearer().refresh);
    forged.insert(
        "sid".to_owned(),
        json!("018f0000-0000-7000-8000-000000000000"),
    );
    let response = app.post("/refresh").bearer(&signed(&forged)).send();
    response.refused(401, "session_revoked", "Token has been revoked");
}

/// Returns a token of Flask-JWT-Extended: its claims only.
fn foreign(app: &TestApp, kind: &str, fresh: bool) -> String {
    let now = app.now().unix();
    let claims = json!({
        "fresh": fresh, "iat": now, "nbf": now, "exp": now + 900, "jti": "f1", "type": kind, "sub": "ada", "csrf": "c",
    });
    signed(claims.as_object().unwrap())
}

fn where_it_is_allowed_a_flask_app_s_tokens_open_doors_and_no_more(on: Backend) {
    let app = on.app_with(&[("JWT_ACCEPT_FOREIGN", "true")]).with_ada();
    let token = foreign(&app, "access", true);
    let response = app.get("/protected").bearer(&token).send();
    assert_eq!(
        (response.status, response.json()),
        (200, json!({ "logged_in_as": "ada" }))
    );
    let refresh = foreign(&app, "refresh", false);
    let response = app.post("/refresh").bearer(&refresh).send();
    response.refused(401, "session_revoked", "Token has been revoked");
    let change =
        json!({ "current_password": "correct horse battery", "new_password": "another one" });
    let change = app.post("/account/password").bearer(&token).json(change);
    change
        .send()
        .refused(422, "invalid_token", "Missing claim: sid");
    let strict = on.app();
    let response = strict.get("/protected").bearer(&token).send();
    response.refused(422, "invalid_token", "Missing claim: sid");
}

on_both_databases!(
    where_it_is_allowed_a_flask_app_s_tokens_open_doors_and_no_more,
    a_token_opens_the_door_from_a_cookie_and_from_a_header,
    the_account_says_who_one_is,
    headers_are_understood_as_flask_jwt_extended_does,
    the_first_location_that_has_a_token_decides,
    a_location_that_is_not_configured_is_not_looked_at,
    cookies_are_read_raw,
    a_token_ends_at_the_second_it_names,
    leeway_bears_with_clocks_that_differ,
    a_token_may_begin_five_seconds_from_now_whatever_the_leeway_below_that,
    well_signed_tokens_with_odd_claims_are_refused_in_flask_jwt_extended_s_words,
    what_is_not_signed_by_us_is_refused_before_its_claims_are_read,
    headers_of_tokens_are_held_to_the_letter,
    audience_and_issuer_are_asked_for_where_they_are_set,
    a_user_is_found_by_the_very_id_and_by_nothing_like_it,
    a_refresh_token_opens_nothing,
    a_token_of_another_server_is_refused,
    a_token_for_a_session_that_was_never_made_cannot_refresh,
);
