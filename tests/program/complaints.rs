//! Tests the errors about settings and files that do not work: all at once, each with its setting
//! and a fix.

use std::fs;

use crate::settings::with;
use crate::support::Program;

#[test]
fn a_slip_in_a_database_s_path_makes_no_folder() {
    for path in ["dta/tokenpair.db", "data/users/tokenpair.db"] {
        let program = with(&[("DATABASE_URL", &format!("sqlite://{path}"))]);
        for command in [
            &["serve"][..],
            &["migrate"],
            &["user", "list"],
            &["config", "check"],
        ] {
            let said = program.run(command).failed();
            let (folder, _) = path.rsplit_once('/').unwrap();
            let complaint = format!(
                "DATABASE_URL names {path}, and there is no folder {folder}; create it, or correct the path"
            );
            assert!(said.contains(&complaint), "{said}");
        }
        assert!(!program.path("dta").exists() && !program.path("data").exists());
    }
    // The folder of the default is created, also for another file in it.
    with(&[("DATABASE_URL", "sqlite://data/other.db")])
        .run(&["migrate"])
        .done();
    with(&[("DATABASE_URL", "sqlite://here.db")])
        .run(&["migrate"])
        .done();
}

#[test]
fn all_files_that_cannot_be_used_are_named_at_once() {
    let program = with(&[
        ("SERVER_TLS_CERT", "cert.pem"),
        ("SERVER_TLS_KEY", "key.pem"),
        ("JWT_ALGORITHM", "ES256"),
        ("JWT_KEYS_DIR", "keys"),
    ]);
    let wrong = [
        "SERVER_TLS_CERT names cert.pem, which cannot be read: No such file",
        "SERVER_TLS_KEY names key.pem, which holds no private key in PEM",
    ];
    fs::write(program.path("key.pem"), "no key").unwrap();
    fs::create_dir(program.path("keys")).unwrap();
    let keys = "cannot use the keys in JWT_KEYS_DIR: there is no key in keys";
    let check = program.run(&["config", "check"]).failed();
    for part in wrong.iter().chain(&[keys]) {
        assert!(check.contains(part), "{part}: {check}");
    }
    let serve = program.run(&["serve"]).failed();
    for part in wrong {
        assert!(serve.contains(part), "{part}: {serve}");
    }
}

#[test]
fn an_error_about_the_folder_of_keys_names_the_setting() {
    let program = with(&[("JWT_ALGORITHM", "ES256"), ("JWT_KEYS_DIR", "keys")]);
    fs::write(program.path("keys"), "a file").unwrap();
    for command in [
        &["serve"][..],
        &["config", "check"],
        &["keys", "list"],
        &["keys", "generate"],
        &["keys", "rotate"],
    ] {
        let said = program.run(command).failed();
        assert!(
            said.contains("cannot use the keys in JWT_KEYS_DIR: keys"),
            "{command:?}: {said}"
        );
    }
    // A mistyped key ID is not a problem of the folder.
    fs::remove_file(program.path("keys")).unwrap();
    program.run(&["keys", "generate"]).done();
    let said = program.run(&["keys", "retire", "nothing"]).failed();
    assert!(!said.contains("JWT_KEYS_DIR"), "{said}");
}

#[test]
fn a_line_of_the_settings_file_that_is_not_toml_is_named() {
    let broken = |text: &str| {
        let program = Program::new();
        fs::write(program.path("tokenpair.toml"), text).unwrap();
        program.run(&["config", "check"]).failed()
    };
    let said =
        broken("DATABASE_POOL = 3\n\nJWT_SECRET_KEY = hidden-word\nREGISTRATION = \"open\"\n");
    assert!(
        said.contains("tokenpair.toml line 3 is not TOML; write NAME = \"value\""),
        "{said}"
    );
    assert!(!said.contains("hidden-word"), "{said}");
    let said = broken("DATABASE_POOL = 3\nDATABASE_POOL = 4\n");
    assert!(
        said.contains("tokenpair.toml line 2 sets a name a second time"),
        "{said}"
    );
}

#[test]
fn cookies_that_are_not_secure_are_remarked_on_wherever_browsers_come_by_another_way() {
    let insecure = ("JWT_COOKIE_SECURE", "false");
    for url in ["https://login.example.org", "http://login.example.org"] {
        let program = with(&[insecure, ("PUBLIC_URL", url)]);
        let said = program.run(&["config", "check"]).done();
        let remark = "note: JWT_COOKIE_SECURE is false: tokens travel unencrypted over plain http";
        assert!(said.contains(remark), "{url}: {said}");
        let log = program.serve().stop_and_read_log();
        assert!(log.contains(&remark[6..]), "{url}: {log}");
    }
    let own = with(&[insecure]).run(&["config", "check"]).done();
    assert_eq!(own, "the settings are valid\n");
}

#[test]
fn a_title_or_a_style_sheet_that_the_page_cannot_have_is_refused() {
    let title = "x".repeat(65);
    let wanted = "write a name of 1 to 64 visible characters";
    let unseen = [
        "a\tb",
        "\u{2800}",
        "\u{200b}",
        "a\u{202e}b",
        "a\u{2066}b",
        "a\u{ad}b",
    ];
    for title in [title.as_str()].into_iter().chain(unseen) {
        let said = with(&[("SERVER_TITLE", title)]).run(&["config", "check"]);
        let complaint = format!("SERVER_TITLE is {title:?}; {wanted}");
        assert!(said.failed().contains(&complaint), "{title}");
    }
    // A file that ended up there by mistake is not repeated.
    let said = with(&[("SERVER_TITLE", &"x".repeat(10_000))]).run(&["config", "check"]);
    let said = said.failed();
    assert!(
        said.contains("\"… (10000 characters); write a name") && said.len() < 500,
        "{said}"
    );
    let long = "x".repeat(64);
    for title in [long.as_str(), "로그인 <b>", " Ünïcödé 🐎 "] {
        with(&[("SERVER_TITLE", title)])
            .run(&["config", "check"])
            .done();
    }
    let program = with(&[("SERVER_CSS", "page.css")]);
    let style = |text: &[u8]| {
        fs::write(program.path("page.css"), text).unwrap();
        program.run(&["config", "check"])
    };
    let missing = program.run(&["config", "check"]).failed();
    assert!(
        missing.contains("SERVER_CSS names page.css, which cannot be read: No such file"),
        "{missing}"
    );
    for unfit in ["/", "/dev/zero"] {
        let said = with(&[("SERVER_CSS", unfit)]).run(&["config", "check"]);
        let complaint = format!("SERVER_CSS names {unfit}, which is no regular file");
        assert!(said.failed().contains(&complaint), "{unfit}");
    }
    for (text, complaint) in [
        (&[0xFF, b'a'][..], "is not UTF-8 text; save it as UTF-8"),
        (&[b' '; 64 * 1024 + 1], "has more than 64 KiB"),
        (
            b"p{}</STYLE ><script>",
            "contains </style, which would end it in the page",
        ),
    ] {
        let said = style(text).failed();
        let complaint = format!("SERVER_CSS names page.css, which {complaint}");
        assert!(said.contains(&complaint), "{said}");
    }
    style(&[b' '; 64 * 1024]).done();
    style("h1 { color: #123 } /* 한글 */\r\n".as_bytes()).done();
}
