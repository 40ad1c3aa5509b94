//! Tests the log when clocks of replicas differ.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Map, Value, json};
use tokenpair::clock::Clock;

use crate::exchange::SECRET;
use crate::support::Program;

/// Returns the token as a replica whose clock is `ahead` by that many seconds would have issued it
/// now.
fn made_ahead(access: &str, ahead: i64) -> String {
    let payload = access.split('.').nth(1).unwrap();
    let payload = URL_SAFE_NO_PAD.decode(payload).unwrap();
    let mut claims: Map<String, Value> = serde_json::from_slice(&payload).unwrap();
    let now = Clock::system().now();
    for name in ["iat", "nbf"] {
        claims.insert(name.to_owned(), json!(now.unix() + ahead));
    }
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    encode(&Header::default(), &claims, &key).unwrap()
}

#[test]
fn a_replica_whose_clock_is_ahead_is_reported_once() {
    for (ahead, status) in [(5, 200), (60, 422)] {
        let served = Program::new().env("JWT_SECRET_KEY", SECRET).serve();
        let access = served.log_in_a_new_user("ada", "correct horse battery");
        assert_eq!(served.get("/protected", &access).0, 200);
        assert!(!served.log_so_far().contains("clock"));
        for _ in 0..3 {
            let early = made_ahead(&access, ahead);
            assert_eq!(served.get("/protected", &early).0, status);
        }
        let log = served.stop_and_read_log();
        let reports = log.matches("clock of another replica").count();
        assert_eq!(reports, 1, "{ahead}: {log}");
        assert!(log.contains("WARN"), "{log}");
    }
}
