//! Tests `POST /introspect` (RFC 7662), and how a client authenticates there and at `POST /revoke`.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokenpair_store::{ClientChange, ClientName, ClientPermission, ClientSecret};
use url::form_urlencoded::byte_serialize;

use crate::admin::{log_in, patch, register, with_root};
use crate::database_away::Away;
use crate::metrics::Scrape;
use crate::support::jwt::{claims, signed};
use crate::support::recorder::{recorded_app, sent};
use crate::support::{Backend, Bearer, Request, Response, TestApp, block_on, unavailable};

/// A client with its secret in plain text.
pub(crate) struct Service {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Service {
    /// Adds a client, as the operator does.
    pub(crate) fn add(app: &TestApp, name: &str, may: &[ClientPermission]) -> Self {
        let secret = ClientSecret::random();
        let name = ClientName::parse(name).unwrap();
        let store = app.other_store();
        let context = app.context();
        let added = store.create_client(name, may.to_vec(), secret.digest(), &context);
        Self {
            id: block_on(added).unwrap().id,
            secret: secret.expose().to_owned(),
        }
    }

    pub(crate) fn basic(&self) -> String {
        basic(&format!("{}:{}", self.id, self.secret))
    }

    pub(crate) fn post(&self, app: &TestApp, path: &str, form: &str) -> Response {
        let request = app.post(path).header("Authorization", self.basic());
        request.form(form).send()
    }

    fn ask(&self, app: &TestApp, token: &str) -> Value {
        let answer = self.post(app, "/introspect", &format!("token={token}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        answer.json()
    }

    fn ask_about_refresh(&self, app: &TestApp, token: &str) -> Value {
        let form = format!("token={token}&token_type_hint=refresh_token");
        self.post(app, "/introspect", &form).json()
    }
}

pub(crate) fn basic(joined: &str) -> String {
    format!("Basic {}", STANDARD.encode(joined))
}

/// Starts a server with Ada and a client that may introspect.
fn with_a_service(on: Backend) -> (TestApp, Service) {
    with_a_service_on(on.app())
}

fn with_a_service_on(app: TestApp) -> (TestApp, Service) {
    let app = app.with_ada();
    let service = Service::add(&app, "billing", &[ClientPermission::Introspect]);
    (app, service)
}

fn inactive() -> Value {
    json!({ "active": false })
}

fn an_access_token_is_active_with_its_claims_and_nothing_secret(on: Backend) {
    let (app, service) = with_a_service(on);
    let ada = app.bearer();
    let own = claims(&ada.access);
    let expected = json!({
        "active": true, "token_type": "Bearer", "type": "access", "username": "ada", "fresh": true, "roles": [],
        "sub": own["sub"], "exp": own["exp"], "iat": own["iat"], "nbf": own["nbf"], "jti": own["jti"], "sid": own["sid"],
    });
    assert_eq!(service.ask(&app, &ada.access), expected);
    let refreshed = ada.refreshed();
    assert_eq!(service.ask(&app, &refreshed.access)["fresh"], false);
}

fn issuer_and_audience_are_named_where_the_settings_have_them(on: Backend) {
    let settings = [
        ("JWT_ENCODE_ISSUER", "https://login.example.org"),
        ("JWT_DECODE_ISSUER", "https://login.example.org"),
        ("JWT_ENCODE_AUDIENCE", "shop"),
        ("JWT_DECODE_AUDIENCE", "shop"),
    ];
    let app = on.app_with(&settings).with_ada();
    let service = Service::add(&app, "billing", &[ClientPermission::Introspect]);
    let ada = app.bearer();
    let answer = service.ask(&app, &ada.access);
    assert_eq!(answer["iss"], "https://login.example.org");
    assert_eq!(answer["aud"], json!(["shop"]));
    let mut other = claims(&ada.access);
    other.insert("iss".to_owned(), json!("https://other.example.org"));
    assert_eq!(service.ask(&app, &signed(&other)), inactive());
}

fn a_token_that_is_not_acceptable_is_inactive_and_nothing_else_is_told(on: Backend) {
    let (app, service) = with_a_service(on);
    let ada = app.bearer();
    let mut later = claims(&ada.access);
    later.insert("nbf".to_owned(), json!(app.now().unix() + 3600));
    let mut without_session = claims(&ada.access);
    without_session.remove("sid");
    let dots = ".".repeat(20_000);
    for token in [
        "abc",
        "%00",
        "a%00b",
        "%FF%FE",
        "..",
        &dots,
        &"a".repeat(9000),
        &format!("{}AAAA", &ada.access[..ada.access.len() - 4]),
        "eyJhbGciOiJub25lIn0.e30.",
        &signed(&later),
        &signed(&without_session),
        &format!("+{}", ada.access),
        &ada.refresh,
    ] {
        assert_eq!(service.ask(&app, token), inactive(), "{token:.60}");
    }
    app.advance(Duration::from_secs(3606));
    assert_eq!(service.ask(&app, &ada.access), inactive(), "expired");
}

/// A resource server that looks at `active` alone must not take a refresh token for an access token.
fn a_refresh_token_is_active_only_for_a_client_that_asks_about_one(on: Backend) {
    let (app, service) = with_a_service(on);
    let ada = app.bearer();
    assert_eq!(service.ask(&app, &ada.refresh), inactive());
    for hint in ["access_token", "", "Refresh_Token", "nonsense"] {
        let form = format!("token={}&token_type_hint={hint}", ada.refresh);
        let answer = service.post(&app, "/introspect", &form);
        assert_eq!(answer.json(), inactive(), "{hint}");
    }
    let own = claims(&ada.refresh);
    let answer = service.ask_about_refresh(&app, &ada.refresh);
    assert_eq!(
        (&answer["active"], &answer["type"]),
        (&json!(true), &json!("refresh"))
    );
    assert_eq!((&answer["sub"], &answer["jti"]), (&own["sub"], &own["jti"]));
    for absent in ["token_type", "roles", "fresh", "csrf", "generation"] {
        assert_eq!(answer.get(absent), None, "{absent}");
    }
    let access = service.ask_about_refresh(&app, &ada.access);
    assert_eq!(access["type"], "access", "a wrong hint has no effect");
}

fn asking_about_a_refresh_token_does_not_use_it_up_and_raises_no_alarm(on: Backend) {
    let app = recorded_app(on);
    let service = Service::add(&app, "billing", &[ClientPermission::Introspect]);
    let ada = app.bearer();
    let asked = sent(&app, || service.ask_about_refresh(&app, &ada.refresh));
    assert_eq!(asked, ["SELECT", "SELECT"]);
    let newer = ada.refreshed();
    let newest = newer.refreshed();
    app.advance(Duration::from_secs(3600));
    for _ in 0..3 {
        let old = service.ask_about_refresh(&app, &ada.refresh);
        assert_eq!(old, inactive(), "replaced long ago");
    }
    assert_eq!(
        service.ask_about_refresh(&app, &newest.refresh)["active"],
        true
    );
    assert_eq!(newest.try_refresh().status, 200, "the session goes on");
}

fn it_costs_two_reads_and_no_write(on: Backend) {
    let app = recorded_app(on);
    let service = Service::add(&app, "billing", &[ClientPermission::Introspect]);
    let ada = app.bearer();
    service.ask(&app, &ada.access);
    let asked = sent(&app, || service.ask(&app, &ada.access));
    let reads = asked.iter().all(|verb| verb == "SELECT");
    assert!(reads && asked.len() <= 3, "{asked:?}");
}

fn a_session_that_ended_behind_the_server_s_back_is_inactive_at_once(on: Backend) {
    let (app, service) = with_a_service(on);
    let ada = app.bearer();
    assert_eq!(service.ask(&app, &ada.access)["active"], true);
    let now = app.now().unix();
    app.database().execute(&format!(
        "UPDATE sessions SET revoked_at = {now}, revoke_reason = 'admin'"
    ));
    assert_eq!(ada.get("/protected").status, 200, "nobody told this server");
    assert_eq!(service.ask(&app, &ada.access), inactive());
    assert_eq!(service.ask_about_refresh(&app, &ada.refresh), inactive());
}

fn logout_and_changes_of_the_user_make_tokens_inactive(on: Backend) {
    let (app, _) = with_root(on);
    let service = Service::add(&app, "billing", &[ClientPermission::Introspect]);
    let id = register(&app, "bob");
    let root = log_in(&app, "root");
    let bob = log_in(&app, "bob");
    let change = |body: Value| assert_eq!(patch(&app, &root, &id, body).status, 200);
    change(json!({ "roles": ["author"] }));
    assert_eq!(
        service.ask(&app, &bob.access),
        inactive(),
        "older than its roles"
    );
    let bob = bob.refreshed();
    assert_eq!(service.ask(&app, &bob.access)["roles"], json!(["author"]));
    change(json!({ "disabled": true }));
    assert_eq!(service.ask(&app, &bob.access), inactive(), "disabled");
    assert_eq!(service.ask_about_refresh(&app, &bob.refresh), inactive());
    change(json!({ "disabled": false }));
    let bob = log_in(&app, "bob");
    assert_eq!(app.post("/logout").bearer(&bob.access).send().status, 200);
    assert_eq!(service.ask(&app, &bob.access), inactive(), "logged out");
}

#[track_caller]
fn rejected(answer: &Response) {
    answer.refused(
        401,
        "invalid_client",
        "The client's id or secret is missing or wrong",
    );
    assert_eq!(answer.json()["error"], "invalid_client");
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Basic realm=\"tokenpair\"")
    );
}

fn a_client_authenticates_by_basic_or_in_the_body(on: Backend) {
    let (app, service) = with_a_service(on);
    let token = app.bearer().access;
    let Service { id, secret } = &service;
    let status = |header: Option<String>, more: &str| {
        let mut request = app.post("/introspect");
        if let Some(header) = header {
            request = request.header("Authorization", header);
        }
        let answer = request.form(&format!("token={token}{more}")).send();
        if answer.status == 200 {
            assert_eq!(answer.json()["active"], true);
        }
        answer.status
    };
    let joined = format!("{id}:{secret}");
    assert_eq!(status(Some(basic(&joined)), ""), 200);
    let lower = basic(&joined).replace("Basic", "bASIC");
    assert_eq!(status(Some(lower), ""), 200);
    let in_body = format!("&client_id={id}&client_secret={secret}");
    assert_eq!(status(None, &in_body), 200);
    assert_eq!(
        status(Some(basic(&joined)), &format!("&client_id={id}")),
        200
    );
    // RFC 6749 section 2.3.1: both are form-encoded first.
    let every =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    assert_eq!(
        status(Some(basic(&format!("{}:{}", every(id), every(secret)))), ""),
        200
    );
    let usual: String = byte_serialize(secret.as_bytes()).collect();
    assert_eq!(status(Some(basic(&format!("{id}:{usual}"))), ""), 200);
    assert_eq!(status(Some(basic(&joined)), &in_body), 400, "two ways");
    assert_eq!(status(Some(basic(&joined)), "&client_id=another"), 400);
}

fn wrong_credentials_are_rejected_alike_whether_the_client_exists_or_not(on: Backend) {
    let app = on.app_with(&[("THROTTLE", "off")]).with_ada();
    let service = Service::add(&app, "billing", &[ClientPermission::Introspect]);
    let other = Service::add(&app, "other", &[ClientPermission::Introspect]);
    let token = app.bearer().access;
    let Service { id, secret } = &service;
    let unknown = "0199d0c6-0b3f-7d18-a7c4-9e5b1d2f6c08";
    let joined = |id: &str, secret: &str| basic(&format!("{id}:{secret}"));
    let mut answers = Vec::new();
    for header in [
        joined(id, &other.secret),
        joined(unknown, secret),
        joined(id, ""),
        joined("", secret),
        joined("", ""),
        joined("billing", secret),
        joined(id, &secret.to_uppercase()),
        joined(id, &format!("{secret}\0")),
        joined(&format!("{id}\0"), secret),
        joined("%00", "%00"),
        joined("' OR 1=1 --", "x"),
        joined(&format!("{id}&x"), secret),
        joined(id, "%zz%"),
        basic(id),
        "Basic".to_owned(),
        "Basic ".to_owned(),
        "Basic !!!".to_owned(),
        format!("Bearer {token}"),
        format!("Basic {}", STANDARD.encode([0xff, b':', 0xfe])),
        "Basic ".to_owned() + &"A".repeat(8000),
    ] {
        let request = app.post("/introspect").header("Authorization", &header);
        let answer = request.form(&format!("token={token}")).send();
        rejected(&answer);
        answers.push(answer.body);
    }
    for form in [
        format!("&client_id={id}"),
        format!("&client_secret={secret}"),
        format!("&client_id={id}&client_secret=wrong"),
        format!("&client_id={unknown}&client_secret={secret}"),
        "&client_id=%00&client_secret=%00".to_owned(),
        String::new(),
    ] {
        let form = format!("token={token}{form}");
        let answer = app.post("/introspect").form(&form).send();
        rejected(&answer);
        answers.push(answer.body);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

fn a_request_that_can_be_read_in_two_ways_is_refused(on: Backend) {
    let (app, service) = with_a_service(on);
    let token = app.bearer().access;
    let refused = |request: Request, status: u16, code: &str| {
        let answer = request.header("Authorization", service.basic()).send();
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (status, &json!(code))
        );
        assert_eq!(answer.json()["error"], "invalid_request", "{answer:?}");
        assert_eq!(answer.json()["error_description"], answer.json()["msg"]);
        assert!(!answer.body.contains(&token), "{answer:?}");
    };
    let post = || app.post("/introspect");
    for twice in ["token", "token_type_hint", "client_id"] {
        let form = format!("token={token}&{twice}=a&{twice}=a");
        refused(post().form(&form), 400, "invalid_parameter");
    }
    let unknown = format!("token={token}&x=a&x=b");
    let answer = service.post(&app, "/introspect", &unknown);
    assert_eq!(answer.json()["active"], true, "others are ignored");
    refused(post().form(""), 400, "missing_parameter");
    refused(post().form("token="), 400, "missing_parameter");
    refused(post().form("Token=abc"), 400, "missing_parameter");
    refused(
        post().json(json!({ "token": token })),
        415,
        "unsupported_media_type",
    );
    refused(
        post().body("text/plain", "token=a"),
        415,
        "unsupported_media_type",
    );
    let query = format!("/introspect?token={token}");
    refused(
        app.post(&query).form(&format!("token={token}")),
        400,
        "bad_request",
    );
    let both = post().form(&format!("token={token}"));
    refused(
        both.header("Authorization", service.basic()),
        400,
        "bad_request",
    );
    let giant = format!("token={}", "a".repeat(40_000));
    refused(post().form(&giant), 413, "body_too_large");
    assert_eq!(app.get("/introspect").send().status, 405);
}

fn failures_are_limited_by_network_and_a_right_secret_still_works(on: Backend) {
    let (app, service) = with_a_service_on(on.app_with(&[("METRICS_BIND", "127.0.0.1:0")]));
    let ada = app.bearer();
    let wrong = || {
        let wrong = basic(&format!("{}:wrong", service.id));
        let request = app.post("/introspect").header("Authorization", wrong);
        request.form(&format!("token={}", ada.access)).send()
    };
    let limited = (0..200)
        .map(|_| wrong())
        .find(|answer| answer.status != 401);
    let limited = limited.expect("a limit");
    assert_eq!(
        (limited.status, &limited.json()["error"]),
        (429, &json!("temporarily_unavailable"))
    );
    assert!(limited.header("retry-after").is_some());
    let throttled = Scrape::of(&app).counted("tokenpair_throttled_total");
    assert_eq!(throttled, [("client".to_owned(), 1)].into());
    assert_eq!(service.ask(&app, &ada.access)["active"], true);
    app.bearer();
    let events =
        "SELECT count(*) AS n FROM audit_events WHERE kind = 'client_authentication_failed'";
    assert!(app.database().numbers(events)[0] > 0);
}

fn two_secrets_work_until_the_rotation_is_finished(on: Backend) {
    let (app, old) = with_a_service(on);
    let ada = app.bearer();
    let secret = ClientSecret::random();
    let new = Service {
        id: old.id.clone(),
        secret: secret.expose().to_owned(),
    };
    let change = |change| {
        let store = app.other_store();
        block_on(store.change_client(&old.id, change, &app.context())).unwrap();
    };
    change(ClientChange::Secret(secret.digest()));
    assert_eq!(old.ask(&app, &ada.access)["active"], true);
    assert_eq!(new.ask(&app, &ada.access)["active"], true);
    change(ClientChange::DropPreviousSecret);
    rejected(&old.post(&app, "/introspect", "token=a"));
    assert_eq!(new.ask(&app, &ada.access)["active"], true);
}

fn a_client_without_the_permission_learns_nothing(on: Backend) {
    let app = on.app().with_ada();
    let service = Service::add(&app, "desk", &[ClientPermission::Revoke]);
    let token = app.bearer().access;
    let answer = service.post(&app, "/introspect", &format!("token={token}"));
    let msg = "This client lacks the permission introspect";
    answer.refused(403, "unauthorized_client", msg);
    assert_eq!(answer.json()["error"], "unauthorized_client");
    let gone = block_on(app.other_store().delete_client(&service.id, &app.context()));
    assert!(gone.unwrap());
    rejected(&service.post(&app, "/introspect", &format!("token={token}")));
}

fn it_is_no_business_of_a_browser(on: Backend) {
    let (app, service) = with_a_service(on);
    let browser = app.browser();
    let form = format!("token={}", browser.value("access_token_cookie"));
    let post = || {
        app.post("/introspect")
            .header("Authorization", service.basic())
    };
    app.advance(Duration::from_secs(1800));
    let answer = post().cookie(&browser.cookie_header()).form(&form).send();
    assert_eq!((answer.status, answer.cookies().len()), (200, 0));
    let foreign = post()
        .header("Origin", "https://evil.example")
        .form(&form)
        .send();
    assert_eq!(foreign.status, 403);
    let cookie_alone = app.post("/introspect").cookie(&browser.cookie_header());
    rejected(&cookie_alone.form(&form).send());
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[test]
fn with_the_database_away_no_token_is_called_active() {
    let (app, service) = with_a_service(Backend::Postgres);
    let ada: Bearer<'_> = app.bearer();
    assert_eq!(service.ask(&app, &ada.access)["active"], true);
    let away = Away::from(&app);
    let form = format!("token={}", ada.access);
    let answer = service.post(&app, "/introspect", &form);
    unavailable(&answer);
    assert_eq!(answer.json()["error"], "temporarily_unavailable");
    drop(away);
}

/// No revocation was read for longer than the limit, so nothing is known of other servers' logouts.
fn stale_revocations_are_no_ground_to_call_a_token_active(on: Backend) {
    let app = on.app_with(&[("REVOCATION_STALE_LIMIT", "10s")]).with_ada();
    let service = Service::add(&app, "billing", &[ClientPermission::Introspect]);
    let ada = app.bearer();
    app.database().execute("DROP TABLE revocations");
    app.advance(Duration::from_secs(11));
    unavailable(&service.post(&app, "/introspect", &format!("token={}", ada.access)));
}

on_both_databases!(
    an_access_token_is_active_with_its_claims_and_nothing_secret,
    issuer_and_audience_are_named_where_the_settings_have_them,
    a_token_that_is_not_acceptable_is_inactive_and_nothing_else_is_told,
    a_refresh_token_is_active_only_for_a_client_that_asks_about_one,
    asking_about_a_refresh_token_does_not_use_it_up_and_raises_no_alarm,
    it_costs_two_reads_and_no_write,
    a_session_that_ended_behind_the_server_s_back_is_inactive_at_once,
    logout_and_changes_of_the_user_make_tokens_inactive,
    a_client_authenticates_by_basic_or_in_the_body,
    wrong_credentials_are_rejected_alike_whether_the_client_exists_or_not,
    a_request_that_can_be_read_in_two_ways_is_refused,
    failures_are_limited_by_network_and_a_right_secret_still_works,
    two_secrets_work_until_the_rotation_is_finished,
    a_client_without_the_permission_learns_nothing,
    it_is_no_business_of_a_browser,
    stale_revocations_are_no_ground_to_call_a_token_active,
);
