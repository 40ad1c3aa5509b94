//! Tests the device cookie: attackers elsewhere cannot lock a browser out of an account that it has
//! logged in to.

use std::time::Duration;

use serde_json::json;
use tokenpair::clock::Clock;

use crate::admin::register;
use crate::support::{ADA, Backend, Browser, Database, Request, Response, START, TestApp};

const WRONG: &str = "not hers at all";
const NAME: &str = "device_cookie";
const BEHIND_A_PROXY: (&str, &str) = ("SERVER_TRUSTED_PROXIES", "127.0.0.1");

fn attempt(app: &TestApp, address: &str, (name, password): (&str, &str)) -> Request {
    let login = json!({ "username": name, "password": password });
    let request = app.post("/login").header("X-Forwarded-For", address);
    request.json(login)
}

fn login_with(app: &TestApp, address: &str, user: (&str, &str), cookie: &str) -> Response {
    let request = attempt(app, address, user).cookie(&format!("{NAME}={cookie}"));
    request.send()
}

/// Exhausts the limit of Ada's account for all networks together.
fn attack(app: &TestApp) {
    let guess = |number: usize| {
        let attacker = format!("203.0.113.{number}");
        attempt(app, &attacker, (ADA.0, WRONG)).send().status
    };
    assert!((0..=10).any(|number| guess(number) == 429));
}

/// Ten failures in total, one in each network, lock Ada out.
const ONE_FAILURE: (&str, &str) = ("THROTTLE_ACCOUNT", "1/15m");

fn attacked(on: Backend) -> TestApp {
    on.app_with(&[BEHIND_A_PROXY, ONE_FAILURE]).with_ada()
}

fn device_cookie(app: &TestApp, user: (&str, &str)) -> String {
    let login = attempt(app, "192.0.2.1", user).send();
    assert_eq!(login.status, 200, "{login:?}");
    login.cookie(NAME).value
}

fn only_a_login_that_sets_cookies_sets_it_and_only_for_servers_to_read(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = Browser::new(&app);
    let login = browser.send(attempt(&app, "192.0.2.1", ADA));
    let attributes = ["HttpOnly", "Max-Age=15552000", "Path=/", "SameSite=Lax"];
    assert_eq!(login.cookie(NAME).attributes, attributes);
    let form = app.post("/login").header("Sec-Fetch-Site", "same-origin");
    let form = form.form(&format!(
        "username={}&password={}",
        ADA.0,
        ADA.1.replace(" ", "+")
    ));
    assert_eq!(form.send().cookie(NAME).attributes, attributes);
    let in_body = json!({ "username": ADA.0, "password": ADA.1, "tokens": "body" });
    assert!(app.post("/login").json(in_body).send().cookies().is_empty());
    assert_eq!(browser.refresh().cookies().len(), 4);
    app.advance(Duration::from_secs(2700));
    assert_eq!(browser.get("/protected").cookies().len(), 2, "the reissue");
    assert_eq!(browser.post("/logout").cookies().len(), 4);
    assert_eq!(browser.names(), [NAME], "a logout leaves it");
    assert_eq!(browser.get("/protected").status, 401, "and it is no token");
    let wrong = attempt(&app, "192.0.2.1", (ADA.0, WRONG)).send();
    assert!(wrong.cookies().is_empty());
}

fn it_has_the_attributes_and_the_prefix_of_the_other_cookies(on: Backend) {
    let shared = [
        ("PUBLIC_URL", "https://login.example.org"),
        ("JWT_COOKIE_DOMAIN", "example.org"),
        ("JWT_COOKIE_SAMESITE", "Strict"),
        ("JWT_COOKIE_PREFIX", "secure"),
    ];
    let app = on.app_with(&shared).with_ada();
    let cookie = attempt(&app, "192.0.2.1", ADA)
        .send()
        .cookie("__Secure-device_cookie");
    for attribute in [
        "Domain=example.org",
        "SameSite=Strict",
        "Secure",
        "HttpOnly",
    ] {
        assert!(cookie.has(attribute), "{attribute}: {cookie:?}");
    }
    let settings = [
        BEHIND_A_PROXY,
        ONE_FAILURE,
        ("JWT_COOKIE_SECURE", "true"),
        ("JWT_COOKIE_PREFIX", "host"),
    ];
    let app = on.app_with(&settings).with_ada();
    let cookie = attempt(&app, "192.0.2.1", ADA)
        .send()
        .cookie("__Host-device_cookie");
    attack(&app);
    let with = |name: &str| {
        let request = attempt(&app, "198.51.100.4", ADA);
        request
            .cookie(&format!("{name}={}", cookie.value))
            .send()
            .status
    };
    assert_eq!(with(NAME), 429, "a sibling host could have set that");
    assert_eq!(with("__Host-device_cookie"), 200);
}

fn its_holder_gets_in_during_an_attack_and_no_other_cookie_helps(on: Backend) {
    let app = attacked(on);
    register(&app, "grace");
    let grace = ("grace", "grace's password");
    let (adas, graces) = (device_cookie(&app, ADA), device_cookie(&app, grace));
    attack(&app);
    let try_with = |cookie: &str| login_with(&app, "198.51.100.4", ADA, cookie).status;
    let (start, rest) = adas.split_at(20);
    let bent = format!(
        "{start}{}{}",
        if rest.starts_with('A') { 'B' } else { 'A' },
        &rest[1..]
    );
    let halves = format!("{}{}", &adas[..40], &graces[40..]);
    for cookie in [
        "",
        ".",
        "x",
        &graces,
        &bent,
        &halves,
        &adas[1..],
        &format!("{adas}A"),
    ] {
        assert_eq!(try_with(cookie), 429, "{cookie}");
    }
    let several = format!("x.{graces}.{bent}.{adas}");
    assert_eq!(try_with(&several), 200, "among others of one browser");
    let request = attempt(&app, "198.51.100.4", ADA);
    let twins = format!("{NAME}={bent}; {NAME}={adas}");
    assert_eq!(
        request.cookie(&twins).send().status,
        200,
        "a tossed one hides nothing"
    );
    app.advance(Duration::from_secs(180 * 86_400 - 1));
    attack(&app);
    assert_eq!(try_with(&adas), 200, "to its last second");
    app.advance(Duration::from_secs(2000));
    attack(&app);
    assert_eq!(try_with(&adas), 429, "it has ended");
}

fn a_stolen_one_buys_as_many_guesses_as_one_network_has(on: Backend) {
    let settings = [BEHIND_A_PROXY, ("THROTTLE_ACCOUNT", "3/15m")];
    let app = on.app_with(&settings).with_ada();
    let cookie = device_cookie(&app, ADA);
    let everywhere = 3 * 10;
    let guess = |number: usize| {
        let thief = format!("203.0.113.{number}");
        login_with(&app, &thief, (ADA.0, WRONG), &cookie).status
    };
    let statuses: Vec<u16> = (0..60).map(guess).collect();
    let taken = statuses.iter().filter(|status| **status == 401).count();
    assert_eq!(taken, 3 + everywhere, "{statuses:?}");
    let owner = device_cookie_of_another_browser(&app, &cookie);
    assert_eq!(owner, 429, "the thief has used it up, for a while");
    app.advance(Duration::from_secs(300));
    assert_eq!(device_cookie_of_another_browser(&app, &cookie), 200);
}

fn device_cookie_of_another_browser(app: &TestApp, cookie: &str) -> u16 {
    login_with(app, "198.51.100.4", ADA, cookie).status
}

fn the_limit_of_ones_own_network_holds_with_it_too(on: Backend) {
    let settings = [BEHIND_A_PROXY, ("THROTTLE_PEER", "4/15m")];
    let app = on.app_with(&settings).with_ada();
    let cookie = device_cookie(&app, ADA);
    let guess = |name| login_with(&app, "203.0.113.7", (name, WRONG), &cookie).status;
    let names = [ADA.0, ADA.0, "bob", "carol", "dave"];
    assert_eq!(names.map(guess), [401, 401, 401, 401, 429]);
    let ada = login_with(&app, "203.0.113.7", ADA, &cookie);
    ada.refused(429, "too_many_attempts", "Too many attempts");
}

fn several_people_at_one_browser_each_keep_theirs(on: Backend) {
    let app = attacked(on);
    for name in ["grace", "bob", "carol", "dave", "erin"] {
        register(&app, name);
    }
    let mut browser = Browser::new(&app);
    let mut log_in = |name: &str| {
        let password = if name == ADA.0 {
            ADA.1.to_owned()
        } else {
            format!("{name}'s password")
        };
        let login = browser.send(attempt(&app, "192.0.2.1", (name, &password)));
        assert_eq!(login.status, 200);
        login.cookie(NAME).value
    };
    log_in(ADA.0);
    for name in ["grace", "bob", "carol", "dave", "dave", "dave"] {
        log_in(name);
    }
    let five = log_in("dave");
    assert!(five.len() < 400, "{five}");
    attack(&app);
    let address = "198.51.100.4";
    assert_eq!(login_with(&app, address, ADA, &five).status, 200);
    app.advance(Duration::from_secs(2000));
    let six = log_in("erin");
    assert_eq!(six.len(), five.len(), "the oldest goes");
    attack(&app);
    assert_eq!(login_with(&app, address, ADA, &six).status, 429);
    assert_eq!(login_with(&app, address, ADA, &five).status, 200);
}

fn it_is_none_where_nothing_is_counted(on: Backend) {
    let app = on.app_with(&[("THROTTLE", "off")]).with_ada();
    assert_eq!(attempt(&app, "192.0.2.1", ADA).send().cookies().len(), 4);
}

fn all_servers_know_it_after_a_rotation_and_count_together(on: Backend) {
    let database = Database::create(on);
    let (old, new) = (
        "an older secret that had more than sixty-four bytes in it as well ...",
        "a newer secret that has more than sixty-four bytes in it as well ....",
    );
    let start = |settings: &[(&str, &str)]| {
        let settings = [&[BEHIND_A_PROXY, ONE_FAILURE], settings].concat();
        TestApp::start(&database.url(), &settings, Clock::fixed(START))
    };
    let before = start(&[("JWT_SECRET_KEY", old)]).with_ada();
    let cookie = device_cookie(&before, ADA);
    let rotated = [("JWT_SECRET_KEY", new), ("JWT_PREVIOUS_SECRET_KEYS", old)];
    let after = start(&rotated);
    let from = |app: &TestApp, address: &str| attempt(app, address, (ADA.0, WRONG)).send().status;
    assert_eq!(from(&before, "192.0.2.77"), 401);
    assert_eq!(
        from(&after, "192.0.2.77"),
        429,
        "it was counted before the rotation"
    );
    attack(&before);
    drop(before);
    assert_eq!(from(&after, "198.51.100.7"), 429);
    // The old secret is removed later, and the shared key stays.
    drop(after);
    let later = start(&[("JWT_SECRET_KEY", new)]);
    assert_eq!(from(&later, "198.51.100.7"), 429);
    assert_eq!(login_with(&later, "198.51.100.4", ADA, &cookie).status, 200);
}

on_both_databases!(
    only_a_login_that_sets_cookies_sets_it_and_only_for_servers_to_read,
    it_has_the_attributes_and_the_prefix_of_the_other_cookies,
    its_holder_gets_in_during_an_attack_and_no_other_cookie_helps,
    a_stolen_one_buys_as_many_guesses_as_one_network_has,
    the_limit_of_ones_own_network_holds_with_it_too,
    several_people_at_one_browser_each_keep_theirs,
    it_is_none_where_nothing_is_counted,
    all_servers_know_it_after_a_rotation_and_count_together,
);
