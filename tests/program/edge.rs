//! The settings of the edge: cookies that browsers would drop, origins that are none, TLS by halves, and what is only
//! remarked on.

use std::collections::BTreeMap;

use tokenpair::settings::{Settings, Sources};

use crate::settings::{refused, with};

const HTTPS: (&str, &str) = ("PUBLIC_URL", "https://login.example.org");

#[track_caller]
fn remarked(variables: &[(&str, &str)], remark: &str) {
    let said = with(variables).run(&["config", "check"]).done();
    assert!(said.contains(&format!("note: {remark}")), "{said}");
}

#[track_caller]
fn good(variables: &[(&str, &str)]) {
    // An https address without TLS or a proxy is remarked on.
    let proxied = with(variables).env("SERVER_TRUSTED_PROXIES", "10.0.0.1");
    let said = proxied.run(&["config", "check"]).done();
    assert_eq!(said, "the settings are good\n");
}

#[test]
fn a_prefix_that_browsers_would_drop_the_cookies_for_is_refused() {
    let (host, secure) = (
        ("JWT_COOKIE_PREFIX", "host"),
        ("JWT_COOKIE_PREFIX", "secure"),
    );
    good(&[host, HTTPS]);
    good(&[secure, HTTPS, ("JWT_COOKIE_DOMAIN", "example.org")]);
    good(&[("JWT_COOKIE_PREFIX", "none")]);
    for prefix in [host, secure] {
        refused(
            &[prefix],
            "which needs Secure cookies (an https PUBLIC_URL, or JWT_COOKIE_SECURE=true)",
        );
        let insecure = ("JWT_COOKIE_SECURE", "false");
        refused(&[prefix, HTTPS, insecure], "which needs Secure cookies");
        let named = ("JWT_ACCESS_COOKIE_NAME", "__Host-access");
        refused(
            &[prefix, HTTPS, named],
            "JWT_ACCESS_COOKIE_NAME begins with a prefix already",
        );
    }
    let needs = "JWT_COOKIE_PREFIX is __Host-, which needs the path / and no JWT_COOKIE_DOMAIN";
    refused(&[host, HTTPS, ("JWT_COOKIE_DOMAIN", "example.org")], needs);
    for path in [
        "JWT_ACCESS_COOKIE_PATH",
        "JWT_REFRESH_COOKIE_PATH",
        "JWT_REFRESH_CSRF_COOKIE_PATH",
    ] {
        refused(&[host, HTTPS, (path, "/refresh")], needs);
    }
    refused(
        &[("JWT_COOKIE_PREFIX", "__Host-")],
        "write none, secure or host",
    );
}

#[test]
fn a_name_of_ones_own_has_to_keep_what_its_prefix_promises() {
    let named = |name| ("JWT_ACCESS_CSRF_COOKIE_NAME", name);
    good(&[HTTPS, named("__Host-csrf")]);
    good(&[HTTPS, ("JWT_ACCESS_COOKIE_NAME", "__Host-Http-access")]);
    // Browsers read prefixes in any case.
    for name in ["__Host-csrf", "__HOST-csrf", "__secure-csrf", "__Http-csrf"] {
        refused(
            &[named(name)],
            "JWT_ACCESS_CSRF_COOKIE_NAME begins with a prefix that needs Secure",
        );
    }
    let domain = ("JWT_COOKIE_DOMAIN", "example.org");
    refused(
        &[HTTPS, domain, named("__host-csrf")],
        "needs the path / and no JWT_COOKIE_DOMAIN",
    );
    for name in ["__Http-csrf", "__Host-Http-csrf"] {
        refused(&[HTTPS, named(name)], "a cookie that no script reads");
    }
}

#[test]
fn an_origin_is_written_in_full_and_nothing_stands_for_any() {
    for odd in [
        "*",
        "null",
        "app.example.org",
        "https://*.example.org",
        "https://app.example.org/path",
        "https://ada@app.example.org",
        "https://app.example.org,*",
        "file:///tmp",
    ] {
        refused(
            &[("SERVER_CORS_ORIGINS", odd)],
            "write origins with commas, each in full",
        );
    }
    let origins = "HTTPS://App.Example.ORG:443/, http://localhost:3000";
    let values =
        [("SERVER_CORS_ORIGINS", origins)].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = Settings::load(&Sources::from_values(BTreeMap::from(values))).unwrap();
    // As browsers write them.
    assert_eq!(
        settings.cors_origins,
        ["https://app.example.org", "http://localhost:3000"]
    );
}

#[test]
fn tls_takes_both_files_by_their_paths_and_a_public_address_that_fits() {
    let (certificate, key) = (
        ("SERVER_TLS_CERT", "cert.pem"),
        ("SERVER_TLS_KEY", "key.pem"),
    );
    refused(
        &[certificate],
        "SERVER_TLS_KEY is needed beside SERVER_TLS_CERT",
    );
    refused(&[key], "SERVER_TLS_CERT is needed beside SERVER_TLS_KEY");
    let http = ("PUBLIC_URL", "http://login.example.org");
    refused(
        &[certificate, key, http],
        "PUBLIC_URL is http, and with SERVER_TLS_CERT the server speaks https",
    );
    let pem = "-----BEGIN PRIVATE KEY-----hidden-word-----END PRIVATE KEY-----";
    let program = with(&[certificate, ("SERVER_TLS_KEY", pem)]);
    let said = program.run(&["config", "check"]).failed();
    assert!(
        said.contains("SERVER_TLS_KEY holds the PEM itself; write the path"),
        "{said}"
    );
    let shown = program.run(&["config", "show"]).done();
    assert!(
        !said.contains("hidden-word") && !shown.contains("hidden-word"),
        "{said}{shown}"
    );
}

#[test]
fn what_is_unsafe_and_may_be_meant_is_remarked_on() {
    let secret = "a secret that is long enough for any algorithm, with its 64 bytes and more";
    let public = [
        ("SERVER_BIND", "0.0.0.0:8080"),
        ("JWT_SECRET_KEY", secret),
        HTTPS,
    ];
    let and = |more: &[(&'static str, &'static str)]| [&public[..], more].concat();
    good(&public);
    remarked(
        &and(&[("JWT_COOKIE_CSRF_PROTECT", "false")]),
        "JWT_COOKIE_CSRF_PROTECT is false: any site can act",
    );
    let open = and(&[
        ("SERVER_BIND", "0.0.0.0:0"),
        ("JWT_COOKIE_CSRF_PROTECT", "false"),
    ]);
    let log = with(&open).serve().stop_and_read_log();
    assert!(log.contains("JWT_COOKIE_CSRF_PROTECT is false"), "{log}");
    remarked(
        &and(&[("JWT_COOKIE_SECURE", "false")]),
        "JWT_COOKIE_SECURE is false: tokens travel readable",
    );
    let plain = ("PUBLIC_URL", "http://login.example.org");
    remarked(
        &and(&[plain]),
        "cookies are Secure, and browsers and curl keep them only over https",
    );
    let foreign = ("SERVER_CORS_ORIGINS", "https://app.example.org");
    remarked(
        &and(&[foreign]),
        "pages of https://app.example.org (SERVER_CORS_ORIGINS) cannot read the CSRF cookies",
    );
    good(&and(&[foreign, ("JWT_COOKIE_DOMAIN", "example.org")]));
    good(&and(&[foreign, ("JWT_CSRF_IN_COOKIES", "false")]));
    let plain = ("SERVER_CORS_ORIGINS", "http://app.example.org");
    remarked(
        &and(&[plain]),
        "SERVER_CORS_ORIGINS has http://app.example.org: whoever is on its way",
    );
    good(&[
        ("SERVER_CORS_ORIGINS", "http://127.0.0.1:3000"),
        ("SERVER_BIND", "127.0.0.1:8080"),
    ]);
}

#[test]
fn settings_for_debugging_show_no_secret() {
    let values = [
        (
            "JWT_SECRET_KEY",
            "hidden-word, long enough for HS256 to sign with",
        ),
        (
            "DATABASE_URL",
            "postgres://ada:hidden-word@localhost/x?password=hidden-word",
        ),
    ];
    let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let sources = Sources::from_values(BTreeMap::from(values));
    let settings = Settings::load(&sources).unwrap();
    let shown = format!("{settings:?} {sources:?} {settings:#?} {sources:#?}");
    assert!(!shown.contains("hidden-word"), "{shown}");
}

#[test]
fn what_tokens_always_say_leaves_room_in_a_cookie() {
    let long = "x".repeat(1025);
    refused(
        &[("JWT_ENCODE_ISSUER", &long)],
        "browsers would drop cookies with such tokens",
    );
    let half = "x".repeat(513);
    refused(
        &[("JWT_ENCODE_ISSUER", &half), ("JWT_ENCODE_AUDIENCE", &half)],
        "have more than 1024 bytes",
    );
}
