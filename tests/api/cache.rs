//! Tests that a cached token ends at once, like any other.

use std::time::Duration;

use tokenpair_store::{Changed, UserChange};

use crate::support::jwt::claims;
use crate::support::{Backend, Bearer, block_on};

fn a_token_that_was_used_a_moment_ago_ends_at_once(on: Backend) {
    let app = on.app().with_ada();
    let used = || {
        let ada = app.bearer();
        for _ in 0..3 {
            assert_eq!(ada.get("/protected").status, 200);
        }
        ada
    };
    let revoked = |ada: &Bearer<'_>| {
        ada.get("/protected")
            .refused(401, "token_revoked", "Token has been revoked");
    };

    let ada = used();
    let logout = app.post("/logout").bearer(&ada.access).send();
    assert_eq!(logout.status, 200);
    revoked(&ada);

    let (here, elsewhere) = (used(), used());
    let others = app.request("DELETE", "/sessions").bearer(&here.access);
    assert_eq!(others.send().status, 200);
    revoked(&elsewhere);
    assert_eq!(here.get("/protected").status, 200);

    app.advance(Duration::from_secs(3600));
    here.get("/protected")
        .refused(401, "token_expired", "Token has expired");

    let ada = used();
    let id = claims(&ada.access)["sub"].as_str().unwrap().to_owned();
    let (store, context) = (app.other_store(), app.context());
    let disabled = block_on(store.change_user(&id, UserChange::Disable, &context));
    assert!(matches!(disabled.unwrap(), Changed::Done(_)));
    // A command revoked it, and this server syncs.
    while ada.get("/protected").status == 200 {
        std::thread::yield_now();
    }
    revoked(&ada);
}

fn a_cookie_that_is_known_still_has_to_prove_who_sent_it(on: Backend) {
    let app = on.app().with_ada();
    let mut browser = app.browser();
    assert_eq!(browser.get("/protected").status, 200);
    browser.send(app.request("DELETE", "/sessions")).refused(
        401,
        "csrf_missing",
        "Missing CSRF token",
    );
    browser
        .send(
            app.request("DELETE", "/sessions")
                .header("X-CSRF-TOKEN", "x"),
        )
        .refused(
            401,
            "csrf_mismatch",
            "CSRF double submit tokens do not match",
        );
}

on_both_databases!(
    a_token_that_was_used_a_moment_ago_ends_at_once,
    a_cookie_that_is_known_still_has_to_prove_who_sent_it,
);
