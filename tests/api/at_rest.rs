//! Tests that a copy of the database is useless without the signing key.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::support::jwt::claims;
use crate::support::{ADA, Backend, Bearer, Browser, Database, SECRET, postgres_programs};

const COST_10: [(&str, &str); 1] = [("PASSWORD_BCRYPT_COST", "10")];

/// Returns everything in the database, with marks for bytes that are no text.
fn dump(database: &Database) -> String {
    let bytes = match database {
        Database::Sqlite(folder) => {
            let files = fs::read_dir(folder.path()).unwrap();
            let read =
                |file: std::io::Result<fs::DirEntry>| fs::read(file.unwrap().path()).unwrap();
            files.flat_map(read).collect::<Vec<u8>>()
        }
        Database::Postgres(_) => {
            let dumped = Command::new(postgres_programs().join("pg_dump"))
                .arg(database.url())
                .output()
                .unwrap();
            assert!(dumped.status.success(), "{dumped:?}");
            dumped.stdout
        }
    };
    String::from_utf8_lossy(&bytes).into_owned()
}

fn a_copy_of_the_database_has_no_token_password_or_key(on: Backend) {
    let app = on.app_with(&COST_10).with_ada();
    let mut browser = app.browser();
    let in_cookies = |browser: &Browser<'_>| {
        ["access_token_cookie", "refresh_token_cookie"].map(|name| browser.value(name).to_owned())
    };
    let mut tokens = Vec::from(in_cookies(&browser));
    browser.refresh();
    tokens.extend(in_cookies(&browser));
    let first = app.bearer();
    let second = first.refreshed();
    app.advance(Duration::from_secs(68));
    let third = second.refreshed();
    assert_eq!(first.try_refresh().status, 401, "as a thief's");
    let wrong = json!({ "username": ADA.0, "password": "a wrong guess of mine" });
    assert_eq!(app.post("/login").json(wrong).send().status, 401);
    let fresh = app.bearer();
    let body = json!({ "current_password": ADA.1, "new_password": "another horse" });
    let change = app.post("/account/password").bearer(&fresh.access);
    let changed = change.json(body).send();
    for bearer in [first, second, third, fresh, Bearer::of(&app, &changed)] {
        tokens.extend([bearer.access, bearer.refresh]);
    }

    let dump = dump(app.database());
    let kept = claims(&tokens[0]);
    for there in [kept["sid"].as_str().unwrap(), "$2b$10$", "127.0.0.1"] {
        assert!(dump.contains(there), "the dump is none without {there}");
    }
    let words = [
        "eyJ",
        ADA.1,
        "a wrong guess of mine",
        "another horse",
        SECRET,
    ];
    for word in words {
        assert!(!dump.contains(word), "{word}");
    }
    for token in &tokens {
        let said = claims(token);
        let signature = token.rsplit('.').next().unwrap();
        let (jti, csrf) = (
            said["jti"].as_str().unwrap(),
            said["csrf"].as_str().unwrap(),
        );
        for part in [signature, jti, csrf] {
            assert!(!dump.contains(part), "{part} of {said:?}");
        }
    }
}

fn the_same_password_of_two_people_has_two_hashes(on: Backend) {
    let app = on.app_with(&COST_10).with_ada();
    let grace = json!({ "username": "grace", "password": ADA.1 });
    assert_eq!(app.post("/register").json(grace).send().status, 201);
    let different = "SELECT count(DISTINCT password_hash) AS n FROM users";
    assert_eq!(app.database().numbers(different), [2]);
    let of_the_setting = "SELECT count(*) AS n FROM users WHERE password_hash LIKE '$2b$10$%'";
    assert_eq!(app.database().numbers(of_the_setting), [2]);
}

fn a_new_server_has_no_account_and_who_comes_first_is_no_admin(on: Backend) {
    let app = on.app();
    assert_eq!(
        app.database().numbers("SELECT count(*) AS n FROM users"),
        [0]
    );
    for name in [
        "admin",
        "root",
        "administrator",
        "tokenpair",
        "postgres",
        "test",
    ] {
        for password in [name, "admin", "password", "changeme", ""] {
            let login = json!({ "username": name, "password": password });
            let status = app.post("/login").json(login).send().status;
            assert!(
                matches!(status, 400 | 401 | 429),
                "{name} {password}: {status}"
            );
        }
    }
    let app = app.with_ada();
    let ada = app.bearer();
    assert_eq!(ada.get("/account").json()["roles"], json!([]));
    ada.get("/admin/users")
        .refused(403, "admin_required", "Only admins may do this");
}

on_both_databases!(
    a_copy_of_the_database_has_no_token_password_or_key,
    the_same_password_of_two_people_has_two_hashes,
    a_new_server_has_no_account_and_who_comes_first_is_no_admin,
);
