//! Tests `POST /register`.

use serde_json::json;

use crate::support::{Backend, Bearer, Response, TestApp};

fn register(app: &TestApp, username: &str, password: &str) -> Response {
    app.post("/register")
        .json(json!({ "username": username, "password": password }))
        .send()
}

fn a_new_user_is_told_its_id_and_name_and_nothing_else(on: Backend) {
    let app = on.app();
    let response = register(&app, "Grace", "a password of hers");
    assert_eq!(response.status, 201);
    let body = response.json();
    assert_eq!(body["username"], "Grace");
    assert_eq!(body["id"].as_str().unwrap().len(), 36);
    assert_eq!(body.as_object().unwrap().len(), 2);
    assert!(response.cookies().is_empty());
}

fn a_name_is_taken_in_any_case_and_width(on: Backend) {
    let app = on.app();
    assert_eq!(register(&app, "Grace", "a password of hers").status, 201);
    for same in ["Grace", "grace", "GRACE", "Ｇｒａｃｅ"] {
        register(&app, same, "another password").refused(
            409,
            "username_taken",
            "The username is taken",
        );
    }
    assert_eq!(register(&app, "grace2", "another password").status, 201);
}

fn the_one_form_of_a_name_is_also_how_it_is_found_at_login(on: Backend) {
    let app = on.app();
    register(&app, "Grace", "a password of hers");
    let grace = Bearer::log_in(&app, ("GRACE", "a password of hers"));
    assert_eq!(
        grace.get("/protected").json(),
        json!({ "logged_in_as": "Grace" })
    );
}

fn names_that_could_pass_for_others_or_break_a_log_are_refused(on: Backend) {
    let app = on.app();
    for bad in [
        "two words",
        " grace",
        "grace\n",
        "gr\u{0}ace",
        "gra\u{200b}ce",
        "\u{202e}ecarg",
        "١1",
        &"x".repeat(255),
        &"𠀀".repeat(128),
    ] {
        let response = register(&app, bad, "a password of hers");
        assert_eq!(
            (response.status, response.json()["code"].as_str()),
            (400, Some("invalid_username")),
            "{bad:?}"
        );
    }
    for good in [
        "grace.hopper",
        "grace@example.org",
        "Ünïcödé",
        "山田",
        &"x".repeat(254),
        &"ü".repeat(254),
        &"𠀀".repeat(127),
    ] {
        assert_eq!(
            register(&app, good, "a password of hers").status,
            201,
            "{good:?}"
        );
    }
}

fn a_short_password_is_refused_by_its_characters_not_its_bytes(on: Backend) {
    let app = on.app();
    for short in ["1234567", "äöüßéèê"] {
        register(&app, "grace", short).refused(
            400,
            "password_too_short",
            "A password has at least 8 characters",
        );
    }
    assert_eq!(register(&app, "grace", "äöüßéèêx").status, 201);
}

fn long_passwords_and_those_with_nul_are_neither_cut_nor_confused(on: Backend) {
    let app = on.app();
    let long = |end: &str| "x".repeat(100) + end;
    let pairs = [
        ("long", long("a"), long("b")),
        ("emoji", "🔐".repeat(64), "🔐".repeat(63)),
        ("nul", "secret\0secret".to_owned(), "secret".to_owned()),
    ];
    for (name, right, wrong) in pairs {
        assert_eq!(register(&app, name, &right).status, 201, "{name}");
        let login = |password: &str| {
            app.post("/login")
                .json(json!({ "username": name, "password": password }))
                .send()
        };
        assert_eq!(login(&right).status, 200, "{name}");
        assert_eq!(login(&wrong).status, 401, "{name}");
    }
}

fn nobody_can_register_as_more_than_a_user(on: Backend) {
    let app = on.app();
    let greedy = json!({
        "username": "mallory", "password": "let me in please", "roles": ["admin"], "id": "1", "epoch": 9, "disabled": false
    });
    assert_eq!(app.post("/register").json(greedy).send().status, 201);
    let account = Bearer::log_in(&app, ("mallory", "let me in please"))
        .get("/account")
        .json();
    assert_eq!(account["roles"], json!([]));
    assert_ne!(account["id"], "1");
}

fn what_is_missing_is_named(on: Backend) {
    let app = on.app();
    app.post("/register")
        .send()
        .refused(400, "missing_json", "Missing JSON in request");
    app.post("/register")
        .form("username=grace&password=12345678")
        .send()
        .refused(
            415,
            "unsupported_media_type",
            "The body is not JSON by its Content-Type",
        );
    let response = app
        .post("/register")
        .json(json!({ "password": "12345678" }))
        .send();
    response.refused(400, "missing_username", "Missing username parameter");
}

fn a_closed_server_registers_nobody(on: Backend) {
    let app = on.app_with(&[("REGISTRATION", "closed")]);
    register(&app, "grace", "a password of hers").refused(
        403,
        "registration_closed",
        "Registration is closed",
    );
}

on_both_databases!(
    a_new_user_is_told_its_id_and_name_and_nothing_else,
    a_name_is_taken_in_any_case_and_width,
    the_one_form_of_a_name_is_also_how_it_is_found_at_login,
    names_that_could_pass_for_others_or_break_a_log_are_refused,
    a_short_password_is_refused_by_its_characters_not_its_bytes,
    long_passwords_and_those_with_nul_are_neither_cut_nor_confused,
    nobody_can_register_as_more_than_a_user,
    what_is_missing_is_named,
    a_closed_server_registers_nobody,
);
