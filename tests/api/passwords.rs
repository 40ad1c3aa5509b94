//! Tests which passwords are accepted at `POST /register` and `POST /account/password`.

use serde_json::json;

use crate::support::{ADA, Backend, Bearer, Response, TestApp, within};

fn register(app: &TestApp, username: &str, password: &str) -> Response {
    app.post("/register")
        .json(json!({ "username": username, "password": password }))
        .send()
}

fn change(app: &TestApp, ada: &Bearer<'_>, new: &str) -> Response {
    app.post("/account/password")
        .bearer(&ada.access)
        .json(json!({ "current_password": ADA.1, "new_password": new }))
        .send()
}

fn login(app: &TestApp, username: &str, password: &str) -> Response {
    app.post("/login")
        .json(json!({ "username": username, "password": password }))
        .send()
}

#[track_caller]
fn too_common(response: &Response, password: &str) {
    let (status, body) = (response.status, response.json());
    assert_eq!(
        (status, &body["code"], &body["msg"]),
        (
            400,
            &json!("password_too_common"),
            &json!("This password is too easy to guess")
        ),
        "{password}"
    );
    let hint = body["hint"].as_str().unwrap();
    assert!(hint.contains("several words"), "{hint}");
}

fn a_common_password_is_refused_in_any_case_and_width(on: Backend) {
    let app = on.app().with_ada();
    let ada = app.bearer();
    for common in [
        "password",
        "12345678",
        "iloveyou",
        "PASSWORD1",
        "Trustno1",
        "qWeRtYuIoP",
        "P@ssw0rd",
        "!QAZ2wsx",
        " password ",
        "password123 ",
        "ｐａｓｓｗｏｒｄ",
    ] {
        too_common(&register(&app, "grace", common), common);
        too_common(&change(&app, &ada, common), common);
    }
    assert_eq!(login(&app, ADA.0, ADA.1).status, 200, "nothing was changed");
}

fn a_password_made_of_the_name_or_of_the_server_s_is_refused(on: Backend) {
    let app = on.app_with(&[("PUBLIC_URL", "https://login.initech.example")]);
    for guessed in [
        "Gracehopper",
        "gracehopper1906!",
        "reppohecarg",
        "gracehopperGRACEHOPPER",
        "tokenpair",
        "TokenPair-2027",
        "login.initech.example",
        "initech1",
    ] {
        too_common(&register(&app, "GraceHopper", guessed), guessed);
    }
    let fine = register(&app, "GraceHopper", "gracehopper wrote a compiler");
    assert_eq!(
        fine.status, 201,
        "a word among others is no rule against it"
    );
}

fn a_new_password_may_not_be_one_s_own_name_either(on: Backend) {
    let app = on.app();
    let right = "correct horse battery";
    assert_eq!(register(&app, "gracehopper", right).status, 201);
    let grace = Bearer::log_in(&app, ("gracehopper", right));
    too_common(&change(&app, &grace, "gracehopper"), "gracehopper");
}

fn letters_digits_and_signs_are_all_free(on: Backend) {
    let app = on.app();
    for (number, password) in [
        "only small letters here",
        "  spaces around  ",
        "ünïcödé çharaçters",
        "密码密码鸭子骑车去巴黎",
        "7305816620172804",
        "tab\tand\nline",
    ]
    .iter()
    .enumerate()
    {
        let name = format!("user{number}");
        assert_eq!(register(&app, &name, password).status, 201, "{password:?}");
        assert_eq!(login(&app, &name, password).status, 200, "{password:?}");
        let trimmed = login(&app, &name, password.trim()).status;
        let same = password.trim() == *password;
        assert_eq!(trimmed == 200, same, "{password:?}: nothing is trimmed");
        let folded = login(&app, &name, &password.to_uppercase()).status;
        let same = password.to_uppercase() == *password;
        assert_eq!(folded == 200, same, "{password:?}: case counts");
    }
}

fn the_shortest_length_is_the_operators_to_set(on: Backend) {
    let app = on.app_with(&[("PASSWORD_MIN_LENGTH", "15")]);
    register(&app, "grace", "fourteen chars").refused(
        400,
        "password_too_short",
        "A password has at least 15 characters",
    );
    assert_eq!(register(&app, "grace", "fifteen chars!!").status, 201);
}

fn the_longest_password_is_1024_characters_however_they_are_written(on: Backend) {
    let app = on.app().with_ada();
    let longest = "🔐".repeat(1024);
    let escaped = "\\ud83d\\udd10".repeat(1024);
    let body = format!(r#"{{"username": "grace", "password": "{escaped}"}}"#);
    let registered = app.post("/register").body("application/json", body).send();
    assert_eq!(registered.status, 201, "{registered:?}");
    assert_eq!(login(&app, "grace", &longest).status, 200);
    let shorter = "🔐".repeat(1023);
    assert_eq!(login(&app, "grace", &shorter).status, 401, "nothing is cut");

    let too_long = longest + "x";
    let msg = "A password has at most 1024 characters";
    register(&app, "bob", &too_long).refused(400, "password_too_long", msg);
    change(&app, &app.bearer(), &too_long).refused(400, "password_too_long", msg);
    for name in ["grace", ADA.0, "nobody"] {
        let answer = login(&app, name, &too_long);
        answer.refused(401, "bad_credentials", "Bad username or password");
    }
}

/// Sets of spellings of one password, which differ by keyboard and system: composed and decomposed
/// accents and syllables, and spaces that look alike.
const SPELLINGS: [[&str; 3]; 3] = [
    [
        "cr\u{e8}me br\u{fb}l\u{e9}e",
        "cre\u{300}me bru\u{302}le\u{301}e",
        "cr\u{e8}me\u{a0}bru\u{302}l\u{e9}e",
    ],
    [
        "\u{be44}\u{bc00}\u{bc88}\u{d638} four words",
        "\u{1107}\u{1175}\u{1106}\u{1175}\u{11af}\u{1107}\u{1165}\u{11ab}\u{1112}\u{1169} four words",
        "\u{be44}\u{bc00}\u{bc88}\u{d638}\u{3000}four\u{202f}words",
    ],
    [
        "tab\tan\u{e9}mone \u{1fae8}",
        "tab\tane\u{301}mone \u{1fae8}",
        "tab\tan\u{e9}mone\u{2003}\u{1fae8}",
    ],
];

fn one_password_may_be_spelled_in_more_than_one_way(on: Backend) {
    let app = on.app();
    for (number, spellings) in SPELLINGS.iter().enumerate() {
        // Each spelling is chosen once: composed, decomposed, and with other spaces.
        let (name, chosen) = (format!("user{number}"), spellings[number]);
        assert_eq!(register(&app, &name, chosen).status, 201, "{chosen:?}");
        for typed in spellings {
            let answer = login(&app, &name, typed);
            assert_eq!(answer.status, 200, "{chosen:?} as {typed:?}");
        }
        let capital = chosen.to_uppercase();
        assert_eq!(login(&app, &name, &capital).status, 401, "case counts");
    }
    // Letters that only look alike are different letters.
    assert_eq!(register(&app, "grace", "ﬁne words here").status, 201);
    assert_eq!(login(&app, "grace", "fine words here").status, 401);
}

fn a_password_is_changed_and_an_account_deleted_in_any_spelling(on: Backend) {
    let app = on.app();
    let [composed, decomposed, spaced] = SPELLINGS[0];
    let [new, new_decomposed, _] = SPELLINGS[1];
    assert_eq!(register(&app, "grace", composed).status, 201);
    let grace = Bearer::log_in(&app, ("grace", spaced));
    let body = json!({ "current_password": decomposed, "new_password": new_decomposed });
    let change = app.post("/account/password").bearer(&grace.access);
    assert_eq!(change.json(body).send().status, 200);
    let grace = Bearer::log_in(&app, ("grace", new));
    let delete = app.request("DELETE", "/account").bearer(&grace.access);
    let deleted = delete.json(json!({ "password": new_decomposed })).send();
    assert_eq!(deleted.status, 200);
}

fn what_makes_a_password_unfit_does_so_in_any_spelling(on: Backend) {
    let app = on.app();
    let name_in_parts = "Ame\u{301}lie-Poulain 2027";
    too_common(
        &register(&app, "am\u{e9}lie-poulain", name_in_parts),
        name_in_parts,
    );
    let four = "e\u{301}".repeat(4);
    register(&app, "grace", &four).refused(
        400,
        "password_too_short",
        "A password has at least 8 characters",
    );
    let eight = "e\u{301}".repeat(8);
    assert_eq!(register(&app, "grace", &eight).status, 201);
}

/// Earlier versions stored the hash of the password as typed, which on some systems is decomposed.
fn a_hash_of_a_password_as_it_was_typed_is_still_good(on: Backend) {
    let app = on.app();
    let [composed, decomposed, spaced] = SPELLINGS[0];
    assert_eq!(register(&app, "grace", composed).status, 201);
    let of_version_before = bcrypt::non_truncating_hash(decomposed, 10).unwrap();
    let database = app.database();
    database.execute(&format!(
        "UPDATE users SET password_hash = '{of_version_before}'"
    ));
    assert_eq!(login(&app, "grace", composed).status, 401, "not known yet");
    let wrong = format!("{decomposed}!");
    assert_eq!(login(&app, "grace", &wrong).status, 401);
    assert_eq!(login(&app, "grace", decomposed).status, 200);
    let old =
        format!("SELECT count(*) AS n FROM users WHERE password_hash = '{of_version_before}'");
    within(10, "the hash is made anew", || {
        database.numbers(&old) == [0]
    });
    for typed in [composed, decomposed, spaced] {
        assert_eq!(login(&app, "grace", typed).status, 200, "{typed:?}");
    }
}

on_both_databases!(
    one_password_may_be_spelled_in_more_than_one_way,
    a_password_is_changed_and_an_account_deleted_in_any_spelling,
    what_makes_a_password_unfit_does_so_in_any_spelling,
    a_hash_of_a_password_as_it_was_typed_is_still_good,
    a_common_password_is_refused_in_any_case_and_width,
    a_password_made_of_the_name_or_of_the_server_s_is_refused,
    a_new_password_may_not_be_one_s_own_name_either,
    letters_digits_and_signs_are_all_free,
    the_shortest_length_is_the_operators_to_set,
    the_longest_password_is_1024_characters_however_they_are_written,
);
