//! Tests that a flood of passwords from one network does not affect other logins.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::admin::register;
use crate::support::{ADA, Backend, Bearer, Request, Response, TestApp, within};

const CONNECTIONS: usize = 90;
const ACCOUNTS: usize = 10;

/// A queue that the flood fills, hashing that takes a while, and a trusted proxy, so that a test can set client addresses.
const SETTINGS: [(&str, &str); 3] = [
    ("SERVER_TRUSTED_PROXIES", "127.0.0.1"),
    ("PASSWORD_QUEUE", "8"),
    ("PASSWORD_BCRYPT_COST", "10"),
];

const ELSEWHERE: &str = "198.51.100.4";

fn from(app: &TestApp, address: &str, method: &str, path: &str) -> Request {
    let request = app.request(method, path);
    request.header("X-Forwarded-For", address)
}

fn login(app: &TestApp, address: &str, name: &str, password: &str) -> Response {
    let login = from(app, address, "POST", "/login");
    let body = json!({ "username": name, "password": password, "tokens": "body" });
    login.json(body).send()
}

/// Sends right passwords of ten accounts, each connection from its `address`, until `meanwhile` is
/// done. Returns the count of each status.
fn flood(
    app: &TestApp,
    address: impl Fn(usize) -> String + Sync,
    meanwhile: impl FnOnce(),
) -> BTreeMap<u16, usize> {
    let (over, answers) = (AtomicBool::new(false), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        let over = End(&over);
        for number in 0..CONNECTIONS {
            let (over, answers, address) = (over.0, &answers, &address);
            scope.spawn(move || {
                let name = format!("flooder{}", number % ACCOUNTS);
                let password = format!("{name}'s password");
                while !over.load(Ordering::SeqCst) {
                    let status = login(app, &address(number), &name, &password).status;
                    *answers.lock().unwrap().entry(status).or_insert(0) += 1;
                }
            });
        }
        within(60, "the flood is more than the queue holds", || {
            answers.lock().unwrap().contains_key(&503)
        });
        meanwhile();
    });
    answers.into_inner().unwrap()
}

/// Ends the flood, also if an assertion fails meanwhile.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn app(on: Backend) -> TestApp {
    let app = on.app_with(&SETTINGS).with_ada();
    for number in 0..ACCOUNTS {
        register(&app, &format!("flooder{number}"));
    }
    app
}

fn a_flood_from_one_network_gets_no_one_elsewhere_refused(on: Backend) {
    let app = app(on);
    let answers = flood(
        &app,
        |_| "203.0.113.7".to_owned(),
        || {
            for _ in 0..5 {
                assert_eq!(login(&app, ELSEWHERE, ADA.0, ADA.1).status, 200);
                assert_eq!(login(&app, ELSEWHERE, ADA.0, "wrong").status, 401);
                assert_eq!(login(&app, ELSEWHERE, "nobody", "wrong").status, 401);
            }
        },
    );
    assert!(answers[&200] > 0, "{answers:?}");
}

fn nor_are_registrations_and_changes_of_passwords(on: Backend) {
    let app = app(on);
    let new = "a better one for her";
    flood(
        &app,
        |_| "203.0.113.7".to_owned(),
        || {
            let ada = Bearer::of(&app, &login(&app, ELSEWHERE, ADA.0, ADA.1));
            let send = |method, path, body| {
                let request = from(&app, ELSEWHERE, method, path);
                request.bearer(&ada.access).json(body).send().status
            };
            let grace = json!({ "username": "grace", "password": "grace's password" });
            assert_eq!(send("POST", "/register", grace), 201);
            let change = json!({ "current_password": ADA.1, "new_password": new });
            assert_eq!(send("POST", "/account/password", change), 200);
            let ada = Bearer::of(&app, &login(&app, ELSEWHERE, ADA.0, new));
            let delete = from(&app, ELSEWHERE, "DELETE", "/account").bearer(&ada.access);
            let deleted = delete.json(json!({ "password": new })).send();
            assert_eq!(deleted.status, 200);
        },
    );
}

/// An IPv6 /48 has 65,536 networks, more than the queue has places.
fn a_flood_from_all_networks_of_one_site_is_one_flood(on: Backend) {
    let app = app(on);
    for elsewhere in ["2001:db8:2::1", ELSEWHERE] {
        flood(
            &app,
            |number| format!("2001:db8:1:{number:x}::1"),
            || {
                for _ in 0..5 {
                    assert_eq!(login(&app, elsewhere, ADA.0, ADA.1).status, 200);
                    assert_eq!(login(&app, elsewhere, ADA.0, "wrong").status, 401);
                }
            },
        );
    }
}

on_both_databases!(
    a_flood_from_one_network_gets_no_one_elsewhere_refused,
    nor_are_registrations_and_changes_of_passwords,
    a_flood_from_all_networks_of_one_site_is_one_flood,
);
