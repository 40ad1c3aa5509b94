//! Tests the rate limits of logins, and that responses do not reveal which usernames exist.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokenpair::clock::Clock;

use crate::admin::{log_in, promote, register};
use crate::races::at_once;
use crate::support::{ADA, Backend, Bearer, Browser, Database, Response, START, TestApp};

const WRONG: &str = "not hers at all";

/// A trusted proxy, so that a test can set client addresses.
const BEHIND_A_PROXY: (&str, &str) = ("SERVER_TRUSTED_PROXIES", "127.0.0.1");

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn login(app: &TestApp, name: &str, password: &str) -> Response {
    login_from(app, "192.0.2.1", name, password)
}

fn login_from(app: &TestApp, address: &str, name: &str, password: &str) -> Response {
    let attempt = || {
        app.post("/login")
            .header("X-Forwarded-For", address)
            .json(json!({ "username": name, "password": password }))
            .send()
    };
    // On a busy machine, some requests get a 503 and are retried.
    std::iter::repeat_with(attempt)
        .find(|answer| answer.status != 503)
        .unwrap()
}

fn statuses(app: &TestApp, attempts: usize, name: &str, password: &str) -> Vec<u16> {
    let attempt = |_| login(app, name, password).status;
    (0..attempts).map(attempt).collect()
}

#[track_caller]
fn too_many(response: &Response, wait: u64) {
    response.refused(429, "too_many_attempts", "Too many attempts");
    let said = response.header("retry-after").map(str::to_owned);
    assert_eq!(said, Some(wait.to_string()));
    assert_eq!(response.json()["retry_after"], wait);
    assert!(response.cookies().is_empty());
}

/// Returns everything by which a client could tell two responses apart, except values that always
/// differ.
fn told(response: &Response) -> (u16, BTreeMap<String, String>, String) {
    let headers = response.headers.iter();
    let headers = headers
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()))
        .collect();
    (response.status, headers, response.body.clone())
}

fn after_ten_wrong_passwords_even_the_right_one_waits_longer_and_longer(on: Backend) {
    let app = on.app().with_ada();
    assert_eq!(statuses(&app, 10, ADA.0, WRONG), [401; 10]);
    for wait in [90, 180, 360, 720, 900, 900] {
        too_many(&login(&app, ADA.0, ADA.1), wait);
        app.advance(seconds(wait - 1));
        too_many(&login(&app, ADA.0, ADA.1), 1);
        app.advance(seconds(1));
        assert_eq!(login(&app, ADA.0, WRONG).status, 401, "after {wait} s");
    }
    app.advance(seconds(900));
    assert_eq!(login(&app, ADA.0, ADA.1).status, 200);
}

fn the_right_password_makes_all_wrong_ones_before_it_forgotten(on: Backend) {
    let app = on.app().with_ada();
    for _ in 0..3 {
        assert_eq!(statuses(&app, 9, ADA.0, WRONG), [401; 9]);
        assert_eq!(login(&app, ADA.0, ADA.1).status, 200);
    }
    let tallies = "SELECT count(*) AS n FROM throttle";
    let left = app.database().numbers(tallies);
    assert_eq!(left, [2], "the network's logins and registrations");
}

fn wrong_passwords_are_forgotten_after_a_quiet_while(on: Backend) {
    let app = on.app().with_ada();
    assert_eq!(statuses(&app, 9, ADA.0, WRONG), [401; 9]);
    app.advance(seconds(1800));
    assert_eq!(statuses(&app, 9, ADA.0, WRONG), [401; 9]);
    assert_eq!(login(&app, ADA.0, ADA.1).status, 200);
}

fn nobody_can_tell_unknown_wrong_disabled_and_waiting_names_apart(on: Backend) {
    let app = on.app_with(&[BEHIND_A_PROXY]).with_ada();
    let disabled = register(&app, "grace");
    let disable = tokenpair_store::UserChange::Disable;
    let done = crate::support::block_on(app.other_store().change_user(
        &disabled,
        disable,
        &app.context(),
    ));
    assert!(matches!(done, Ok(tokenpair_store::Changed::Done(_))));
    let answers = [
        (ADA.0, WRONG),
        (ADA.0, ADA.1),
        ("nobody", ADA.1),
        ("no such name", ADA.1),
        ("grace", WRONG),
        ("grace", "grace's password"),
    ]
    .iter()
    .enumerate()
    .map(|(number, (name, password))| {
        let attempt = |password| {
            let address = format!("192.0.2.{number}");
            told(&login_from(&app, &address, name, password))
        };
        let mut answers: Vec<_> = (0..10).map(|_| attempt(WRONG)).collect();
        answers.push(attempt(password));
        assert_eq!((answers[9].0, answers[10].0), (401, 429), "{name}");
        answers
    })
    .collect::<Vec<_>>();
    assert!(answers.iter().all(|all| *all == answers[0]), "{answers:?}");
}

fn who_attacks_from_elsewhere_keeps_nobody_out(on: Backend) {
    let app = on.app_with(&[BEHIND_A_PROXY]).with_ada();
    let attacker = |_| login_from(&app, "203.0.113.7", ADA.0, WRONG).status;
    let attack: Vec<u16> = (0..12).map(attacker).collect();
    assert_eq!(attack, [[401; 10].as_slice(), &[429; 2]].concat());
    let ada = login_from(&app, "198.51.100.4", ADA.0, ADA.1);
    assert_eq!(ada.status, 200);
    let attack = login_from(&app, "203.0.113.7", ADA.0, WRONG);
    too_many(&attack, 90);
}

fn an_attack_from_many_networks_is_slowed_and_its_victim_waits_a_moment(on: Backend) {
    let settings = [BEHIND_A_PROXY, ("THROTTLE_ACCOUNT", "2/10s")];
    let app = on.app_with(&settings).with_ada();
    for number in 0..20 {
        let attacker = format!("203.0.113.{number}");
        assert_eq!(login_from(&app, &attacker, ADA.0, WRONG).status, 401);
    }
    too_many(&login_from(&app, "198.51.100.4", ADA.0, ADA.1), 1);
    for (number, wait) in [(1, 1), (2, 2), (3, 4), (4, 5), (5, 5)] {
        app.advance(seconds(wait));
        let attacker = format!("198.51.100.{number}");
        assert_eq!(login_from(&app, &attacker, ADA.0, WRONG).status, 401);
    }
    app.advance(seconds(5));
    let ada = login_from(&app, "198.51.100.9", ADA.0, ADA.1);
    assert_eq!(ada.status, 200);
}

fn a_network_that_tries_many_names_waits_for_the_next_window(on: Backend) {
    let settings = [BEHIND_A_PROXY, ("THROTTLE_PEER", "5/10m")];
    let app = on.app_with(&settings).with_ada();
    app.advance(seconds(60));
    // One household has one IPv6 network, and any of its addresses.
    let from = |name: &str, number: usize| {
        login_from(
            &app,
            &format!("2001:db8:1:2:{number}::{number}"),
            name,
            WRONG,
        )
    };
    for number in 0..5 {
        assert_eq!(from(&format!("name{number}"), number).status, 401);
    }
    too_many(&from("name6", 6), 540);
    let ada = login_from(&app, "2001:db8:1:2::99", ADA.0, ADA.1);
    too_many(&ada, 540);
    let neighbour = login_from(&app, "2001:db8:1:3::99", ADA.0, ADA.1);
    assert_eq!(neighbour.status, 200);
    app.advance(seconds(540));
    let ada = login_from(&app, "2001:db8:1:2::99", ADA.0, ADA.1);
    assert_eq!(ada.status, 200);
}

fn a_right_password_does_not_make_the_network_s_failures_forgotten(on: Backend) {
    let app = on.app_with(&[("THROTTLE_PEER", "5/10m")]).with_ada();
    for _ in 0..2 {
        assert_eq!(statuses(&app, 2, ADA.0, WRONG), [401; 2]);
        assert_eq!(login(&app, ADA.0, ADA.1).status, 200);
    }
    assert_eq!(statuses(&app, 2, ADA.0, WRONG), [401, 429]);
}

fn of_twenty_wrong_passwords_at_once_each_is_counted(on: Backend) {
    let settings = [("THROTTLE_ACCOUNT", "50/15m"), ("THROTTLE_PEER", "20/15m")];
    let app = on.app_with(&settings).with_ada();
    // For an instant a failure counts twice, as counted and as in progress. An attempt that this
    // refuses is not counted, and may try again.
    let guess = |_| loop {
        let answer = login(&app, ADA.0, WRONG);
        if answer.status != 429 || answer.header("retry-after") != Some("1") {
            return answer;
        }
    };
    let answers = at_once(20, guess);
    assert!(
        answers.iter().all(|answer| answer.status == 401),
        "{answers:?}"
    );
    let counted = app
        .database()
        .numbers("SELECT failures AS n FROM throttle ORDER BY n");
    assert_eq!(counted, [1, 20, 20, 20], "after one registration");
    too_many(&login(&app, "somebody else", WRONG), 900);
}

fn guesses_that_come_at_once_are_no_more_than_one_after_the_other(on: Backend) {
    let app = on.app_with(&[("THROTTLE_ACCOUNT", "5/15m")]).with_ada();
    let answers = at_once(20, |_| login(&app, ADA.0, WRONG));
    let many = |status| {
        answers
            .iter()
            .filter(|answer| answer.status == status)
            .count()
    };
    assert!((1..=5).contains(&many(401)), "{answers:?}");
    assert_eq!(many(401) + many(429), 20, "{answers:?}");
}

/// Returns the attempts whose response shows whether the password is right.
fn taken<'a>(answers: impl IntoIterator<Item = &'a Response>) -> usize {
    let answers = answers.into_iter();
    answers.filter(|answer| answer.status == 401).count()
}

fn sixty_names_at_once_get_no_more_attempts_than_their_network_has(on: Backend) {
    let app = on.app_with(&[("THROTTLE_PEER", "10/15m")]);
    let guess = |number: usize| login(&app, &format!("name{number}"), WRONG);
    let at_once = at_once(60, guess);
    let then: Vec<_> = (60..75).map(guess).collect();
    assert_eq!(taken(at_once.iter().chain(&then)), 10, "{at_once:?}");
    too_many(&guess(99), 900);
}

fn an_account_is_guessed_at_from_forty_networks_at_once_no_more_often_than_in_turn(on: Backend) {
    let settings = [BEHIND_A_PROXY, ("THROTTLE_ACCOUNT", "1/15m")];
    let app = on.app_with(&settings).with_ada();
    let guess = |number: usize| login_from(&app, &format!("203.0.113.{number}"), ADA.0, WRONG);
    let at_once = at_once(40, guess);
    let then: Vec<_> = (40..60).map(guess).collect();
    assert_eq!(taken(at_once.iter().chain(&then)), 10, "{at_once:?}");
}

fn two_servers_at_once_answer_no_more_guesses_than_one(on: Backend) {
    let database = Database::create(on);
    let settings = [("THROTTLE_PEER", "10/15m")];
    let start = || TestApp::start(&database.url(), &settings, Clock::fixed(START));
    let servers = [start(), start()];
    let guess = |number: usize| login(&servers[number % 2], &format!("name{number}"), WRONG);
    let at_once = at_once(40, guess);
    let then: Vec<_> = (40..55).map(guess).collect();
    assert_eq!(taken(at_once.iter().chain(&then)), 10, "{at_once:?}");
}

/// Returns an address in the `number`th /64 of a /48. The first 256 are one /56.
fn in_one_site(number: usize) -> String {
    format!("2001:db8:77:{number:x}::{:x}", number % 7 + 1)
}

fn a_home_of_256_networks_keeps_failing_for_half_a_day_and_never_keeps_the_owner_out(on: Backend) {
    let settings = [BEHIND_A_PROXY, ("THROTTLE_ACCOUNT", "3/15m")];
    let app = on.app_with(&settings).with_ada();
    let attack = |number: usize| login_from(&app, &in_one_site(number % 256), ADA.0, WRONG);
    let mut browser = Browser::new(&app);
    let mut owner = |address: String| {
        let login = json!({ "username": ADA.0, "password": ADA.1 });
        let request = app.post("/login").header("X-Forwarded-For", address);
        browser.send(request.json(login)).status
    };
    assert_eq!(owner("198.51.100.1".to_owned()), 200);
    let burst: Vec<_> = (0..256).map(attack).collect();
    assert_eq!(taken(&burst), 6, "as many as two /64 have");
    let mut later = 0;
    for step in 0..48 {
        // As often as an exhausted network may try.
        app.advance(seconds(900));
        later += taken(&[attack(3 * step)]);
        if step % 12 == 0 {
            let at_work = format!("198.51.100.{}", step + 2);
            assert_eq!(owner(at_work), 200, "with the device cookie, at {step}");
        }
    }
    assert_eq!(later, 48, "the attack went on");
    let elsewhere = login_from(&app, "2001:db8:88::1", ADA.0, ADA.1);
    assert_eq!(elsewhere.status, 200, "and without it");
}

fn a_site_of_65536_networks_alone_keeps_nobody_waiting_elsewhere(on: Backend) {
    let settings = [BEHIND_A_PROXY, ("THROTTLE_ACCOUNT", "3/15m")];
    let app = on.app_with(&settings).with_ada();
    // Each is in a different /56.
    let attack = |number: usize| login_from(&app, &in_one_site(number * 256), ADA.0, WRONG);
    let burst: Vec<_> = (0..200).map(attack).collect();
    assert_eq!(taken(&burst), 12, "as many as four /64 have");
    let elsewhere = login_from(&app, "2001:db8:88::1", ADA.0, ADA.1);
    assert_eq!(elsewhere.status, 200);
}

fn wider_networks_have_limits_of_their_own_at_all_names_together(on: Backend) {
    let app = on.app_with(&[BEHIND_A_PROXY, ("THROTTLE_PEER", "3/10m")]);
    let attack = |number: usize| {
        let (address, name) = (in_one_site(number), format!("name{number}"));
        login_from(&app, &address, &name, WRONG)
    };
    let home: Vec<_> = (0..20).map(attack).collect();
    assert_eq!(taken(&home), 6, "of one /56");
    let site: Vec<_> = (1..20).map(|number| attack(number * 256)).collect();
    assert_eq!(taken(&site), 6, "of the rest of the /48");
    too_many(&attack(70 * 256), 600);
    assert_eq!(login_from(&app, "2001:db8:78::1", ADA.0, WRONG).status, 401);
    let register = |number: usize| {
        let body = json!({ "username": format!("name{number}"), "password": ADA.1 });
        let request = app.post("/register").json(body);
        let address = in_one_site(number);
        request.header("X-Forwarded-For", address).send().status
    };
    let registered: Vec<u16> = (0..8).map(register).collect();
    assert_eq!(registered, [[201; 6].as_slice(), &[429; 2]].concat());
}

fn clients_behind_a_translator_from_ipv4_are_counted_by_their_own_addresses(on: Backend) {
    let app = on.app_with(&[BEHIND_A_PROXY, ("THROTTLE_PEER", "2/10m")]);
    let from = |address: &str| login_from(&app, address, "nobody", WRONG).status;
    let translated = "64:ff9b::203.0.113.9";
    assert_eq!([from(translated), from("203.0.113.9")], [401, 401]);
    assert_eq!(from(translated), 429, "one client");
    assert_eq!(from("64:ff9b::203.0.113.10"), 401, "another one");
}

fn many_networks_keep_an_owner_without_the_device_cookie_waiting_and_no_other(on: Backend) {
    let settings = [BEHIND_A_PROXY, ("THROTTLE_ACCOUNT", "2/10s")];
    let app = on.app_with(&settings).with_ada();
    let mut browser = app.browser();
    let wait = |address: &str| {
        let answer = login_from(&app, address, ADA.0, ADA.1);
        assert_eq!(answer.status, 429);
        answer.json()["retry_after"].as_u64().unwrap()
    };
    for number in 0..40 {
        let attacker = format!("203.0.113.{number}");
        let attempt = login_from(&app, &attacker, ADA.0, WRONG);
        assert_eq!(attempt.status, if number < 20 { 401 } else { 429 });
    }
    for number in 40..60 {
        let longest = wait("198.51.100.9");
        assert!(
            longest <= 5,
            "no wait is longer than the rate's pace: {longest}"
        );
        let with_cookie = app.post("/login").header("X-Forwarded-For", "198.51.100.8");
        let with_cookie = with_cookie.json(json!({ "username": ADA.0, "password": ADA.1 }));
        assert_eq!(browser.send(with_cookie).status, 200);
        app.advance(seconds(longest));
        let attacker = format!("203.0.113.{number}");
        assert_eq!(login_from(&app, &attacker, ADA.0, WRONG).status, 401);
    }
    app.advance(seconds(5));
    assert_eq!(login_from(&app, "198.51.100.9", ADA.0, ADA.1).status, 200);
}

fn whoever_stole_a_session_cannot_keep_its_user_from_changing_the_password(on: Backend) {
    let app = on.app().with_ada();
    let (stolen, ada) = (app.bearer(), app.bearer());
    for _ in 0..5 {
        assert_eq!(change(&app, &stolen, WRONG).status, 403);
        assert_eq!(delete(&app, &stolen, WRONG).status, 403);
    }
    too_many(&change(&app, &stolen, ADA.1), 90);
    too_many(&delete(&app, &stolen, ADA.1), 90);
    assert_eq!(delete(&app, &ada, WRONG).status, 403, "counted apart");
    assert_eq!(change(&app, &ada, ADA.1).status, 200);
}

fn all_servers_count_together(on: Backend) {
    let database = Database::create(on);
    let start = || TestApp::start(&database.url(), &[], Clock::fixed(START));
    let one = start().with_ada();
    let other = start();
    assert_eq!(statuses(&one, 5, ADA.0, WRONG), [401; 5]);
    assert_eq!(statuses(&other, 5, ADA.0, WRONG), [401; 5]);
    too_many(&login(&one, ADA.0, ADA.1), 90);
    too_many(&login(&other, ADA.0, ADA.1), 90);
}

fn change(app: &TestApp, ada: &Bearer<'_>, current: &str) -> Response {
    let body = json!({ "current_password": current, "new_password": "a better one for her" });
    let change = app.post("/account/password").bearer(&ada.access);
    change.json(body).send()
}

fn delete(app: &TestApp, ada: &Bearer<'_>, password: &str) -> Response {
    let delete = app.request("DELETE", "/account").bearer(&ada.access);
    delete.json(json!({ "password": password })).send()
}

fn the_present_password_cannot_be_guessed_by_who_holds_a_session(on: Backend) {
    let app = on.app().with_ada();
    let ada = app.bearer();
    for _ in 0..5 {
        assert_eq!(change(&app, &ada, WRONG).status, 403);
        assert_eq!(delete(&app, &ada, WRONG).status, 403);
    }
    too_many(&change(&app, &ada, ADA.1), 90);
    too_many(&delete(&app, &ada, ADA.1), 90);
    assert_eq!(ada.get("/protected").status, 200, "nobody is logged out");
    assert_eq!(login(&app, ADA.0, ADA.1).status, 200);
    app.advance(seconds(90));
    assert_eq!(change(&app, &ada, ADA.1).status, 200);
}

fn who_is_logged_in_goes_on_whatever_strangers_try(on: Backend) {
    let app = on.app().with_ada();
    let ada = app.bearer();
    assert_eq!(statuses(&app, 11, ADA.0, WRONG)[10], 429);
    assert_eq!(ada.get("/protected").status, 200);
    let ada = ada.refreshed();
    assert_eq!(ada.get("/account").status, 200);
    let fresh = Bearer::of(&app, &{
        app.advance(seconds(90));
        let body = json!({ "username": ADA.0, "password": ADA.1, "tokens": "body" });
        app.post("/login").json(body).send()
    });
    assert_eq!(statuses(&app, 11, ADA.0, WRONG)[10], 429);
    assert_eq!(change(&app, &fresh, ADA.1).status, 200);
}

fn names_cannot_be_sought_by_registering_them(on: Backend) {
    let app = on.app_with(&[BEHIND_A_PROXY, ("THROTTLE_PEER", "3/10m")]);
    let register = |address: &str, name: &str| {
        app.post("/register")
            .header("X-Forwarded-For", address)
            .json(json!({ "username": name, "password": ADA.1 }))
            .send()
    };
    assert_eq!(register("192.0.2.1", ADA.0).status, 201);
    assert_eq!(register("192.0.2.1", ADA.0).status, 409);
    let short = json!({ "username": "bob", "password": "short" });
    for _ in 0..5 {
        let refused = app.post("/register").json(short.clone()).send();
        assert_eq!(refused.status, 400, "a slip is not counted");
    }
    assert_eq!(register("192.0.2.1", ADA.0).status, 409);
    too_many(&register("192.0.2.1", ADA.0), 600);
    too_many(&register("192.0.2.1", "free"), 600);
    assert_eq!(register("192.0.2.2", "grace").status, 201);
    assert_eq!(login(&app, ADA.0, ADA.1).status, 200, "counted apart");
    app.advance(seconds(600));
    assert_eq!(register("192.0.2.1", "bob").status, 201);
}

fn a_wait_is_told_once_in_the_audit_trail(on: Backend) {
    let app = on.app_with(&[("THROTTLE_PEER", "12/15m")]);
    let (id, root_id) = (register(&app, "ada"), register(&app, "root"));
    promote(&app, &root_id);
    let root = log_in(&app, "root");
    assert_eq!(statuses(&app, 10, "ada", WRONG), [401; 10]);
    assert_eq!(statuses(&app, 5, "ada", WRONG), [429; 5]);
    assert_eq!(statuses(&app, 5, "nobody", WRONG)[..2], [401; 2]);
    let page = root.get("/admin/events?kind=throttled").json();
    let events = page["events"].as_array().unwrap();
    let member =
        |name: &str| -> Vec<Value> { events.iter().map(|event| event[name].clone()).collect() };
    assert_eq!(member("detail"), [json!("network"), json!("account")]);
    assert_eq!(member("user_id"), [Value::Null, json!(id)]);
    assert_eq!(member("ip"), ["127.0.0.1"; 2]);
    let failed = root.get("/admin/events?kind=login_failed").json();
    let failed = failed["events"].as_array().unwrap().len();
    assert_eq!(failed, 12, "what was not tried is no event");
}

fn a_browser_that_has_to_wait_gets_the_form_again(on: Backend) {
    let app = on.app_with(&[("THROTTLE_ACCOUNT", "1/15m")]).with_ada();
    let form = || {
        app.post("/login")
            .header("Accept", "text/html,*/*;q=0.8")
            .header("Sec-Fetch-Site", "same-origin")
            .form("username=ada&password=wrong")
            .send()
    };
    assert_eq!(form().status, 401);
    let page = form();
    assert_eq!(
        (page.status, page.header("retry-after")),
        (429, Some("900"))
    );
    assert!(page.body.contains("Too many attempts") && page.body.contains("<form"));
}

fn nothing_is_counted_where_it_is_off(on: Backend) {
    let app = on.app_with(&[("THROTTLE", "off"), ("THROTTLE_ACCOUNT", "1/1d")]);
    assert_eq!(statuses(&app, 5, "nobody", WRONG), [401; 5]);
    let tallies = "SELECT count(*) AS n FROM throttle";
    assert_eq!(app.database().numbers(tallies), [0]);
}

fn tallies_name_nobody_and_are_purged_when_they_mean_nothing(on: Backend) {
    let app = on.app().with_ada();
    for number in 0..4 {
        let name = format!("a-password-in-the-wrong-field-{number}");
        assert_eq!(login(&app, &name, WRONG).status, 401);
    }
    let letters = "SELECT CAST(length(id) AS BIGINT) AS n FROM throttle GROUP BY length(id)";
    assert_eq!(app.database().numbers(letters), [43], "256 bits each");
    let clear = "SELECT count(*) AS n FROM throttle WHERE id LIKE '%field%' OR id LIKE '%127.0%'";
    assert_eq!(app.database().numbers(clear), [0]);
    let purge = || {
        let purge = app.other_store();
        crate::support::block_on(purge.purge(app.now(), Default::default())).unwrap()
    };
    // Two for each name, one for the network's logins, and one for its registrations.
    app.advance(seconds(900));
    assert_eq!(purge().tallies, 0, "at its very end it is kept");
    app.advance(seconds(1));
    assert_eq!(purge().tallies, 2, "the network's");
    app.advance(seconds(900));
    assert_eq!(purge().tallies, 8, "the names'");
}

on_both_databases!(
    clients_behind_a_translator_from_ipv4_are_counted_by_their_own_addresses,
    after_ten_wrong_passwords_even_the_right_one_waits_longer_and_longer,
    the_right_password_makes_all_wrong_ones_before_it_forgotten,
    wrong_passwords_are_forgotten_after_a_quiet_while,
    nobody_can_tell_unknown_wrong_disabled_and_waiting_names_apart,
    who_attacks_from_elsewhere_keeps_nobody_out,
    an_attack_from_many_networks_is_slowed_and_its_victim_waits_a_moment,
    a_network_that_tries_many_names_waits_for_the_next_window,
    a_right_password_does_not_make_the_network_s_failures_forgotten,
    of_twenty_wrong_passwords_at_once_each_is_counted,
    guesses_that_come_at_once_are_no_more_than_one_after_the_other,
    sixty_names_at_once_get_no_more_attempts_than_their_network_has,
    an_account_is_guessed_at_from_forty_networks_at_once_no_more_often_than_in_turn,
    two_servers_at_once_answer_no_more_guesses_than_one,
    a_home_of_256_networks_keeps_failing_for_half_a_day_and_never_keeps_the_owner_out,
    a_site_of_65536_networks_alone_keeps_nobody_waiting_elsewhere,
    wider_networks_have_limits_of_their_own_at_all_names_together,
    many_networks_keep_an_owner_without_the_device_cookie_waiting_and_no_other,
    whoever_stole_a_session_cannot_keep_its_user_from_changing_the_password,
    all_servers_count_together,
    the_present_password_cannot_be_guessed_by_who_holds_a_session,
    who_is_logged_in_goes_on_whatever_strangers_try,
    names_cannot_be_sought_by_registering_them,
    a_wait_is_told_once_in_the_audit_trail,
    a_browser_that_has_to_wait_gets_the_form_again,
    nothing_is_counted_where_it_is_off,
    tallies_name_nobody_and_are_purged_when_they_mean_nothing,
);
