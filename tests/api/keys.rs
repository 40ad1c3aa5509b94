//! Tests the keys: which key signs and which verify, the published keys, and that changes keep
//! sessions alive.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};
use tokenpair::clock::Clock;

use crate::support::jwt::{claims, header};
use crate::support::pair::{ALGORITHMS, Pair, resigned, signing};
use crate::support::python::python;
use crate::support::{Backend, Bearer, Database, SECRET, START, TestApp};

const JWKS: &str = "/.well-known/jwks.json";
const ANOTHER: &str = "another secret of the tests: 64 bytes that nobody else signs with";

const NOT_ALLOWED: &str = "The specified alg value is not allowed";
const BAD: &str = "Signature verification failed";
const NO_SUCH_KEY: &str = "Unable to find a signing key that matches the key ID";

fn start(database: &Database, settings: &[(&str, &str)]) -> TestApp {
    TestApp::start(&database.url(), settings, Clock::fixed(START))
}

/// Starts a server with that algorithm's pair, and an account for ada.
fn app_for(on: Backend, algorithm: &str) -> TestApp {
    on.app_with(&Pair::of(algorithm).settings(algorithm))
        .with_ada()
}

fn published(app: &TestApp) -> Vec<Value> {
    let keys = app.get(JWKS).send().json();
    assert_eq!(keys.as_object().unwrap().len(), 1, "{keys}");
    keys["keys"].as_array().unwrap().clone()
}

#[track_caller]
fn refused(app: &TestApp, token: &str, msg: &str) {
    let answer = app.get("/protected").bearer(token).send();
    assert_eq!(
        (answer.status, answer.json()["msg"].as_str()),
        (422, Some(msg)),
        "{answer:?}"
    );
}

fn opens(app: &TestApp, token: &str) -> u16 {
    app.get("/protected").bearer(token).send().status
}

fn others_verify_our_tokens_with_the_published_keys_alone(on: Backend) {
    let database = Database::create(on);
    drop(start(&database, &[]).with_ada());
    // PyJWT uses the machine's clock.
    let url = database.url();
    let server = |algorithm: &&str| {
        let settings = Pair::of(algorithm).settings(algorithm);
        TestApp::start(&url, &settings, Clock::system())
    };
    let apps: Vec<TestApp> = ALGORITHMS.iter().map(server).collect();
    let tokens: Vec<String> = apps.iter().map(|app| app.bearer().access).collect();
    let entries: Vec<Value> = apps
        .iter()
        .zip(&tokens)
        .map(|(app, token)| json!({ "keys": format!("http://{}{JWKS}", app.address()), "token": token }))
        .collect();
    let verified = pyjwt(&json!(entries));
    assert_eq!(verified.len(), ALGORITHMS.len());
    for ((verified, algorithm), token) in verified.iter().zip(ALGORITHMS).zip(&tokens) {
        assert_eq!(verified["header"]["alg"], algorithm);
        assert_eq!(verified["payload"], Value::Object(claims(token)));
        assert_eq!(verified["payload"]["username"], "ada");
    }
}

/// Runs PyJWT in a process that has only the URLs and the tokens.
fn pyjwt(entries: &Value) -> Vec<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/pyjwt.py");
    let mut child = Command::new(python())
        .args(["-B", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(entries.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "PyJWT refuses one");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn the_published_key_is_the_public_half_of_what_tokens_name(on: Backend) {
    let database = Database::create(on);
    drop(start(&database, &[]).with_ada());
    for algorithm in ALGORITHMS {
        let app = start(&database, &Pair::of(algorithm).settings(algorithm));
        let keys = published(&app);
        let [key] = keys.as_slice() else {
            panic!("{keys:?}")
        };
        let members: BTreeSet<&str> = key
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        // No d, p, q, dp, dq, qi, oth or k.
        let (kty, own): (&str, &[(&str, usize)]) = match algorithm {
            "ES256" => ("EC", &[("x", 32), ("y", 32)]),
            "ES384" => ("EC", &[("x", 48), ("y", 48)]),
            "EdDSA" => ("OKP", &[("x", 32)]),
            _ => ("RSA", &[("n", 256), ("e", 3)]),
        };
        let curve = (kty != "RSA").then_some("crv");
        let own_names = own.iter().map(|(name, _)| *name).chain(curve);
        let wanted = ["kty", "kid", "alg", "use"].into_iter().chain(own_names);
        assert_eq!(members, wanted.collect(), "{algorithm}");
        assert_eq!((&key["kty"], &key["use"]), (&json!(kty), &json!("sig")));
        for (name, width) in own {
            let bytes = URL_SAFE_NO_PAD
                .decode(key[*name].as_str().unwrap())
                .unwrap();
            assert_eq!(bytes.len(), *width, "{algorithm} {name}");
        }
        let ada = app.bearer();
        for token in [&ada.access, &ada.refresh] {
            let header = header(token);
            assert_eq!(header["alg"], key["alg"]);
            assert_eq!(header["kid"], key["kid"]);
            assert_eq!(header["alg"], algorithm);
        }
        assert_eq!(ada.get("/protected").status, 200);
        assert_eq!(ada.try_refresh().status, 200);
    }
}

fn a_secret_is_never_published(on: Backend) {
    let secret = [("JWT_PREVIOUS_SECRET_KEYS", ANOTHER)];
    let app = on.app_with(&secret);
    assert_eq!(app.get(JWKS).send().body, r#"{"keys":[]}"#);
    let mut moving = Pair::of("ES256").settings("ES256");
    moving.extend([
        ("JWT_PREVIOUS_SECRET_KEYS", SECRET),
        ("JWT_PREVIOUS_ALGORITHM", "HS256"),
    ]);
    let keys = published(&on.app_with(&moving));
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0]["kty"], "EC");
}

fn the_published_keys_may_be_kept_and_are_for_anyone(on: Backend) {
    let app = app_for(on, "ES256");
    let mut browser = app.browser();
    // A response to an access token of that age carries a new one, but this response concerns no
    // user.
    app.advance(std::time::Duration::from_secs(45 * 60));
    for answer in [browser.get(JWKS), app.get(JWKS).send()] {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
        assert!(answer.cookies().is_empty());
    }
    assert_eq!(browser.get("/protected").cookies().len(), 2, "one was due");
    let broken = app
        .get(JWKS)
        .bearer("no token")
        .cookie("access_token_cookie=x");
    assert_eq!(broken.send().status, 200);
    let head = app.request("HEAD", JWKS).send();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let answer = app.request(method, JWKS).send();
        answer.refused(405, "method_not_allowed", "Method not allowed");
        assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"));
    }
}

fn a_key_id_is_the_key_s_to_the_letter_and_leads_nowhere_else(on: Backend) {
    let app = app_for(on, "ES256");
    let token = app.bearer().access;
    let kid = header(&token)["kid"].as_str().unwrap().to_owned();
    let key = signing("ES256");
    let with = |kid: &Value| {
        let header = json!({ "alg": "ES256", "kid": kid, "typ": "JWT" }).to_string();
        resigned(&token, &header, &key, "ES256")
    };
    assert_eq!(opens(&app, &with(&json!(kid))), 200);
    let upper = kid.to_uppercase();
    let (shorter, longer) = (&kid[1..], format!("{kid} "));
    for wrong in [
        "",
        "unknown",
        shorter,
        &longer,
        &upper,
        "../../etc/passwd",
        "/dev/zero",
        "' OR '1'='1",
        "$(id)",
        "http://127.0.0.1:9/key",
        "\u{0}",
    ] {
        refused(&app, &with(&json!(wrong)), NO_SUCH_KEY);
    }
    for odd in [
        json!(7),
        json!(null),
        json!([kid]),
        json!({ "kid": kid }),
        json!(true),
    ] {
        refused(
            &app,
            &with(&odd),
            "Key ID header parameter must be a string",
        );
    }
}

fn a_key_serves_one_algorithm(on: Backend) {
    let app = on.app().with_ada();
    let token = app.bearer().access;
    let secret = EncodingKey::from_secret(SECRET.as_bytes());
    let by = |key: &EncodingKey, alg: &str, with: &str| {
        resigned(&token, &json!({ "alg": alg }).to_string(), key, with)
    };
    assert_eq!(opens(&app, &by(&secret, "HS256", "HS256")), 200);
    for other in ["HS384", "HS512"] {
        refused(&app, &by(&secret, other, other), NOT_ALLOWED);
    }
    drop(app);
    let app = app_for(on, "RS256");
    let token = app.bearer().access;
    let key = signing("RS256");
    let by = |alg: &str| resigned(&token, &json!({ "alg": alg }).to_string(), &key, alg);
    assert_eq!(opens(&app, &by("RS256")), 200);
    for other in ["RS384", "RS512", "PS256", "PS384", "PS512"] {
        refused(&app, &by(other), NOT_ALLOWED);
    }
}

/// CVE-2015-9235: an HS256 token whose secret is the public key.
fn a_public_key_is_no_secret_also_where_old_secrets_verify(on: Backend) {
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let pair = Pair::of(algorithm);
        let mut moving = pair.settings(algorithm);
        moving.extend([
            ("JWT_PREVIOUS_SECRET_KEYS", SECRET),
            ("JWT_PREVIOUS_ALGORITHM", "HS256"),
        ]);
        for (settings, msg) in [(pair.settings(algorithm), NOT_ALLOWED), (moving, BAD)] {
            let app = on.app_with(&settings).with_ada();
            let token = app.bearer().access;
            let kid = &header(&token)["kid"];
            let jwk = published(&app)[0].to_string().into_bytes();
            let jwks = app.get(JWKS).send().body.into_bytes();
            for known in pair.known_forms().into_iter().chain([jwk, jwks]) {
                let key = EncodingKey::from_secret(&known);
                for header in [
                    json!({ "alg": "HS256" }),
                    json!({ "alg": "HS256", "kid": kid }),
                ] {
                    let forged = resigned(&token, &header.to_string(), &key, "HS256");
                    refused(&app, &forged, msg);
                }
            }
        }
    }
}

fn a_new_secret_logs_nobody_out_while_the_old_one_is_kept_to_verify(on: Backend) {
    let database = Database::create(on);
    let oldest = "the secret before that one, which also had sixty-four bytes or more";
    let app = start(&database, &[("JWT_SECRET_KEY", oldest)]).with_ada();
    let first = tokens(&app);
    drop(app);
    let app = start(&database, &[("JWT_SECRET_KEY", ANOTHER)]);
    let (one, other) = (tokens(&app), tokens(&app));
    drop(app);
    let older = r"the secret before that one\, which also had sixty-four bytes or more";
    let previous = format!("{older},{ANOTHER}");
    let app = start(&database, &[("JWT_PREVIOUS_SECRET_KEYS", &previous)]);
    assert_eq!((opens(&app, &first.0), opens(&app, &one.0)), (200, 200));
    let refreshed = app.post("/refresh").bearer(&one.1).send();
    assert_eq!(refreshed.status, 200);
    let new = Bearer::of(&app, &refreshed);
    let (access, refresh) = (new.access.clone(), new.refresh.clone());
    drop(app);
    let app = start(&database, &[]);
    assert_eq!(opens(&app, &access), 200, "the new secret signed it");
    assert_eq!(app.post("/refresh").bearer(&refresh).send().status, 200);
    refused(&app, &other.0, BAD);
    app.post("/refresh")
        .bearer(&other.1)
        .send()
        .refused(422, "invalid_signature", BAD);
}

fn tokens(app: &TestApp) -> (String, String) {
    let ada = app.bearer();
    (ada.access.clone(), ada.refresh.clone())
}

fn a_move_from_a_secret_to_a_key_pair_logs_nobody_out(on: Backend) {
    let database = Database::create(on);
    let app = start(&database, &[]).with_ada();
    let (one, other) = (tokens(&app), tokens(&app));
    drop(app);
    let pair = Pair::of("ES256").settings("ES256");
    let mut moving = pair.clone();
    moving.extend([
        ("JWT_PREVIOUS_SECRET_KEYS", SECRET),
        ("JWT_PREVIOUS_ALGORITHM", "HS256"),
    ]);
    let app = start(&database, &moving);
    assert_eq!((opens(&app, &one.0), opens(&app, &other.0)), (200, 200));
    let refreshed = app.post("/refresh").bearer(&one.1).send();
    let new = Bearer::of(&app, &refreshed);
    assert_eq!(header(&new.access)["alg"], "ES256");
    assert_eq!(header(&new.refresh)["alg"], "ES256");
    // The secret verifies only the algorithm it signed with.
    let secret = EncodingKey::from_secret(SECRET.as_bytes());
    let hs512 = resigned(&one.0, r#"{"alg":"HS512"}"#, &secret, "HS512");
    refused(&app, &hs512, NOT_ALLOWED);
    let access = new.access.clone();
    drop(app);
    let app = start(&database, &pair);
    assert_eq!(opens(&app, &access), 200);
    refused(&app, &other.0, NOT_ALLOWED);
}

on_both_databases!(
    others_verify_our_tokens_with_the_published_keys_alone,
    the_published_key_is_the_public_half_of_what_tokens_name,
    a_secret_is_never_published,
    the_published_keys_may_be_kept_and_are_for_anyone,
    a_key_id_is_the_key_s_to_the_letter_and_leads_nowhere_else,
    a_key_serves_one_algorithm,
    a_public_key_is_no_secret_also_where_old_secrets_verify,
    a_new_secret_logs_nobody_out_while_the_old_one_is_kept_to_verify,
    a_move_from_a_secret_to_a_key_pair_logs_nobody_out,
);
