//! Tests the values of settings: what each accepts, and how they are compared with each other.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use tokenpair_server::config::{Settings, Sources, known};

use crate::settings::{refused, with};
use crate::support::Program;

/// Settings that cannot work together, and the complaint.
type Refused = (&'static [(&'static str, &'static str)], &'static str);

const ALONE: &[Refused] = &[
    (
        &[("JWT_ACCESS_TOKEN_EXPIRES", "false")],
        "JWT_ACCESS_TOKEN_EXPIRES is \"false\"; write a time",
    ),
    (
        &[("JWT_ACCESS_TOKEN_EXPIRES", "0")],
        "JWT_ACCESS_TOKEN_EXPIRES is 0",
    ),
    (
        &[("FORWARD_AUTH_USER_HEADER", "X-Auth-Set-Cookie-1")],
        "FORWARD_AUTH_USER_HEADER is \"X-Auth-Set-Cookie-1\"; write the name of a header",
    ),
    (
        &[("FORWARD_AUTH_USER_HEADER", "Access-Control-Allow-Origin")],
        "FORWARD_AUTH_USER_HEADER is \"Access-Control-Allow-Origin\"; write the name of a header",
    ),
    (
        &[("FORWARD_AUTH_GROUPS_HEADER", "Vary")],
        "FORWARD_AUTH_GROUPS_HEADER is \"Vary\"; write the name of a header",
    ),
    (
        &[("FORWARD_AUTH_GROUPS_HEADER", "X-Forwarded-For")],
        "FORWARD_AUTH_GROUPS_HEADER is \"X-Forwarded-For\"; write the name of a header",
    ),
    (
        &[("FORWARD_AUTH_SESSION_HEADER", "X-Request-Id")],
        "FORWARD_AUTH_SESSION_HEADER is \"X-Request-Id\"; write the name of a header",
    ),
    (
        &[("FORWARD_AUTH_SESSION_HEADER", "Upgrade")],
        "FORWARD_AUTH_SESSION_HEADER is \"Upgrade\"; write the name of a header",
    ),
    (
        &[("DATABASE_WAIT", "0")],
        "DATABASE_WAIT has to be from 1s to 60s",
    ),
    (
        &[("DATABASE_WAIT", "2m")],
        "DATABASE_WAIT has to be from 1s to 60s",
    ),
    (
        &[("DATABASE_POOLER", "session")],
        "DATABASE_POOLER is \"session\"; write auto, off or transaction",
    ),
    (
        &[("SERVER_WORKERS", "0")],
        "write a whole number from 1 to 512",
    ),
    (
        &[("SERVER_WORKERS", "513")],
        "write a whole number from 1 to 512",
    ),
    (
        &[("SERVER_KEEP_ALIVE", "0")],
        "SERVER_KEEP_ALIVE has to be from 1s to 1h",
    ),
    (
        &[("SERVER_KEEP_ALIVE", "2h")],
        "SERVER_KEEP_ALIVE has to be from 1s to 1h",
    ),
    (
        &[("SERVER_DRAIN", "6m")],
        "SERVER_DRAIN has to be from 0s to 5m",
    ),
    (
        &[("SESSION_ROTATION_WINDOW", "1s")],
        "SESSION_ROTATION_WINDOW has to be from 10s to 1h",
    ),
    (
        &[("REVOCATION_STALE_LIMIT", "9s")],
        "REVOCATION_STALE_LIMIT has to be from 10s to 1d, or off",
    ),
    (
        &[("REVOCATION_STALE_LIMIT", "2d")],
        "REVOCATION_STALE_LIMIT has to be from 10s to 1d, or off",
    ),
    (&[("AUDIT_KEEP", "0")], "AUDIT_KEEP is 0"),
    (
        &[("JWT_ACCESS_TOKEN_EXPIRES", "29d")],
        "JWT_ACCESS_TOKEN_EXPIRES is more than 28d",
    ),
    (
        &[("SESSION_LIMIT", "0")],
        "write a whole number from 1, or off",
    ),
    (
        &[("SESSION_REUSE_POLICY", "lenient")],
        "write recover or strict",
    ),
    (
        &[("JWT_DECODE_LEEWAY", "6m")],
        "JWT_DECODE_LEEWAY is more than 5m",
    ),
    (
        &[("JWT_TOKEN_LOCATION", "cookies,query_string")],
        "write cookies, headers, or both",
    ),
    (&[("JWT_TOKEN_LOCATION", "cookies,cookies")], "each once"),
    (
        &[("SERVER_FORWARDED_HEADER", "x-real-ip")],
        "write auto, forwarded or x-forwarded-for",
    ),
    (
        &[("RUST_LOG", "tokenpair=loud")],
        "is \"tokenpair=loud\"; write a level",
    ),
    (&[("RUST_LOG", "inf")], "is \"inf\"; write a level"),
    (
        &[("RUST_LOG", "info;warn")],
        "is \"info;warn\"; write a level",
    ),
    (
        &[("RUST_LOG", "info,actix web=off")],
        "is \"info,actix web=off\"; write a level",
    ),
    (&[("LOG_FORMAT", "xml")], "write text or json"),
    (&[("RUST_LOG", "Warning")], "is \"Warning\"; write a level"),
    (
        &[("JWT_ACCESS_CSRF_HEADER_NAME", "Authorization")],
        "is \"authorization\", which is the header of a token (JWT_HEADER_NAME)",
    ),
    (
        &[("JWT_ACCESS_CSRF_HEADER_NAME", "Cache-Control")],
        "write a name that no other header has",
    ),
    (
        &[("JWT_HEADER_TYPE", "Bea\u{200b}rer")],
        "JWT_HEADER_TYPE must be one word of ASCII letters",
    ),
    (
        &[("JWT_ENCODE_ISSUER", "https://a.example\u{200b}")],
        "JWT_ENCODE_ISSUER has \"https://a.example\\u{200b}\"; write a name such as",
    ),
    (
        &[("JWT_ENCODE_AUDIENCE", "web,a\u{202e}pi")],
        "JWT_ENCODE_AUDIENCE has \"a\\u{202e}pi\"; write a name such as",
    ),
    (
        &[("JWT_ACCESS_COOKIE_NAME", "a b")],
        "write letters, digits, - and _ only",
    ),
    (
        &[("JWT_ACCESS_COOKIE_PATH", "x; Secure")],
        "write a path that begins with /",
    ),
    (
        &[("PUBLIC_URL", "login.example.org")],
        "write the address browsers use",
    ),
    (
        &[("PASSWORD_MIN_LENGTH", "7")],
        "write a whole number from 8 to 64",
    ),
    (
        &[("PASSWORD_MIN_LENGTH", "65")],
        "write a whole number from 8 to 64",
    ),
    (
        &[("PASSWORD_QUEUE", "0")],
        "write a whole number from 1 to 10000",
    ),
    (&[("JWT_INVALID_TOKEN_STATUS", "400")], "write 422 or 401"),
    (&[("THROTTLE", "maybe")], "write true or false"),
    (&[("THROTTLE_ACCOUNT", "10")], "as in 10/15m"),
    (&[("THROTTLE_ACCOUNT", "0/15m")], "1 to 1000000"),
    (&[("THROTTLE_PEER", "10/0s")], "failures in 1s to 1d"),
    (&[("THROTTLE_PEER", "10/2d")], "failures in 1s to 1d"),
    (
        &[("THROTTLES_PEER", "10/1d")],
        "did you mean THROTTLE_PEER?",
    ),
    (
        &[("AUDIT_KEEP", "100000d")],
        "is \"100000d\"; write a time of at most 36600d",
    ),
    (
        &[("SESSION_MAX_AGE", "99999999999999999999999999w")],
        "write a time of at most 36600d, which is a hundred years",
    ),
    (&[("SESSION_MAX_AGE", "d")], "write a time such as 90, 90s"),
    (
        &[("SESSION_MAX_AGE", "1.5h")],
        "write a time such as 90, 90s",
    ),
    (
        &[("SERVER_TRUSTED_PROXIES", "10.0.0.1,proxy")],
        "addresses or networks",
    ),
    (
        &[("SERVER_TRUSTED_PROXIES", "10.0.0.1/33")],
        "addresses or networks",
    ),
    (
        &[("SERVER_TRUSTED_PROXIES", "0.0.0.0/0")],
        "lets anyone claim any address",
    ),
];

const TOGETHER: &[Refused] = &[
    (
        &[
            ("JWT_HEADER_NAME", "X-Token"),
            ("JWT_REFRESH_CSRF_HEADER_NAME", "X-Token"),
        ],
        "is \"x-token\", which is the header of a token (JWT_HEADER_NAME)",
    ),
    (
        &[("JWT_REISSUE_WITHIN", "1h")],
        "JWT_REISSUE_WITHIN is 3600s and has to be less than JWT_ACCESS_TOKEN_EXPIRES, which is 3600s",
    ),
    (
        &[
            ("JWT_ACCESS_TOKEN_EXPIRES", "15m"),
            ("JWT_REISSUE_WITHIN", "15m"),
        ],
        "which is 900s, or every response would carry a new token; write 450s, or 0 for never",
    ),
    (
        &[("JWT_REFRESH_TOKEN_EXPIRES", "1h")],
        "JWT_REFRESH_TOKEN_EXPIRES has to be more than",
    ),
    (
        &[("SESSION_MAX_AGE", "10m")],
        "SESSION_MAX_AGE is less than JWT_ACCESS_TOKEN_EXPIRES",
    ),
    (
        &[("JWT_DECODE_ISSUER", "us")],
        "the server would reject its own tokens",
    ),
    (
        &[("JWT_ENCODE_AUDIENCE", "a"), ("JWT_DECODE_AUDIENCE", "b")],
        "the server would reject its own tokens",
    ),
    (
        &[("JWT_REFRESH_COOKIE_NAME", "access_token_cookie")],
        "which is also the name of another cookie",
    ),
    (
        &[("JWT_ACCESS_COOKIE_NAME", "device_cookie")],
        "which is the name of the server's device cookie",
    ),
    (
        &[("JWT_ACCESS_COOKIE_NAME", "__Host-x")],
        "JWT_ACCESS_COOKIE_NAME begins with a prefix that needs Secure cookies",
    ),
];

#[test]
fn a_value_that_cannot_work_is_refused_with_its_name_and_the_cure() {
    for (settings, complaint) in ALONE {
        let [(name, _)] = settings else {
            panic!("{settings:?}");
        };
        let said = with(settings).run(&["config", "check"]).failed();
        assert!(said.contains(name) && said.contains(complaint), "{said}");
    }
}

#[test]
fn settings_are_held_against_each_other() {
    for (settings, complaint) in TOGETHER {
        refused(settings, complaint);
    }
    let proxied = with(&[("PUBLIC_URL", "https://login.example.org")]);
    let said = proxied.run(&["config", "check"]).done();
    assert!(
        said.contains("SERVER_TRUSTED_PROXIES names no proxy"),
        "{said}"
    );
    with(&[
        ("THROTTLE", "off"),
        ("THROTTLE_ACCOUNT", "5/1m"),
        ("SERVER_TRUSTED_PROXIES", "10.0.0.1, 2001:db8::/32"),
        ("JWT_ACCESS_TOKEN_EXPIRES", "15m"),
        ("JWT_REISSUE_WITHIN", "5m"),
    ])
    .run(&["config", "check"])
    .done();
}

#[test]
fn each_documented_default_is_the_value_without_a_setting() {
    let load = |values: &[(&str, &str)]| {
        let values = values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let settings = Settings::load(&Sources::from_values(values.collect()));
        format!("{:?}", settings.unwrap())
    };
    let unset = load(&[]);
    let described = [
        "SERVER_WORKERS",
        "SERVER_DRAIN",
        "PUBLIC_URL",
        "SERVER_DOCS",
        "JWT_SECRET_KEY",
        "JWT_PREVIOUS_ALGORITHM",
        "JWT_KEYS_DIR",
        "JWT_REISSUE_WITHIN",
    ];
    let values =
        known().filter(|known| known.default != "none" && !described.contains(&known.name));
    let values: Vec<_> = values.map(|known| (known.name, known.default)).collect();
    assert!(values.len() > 40);
    for value in &values {
        assert_eq!(load(&[*value]), unset, "{value:?}");
    }
    assert_eq!(load(&values), unset);
}

#[test]
fn booleans_and_words_are_read_alike_everywhere_in_any_case() {
    let secure = ("PUBLIC_URL", "https://login.example.org");
    for (name, values) in [
        ("THROTTLE", ["Off", "no", "FALSE"]),
        ("SERVER_ACCESS_LOG", ["Off", "no", "FALSE"]),
        ("SERVER_DOCS", ["Off", "no", "FALSE"]),
        ("JWT_COOKIE_SECURE", ["yes", "On", "1"]),
        ("JWT_ENCODE_NBF", ["yes", "On", "1"]),
        ("JWT_ACCEPT_FOREIGN", ["Off", "no", "0"]),
        ("REGISTRATION", ["Open", "CLOSED", "closed"]),
        ("DATABASE_MIGRATE", ["Auto", "OFF", "off"]),
        ("DATABASE_POOLER", ["Auto", "OFF", "Transaction"]),
        ("SESSION_REUSE_POLICY", ["Recover", "STRICT", "strict"]),
        ("SESSION_LIMIT", ["Off", "OFF", "3"]),
        ("REVOCATION_STALE_LIMIT", ["Off", "OFF", "1m"]),
        (
            "SERVER_FORWARDED_HEADER",
            ["Auto", "Forwarded", "X-Forwarded-For"],
        ),
        ("JWT_ALGORITHM", ["hs256", "Hs384", "HS512"]),
        (
            "JWT_TOKEN_LOCATION",
            ["Cookies", "HEADERS", "Headers,Cookies"],
        ),
        ("JWT_COOKIE_SAMESITE", ["lax", "STRICT", "None"]),
        ("JWT_COOKIE_PREFIX", ["None", "Secure", "HOST"]),
        ("JWT_CSRF_METHODS", ["post", "Post,Put", "DELETE"]),
        ("JWT_HEADER_TYPE", ["None", "none", "JWT"]),
    ] {
        for value in values {
            let check = with(&[secure, (name, value)]).run(&["config", "check"]);
            assert!(
                check.done().ends_with("the settings are valid\n"),
                "{name}={value}"
            );
        }
    }
    refused(
        &[("JWT_COOKIE_SECURE", "maybe")],
        "write auto, true or false",
    );
    refused(&[("DATABASE_MIGRATE", "true")], "write auto or off");
}

#[test]
fn the_address_to_listen_on_may_be_a_host_name() {
    let served = with(&[("SERVER_BIND", "localhost:0")]).serve();
    assert!(served.address.ip().is_loopback(), "{}", served.greeting);
    assert_eq!(served.request("GET", "/health/live", None).0, 200);
    // Pages use the name, so the note compares it and not the address.
    let note = with(&[
        ("SERVER_BIND", "localhost:8080"),
        ("SERVER_CORS_ORIGINS", "http://127.0.0.1:3000"),
    ]);
    let note = note.run(&["config", "check"]).done();
    assert!(
        note.contains("PUBLIC_URL is http://localhost:8080"),
        "{note}"
    );
    let probed = Program::new().env(
        "SERVER_BIND",
        &format!("localhost:{}", served.address.port()),
    );
    assert_eq!(probed.run(&["healthcheck"]).done(), "ready\n");
}

#[test]
fn a_host_name_that_does_not_resolve_is_refused_with_the_cure() {
    refused(
        &[("SERVER_BIND", "nowhere.invalid:8080")],
        "SERVER_BIND is \"nowhere.invalid:8080\", and nowhere.invalid does not resolve to an address; write a name \
         that this machine resolves, or an address and a port, as in 127.0.0.1:8080",
    );
    for odd in [
        "localhost",
        ":8080",
        "1:8080",
        "local host:80",
        "localhost:99999",
        "::1:8080",
    ] {
        refused(
            &[("SERVER_BIND", odd)],
            "write an address and a port, as in 127.0.0.1:8080",
        );
    }
}

#[test]
fn a_header_that_carries_something_else_cannot_carry_a_token() {
    for header in [
        "Cookie",
        "host",
        "Content-Length",
        "Transfer-Encoding",
        "Sec-Fetch-Site",
        "Origin",
        "Proxy-Authorization",
        "X-Forwarded-For",
    ] {
        for name in [
            "JWT_HEADER_NAME",
            "JWT_ACCESS_CSRF_HEADER_NAME",
            "JWT_REFRESH_CSRF_HEADER_NAME",
        ] {
            let complaint = format!(
                "{name} is {header:?}; write a name that no other header has, as in X-Access-Token"
            );
            refused(&[(name, header)], &complaint);
        }
    }
    with(&[("JWT_HEADER_NAME", "X-Access-Token")])
        .run(&["config", "check"])
        .done();
}

#[test]
fn no_advice_is_to_write_a_time_of_zero_seconds() {
    let tiny = with(&[
        ("JWT_ACCESS_TOKEN_EXPIRES", "1"),
        ("JWT_REISSUE_WITHIN", "1"),
    ]);
    let said = tiny.run(&["config", "check"]).failed();
    assert!(said.contains("write 0 for never"), "{said}");
    assert!(!said.contains("write 0s"), "{said}");
}

#[test]
fn a_url_of_sqlite_has_no_parameters() {
    let program = with(&[("DATABASE_URL", "sqlite://data/tokenpair.db?mode=ro")]);
    for command in [&["config", "check"][..], &["migrate"]] {
        let said = program.run(command).failed();
        for part in [
            "DATABASE_URL cannot be used",
            "no parameters",
            "remove the ?",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    assert!(!program.path("data").exists());
}

#[test]
fn a_closed_folder_of_the_database_is_named_with_its_owner() {
    let program = Program::new().migrated();
    let close = |path: &str, mode| {
        let mode = Permissions::from_mode(mode);
        fs::set_permissions(program.path(path), mode).unwrap();
    };
    let owner = fs::metadata(program.path("data")).unwrap().uid();
    // A closed folder does not stop root.
    let mut list = if owner == 0 {
        close("", 0o755);
        close("data", 0o700);
        let binary = program.path("tokenpair");
        fs::copy(env!("CARGO_BIN_EXE_tokenpair"), &binary).unwrap();
        let mut list = Command::new("setpriv");
        list.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        list.arg(binary).args(["user", "list"]);
        program.environment(&mut list);
        list
    } else {
        close("data", 0);
        program.command(&["user", "list"])
    };
    let output = list.output().unwrap();
    close("data", 0o700);
    let said = String::from_utf8(output.stderr).unwrap();
    let name = match owner {
        0 => "root",
        _ => "",
    };
    let parts = [
        "permission is denied".to_owned(),
        format!(
            "{} belongs to the user {name}",
            program.path("data").display()
        ),
        format!("sudo -u {name}"),
    ];
    for part in parts {
        assert!(said.contains(&part), "{part}: {said}");
    }
    assert!(!said.contains("no database"), "{said}");
}
