//! Compares ours with the real Flask-JWT-Extended: the same settings, the same requests, the same
//! responses.
//!
//! Two programs take every set of `settings`: `peer.py`, a Flask application, and
//! `examples/flask_flow.rs`, its twin on our library. Both receive the requests of `cases`, whose
//! tokens are forged here with their shared keys, and then the tokens that either issued at a
//! login. `compare` defines equality; `intended_differences` lists the exceptions, and why.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

mod cases;
mod compare;
#[path = "../shared/example.rs"]
mod example;
mod http;
mod intended_differences;
mod keys;
#[path = "../../../../tests/common/openssl.rs"]
mod openssl;
mod places;
#[path = "../shared/python.rs"]
mod python;
mod run;
mod servers;
mod settings;
mod tokens;

use std::collections::BTreeSet;

use intended_differences::PURPOSEFUL;
use keys::Keys;
use servers::Program;
use settings::{OPTIONS, Setting};

#[test]
fn every_setting_is_answered_as_by_flask_jwt_extended() {
    let outcome = run::compare_all(Program::FlaskFlow);
    outcome.assert_equal();
    let unmet: Vec<&str> = PURPOSEFUL
        .iter()
        .enumerate()
        .filter(|(number, _)| !outcome.met.contains(number))
        .map(|(_, entry)| entry.reason)
        .collect();
    assert!(
        unmet.is_empty(),
        "nothing differs here any more: {unmet:#?}"
    );
}

/// Tests the comparison itself: it ignores only values that change with each request.
#[test]
fn the_comparison_sees_every_changed_setting_and_nothing_between_equals() {
    let keys = Keys::generate();
    let defaults = settings::defaults();
    let peers = (Program::Peer, Program::Peer);
    run::compare_one(peers, (&defaults, &defaults), &keys).assert_equal();

    let mut changed = defaults.clone();
    let changes = [
        ("JWT_ERROR_MESSAGE_KEY", "error", "/body/msg"),
        (
            "JWT_ACCESS_TOKEN_EXPIRES",
            "14m",
            "/body/access_token/claims/exp",
        ),
        (
            "JWT_ENCODE_NBF",
            "false",
            "/cookies/access_token_cookie/value/claims/nbf",
        ),
        (
            "JWT_REFRESH_COOKIE_PATH",
            "/refresh",
            "/cookies/refresh_token_cookie/Path",
        ),
        (
            "JWT_SESSION_COOKIE",
            "false",
            "/cookies/csrf_access_token/Max-Age",
        ),
        (
            "JWT_COOKIE_SECURE",
            "true",
            "/cookies/csrf_access_token/Secure",
        ),
        ("JWT_CSRF_METHODS", "GET", "/status"),
    ];
    for (name, value, _) in changes {
        changed.variables.push((name, value.to_owned()));
    }
    let outcome = run::compare_one(peers, (&defaults, &changed), &keys);
    for (name, _, field) in changes {
        assert!(
            outcome.fields().contains(field),
            "{name} changes no {field}"
        );
    }
}

#[test]
fn every_setting_of_flask_jwt_extended_is_set_somewhere() {
    let sets = settings::all(&Keys::generate());
    let set: BTreeSet<&str> = sets
        .iter()
        .flat_map(|set: &Setting| set.variables.iter().map(|(name, _)| *name))
        .collect();
    let unset: Vec<&&str> = OPTIONS
        .iter()
        .filter(|name| !set.contains(**name))
        .collect();
    assert!(unset.is_empty(), "{unset:?}");
}
