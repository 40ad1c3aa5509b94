//! `/health/live` and `/health/ready`

use serde_json::json;

use crate::support::Backend;

fn a_server_that_serves_is_live_and_ready(on: Backend) {
    let app = on.app();
    assert_eq!(
        app.get("/health/live").send().json(),
        json!({ "status": "live" })
    );
    assert_eq!(
        app.get("/health/ready").send().json(),
        json!({ "status": "ready" })
    );
}

on_both_databases!(a_server_that_serves_is_live_and_ready);
