//! Tests the network settings: cookies that browsers would drop, malformed origins, incomplete TLS,
//! and notes.

use std::collections::BTreeMap;

use tokenpair_server::config::{Settings, Sources};

use crate::settings::{SECRET, refused, with};

const HTTPS: (&str, &str) = ("PUBLIC_URL", "https://login.example.org");

#[track_caller]
fn remarked(variables: &[(&str, &str)], remark: &str) {
    let said = with(variables).run(&["config", "check"]).done();
    assert!(said.contains(&format!("note: {remark}")), "{said}");
}

#[track_caller]
fn good(variables: &[(&str, &str)]) {
    // An https address without TLS or a proxy causes a note.
    let proxied = with(variables).env("SERVER_TRUSTED_PROXIES", "10.0.0.1");
    let said = proxied.run(&["config", "check"]).done();
    assert_eq!(said, "the settings are valid\n");
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
        "localhost:3000",
        "capacitor://",
        "capacitor:localhost",
        "capacitor://localhost/index.html",
        "capacitor://*",
    ] {
        refused(
            &[("SERVER_CORS_ORIGINS", odd)],
            "write origins with commas, each in full",
        );
    }
    let origins = "HTTPS://App.Example.ORG:443/, http://localhost:3000, capacitor://localhost, \
                   Tauri://LocalHost/, ionic://localhost, app://shell:8080";
    let values =
        [("SERVER_CORS_ORIGINS", origins)].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = Settings::load(&Sources::from_values(BTreeMap::from(values))).unwrap();
    // Origins as browsers write them.
    assert_eq!(
        settings.cors_origins,
        [
            "https://app.example.org",
            "http://localhost:3000",
            "capacitor://localhost",
            "tauri://localhost",
            "ionic://localhost",
            "app://shell:8080",
        ]
    );
}

#[test]
fn an_address_that_browsers_use_is_http_or_https() {
    for odd in ["capacitor://localhost", "ftp://example.org"] {
        refused(&[("PUBLIC_URL", odd)], "write the address browsers use");
    }
}

#[test]
fn two_names_of_this_machine_are_noted_with_the_public_url_that_works() {
    for (public, origin, cure) in [
        (
            "http://127.0.0.1:8080",
            "http://localhost:3000",
            "PUBLIC_URL=http://localhost:8080",
        ),
        (
            "http://localhost:8080",
            "http://127.0.0.1:3000",
            "PUBLIC_URL=http://127.0.0.1:8080",
        ),
        (
            "http://localhost:8080",
            "http://[::1]:3000",
            "PUBLIC_URL=http://[::1]:8080",
        ),
        (
            "http://localhost:8080",
            "http://app.localhost:3000",
            "PUBLIC_URL=http://app.localhost:8080",
        ),
    ] {
        let settings = [("PUBLIC_URL", public), ("SERVER_CORS_ORIGINS", origin)];
        let program = with(&settings);
        let said = program.run(&["config", "check"]).done();
        let note = format!("note: SERVER_CORS_ORIGINS has {origin}, and PUBLIC_URL is {public}: ");
        assert!(
            said.contains(&note) && said.contains(&format!("Set {cure} and")),
            "{said}"
        );
        assert!(!said.contains("JWT_COOKIE_DOMAIN"), "{said}");
        let log = program.serve().stop_and_read_log();
        assert_eq!(log.matches(cure).count(), 1, "{log}");
    }
    // Without PUBLIC_URL, the note names the listening address.
    remarked(
        &[
            ("SERVER_BIND", "127.0.0.1:8080"),
            ("SERVER_CORS_ORIGINS", "http://localhost:3000"),
        ],
        "SERVER_CORS_ORIGINS has http://localhost:3000, and PUBLIC_URL is http://127.0.0.1:8080: ",
    );
    let tokens = [
        ("JWT_TOKEN_LOCATION", "headers"),
        ("SERVER_CORS_ORIGINS", "http://localhost:3000"),
    ];
    good(&tokens);
}

#[test]
fn pages_of_another_site_whose_requests_bring_no_cookies_are_noted() {
    let values = ("JWT_CSRF_IN_COOKIES", "false");
    let secret = ("JWT_SECRET_KEY", SECRET);
    for origin in [
        "https://app.other.example",
        "https://example.com",
        "https://192.0.2.1",
        "capacitor://localhost",
        "capacitor://login.example.org",
    ] {
        let listed = ("SERVER_CORS_ORIGINS", origin);
        for (same_site, shown) in [("Lax", "Lax"), ("Strict", "Strict")] {
            let note = format!(
                "SERVER_CORS_ORIGINS has {origin}, which is a different site from PUBLIC_URL https://login.example.org, and with \
                 JWT_COOKIE_SAMESITE={shown} browsers send no cookies from there. "
            );
            let policy = ("JWT_COOKIE_SAMESITE", same_site);
            remarked(&[HTTPS, listed, values, secret, policy], &note);
        }
        good(&[
            HTTPS,
            listed,
            values,
            secret,
            ("JWT_COOKIE_SAMESITE", "None"),
        ]);
        good(&[HTTPS, listed, secret, ("JWT_TOKEN_LOCATION", "headers")]);
        remarked(
            &[HTTPS, listed, secret, ("JWT_COOKIE_SAMESITE", "None")],
            &format!("pages of {origin} (SERVER_CORS_ORIGINS) cannot read the CSRF cookies"),
        );
    }
}

#[test]
fn pages_of_the_same_site_are_not_noted_unless_the_cookies_domain_leaves_them_out() {
    let values = ("JWT_CSRF_IN_COOKIES", "false");
    let secret = ("JWT_SECRET_KEY", SECRET);
    for origin in [
        "https://app.example.org",
        "https://example.org",
        "https://a.b.example.org:444",
    ] {
        good(&[HTTPS, ("SERVER_CORS_ORIGINS", origin), values, secret]);
    }
    let british = ("PUBLIC_URL", "https://login.example.co.uk");
    good(&[
        british,
        ("SERVER_CORS_ORIGINS", "https://app.example.co.uk"),
        values,
        secret,
    ]);
    let other = ("SERVER_CORS_ORIGINS", "https://app.other.co.uk");
    remarked(
        &[british, other, values, secret],
        "SERVER_CORS_ORIGINS has https://app.other.co.uk, which is a different site",
    );
    // The cookies' domain does not include the page.
    let domain = ("JWT_COOKIE_DOMAIN", "login.example.org");
    remarked(
        &[
            HTTPS,
            ("SERVER_CORS_ORIGINS", "https://app.example.org"),
            domain,
            secret,
        ],
        "pages of https://app.example.org (SERVER_CORS_ORIGINS) cannot read the CSRF cookies",
    );
}

#[test]
fn a_cookie_path_that_no_route_is_under_is_noted() {
    for (name, path, cure) in [
        (
            "JWT_ACCESS_COOKIE_PATH",
            "/api",
            "set JWT_ACCESS_COOKIE_PATH to /, unless",
        ),
        (
            "JWT_ACCESS_COOKIE_PATH",
            "/protect",
            "set JWT_ACCESS_COOKIE_PATH to /, unless",
        ),
        (
            "JWT_ACCESS_COOKIE_PATH",
            "/refresh",
            "set JWT_ACCESS_COOKIE_PATH to /, unless",
        ),
        (
            "JWT_REFRESH_COOKIE_PATH",
            "/token/refresh",
            "set JWT_REFRESH_COOKIE_PATH to / or /refresh, unless",
        ),
    ] {
        let program = with(&[(name, path)]);
        let said = program.run(&["config", "check"]).done();
        let note = format!(
            "note: {name} is {path}, and no route of this server that needs the cookie is under that path"
        );
        assert!(said.contains(&note) && said.contains(cure), "{said}");
        let log = program.serve().stop_and_read_log();
        assert_eq!(log.matches(cure).count(), 1, "{log}");
        good(&[(name, path), ("JWT_TOKEN_LOCATION", "headers")]);
    }
}

#[test]
fn an_access_cookie_that_the_page_never_gets_is_noted() {
    remarked(
        &[("JWT_ACCESS_COOKIE_PATH", "/protected")],
        "JWT_ACCESS_COOKIE_PATH is /protected, so browsers do not send the cookie to the built-in page at /",
    );
    good(&[
        ("JWT_ACCESS_COOKIE_PATH", "/protected"),
        ("JWT_TOKEN_LOCATION", "headers"),
    ]);
}

#[test]
fn methods_without_protection_are_noted() {
    remarked(
        &[("JWT_CSRF_METHODS", "GET,PUT,DELETE")],
        "JWT_CSRF_METHODS lacks POST, PATCH: such requests need no CSRF token",
    );
    good(&[("JWT_CSRF_METHODS", "GET,POST,PUT,PATCH,DELETE")]);
    good(&[
        ("JWT_CSRF_METHODS", "GET"),
        ("JWT_COOKIE_CSRF_PROTECT", "false"),
    ]);
    good(&[
        ("JWT_CSRF_METHODS", "GET"),
        ("JWT_TOKEN_LOCATION", "headers"),
    ]);
}

#[test]
fn a_path_that_hides_the_csrf_cookie_from_pages_elsewhere_is_noted() {
    for name in [
        "JWT_ACCESS_CSRF_COOKIE_PATH",
        "JWT_REFRESH_CSRF_COOKIE_PATH",
    ] {
        remarked(
            &[(name, "/api")],
            &format!(
                "{name} is /api, so only scripts of pages under that path can read the cookie"
            ),
        );
        good(&[(name, "/api"), ("JWT_CSRF_IN_COOKIES", "false")]);
        good(&[(name, "/api"), ("JWT_TOKEN_LOCATION", "headers")]);
        good(&[(name, "/")]);
    }
}

/// Only paths of existing routes cause no note.
#[test]
fn a_cookie_path_of_any_route_that_takes_the_token_is_not_noted() {
    let served = with(&[]).serve();
    let (_, description) = served.request("GET", "/openapi.json", None);
    for (path, item) in description["paths"].as_object().unwrap() {
        let takes = |cookie: &str| {
            let mut operations = item.as_object().unwrap().values();
            operations.any(|operation| operation["security"].to_string().contains(cookie))
        };
        let path = path.replace("{id}", "x");
        if takes("access_cookie") {
            let said = with(&[("JWT_ACCESS_COOKIE_PATH", &path)])
                .run(&["config", "check"])
                .done();
            assert!(!said.contains("no route of this server"), "{path} {said}");
        }
    }
    for path in ["/refresh", "/"] {
        let said = with(&[("JWT_REFRESH_COOKIE_PATH", path)])
            .run(&["config", "check"])
            .done();
        assert!(!said.contains("no route of this server"), "{path} {said}");
    }
}

#[test]
fn tls_takes_both_files_by_their_paths_and_a_public_address_that_fits() {
    let (certificate, key) = (
        ("SERVER_TLS_CERT", "cert.pem"),
        ("SERVER_TLS_KEY", "key.pem"),
    );
    refused(
        &[certificate],
        "SERVER_TLS_KEY is needed with SERVER_TLS_CERT",
    );
    refused(&[key], "SERVER_TLS_CERT is needed with SERVER_TLS_KEY");
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
        "JWT_COOKIE_SECURE is false: tokens travel unencrypted",
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
        "SERVER_CORS_ORIGINS has http://app.example.org: over plain http anyone",
    );
    good(&[
        ("SERVER_CORS_ORIGINS", "http://127.0.0.1:3000"),
        ("SERVER_BIND", "127.0.0.1:8080"),
    ]);
}

#[test]
fn a_refresh_cookie_that_browsers_keep_from_the_application_is_remarked_on() {
    let narrow = ("JWT_REFRESH_COOKIE_PATH", "/refresh");
    let remark = "JWT_REFRESH_COOKIE_PATH is /refresh, so browsers do not send the refresh cookie to all of /, and an \
                  access cookie is not reissued without it: set JWT_REFRESH_COOKIE_PATH to /";
    remarked(&[HTTPS, narrow], remark);
    let log = with(&[HTTPS, narrow, ("SERVER_BIND", "127.0.0.1:0")]);
    let log = log.serve().stop_and_read_log();
    assert_eq!(log.matches("is not reissued").count(), 1, "{log}");
    good(&[HTTPS, narrow, ("JWT_REISSUE_WITHIN", "0")]);
    good(&[HTTPS, narrow, ("JWT_TOKEN_LOCATION", "headers")]);
    // The page is another matter.
    let said = with(&[HTTPS, ("JWT_ACCESS_COOKIE_PATH", "/account")]).run(&["config", "check"]);
    assert!(!said.done().contains("is not reissued"));
    // A path is matched by whole segments.
    for (access, noted) in [("/account/", false), ("/accounts/", true)] {
        let paths = [
            ("JWT_ACCESS_COOKIE_PATH", access),
            ("JWT_REFRESH_COOKIE_PATH", "/account"),
        ];
        let said = with(&paths).run(&["config", "check"]).done();
        assert_eq!(said.contains("is not reissued"), noted, "{said}");
    }
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

#[test]
fn pages_that_others_can_open_are_off_unless_asked_for_and_then_noted() {
    let key = ("JWT_SECRET_KEY", SECRET);
    let on = ("SERVER_DOCS", "on");
    let served = |variables: &[(&str, &str)]| {
        let variables = variables.iter();
        let variables = variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let sources = Sources::from_values(BTreeMap::from_iter(variables));
        Settings::load(&sources).unwrap().docs
    };
    let loopback = ("PUBLIC_URL", "http://localhost:8080");
    let public = ("SERVER_BIND", "0.0.0.0:8080");
    for (variables, expected) in [
        (&[][..], true),
        (&[loopback], true),
        (&[("SERVER_BIND", "[::1]:8080")], true),
        (&[("SERVER_DOCS", "off")], false),
        (&[HTTPS], false),
        (&[public, key], false),
        (&[public, key, loopback], false),
        (&[public, key, on], true),
        (&[HTTPS, on], true),
    ] {
        assert_eq!(served(variables), expected, "{variables:?}");
    }
    let note = "SERVER_DOCS is on, and other machines can reach this server";
    remarked(&[HTTPS, on], note);
    remarked(&[public, key, on], note);
    // A container's port may be published to this machine only.
    good(&[public, key, loopback, on]);
    good(&[on]);
    good(&[HTTPS]);
    refused(&[("SERVER_DOCS", "maybe")], "SERVER_DOCS is \"maybe\"");
}
