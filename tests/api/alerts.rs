//! Tests alerts: the events that someone should look at soon, and the webhook that they are sent to.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokenpair::clock::Clock;
use tokenpair_store::{CertificateLife, Event, EventKind, EventQuery, PurgePolicy, RETRIES};

use crate::admin::{log_in, patch, promote, register, with_root};
use crate::metrics::Scrape;
use crate::support::receiver::{Received, Receiver};
use crate::support::{Backend, Bearer, Database, START, TestApp, block_on, within};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr";
const FORMER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrsc";

fn webhook(url: &str) -> [(&'static str, &str); 2] {
    [("WEBHOOK_URL", url), ("WEBHOOK_SECRET", SECRET)]
}

fn app_with_webhook(on: Backend, receiver: &Receiver) -> TestApp {
    on.app_with(&webhook(&receiver.url()))
}

/// Makes the user `name`, and then an admin of it: an alert.
fn make_admin(app: &TestApp, name: &str) -> String {
    let id = register(app, name);
    promote(app, &id);
    id
}

fn kinds(received: &[Received]) -> Vec<String> {
    received.iter().map(Received::kind).collect()
}

fn events(app: &TestApp, kind: EventKind) -> Vec<Event> {
    let query = EventQuery {
        kind: Some(kind),
        user_id: None,
        before: None,
        limit: 100,
    };
    block_on(app.other_store().events(query)).unwrap()
}

/// Loses the response to a refresh, and repeats it once the rotation window is over.
fn recover<'a>(app: &'a TestApp, session: &Bearer<'a>) -> Bearer<'a> {
    app.advance(Duration::from_secs(61));
    session.refreshed();
    app.advance(Duration::from_secs(61));
    session.refreshed()
}

fn a_reused_refresh_token_is_sent_at_once_and_its_signature_verifies(on: Backend) {
    let receiver = Receiver::new();
    let app = app_with_webhook(on, &receiver);
    let id = register(&app, "ada");
    let first = log_in(&app, "ada");
    let unseen = first.refreshed();
    app.advance(Duration::from_secs(61));
    first.refreshed();
    assert_eq!(unseen.try_refresh().status, 401);

    let message = receiver.wait_for(1).remove(0);
    let event = events(&app, EventKind::RefreshTokenReused).remove(0);
    assert_eq!(message.target, "/hooks/a-secret-of-the-receiver");
    assert_eq!(message.header("content-type"), "application/json");
    assert_eq!(message.header("webhook-id"), event.id);
    assert_eq!(
        message.header("webhook-timestamp"),
        app.now().unix().to_string()
    );
    let data = json!({
        "user_id": id,
        "username": "ada",
        "session_id": event.session_id,
        "actor_id": null,
        "ip": "127.0.0.1",
        "detail": null,
    });
    let expected = json!({
        "type": "refresh_token_reused",
        "timestamp": "2027-01-15T08:01:01Z",
        "data": data,
    });
    assert_eq!(message.json(), expected);
    assert!(message.verified_with(SECRET));
    assert!(!message.verified_with(FORMER));
    let tokens = [
        &first.access,
        &first.refresh,
        &unseen.access,
        &unseen.refresh,
    ];
    assert!(
        tokens
            .iter()
            .all(|token| !message.body.contains(token.as_str()))
    );
}

fn a_new_admin_is_an_alert_whoever_made_it(on: Backend) {
    let receiver = Receiver::new();
    let app = app_with_webhook(on, &receiver);
    let root_id = make_admin(&app, "root");
    receiver.wait_for(1);
    let id = register(&app, "ada");
    let root = log_in(&app, "root");
    let roles = |roles: Value| patch(&app, &root, &id, json!({ "roles": roles })).status;
    assert_eq!(roles(json!(["author"])), 200);
    assert_eq!(roles(json!(["author", "admin"])), 200);
    let received = receiver.wait_for(2);
    assert_eq!(kinds(&received), ["admin_granted"; 2]);
    let data = &received[1].json()["data"];
    assert_eq!(
        (&data["username"], &data["actor_id"]),
        (&json!("ada"), &json!(root_id))
    );
    // Who is an admin already is no new one.
    assert_eq!(roles(json!(["admin"])), 200);
    assert_eq!(events(&app, EventKind::RolesChanged).len(), 4);
    assert_eq!(events(&app, EventKind::AdminGranted).len(), 2);
}

fn the_fifth_recovery_of_a_session_within_an_hour_is_an_alert_once(on: Backend) {
    let receiver = Receiver::new();
    let app = app_with_webhook(on, &receiver);
    register(&app, "ada");
    let mut session = log_in(&app, "ada");
    for _ in 0..4 {
        session = recover(&app, &session);
    }
    assert!(events(&app, EventKind::RecoveryRepeated).is_empty());
    for _ in 0..3 {
        session = recover(&app, &session);
    }
    assert_eq!(events(&app, EventKind::RefreshRecovered).len(), 7);
    let received = receiver.wait_for(1);
    assert_eq!(received[0].kind(), "recovery_repeated");
    assert_eq!(received[0].json()["data"]["detail"], "5 within an hour");
    assert_eq!(events(&app, EventKind::RecoveryRepeated).len(), 1);
}

fn four_recoveries_an_hour_are_no_alert_however_many_there_are(on: Backend) {
    let app = on.app();
    register(&app, "ada");
    let mut session = log_in(&app, "ada");
    for _ in 0..12 {
        session = recover(&app, &session);
        app.advance(Duration::from_secs(14 * 60));
    }
    assert_eq!(events(&app, EventKind::RefreshRecovered).len(), 12);
    assert!(events(&app, EventKind::RecoveryRepeated).is_empty());
}

fn a_failed_attempt_is_repeated_with_the_same_id_until_it_succeeds(on: Backend) {
    let receiver = Receiver::new();
    let app = app_with_webhook(on, &receiver);
    for (attempt, status) in [500, 302, 404].into_iter().enumerate() {
        receiver.answer(status);
        if attempt == 0 {
            make_admin(&app, "root");
        }
        receiver.wait_for(attempt + 1);
        app.advance(RETRIES[attempt]);
    }
    let received = receiver.wait_for(4);
    receiver.answer(204);
    app.advance(RETRIES[3]);
    let last = receiver.wait_for(5).pop().unwrap();
    assert!(last.verified_with(SECRET));
    for message in &received {
        assert_eq!(message.target, last.target, "no redirect is followed");
        assert_eq!(message.header("webhook-id"), last.header("webhook-id"));
        assert_eq!(message.body, last.body);
        let [earlier, later] = [message, &last].map(|sent| sent.header("webhook-timestamp"));
        assert!(earlier < later, "each attempt is signed anew");
    }
    // Delivered: another alert is the next message, however much time passes.
    app.advance(RETRIES[9]);
    make_admin(&app, "second");
    let received = receiver.wait_for(6);
    assert_eq!(received[5].json()["data"]["username"], "second");
}

fn after_the_last_attempt_an_alert_is_given_up(on: Backend) {
    let receiver = Receiver::new();
    receiver.answer(500);
    let app = on.app_with(&[
        ("WEBHOOK_URL", &receiver.url()),
        ("WEBHOOK_SECRET", SECRET),
        ("METRICS_BIND", "127.0.0.1:0"),
    ]);
    make_admin(&app, "root");
    for (attempt, wait) in RETRIES.into_iter().enumerate() {
        receiver.wait_for(attempt + 1);
        app.advance(wait);
    }
    receiver.wait_for(RETRIES.len() + 1);
    receiver.answer(204);
    app.advance(RETRIES[9]);
    make_admin(&app, "second");
    let received = receiver.wait_for(RETRIES.len() + 2);
    let last = received.last().unwrap();
    assert_eq!(last.json()["data"]["username"], "second");
    let expected = [("delivered", 1), ("failed", 10), ("given_up", 1)];
    let expected = expected.map(|(outcome, attempts)| (outcome.to_owned(), attempts));
    within(30, "the attempts are counted", || {
        let counted = Scrape::of(&app).counted("tokenpair_webhook_deliveries_total");
        counted == expected.clone().into()
    });
}

fn of_two_servers_one_sends_each_alert(on: Backend) {
    let receiver = Receiver::new();
    let database = Database::create(on);
    let url = receiver.url();
    let settings = webhook(&url);
    let clock = Clock::fixed(START);
    let servers = [0, 1].map(|_| TestApp::start(&database.url(), &settings, clock.clone()));
    for number in 0..20 {
        let _id = make_admin(&servers[number % 2], &format!("user{number}"));
    }
    let received = receiver.wait_for(20);
    let mut names: Vec<String> = received
        .iter()
        .map(|message| message.json()["data"]["username"].to_string())
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 20);
}

fn while_a_secret_is_replaced_both_verify(on: Backend) {
    let receiver = Receiver::new();
    let app = on.app_with(&[
        ("WEBHOOK_URL", &receiver.url()),
        ("WEBHOOK_SECRET", SECRET),
        ("WEBHOOK_PREVIOUS_SECRET", FORMER),
    ]);
    make_admin(&app, "root");
    let message = receiver.wait_for(1).remove(0);
    assert!(message.verified_with(SECRET));
    assert!(message.verified_with(FORMER));
}

fn a_receiver_that_is_gone_is_left_alone_until_a_restart(on: Backend) {
    let receiver = Receiver::new();
    receiver.answer(410);
    let database = Database::create(on);
    let url = receiver.url();
    let settings = webhook(&url);
    let clock = Clock::fixed(START);
    let app = TestApp::start(&database.url(), &settings, clock.clone());
    make_admin(&app, "root");
    receiver.wait_for(1);
    make_admin(&app, "second");
    drop(app);
    receiver.answer(204);
    clock.advance(RETRIES[0]);
    let _app = TestApp::start(&database.url(), &settings, clock);
    let received = receiver.wait_for(3);
    let names = received
        .iter()
        .map(|message| message.json()["data"]["username"].clone());
    assert_eq!(names.collect::<Vec<_>>(), ["root", "second", "root"]);
}

fn alerts_from_before_the_webhook_are_sent_if_they_are_at_most_three_days_old(on: Backend) {
    let receiver = Receiver::new();
    let database = Database::create(on);
    let clock = Clock::fixed(START);
    let app = TestApp::start(&database.url(), &[], clock.clone());
    make_admin(&app, "long-ago");
    clock.advance(Duration::from_secs(4 * 86_400));
    make_admin(&app, "yesterday");
    drop(app);
    clock.advance(Duration::from_secs(86_400));
    let url = receiver.url();
    let settings = webhook(&url);
    let _app = TestApp::start(&database.url(), &settings, clock);
    let received = receiver.wait_for(1);
    assert_eq!(received[0].json()["data"]["username"], "yesterday");
}

/// Writes a certificate that expires on 2027-01-20, and returns the settings for it.
fn certificate_from(
    folder: &Path,
    (year, month, day): (i32, u8, u8),
) -> [(&'static str, String); 3] {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(year, month, day);
    params.not_after = rcgen::date_time_ymd(2027, 1, 20);
    let certificate = params.self_signed(&key).unwrap().pem();
    let [certificate, key] =
        [("cert", certificate), ("key", key.serialize_pem())].map(|(name, text)| {
            let file = folder.join(name);
            fs::write(&file, text).unwrap();
            file.to_str().unwrap().to_owned()
        });
    [
        ("SERVER_TLS_CERT", certificate),
        ("SERVER_TLS_KEY", key),
        ("PUBLIC_URL", "https://localhost".to_owned()),
    ]
}

/// Returns the details of the notices, the earliest first.
fn notices(app: &TestApp) -> Vec<String> {
    let events = events(app, EventKind::CertificateExpiring);
    let details = events.into_iter().filter_map(|event| event.detail);
    details.rev().collect()
}

fn days_later(days: u64) -> Clock {
    Clock::fixed(START + Duration::from_secs(days * 86_400))
}

fn a_certificate_that_expires_soon_is_an_alert_at_each_notice(on: Backend) {
    let folder = tempfile::tempdir().unwrap();
    let settings = certificate_from(folder.path(), (2026, 11, 1));
    let settings = settings
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let database = Database::create(on);
    let start = |days| TestApp::start(&database.url(), &settings, days_later(days));
    // Two servers at once, and again after a restart: once.
    let both = [start(0), start(0)];
    within(30, "the notice a week before", || {
        !notices(&both[0]).is_empty()
    });
    drop(both);
    for (days, count) in [(0, 1), (1, 1), (2, 2), (4, 3), (5, 4)] {
        let app = start(days);
        within(30, "the notices", || notices(&app).len() >= count);
        assert_eq!(notices(&app).len(), count, "after {days} days");
    }
    let app = start(5);
    let expected = ["expires", "expires", "expires", "expired"];
    let expected = expected.map(|verb| format!("{verb} at 2027-01-20T00:00:00Z"));
    assert_eq!(notices(&app), expected);
}

fn the_notices_of_a_certificate_are_the_newest_events_and_come_once_even_after_a_purge(
    on: Backend,
) {
    let (app, _) = with_root(on);
    let store = app.other_store();
    let certificate = |lives: u64| CertificateLife {
        fingerprint: format!("of {lives} days"),
        begins: app.now() - Duration::from_secs((lives - 5) * 86_400),
        expires: app.now() + Duration::from_secs(5 * 86_400),
    };
    let record = |lives, days: u64| {
        let now = app.now() + Duration::from_secs(days * 86_400);
        block_on(store.record_certificate_expiry(&certificate(lives), now)).unwrap()
    };
    assert!(record(90, 0), "within 7 days");
    let query = EventQuery {
        kind: None,
        user_id: None,
        before: None,
        limit: 1,
    };
    let newest = block_on(store.events(query)).unwrap().remove(0);
    assert_eq!(newest.kind, "certificate_expiring");
    let policy = PurgePolicy {
        events: Duration::ZERO,
        ..PurgePolicy::default()
    };
    let later = app.now() + Duration::from_secs(30 * 86_400);
    assert!(block_on(store.purge(later, policy)).unwrap().events > 0);
    assert!(!record(90, 0) && !record(90, 1), "told already");
    assert!(record(90, 2), "within 3 days");
    // One that lives for a week is renewed in its last days.
    assert!(!record(7, 0) && !record(7, 2));
    assert!(record(7, 4) && !record(7, 4), "within a day");
    assert!(record(7, 6), "expired");
}

fn a_purge_keeps_alerts_that_may_still_be_sent(on: Backend) {
    let app = on.app();
    make_admin(&app, "root");
    let store = app.other_store();
    let policy = PurgePolicy {
        events: Duration::from_secs(86_400),
        ..PurgePolicy::default()
    };
    let purged = |days: u64| {
        let now = app.now() + Duration::from_secs(days * 86_400);
        block_on(store.purge(now, policy)).unwrap().events
    };
    assert_eq!(purged(2), 2, "user_created and roles_changed");
    assert_eq!(events(&app, EventKind::AdminGranted).len(), 1);
    assert_eq!(purged(5), 1);
}

on_both_databases! {
    a_reused_refresh_token_is_sent_at_once_and_its_signature_verifies,
    a_new_admin_is_an_alert_whoever_made_it,
    the_fifth_recovery_of_a_session_within_an_hour_is_an_alert_once,
    four_recoveries_an_hour_are_no_alert_however_many_there_are,
    a_failed_attempt_is_repeated_with_the_same_id_until_it_succeeds,
    after_the_last_attempt_an_alert_is_given_up,
    of_two_servers_one_sends_each_alert,
    while_a_secret_is_replaced_both_verify,
    a_receiver_that_is_gone_is_left_alone_until_a_restart,
    alerts_from_before_the_webhook_are_sent_if_they_are_at_most_three_days_old,
    a_certificate_that_expires_soon_is_an_alert_at_each_notice,
    the_notices_of_a_certificate_are_the_newest_events_and_come_once_even_after_a_purge,
    a_purge_keeps_alerts_that_may_still_be_sent,
}
