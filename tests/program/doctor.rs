//! Tests `tokenpair doctor`: against the server, behind proxies with a fault each, and against other
//! and hostile servers.

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use crate::exchange::{ADA, SECRET};
use crate::proxy::{Proxy, rewriting, server};
use crate::support::{Program, Served};

/// What the command found.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) code: Option<i32>,
    pub(crate) report: Value,
}

impl Seen {
    /// Returns the checks that are not ok.
    pub(crate) fn faults(&self) -> Vec<&str> {
        let checks = self.report["checks"].as_array().unwrap().iter();
        checks
            .filter(|check| check["verdict"] != "ok")
            .map(|check| check["check"].as_str().unwrap())
            .collect()
    }

    #[track_caller]
    pub(crate) fn check(&self, name: &str) -> &Value {
        let checks = self.report["checks"].as_array().unwrap();
        let found = checks.iter().find(|check| check["check"] == name);
        found.unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }

    /// Asserts that the check has this verdict, a sentence with this text and a cure.
    #[track_caller]
    pub(crate) fn found(&self, name: &str, verdict: &str, text: &str) {
        let checks = self.report["checks"].as_array().unwrap();
        let fits = |check: &&Value| check["check"] == name && check["verdict"] == verdict;
        let check = checks
            .iter()
            .find(fits)
            .unwrap_or_else(|| panic!("no {verdict} {name}: {self:#?}"));
        assert!(check["message"].as_str().unwrap().contains(text), "{check}");
        assert!(!check["fix"].as_str().unwrap().is_empty(), "{check}");
        let code = if self.report["verdict"] == "problem" {
            1
        } else {
            0
        };
        assert_eq!(self.code, Some(code), "{self:?}");
    }

    #[track_caller]
    pub(crate) fn is_fine(&self) {
        assert_eq!(self.faults(), [""; 0], "{self:#?}");
        assert_eq!(
            (self.code, &self.report["verdict"]),
            (Some(0), &json!("ok"))
        );
    }
}

pub(crate) fn look_with(program: &Program, arguments: &[&str], input: &str) -> Seen {
    let arguments = [&["doctor", "--json"], arguments].concat();
    let ended = program.run_with_input(&arguments, input);
    let report = serde_json::from_str(&ended.out);
    Seen {
        code: ended.code,
        report: report.unwrap_or_else(|_| panic!("{ended:?}")),
    }
}

pub(crate) fn look(url: &str) -> Seen {
    look_with(&Program::new(), &[url], "")
}

fn url(served: &Served) -> String {
    format!("http://{}", served.address)
}

#[test]
fn a_server_without_a_proxy_is_fine_and_the_shape_of_the_report_is_stable() {
    let program = Program::new();
    let served = program.serve();
    let seen = look(&url(&served));
    seen.is_fine();
    let report = seen.report.as_object().unwrap();
    let keys: Vec<&String> = report.keys().collect();
    assert_eq!(keys, ["checks", "origin", "url", "verdict"]);
    assert_eq!(seen.report["url"], format!("{}/", url(&served)));
    assert_eq!(seen.report["origin"], Value::Null);
    let checks = seen.report["checks"].as_array().unwrap().iter();
    let names: Vec<&str> = checks
        .clone()
        .map(|check| check["check"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "reachable",
            "tokenpair",
            "tls",
            "http_version",
            "clock",
            "ready",
            "response_headers",
            "cache",
            "compression",
            "cookie_header",
            "authorization_header",
            "request_size",
            "methods",
            "chunked_body",
            "set_cookie_lines",
            "set_cookie_attributes",
            "set_cookie_path",
            "secure_cookies",
            "host",
            "origin_header",
            "preflight"
        ]
    );
    for check in checks {
        let keys: Vec<&String> = check.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["check", "fix", "message", "verdict"], "{check}");
        let sentence = check["message"].as_str().unwrap();
        assert!(sentence.ends_with('.') && check["fix"].is_null(), "{check}");
    }
}

#[test]
fn without_an_address_it_looks_at_the_one_in_the_settings() {
    let program = Program::new();
    let served = program.serve();
    let bind = served.address.to_string();
    let program = program.env("SERVER_BIND", &bind);
    let text = program.run(&["doctor"]).done();
    assert!(
        text.ends_with(&format!("{}/ is fine.\n", url(&served))),
        "{text}"
    );
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    let elsewhere = program.env("PUBLIC_URL", "http://127.0.0.1:1");
    let seen = look_with(&elsewhere, &[], "");
    assert_eq!(seen.code, Some(2));
    assert_eq!(seen.report["url"], "http://127.0.0.1:1/");
    assert_eq!(seen.report["verdict"], "unreachable");
    let wrong = elsewhere.env("SERVER_BIND", "nonsense").run(&["doctor"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.err.contains("SERVER_BIND"), "{wrong:?}");
}

#[test]
fn good_proxies_are_fine() {
    let program = Program::new();
    let served = program.serve();
    look(&Proxy::nginx(served.address, "", "").url()).is_fine();
    look(&Proxy::haproxy(served.address, &[]).url()).is_fine();
}

#[test]
fn each_fault_of_nginx_is_found_by_name() {
    let program = Program::new();
    let served = program.serve();
    let cached =
        "proxy_cache one; proxy_cache_valid any 1m; proxy_ignore_headers Cache-Control Set-Cookie;";
    let zone = "proxy_cache_path cache keys_zone=one:1m;";
    let gzip = "gzip on; gzip_proxied any; gzip_types application/json; gzip_min_length 1;";
    for (http, location, check, verdict, text) in [
        (
            "",
            "proxy_set_header Authorization \"\";",
            "authorization_header",
            "problem",
            "does not reach",
        ),
        (
            "",
            "proxy_set_header Cookie \"\";",
            "cookie_header",
            "problem",
            "does not reach",
        ),
        (
            "",
            "proxy_set_header Host internal.example;",
            "host",
            "problem",
            "the proxy changes Host",
        ),
        (
            "",
            "proxy_set_header Origin \"\";",
            "origin_header",
            "problem",
            "does not reach",
        ),
        (
            "",
            "proxy_hide_header Set-Cookie;",
            "set_cookie_lines",
            "problem",
            "No Set-Cookie header",
        ),
        (
            "",
            "proxy_hide_header Set-Cookie; add_header Set-Cookie $upstream_http_set_cookie;",
            "set_cookie_lines",
            "problem",
            "",
        ),
        (
            "",
            "proxy_cookie_path / /app/;",
            "set_cookie_path",
            "problem",
            "has Path=/app/",
        ),
        (
            "",
            "proxy_cookie_flags ~ nohttponly;",
            "set_cookie_attributes",
            "problem",
            "HttpOnly is removed",
        ),
        (
            "",
            "proxy_cookie_flags ~ nosamesite;",
            "set_cookie_attributes",
            "warning",
            "no SameSite",
        ),
        (
            "",
            "proxy_cookie_flags access_token_cookie samesite=strict;",
            "set_cookie_attributes",
            "problem",
            "differ in SameSite",
        ),
        (zone, cached, "cache", "problem", "A cache answered"),
        (gzip, "", "compression", "warning", "BREACH"),
        (
            "",
            "proxy_hide_header X-Request-Id; proxy_hide_header WWW-Authenticate;",
            "response_headers",
            "problem",
            "WWW-Authenticate, X-Request-Id",
        ),
        (
            "",
            "proxy_hide_header Cache-Control; add_header Cache-Control public always;",
            "cache",
            "problem",
            "lacks Cache-Control: no-store",
        ),
        (
            "",
            "if ($request_method = OPTIONS) { return 204; }",
            "preflight",
            "problem",
            "answers OPTIONS itself (204)",
        ),
        (
            "",
            "add_header Access-Control-Allow-Origin * always;",
            "preflight",
            "problem",
            "any origin",
        ),
        (
            "",
            "limit_except GET POST { deny all; }",
            "methods",
            "problem",
            "PATCH (403), DELETE (403)",
        ),
        (
            "large_client_header_buffers 4 2k;",
            "",
            "request_size",
            "problem",
            "do not reach the server: 400",
        ),
        (
            "",
            "proxy_pass_request_body off; proxy_set_header Content-Length \"\";",
            "chunked_body",
            "problem",
            "drops bodies",
        ),
    ] {
        let proxy = Proxy::nginx(served.address, http, location);
        let seen = look(&proxy.url());
        println!("{location}{http}: {:?}", seen.faults());
        seen.found(check, verdict, text);
    }
}

#[test]
fn each_fault_of_haproxy_is_found_by_name() {
    let program = Program::new();
    let served = program.serve();
    let joined = "http-response set-header Set-Cookie \"%[res.fhdr(set-cookie,1)], %[res.fhdr(set-cookie,2)], \
                  %[res.fhdr(set-cookie,3)], %[res.fhdr(set-cookie,4)]\" if { res.hdr_cnt(set-cookie) gt 0 }";
    for (line, check, text) in [
        (joined, "set_cookie_lines", "joined in one line"),
        (
            "http-response replace-header Set-Cookie ^(.*)$ app_\\1",
            "set_cookie_names",
            "app_access_token_cookie",
        ),
        (
            "http-response replace-header Set-Cookie ^(.*)Expires=.*$ \\1",
            "set_cookie_attributes",
            "Expires is removed",
        ),
        (
            "http-response set-header Date \"Thu, 01 Jan 2026 00:00:00 GMT\"",
            "clock",
            "behind this machine's",
        ),
        (
            "http-request set-header Host internal.example",
            "host",
            "changes Host",
        ),
        (
            "http-request del-header Cookie",
            "cookie_header",
            "does not reach",
        ),
        (
            "http-response set-header Age 7",
            "cache",
            "A cache answered",
        ),
        (
            "http-request deny deny_status 501 if METH_DELETE",
            "methods",
            "DELETE (501)",
        ),
    ] {
        let proxy = Proxy::haproxy(served.address, &[line]);
        let seen = look(&proxy.url());
        println!("{line}: {:?}", seen.faults());
        seen.found(check, "problem", text);
    }
}

/// The proxies above always answer with HTTP/1.1, and their list of chunks is right.
#[test]
fn an_answer_in_http_1_0_and_one_cut_short_are_found() {
    let program = Program::new();
    let served = program.serve();
    let old = rewriting(served.address, |response| {
        response.replacen("HTTP/1.1", "HTTP/1.0", 1)
    });
    look(&format!("http://{old}")).found("http_version", "warning", "HTTP/1.0");
    let cut = rewriting(served.address, |response| {
        match response.contains("Logout Successful") {
            true => response[..response.len() - 5].to_owned(),
            false => response,
        }
    });
    look(&format!("http://{cut}")).found(
        "set_cookie_lines",
        "problem",
        "got no response: the connection broke",
    );
}

#[test]
fn a_server_that_is_another_program_or_redirects_is_named_and_nothing_else_is_asked() {
    let page = server(|_, client| {
        let _closed = client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    });
    let seen = look(&format!("http://{page}"));
    seen.found("tokenpair", "problem", "Another program answers GET");
    assert_eq!(seen.report["checks"].as_array().unwrap().len(), 2);
    let redirect = server(|_, client| {
        let moved = "HTTP/1.1 301 Moved\r\nLocation: https://login.example.org/account\r\nContent-Length: 0\r\n\r\n";
        let _closed = client.write_all(moved.as_bytes());
    });
    look(&format!("http://{redirect}")).found(
        "tokenpair",
        "problem",
        "redirects to https://login.example.org.",
    );
}

#[test]
fn hostile_servers_neither_hang_it_nor_write_to_the_terminal() {
    // Each as often as the command asks.
    let silent = server(|_, client| drop(std::io::Read::read(client, &mut [0])));
    let endless = server(|_, client| {
        let _closed = client.write_all(b"HTTP/1.1 200 OK\r\n");
        while client.write_all(b"X-Header: again and again\r\n").is_ok() {}
    });
    let closing = server(|_, _| {});
    let began = Instant::now();
    for (address, text) in [
        (silent, "no complete response"),
        (endless, "too large headers"),
        (closing, "the connection broke"),
    ] {
        let seen = look(&format!("http://{address}"));
        let check = seen.check("reachable");
        assert!(check["message"].as_str().unwrap().contains(text), "{check}");
        assert_eq!(seen.code, Some(2), "{seen:?}");
    }
    assert!(
        began.elapsed() < Duration::from_secs(40),
        "{:?}",
        began.elapsed()
    );
    // A right-to-left override and an escape sequence, where a header may have them.
    let odd = server(|head, client| {
        let body =
            r#"{"msg": "\u001b[2J", "code": "missing_token", "info": {"title": "tokenpair"}}"#;
        let status = if head.starts_with("POST /logout") {
            "200 OK"
        } else {
            "401 No"
        };
        let length = body.len();
        let response = format!(
            "HTTP/1.1 {status}\r\nSet-Cookie: \u{202e}evil=1; Path=/\r\nLocation: \u{202e}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let _closed = client.write_all(response.as_bytes());
    });
    for form in [&[][..], &["--json"]] {
        let address = format!("http://{odd}");
        let arguments = [&["doctor", &address], form].concat();
        let ended = Program::new().run(&arguments);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let printed = format!("{}{}", ended.out, ended.err);
        assert!(!printed.contains(['\u{202e}', '\u{1b}']), "{printed}");
    }
}

/// Arguments that are wrong, with what they are told.
pub(crate) const WRONG_USAGE: [(&[&str], &str); 4] = [
    (&["ftp://a.example"], "write the server's address"),
    (
        &["http://ada:secret@a.example"],
        "write the server's address",
    ),
    (
        &["http://127.0.0.1:1", "--origin", "nonsense"],
        "write the page's origin",
    ),
    (
        &["http://127.0.0.1:1", "--username", "ada"],
        "--password-stdin",
    ),
];

#[test]
fn a_faulty_address_or_origin_is_wrong_usage() {
    for (arguments, text) in WRONG_USAGE {
        let ended = Program::new().run(&[&["doctor"], arguments].concat());
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.contains(text), "{ended:?}");
        assert!(!ended.err.contains("secret"), "{ended:?}");
    }
    let help = Program::new().run(&["doctor", "--help"]).done();
    assert!(help.contains("Exit codes: 0 no problem"), "{help}");
}

#[test]
fn pages_of_another_origin_are_checked_as_a_browser_does() {
    let listed = "http://127.0.0.1:3000,http://localhost:3000";
    let program = Program::new().env("SERVER_CORS_ORIGINS", listed);
    let served = program.serve();
    let from = |url: &str, origin: &str| look_with(&program, &[url, "--origin", origin], "");
    let own = url(&served);
    let same_host = from(&own, "http://127.0.0.1:3000");
    same_host.is_fine();
    assert_eq!(same_host.report["origin"], "http://127.0.0.1:3000");
    from(&own, &own).is_fine();
    from(&own, "http://127.0.0.1:4000").found(
        "cors",
        "problem",
        "does not allow pages of http://127.0.0.1:4000",
    );
    from(&own, "http://localhost:3000").found("cors_cookies", "problem", "are two sites");
    let doubled = Proxy::nginx(
        served.address,
        "",
        "add_header Access-Control-Allow-Origin $http_origin always;",
    );
    from(&doubled.url(), "http://127.0.0.1:3000").found("cors", "problem", "");
    let answered = Proxy::nginx(
        served.address,
        "",
        "if ($request_method = OPTIONS) { return 204; }",
    );
    from(&answered.url(), "http://127.0.0.1:3000").found(
        "cors",
        "problem",
        "answers the preflight",
    );
}

#[test]
fn secure_cookies_over_http_on_this_machine_are_a_warning() {
    let program = Program::new().env("JWT_COOKIE_SECURE", "true");
    let served = program.serve();
    look(&url(&served)).found("secure_cookies", "warning", "Safari and Postman do not");
}

pub(crate) fn with_certificate(program: Program, name: &str, year: i32) -> Program {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    fs::write(program.path("cert.pem"), certificate).unwrap();
    fs::write(program.path("key.pem"), key.serialize_pem()).unwrap();
    program
        .env("SERVER_TLS_CERT", "cert.pem")
        .env("SERVER_TLS_KEY", "key.pem")
}

#[test]
fn the_certificate_of_the_server_itself_is_checked() {
    for (name, year, trusted, expected) in [
        ("127.0.0.1", 4000, true, None),
        (
            "127.0.0.1",
            4000,
            false,
            Some(("warning", "does not know the certificate's issuer")),
        ),
        (
            "127.0.0.1",
            2020,
            true,
            Some(("problem", "expired on 2020-01-01T00:00:00Z")),
        ),
        (
            "other.example",
            4000,
            true,
            Some(("problem", "does not name 127.0.0.1")),
        ),
    ] {
        let program = with_certificate(Program::new(), name, year);
        let served = program.serve();
        let authorities = if trusted {
            "cert.pem"
        } else {
            "/etc/ssl/certs/ca-certificates.crt"
        };
        let program = program.env("SSL_CERT_FILE", authorities);
        let seen = look_with(&program, &[&format!("https://{}", served.address)], "");
        match expected {
            None => seen.is_fine(),
            Some((verdict, text)) => {
                seen.found("tls", verdict, text);
                assert_eq!(seen.faults(), ["tls"], "{seen:#?}");
            }
        }
        let plain = look(&url(&served));
        assert_eq!(plain.code, Some(2), "{plain:?}");
    }
}

/// Returns the output of a login walk, in both forms.
fn walk(program: &Program, url: &str, password: &str) -> (Seen, String) {
    let arguments = [url, "--username", ADA.0, "--password-stdin"];
    let seen = look_with(program, &arguments, password);
    let text = program.run_with_input(&[&["doctor"], &arguments[..]].concat(), password);
    (seen, format!("{}{}", text.out, text.err))
}

#[test]
fn a_login_walk_says_what_browsers_do_and_prints_no_secret() {
    for location in ["cookies,headers", "headers", "cookies"] {
        let program = Program::new()
            .env("JWT_TOKEN_LOCATION", location)
            .env("JWT_SECRET_KEY", SECRET);
        let served = program.serve();
        let user = json!({ "username": ADA.0, "password": ADA.1 });
        served.post("/register", &user);
        let (seen, text) = walk(&program, &url(&served), ADA.1);
        seen.is_fine();
        for name in [
            "login",
            "protected",
            "refresh",
            "logout",
            "delete_body",
            "client_address",
        ] {
            assert_eq!(seen.check(name)["verdict"], "ok", "{location}");
        }
        let stored = seen.check("login_cookies")["message"].as_str().unwrap();
        let of_browsers = "access_token_cookie (hidden from scripts, until the browser closes)";
        assert_eq!(
            stored.contains(of_browsers),
            location != "headers",
            "{stored}"
        );
        for secret in ["eyJ", ADA.1] {
            assert!(
                !text.contains(secret) && !seen.report.to_string().contains(secret),
                "{text}"
            );
        }
        let sessions = program.run(&["session", "list", ADA.0]).done();
        assert_eq!(sessions.matches(" logout ").count(), 2, "{sessions}");
        let (seen, _) = walk(&program, &url(&served), "not hers at all");
        seen.found("login", "problem", "401 bad_credentials");
    }
}

#[test]
fn a_login_walk_finds_what_only_a_logged_in_client_sees() {
    let program = Program::new().env("SERVER_TRUSTED_PROXIES", "127.0.0.1");
    let served = program.serve();
    served.post(
        "/register",
        &json!({ "username": ADA.0, "password": ADA.1 }),
    );
    let account = format!(
        "proxy_set_header Host $http_host; location = /account {{ proxy_pass http://{}; proxy_pass_request_body off; proxy_set_header Host $http_host; \
         proxy_set_header Content-Length \"\"; }}",
        served.address
    );
    for (location, check, text) in [
        (
            "proxy_set_header X-Forwarded-For $http_x_forwarded_for;",
            "client_address",
            "any client",
        ),
        (
            "proxy_set_header X-CSRF-TOKEN \"\";",
            "refresh",
            "csrf_missing",
        ),
        (&account, "delete_body", "drops the bodies of DELETE"),
    ] {
        let proxy = Proxy::nginx(served.address, "", location);
        let (seen, _) = walk(&program, &proxy.url(), ADA.1);
        println!("{location}: {:?}", seen.faults());
        seen.found(check, "problem", text);
    }
}

/// Linux connects 0.0.0.0 to this machine, and browsers do not count it as loopback.
#[test]
fn over_plain_http_secure_cookies_are_dropped_and_no_password_is_sent() {
    let program = Program::new().env("JWT_COOKIE_SECURE", "true");
    let served = program.serve();
    let url = format!("http://0.0.0.0:{}", served.address.port());
    let (seen, _) = walk(&program, &url, ADA.1);
    seen.found("tls", "warning", "unencrypted");
    seen.found(
        "secure_cookies",
        "problem",
        "Browsers drop the cookie access_token_cookie: it is Secure",
    );
    seen.found(
        "login",
        "problem",
        "The password was not sent, because the address is plain http",
    );
    assert_eq!(program.run(&["events", "--json"]).done().trim(), "[]");
}
