//! What a password costs the server, seen from outside: the time that its hashing threads have had.

use serde_json::json;

use crate::support::Program;

/// A small part of what one hash of cost 12 takes.
const SOME: u32 = 5;

#[test]
fn a_password_that_nobody_can_have_is_hashed_for_nobody() {
    let program = Program::new().env("PASSWORD_BCRYPT_COST", "12");
    let right = "correct horse battery";
    program
        .run_with_input(&["user", "add", "ada", "--password-stdin"], right)
        .done();
    let served = program.serve();
    let send = |path: &str, name: &str, password: &str| {
        let body = json!({ "username": name, "password": password });
        served.request("POST", path, Some(&body)).0
    };
    let too_long = "x".repeat(1025);
    for name in ["ada", "nobody"] {
        assert_eq!(send("/login", name, &too_long), 401);
    }
    assert_eq!(send("/register", "grace", &too_long), 400);
    assert_eq!(send("/register", "grace", "short"), 400);
    assert_eq!(send("/register", "grace", "iloveyou"), 400);
    let spent = served.ticks_spent_hashing();
    assert!(spent < SOME, "{spent} ticks");
    assert_eq!(send("/login", "nobody", &too_long[1..]), 401);
    let spent = served.ticks_spent_hashing();
    assert!(spent >= SOME, "{spent} ticks");
}
