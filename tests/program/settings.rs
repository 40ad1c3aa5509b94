//! Tests the settings: their sources (the environment, `.env` and `tokenpair.toml`), and invalid
//! values.

use std::fs;

use tokenpair_server::config::known;

use crate::support::Program;

pub(crate) const SECRET: &str =
    "a secret that is long enough for any algorithm, with its 64 bytes and more";

pub(crate) fn with(variables: &[(&str, &str)]) -> Program {
    variables
        .iter()
        .fold(Program::new(), |program, (name, value)| {
            program.env(name, value)
        })
}

#[track_caller]
pub(crate) fn refused(variables: &[(&str, &str)], complaint: &str) {
    let said = with(variables).run(&["config", "check"]).failed();
    assert!(said.contains(complaint), "{said}");
}

#[test]
fn the_defaults_are_good() {
    assert_eq!(
        Program::new().run(&["config", "check"]).done(),
        "the settings are valid\n"
    );
}

#[test]
fn the_environment_is_stronger_than_dot_env_and_that_than_the_file() {
    let program = Program::new().env("JWT_ACCESS_TOKEN_EXPIRES", "2h");
    fs::write(
        program.path(".env"),
        "JWT_ACCESS_TOKEN_EXPIRES=3h\nSESSION_MAX_AGE=\"80d\"\n# a comment\n",
    )
    .unwrap();
    let toml = "JWT_ACCESS_TOKEN_EXPIRES = \"4h\"\nSESSION_MAX_AGE = \"70d\"\nDATABASE_POOL = 3\n\
                JWT_ENCODE_NBF = false\nJWT_TOKEN_LOCATION = [\"headers\", \"cookies\"]\n";
    fs::write(program.path("tokenpair.toml"), toml).unwrap();
    let shown = program.run(&["config", "show"]).done();
    for line in [
        "JWT_ACCESS_TOKEN_EXPIRES = 2h  (environment)",
        "SESSION_MAX_AGE = 80d  (.env)",
        "DATABASE_POOL = 3  (tokenpair.toml)",
        "JWT_ENCODE_NBF = false  (tokenpair.toml)",
        "JWT_TOKEN_LOCATION = headers,cookies  (tokenpair.toml)",
        "JWT_REISSUE_WITHIN = 30m, or half of JWT_ACCESS_TOKEN_EXPIRES if that is less  (default)",
    ] {
        assert!(shown.lines().any(|found| found == line), "{line}\n{shown}");
    }
    program.run(&["config", "check"]).done();
}

#[test]
fn secrets_are_masked_where_settings_are_shown() {
    let url = "postgres://ada:hidden-word@db.example.org/tokens?password=other-word";
    let shown = with(&[("JWT_SECRET_KEY", SECRET), ("DATABASE_URL", url)])
        .run(&["config", "show"])
        .done();
    assert!(
        shown.contains("JWT_SECRET_KEY = ********  (environment)"),
        "{shown}"
    );
    assert!(
        shown.contains("postgres://ada:********@db.example.org/tokens?********"),
        "{shown}"
    );
    assert!(
        !shown.contains("word@") && !shown.contains("other-word") && !shown.contains(SECRET),
        "{shown}"
    );
}

#[test]
fn any_value_can_come_from_a_file() {
    let program = Program::new()
        .env("SERVER_BIND", "0.0.0.0:8080")
        .env("JWT_SECRET_KEY_FILE", "secret.txt");
    fs::write(program.path("secret.txt"), format!("{SECRET}\n")).unwrap();
    program.run(&["config", "check"]).done();
    fs::write(program.path("secret.txt"), "\n").unwrap();
    assert!(
        program
            .run(&["config", "check"])
            .failed()
            .contains("JWT_SECRET_KEY_FILE names secret.txt, which is empty")
    );
    fs::remove_file(program.path("secret.txt")).unwrap();
    assert!(
        program
            .run(&["config", "check"])
            .failed()
            .contains("JWT_SECRET_KEY_FILE names secret.txt, which cannot be read")
    );
    refused(
        &[("JWT_SECRET_KEY", SECRET), ("JWT_SECRET_KEY_FILE", "x")],
        "JWT_SECRET_KEY and JWT_SECRET_KEY_FILE are both set; keep one of them",
    );
}

#[test]
fn all_that_cannot_work_is_said_at_once_each_with_its_cure() {
    let program = with(&[
        ("SERVER_BIND", "0.0.0.0"),
        ("DATABASE_URL", "mysql://localhost/x"),
        ("JWT_ACCESS_TOKEN_EXPIRES", "an hour"),
        ("JWT_COOKIE_SAMESITE", "None"),
        ("PASSWORD_BCRYPT_COST", "4"),
        ("REGISTRATION", "maybe"),
        ("JWT_ALGORITHM", "none"),
    ]);
    let said = program.run(&["serve"]).failed();
    for line in [
        "tokenpair: 7 settings cannot work:",
        "SERVER_BIND is \"0.0.0.0\"; write an address and a port, as in 127.0.0.1:8080",
        "DATABASE_URL cannot be used: write sqlite://path/to/file.db or postgres://user:password@host/database",
        "JWT_ACCESS_TOKEN_EXPIRES is \"an hour\"; write a time such as 90, 90s, 15m, 1h or 30d",
        "JWT_COOKIE_SAMESITE is None, which browsers accept only on Secure cookies",
        "PASSWORD_BCRYPT_COST is \"4\"; write a whole number from 10 to 16",
        "REGISTRATION is \"maybe\"; write open or closed",
        "JWT_ALGORITHM is \"none\"; write one of HS256, HS384, HS512, RS256",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    assert!(!program.path("data").exists(), "nothing was begun");
}

#[test]
fn a_public_address_needs_a_secret_that_is_one() {
    let public = ("SERVER_BIND", "0.0.0.0:8080");
    refused(
        &[public],
        "JWT_SECRET_KEY is needed, since SERVER_BIND is 0.0.0.0:8080, which others can reach",
    );
    refused(
        &[public, ("JWT_SECRET_KEY", "")],
        "JWT_SECRET_KEY is needed",
    );
    refused(
        &[("JWT_SECRET_KEY", "super-secret")],
        "JWT_SECRET_KEY cannot be used: the secret is a published placeholder",
    );
    refused(
        &[("JWT_SECRET_KEY", "only 19 bytes long.")],
        "the secret has 19 bytes, and HS256 needs at least 32",
    );
    refused(
        &[
            (
                "JWT_SECRET_KEY",
                "forty-one bytes, enough for HS256 only !!",
            ),
            ("JWT_ALGORITHM", "HS512"),
        ],
        "the secret has 41 bytes, and HS512 needs at least 64",
    );
    with(&[public, ("JWT_SECRET_KEY", SECRET)])
        .run(&["config", "check"])
        .done();
}

#[test]
fn a_secret_or_a_password_is_never_quoted_in_a_complaint() {
    let url = "postgres://ada:hidden-word@ho st/x";
    let program = with(&[("JWT_SECRET_KEY", "hidden-word"), ("DATABASE_URL", url)]);
    assert!(
        !program
            .run(&["config", "check"])
            .failed()
            .contains("hidden-word")
    );
    fs::write(program.path(".env"), "JWT_SECRET_KEY='hidden-word\n").unwrap();
    fs::write(
        program.path("tokenpair.toml"),
        "JWT_SECRET_KEY = hidden-word",
    )
    .unwrap();
    let said = program.run(&["config", "check"]).failed();
    assert!(!said.contains("hidden-word"), "{said}");
    assert!(
        said.contains(".env line 1 opens a quote")
            && said.contains("tokenpair.toml line 1 is not TOML"),
        "{said}"
    );
}

#[test]
fn names_that_are_slips_are_reported_with_the_nearest_known_one() {
    refused(
        &[("JWT_ACESS_TOKEN_EXPIRES", "1h")],
        "JWT_ACESS_TOKEN_EXPIRES is not known; did you mean JWT_ACCESS_TOKEN_EXPIRES?",
    );
    refused(&[("SESSION_MAXAGE", "1h")], "did you mean SESSION_MAX_AGE?");
    refused(&[("SERVER_BINDS_FILE", "x")], "did you mean SERVER_BIND?");
    refused(
        &[("JWT_PUBLIC_KEY", "x")],
        "JWT_PUBLIC_KEY is a Flask-JWT-Extended setting that this server does not have",
    );
    let near = with(&[("REGISTERATION", "closed")])
        .run(&["config", "check"])
        .done();
    assert!(
        near.contains("REGISTERATION (environment) is not a setting"),
        "{near}"
    );
    // A similar name may belong to another program.
    let desktop = with(&[("SESSION_MANAGER", "local/desktop")])
        .run(&["config", "check"])
        .done();
    assert!(
        desktop.contains(
            "note: SESSION_MANAGER (environment) is not a setting of tokenpair and is ignored"
        ),
        "{desktop}"
    );

    let program = Program::new();
    fs::write(program.path("tokenpair.toml"), "NONSENSE = 1\n").unwrap();
    assert!(
        program
            .run(&["config", "check"])
            .failed()
            .contains("NONSENSE is not known")
    );
}

#[test]
fn the_scheme_of_the_database_s_url_chooses_and_others_are_told_what_works() {
    let works = "write sqlite://path/to/file.db or postgres://user:password@host/database";
    for wrong in [
        "mysql://localhost/x",
        "data/tokenpair.db",
        "sqlite:data.db",
        "postgres:localhost",
    ] {
        refused(&[("DATABASE_URL", wrong)], works);
    }
    refused(
        &[("DATABASE_URL", "sqlite://:memory:")],
        "a database in memory would lose every login",
    );
    for right in [
        "sqlite:///tmp/x.db",
        "postgres://localhost/x",
        "postgresql://u:p@localhost:5433/x?sslmode=prefer",
    ] {
        with(&[("DATABASE_URL", right)])
            .run(&["config", "check"])
            .done();
    }
}

#[test]
fn a_password_that_libpq_would_stumble_over_and_quote_is_refused_before() {
    for url in [
        "postgres://ada:hidden%word@localhost/x",
        "postgres://ada:hidden word@localhost/x",
        "postgres://ada:hidden@word@localhost/x",
        "postgres://ada:hidden/word@localhost/x",
        "postgres://ada:hidden?word@localhost/x",
    ] {
        let said = with(&[("DATABASE_URL", url)])
            .run(&["config", "check"])
            .failed();
        assert!(
            said.contains("write special characters of the user and the password as %XX"),
            "{said}"
        );
        assert!(!said.contains("hidden"), "{said}");
        let shown = with(&[("DATABASE_URL", url)])
            .run(&["config", "show"])
            .done();
        assert!(!shown.contains("hidden"), "{shown}");
    }
    for url in [
        "postgres://ada:a%40b%25@h1:5432,h2:5433/x",
        "postgres:///x?host=/run/postgresql",
    ] {
        with(&[("DATABASE_URL", url)])
            .run(&["config", "check"])
            .done();
    }
}

#[cfg(not(feature = "postgres-tls"))]
#[test]
fn a_build_without_tls_names_the_feature_that_has_it() {
    for mode in ["require", "verify-ca", "verify-full"] {
        refused(
            &[(
                "DATABASE_URL",
                &format!("postgres://localhost/x?sslmode={mode}"),
            )],
            &format!(
                "sslmode={mode} requires TLS, which this build lacks; build with `--features postgres-tls`"
            ),
        );
    }
}

#[test]
fn the_reissue_window_follows_a_short_access_token_unless_it_is_set() {
    for lifetime in ["15m", "5m", "30m", "1h", "1d"] {
        let check = with(&[("JWT_ACCESS_TOKEN_EXPIRES", lifetime)]).run(&["config", "check"]);
        assert_eq!(check.done(), "the settings are valid\n", "{lifetime}");
    }
    let zero = with(&[("JWT_ACCESS_TOKEN_EXPIRES", "0")])
        .run(&["config", "check"])
        .failed();
    assert!(
        zero.contains("1 setting cannot work:\n  JWT_ACCESS_TOKEN_EXPIRES is 0;"),
        "{zero}"
    );
}

/// A team that migrates copies these settings from the guide: those it shows, and FJE's defaults.
#[test]
fn the_settings_that_the_guide_from_flask_shows_work_in_the_server() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/coming-from-flask.md");
    let guide = fs::read_to_string(guide).unwrap();
    let shown = guide.split('`').filter_map(|code| code.split_once('='));
    let shown = shown.filter(|(name, _)| known().any(|known| known.name == *name));
    let rows = guide.lines().filter(|line| line.starts_with("| `JWT_"));
    let defaults = rows.filter_map(|row| {
        let mut cells = row.split('|').map(|cell| cell.trim().trim_matches('`'));
        let (name, default, server) = (cells.nth(1)?, cells.next()?, cells.next()?);
        (!default.starts_with("none") && server != "–").then_some((name, default))
    });
    let (shown, defaults): (Vec<_>, Vec<_>) = (shown.collect(), defaults.collect());
    for wanted in [
        ("JWT_ACCESS_TOKEN_EXPIRES", "5m"),
        ("JWT_ACCESS_TOKEN_EXPIRES", "15m"),
        ("JWT_ACCEPT_FOREIGN", "true"),
    ] {
        assert!(shown.contains(&wanted), "{shown:?}");
    }
    assert_eq!(defaults.len(), 23, "{defaults:?}");
    let apart = shown.iter().chain(&defaults).map(|setting| vec![*setting]);
    for settings in apart.chain([defaults.clone()]) {
        let check = with(&settings).run(&["config", "check"]);
        assert!(
            check.done().ends_with("the settings are valid\n"),
            "{settings:?}"
        );
        let mut both = settings.clone();
        both.push(("JWT_SECRET_KEY", SECRET));
        let find = |name: &str| both.iter().find(|(known, _)| *known == name);
        let read = tokenpair::config::JwtSettings::read(|name| {
            find(name).map(|(_, value)| (*value).to_owned())
        });
        read.unwrap();
    }
}

#[test]
fn the_guide_from_flask_has_all_of_its_settings_and_the_server_s_defaults() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/coming-from-flask.md");
    let guide = fs::read_to_string(guide).unwrap();
    let rows = guide
        .lines()
        .filter_map(|line| line.strip_prefix("| `JWT_"));
    let rows: Vec<[&str; 2]> = rows
        .map(|row| row.split('|').map(str::trim).collect::<Vec<_>>())
        .map(|cells| [cells[0].trim_end_matches('`'), cells[2]])
        .collect();
    assert_eq!(rows.len(), 43);
    for [name, default] in rows {
        let known = known().find(|known| known.name.strip_prefix("JWT_") == Some(name));
        assert_eq!(default, known.map_or("–", |known| known.default), "{name}");
    }
}
