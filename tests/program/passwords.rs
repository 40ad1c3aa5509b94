//! Tests the cost of passwords by the processor time of the hashing threads.

use std::fs;

use serde_json::json;

use crate::support::{Program, Served};

/// A small part of the time of one hash of cost 12.
const SOME: u32 = 5;

#[test]
fn a_password_that_nobody_can_have_is_hashed_for_nobody() {
    let program = Program::new().env("PASSWORD_BCRYPT_COST", "12").migrated();
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

/// A server whose users were imported with these hashes of unknown passwords.
fn with_imported(cost: &str, users: &[(&str, &str)]) -> (Program, Served) {
    let program = Program::new()
        .env("PASSWORD_BCRYPT_COST", cost)
        .env("THROTTLE", "off");
    let lines = users.iter().map(|(name, hash)| format!("{name},{hash}\n"));
    let file = format!("username,hash\n{}", lines.collect::<String>());
    fs::write(program.path("users"), file).unwrap();
    let program = program.migrated();
    program.run(&["user", "import", "users"]).done();
    let served = program.serve();
    (program, served)
}

/// Returns the cost of that many logins with a wrong password, in ticks.
fn cost_of_logins(served: &Served, count: usize, name: &str) -> u32 {
    let before = served.ticks_spent_hashing();
    for _ in 0..count {
        let body = json!({ "username": name, "password": "not the password" });
        assert_eq!(served.request("POST", "/login", Some(&body)).0, 401);
    }
    served.ticks_spent_hashing() - before
}

#[test]
fn a_login_by_the_name_of_a_user_with_a_dear_hash_makes_no_other_login_dearer() {
    let dear = "$2b$14$KbQi5Cnn1yVvQ3yYpXqXYe5w8rQyPHGmJn1mX0X2kX8eFZrXo9m6W";
    let (_program, served) = with_imported("10", &[("dear", dear)]);
    let before = cost_of_logins(&served, 4, "nobody");
    let dear = cost_of_logins(&served, 1, "dear");
    assert!(dear > 2 * before, "{dear} ticks, and {before} of nobody's");
    let after = cost_of_logins(&served, 4, "nobody");
    assert!(
        after < 2 * before,
        "{before} ticks before and {after} after"
    );
}

#[test]
fn a_cheap_hash_that_was_imported_costs_as_much_as_a_name_that_nobody_has() {
    let scrypt = format!("scrypt:1024:4:2$salt${}", "5a".repeat(64));
    let pbkdf2 = format!("pbkdf2:sha1:1000$salt${}", "5a".repeat(20));
    let half_as_dear = format!("scrypt:16384:8:1$salt${}", "5a".repeat(64));
    let (_program, served) = with_imported(
        "12",
        &[
            ("scrypt", &scrypt),
            ("pbkdf2", &pbkdf2),
            ("half-as-dear", &half_as_dear),
            (
                "bcrypt",
                "$2b$06$KbQi5Cnn1yVvQ3yYpXqXYe5w8rQyPHGmJn1mX0X2kX8eFZrXo9m6W",
            ),
        ],
    );
    let nobody = cost_of_logins(&served, 2, "nobody");
    for name in ["scrypt", "pbkdf2", "half-as-dear", "bcrypt"] {
        let cost = cost_of_logins(&served, 2, name);
        let alike = nobody * 3 / 4..=nobody * 4 / 3;
        assert!(alike.contains(&cost), "{name}: {cost} ticks for {nobody}");
    }
}

/// Unusual spellings are tried too, which must not reveal whether the username exists.
#[test]
fn another_spelling_costs_the_same_for_a_name_that_nobody_has() {
    let program = Program::new().env("PASSWORD_BCRYPT_COST", "12").migrated();
    let right = "cr\u{e8}me br\u{fb}l\u{e9}e";
    program
        .run_with_input(&["user", "add", "ada", "--password-stdin"], right)
        .done();
    let served = program.serve();
    let cost = |name: &str| {
        let before = served.ticks_spent_hashing();
        let body = json!({ "username": name, "password": "cre\u{300}me caramel" });
        assert_eq!(served.request("POST", "/login", Some(&body)).0, 401);
        served.ticks_spent_hashing() - before
    };
    let (ada, nobody) = (cost("ada"), cost("nobody"));
    let alike = nobody * 3 / 4..=nobody * 4 / 3;
    assert!(alike.contains(&ada), "{ada} ticks for {nobody}");
    // The spelling on the command line, and that of another system.
    let body = json!({ "username": "ada", "password": "cre\u{300}me bru\u{302}le\u{301}e" });
    assert_eq!(served.request("POST", "/login", Some(&body)).0, 200);
}
