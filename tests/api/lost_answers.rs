//! Tests responses that are lost between the server and the browser, and noticed late. The wire
//! drops them after the server has done its work.

use std::time::Duration;

use crate::support::{Backend, Tabs, TestApp, Wire};

const MINUTE: Duration = Duration::from_secs(60);

/// When a lost response is noticed: as soon as the window is over, when the access token ends, or
/// the next day.
const LATER: [Duration; 5] = [
    MINUTE,
    Duration::from_secs(70 * 60),
    Duration::from_secs(80 * 60),
    Duration::from_secs(92 * 60),
    Duration::from_secs(86_400),
];

/// Refreshes and loses the response. Returns the refresh token in it.
#[track_caller]
fn lost_refresh(tabs: &Tabs, wire: &Wire) -> String {
    let before = tabs.jar();
    wire.lose_the_next_answer();
    assert!(
        tabs.refresh(wire.address).is_err(),
        "the answer got through"
    );
    assert_eq!(tabs.jar(), before);
    let answer = wire.lost().pop().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (_, cookie) = answer.split_once("refresh_token_cookie=").unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

#[track_caller]
fn is_active(tabs: &Tabs, app: &TestApp) {
    let before = tabs.jar();
    let refreshed = tabs.refresh(app.address()).unwrap();
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    for name in ["access_token_cookie", "refresh_token_cookie"] {
        assert_ne!(tabs.jar().value(name), before.value(name), "a new pair");
    }
    assert_eq!(tabs.protected(app.address()).unwrap().status, 200);
}

/// Presents a token that no client should have: it ends the session.
#[track_caller]
fn is_taken_for_theft(orphan: &str, tabs: &Tabs, app: &TestApp) {
    let shows_up = app.post("/refresh").bearer(orphan).send();
    shows_up.refused(401, "refresh_token_reused", "Token has been revoked");
    let refused = tabs.refresh(app.address()).unwrap();
    refused.refused(401, "session_revoked", "Token has been revoked");
}

fn a_lost_answer_costs_nobody_a_login_however_late_it_is_noticed(on: Backend) {
    let app = on.app().with_ada();
    let wire = Wire::to(app.address());
    for later in LATER {
        let tabs = Tabs::log_in(app.address());
        let orphan = lost_refresh(&tabs, &wire);
        app.advance(later);
        is_active(&tabs, &app);
        app.advance(2 * MINUTE);
        is_active(&tabs, &app);
        is_taken_for_theft(&orphan, &tabs, &app);
    }
}

fn a_lost_answer_that_is_noticed_at_once_is_given_again_to_the_letter(on: Backend) {
    let app = on.app().with_ada();
    let wire = Wire::to(app.address());
    let tabs = Tabs::log_in(app.address());
    let lost = lost_refresh(&tabs, &wire);
    app.advance(MINUTE - Duration::from_secs(1));
    is_active(&tabs, &app);
    assert_eq!(tabs.jar().value("refresh_token_cookie"), lost);
}

fn two_answers_lost_one_after_the_other_cost_nobody_a_login(on: Backend) {
    let app = on.app().with_ada();
    let wire = Wire::to(app.address());
    for later in LATER {
        for shows_up in 0..2 {
            let tabs = Tabs::log_in(app.address());
            let orphans = [(), ()].map(|()| {
                let orphan = lost_refresh(&tabs, &wire);
                app.advance(later);
                orphan
            });
            assert_ne!(orphans[0], orphans[1]);
            is_active(&tabs, &app);
            is_taken_for_theft(&orphans[shows_up], &tabs, &app);
        }
    }
}

fn an_answer_lost_while_a_second_tab_gets_one_costs_nobody_a_login(on: Backend) {
    let app = on.app().with_ada();
    let wire = Wire::to(app.address());
    for later in LATER {
        for second_is_first in [true, false] {
            let tabs = Tabs::log_in(app.address());
            let built_before = tabs.jar().refresh_at(app.address());
            let second = if second_is_first {
                let second = built_before.send();
                lost_refresh(&tabs, &wire);
                second
            } else {
                lost_refresh(&tabs, &wire);
                built_before.send()
            };
            assert_eq!(second.status, 200);
            tabs.keep(&second);
            app.advance(later);
            is_active(&tabs, &app);
            app.advance(later);
            is_active(&tabs, &app);
        }
    }
}

/// The first tab's response is lost. The second's is sent late in the window, and arrives after the
/// first tab's retry. The jar holds the cookies that arrive last.
fn an_answer_lost_while_a_second_tab_waits_for_a_late_one_costs_nobody_a_login(on: Backend) {
    let app = on.app().with_ada();
    let wire = Wire::to(app.address());
    let tabs = Tabs::log_in(app.address());
    let lost = lost_refresh(&tabs, &wire);
    app.advance(Duration::from_secs(55));
    let under_way = tabs.jar().refresh_at(app.address()).send();
    app.advance(Duration::from_secs(10));
    assert_eq!(tabs.refresh(app.address()).unwrap().status, 200);
    tabs.keep(&under_way);
    assert_eq!(tabs.jar().value("refresh_token_cookie"), lost);
    for later in LATER {
        app.advance(later);
        is_active(&tabs, &app);
    }
}

on_both_databases!(
    a_lost_answer_costs_nobody_a_login_however_late_it_is_noticed,
    a_lost_answer_that_is_noticed_at_once_is_given_again_to_the_letter,
    two_answers_lost_one_after_the_other_cost_nobody_a_login,
    an_answer_lost_while_a_second_tab_gets_one_costs_nobody_a_login,
    an_answer_lost_while_a_second_tab_waits_for_a_late_one_costs_nobody_a_login,
);
