//! Tests what `tokenpair doctor` says of an address: routes behind a prefix in another app, and
//! addresses without a server, with another scheme, with a redirect or with another program.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use tokenpair_server::config::{Settings, Sources};
use tokenpair_server::server::AccountRoutes;

use crate::database::{Backend, Database};
use crate::doctor::{Seen, WRONG_USAGE, look, look_with, with_certificate};
use crate::exchange::{ADA, SECRET};
use crate::proxy::{Proxy, server};
use crate::support::{Program, an_address_of_ones_own};

/// An app of another author, with the routes behind a prefix.
struct Host {
    address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
    _database: Database,
}

impl Host {
    fn start(prefix: &'static str, is_described: bool) -> Self {
        let database = Database::create(Backend::Sqlite);
        let values = [
            ("DATABASE_URL", database.url()),
            ("JWT_SECRET_KEY", SECRET.to_owned()),
            ("PASSWORD_BCRYPT_COST", "10".to_owned()),
        ];
        let values = values.map(|(name, value)| (name.to_owned(), value));
        let settings = Settings::load(&Sources::from_values(values.into())).unwrap();
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let accounts = AccountRoutes::builder(settings).prefix(prefix);
                let accounts = accounts.start().await.unwrap();
                let description = format!("{prefix}/openapi.json");
                let server = HttpServer::new(move || {
                    let openapi = accounts.openapi();
                    let describe = move || {
                        let openapi = openapi.clone();
                        let json = HttpResponse::Ok()
                            .content_type("application/json")
                            .body(openapi);
                        async move { json }
                    };
                    let app = App::new().configure(accounts.routes());
                    match is_described {
                        true => app.route(&description, web::get().to(describe)),
                        false => app,
                    }
                });
                let server = server.workers(1).disable_signals();
                let server = server.bind("127.0.0.1:0").unwrap();
                let address = server.addrs()[0];
                let server = server.run();
                tell.send((address, server.handle())).unwrap();
                server.await.unwrap();
            });
        });
        let (address, handle) = told.recv().expect("the app starts");
        Self {
            address,
            handle,
            thread: Some(thread),
            _database: database,
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        actix_web::rt::System::new().block_on(self.handle.stop(false));
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Looks at routes as a person with an account does.
fn walk(url: &str) -> Seen {
    let arguments = [url, "--username", ADA.0, "--password-stdin"];
    look_with(&Program::new(), &arguments, ADA.1)
}

#[test]
fn routes_behind_a_prefix_in_another_app_are_fine() {
    for (prefix, is_described) in [("/auth", true), ("/v1/auth", false)] {
        let host = Host::start(prefix, is_described);
        let url = format!("http://{}{prefix}", host.address);
        // Not by `Request`, which requires an X-Request-Id.
        let user = json!({ "username": ADA.0, "password": ADA.1 }).to_string();
        let register = ureq::post(format!("{url}/register")).content_type("application/json");
        assert_eq!(register.send(&user).unwrap().status(), 201);
        for seen in [look(&url), look(&format!("{url}/")), walk(&url)] {
            if is_described {
                seen.is_fine();
            } else {
                assert_eq!(seen.faults(), ["description"], "{seen:#?}");
                seen.found("description", "warning", "GET /openapi.json gets 404");
            }
        }
    }
}

/// The program itself has no prefix, and a proxy may remove one.
#[test]
fn the_program_behind_a_prefix_of_a_proxy_is_looked_at_there() {
    let program = Program::new();
    let served = program.serve();
    let prefix = format!(
        "location /auth/ {{ proxy_pass http://{}/; proxy_http_version 1.1; proxy_set_header Host $http_host; \
         proxy_set_header Connection \"\"; }}",
        served.address
    );
    let proxy = Proxy::nginx_with(served.address, ("", &prefix), "return 404;");
    let seen = look(&format!("{}/auth", proxy.url()));
    assert_eq!(seen.faults(), [""; 0], "{seen:#?}");
    look(&proxy.url()).found("tokenpair", "problem", "with 404 (Server: nginx");
}

/// Returns what the only fault says, and its cure.
fn fault(seen: &Seen, name: &str) -> (String, String) {
    assert_eq!(seen.faults(), [name], "{seen:#?}");
    let check = seen.check(name);
    let text = |member: &str| check[member].as_str().unwrap().to_owned();
    (text("message"), text("fix"))
}

#[test]
fn an_address_without_a_server_says_what_was_asked_what_came_and_what_to_do() {
    let nobody = an_address_of_ones_own();
    for (url, came, cure) in [
        (
            format!("http://{nobody}"),
            format!("GET http://{nobody}/account got no answer: nothing listens on {nobody} (connection refused)."),
            "Start the server, or correct the port",
        ),
        (
            format!("https://{nobody}/auth"),
            format!("GET https://{nobody}/auth/account got no answer: nothing listens on {nobody}"),
            "publish its port",
        ),
        (
            "http://nobody.invalid".to_owned(),
            "GET http://nobody.invalid/account got no answer: the name nobody.invalid has no address".to_owned(),
            "Correct the name",
        ),
    ] {
        let seen = look(&url);
        let (message, fix) = fault(&seen, "reachable");
        assert!(message.starts_with(&came), "{message}");
        assert!(fix.contains(cure), "{fix}");
        assert_eq!(seen.code, Some(2), "{seen:?}");
    }
}

#[test]
fn an_address_with_the_wrong_scheme_names_the_right_one() {
    let served = Program::new().serve();
    let seen = look(&format!("https://{}", served.address));
    let (message, fix) = fault(&seen, "reachable");
    assert!(
        message.contains("the answer to the TLS handshake is not TLS"),
        "{message}"
    );
    assert!(fix.starts_with("Use http://"), "{fix}");
    let program = with_certificate(Program::new(), "127.0.0.1", 4000);
    let served = program.serve();
    let seen = look(&format!("http://{}", served.address));
    let (_, fix) = fault(&seen, "reachable");
    assert!(fix.starts_with("Use https://"), "{fix}");
    for words in [
        "sent to HTTPS port",
        "speaking plain HTTP to an SSL-enabled server port",
    ] {
        let other = server(move |_, client| {
            let head = format!(
                "HTTP/1.1 400 Bad\r\nContent-Length: {}\r\n\r\n{words}",
                words.len()
            );
            let _closed = client.write_all(head.as_bytes());
        });
        let (_, fix) = fault(&look(&format!("http://{other}")), "tokenpair");
        assert!(fix.starts_with("Use https://"), "{fix}");
    }
}

#[test]
fn a_path_without_routes_on_a_tokenpair_server_is_named() {
    let served = Program::new().serve();
    let seen = look(&format!("http://{}/nowhere", served.address));
    let (message, fix) = fault(&seen, "tokenpair");
    let came = format!(
        "A tokenpair server answers GET http://{}/nowhere/account with 404 not_found",
        served.address
    );
    assert!(message.starts_with(&came), "{message}");
    assert!(
        fix.starts_with(&format!("Use http://{},", served.address)),
        "{fix}"
    );
}

/// A server that knows no protocol of ours ends the handshake with an alert.
#[test]
fn a_tls_handshake_that_fails_is_told_with_its_cause() {
    let alert = [21, 3, 3, 0, 2, 2, 40];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _closed = stream.unwrap().write_all(&alert);
        }
    });
    let (message, fix) = fault(&look(&format!("https://{address}")), "reachable");
    assert!(
        message.contains("the server sent the alert HandshakeFailure"),
        "{message}"
    );
    assert!(fix.contains("ssl_certificate"), "{fix}");
}

#[test]
fn a_redirect_names_the_address_to_use_and_the_command_that_looks_at_it() {
    for (place, came, cure) in [
        (
            "https://login.example.org/auth/account",
            "answers 301 and redirects to https://login.example.org/auth.",
            "Use https://login.example.org/auth everywhere, also in Postman and PUBLIC_URL, and look at it with: tokenpair doctor https://login.example.org/auth",
        ),
        (
            "https://sso.example.org/start?to=%2Faccount",
            "redirects to https://sso.example.org.",
            "let the proxy pass the requests on to the server",
        ),
        (
            "/sign-in",
            "redirects to another page of this address.",
            "without a login or a rule of its own",
        ),
    ] {
        let proxy = server(move |_, client| {
            let moved =
                format!("HTTP/1.1 301 Moved\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n");
            let _closed = client.write_all(moved.as_bytes());
        });
        let seen = look(&format!("http://{proxy}/auth"));
        let (message, fix) = fault(&seen, "tokenpair");
        let asked = format!("GET http://{proxy}/auth/account answers 301");
        assert!(
            message.starts_with(&asked) && message.contains(came),
            "{message}"
        );
        assert!(fix.contains(cure), "{fix}");
        assert_eq!(seen.code, Some(1));
    }
}

#[test]
fn an_address_of_another_program_has_a_cure_by_its_status() {
    for (status, cure) in [
        (200, "Correct the address"),
        (401, "auth_basic"),
        (
            404,
            "add it to the address, as in https://login.example.org/auth",
        ),
        (502, "Start the server: the proxy does not reach it"),
    ] {
        let other = server(move |_, client| {
            let head =
                format!("HTTP/1.1 {status} X\r\nServer: other/1\r\nContent-Length: 0\r\n\r\n");
            let _closed = client.write_all(head.as_bytes());
        });
        let (message, fix) = fault(&look(&format!("http://{other}")), "tokenpair");
        let came = format!(
            "Another program answers GET http://{other}/account, with {status} (Server: other/1)."
        );
        assert_eq!(message, came);
        assert!(fix.contains(cure), "{status}: {fix}");
    }
}

/// Programs read standard output, and only the exit code tells apart what it is about.
#[test]
fn wrong_usage_is_an_object_too_where_json_is_asked_for() {
    let more: [(&[&str], &str); 2] = [
        (&["--nonsense"], "unexpected argument '--nonsense' found."),
        (
            &[
                "http://127.0.0.1:1",
                "--username",
                "ada",
                "--password-stdin",
            ],
            "the first line of standard input is empty",
        ),
    ];
    for (arguments, text) in WRONG_USAGE.into_iter().chain(more) {
        let seen = look_with(&Program::new(), arguments, "");
        assert_eq!(seen.code, Some(2), "{seen:?}");
        assert_eq!(seen.report["verdict"], "usage", "{seen:?}");
        assert_eq!(seen.report["url"], Value::Null, "{seen:?}");
        let (message, fix) = fault(&seen, "usage");
        assert!(message.contains(text), "{message}");
        assert!(fix.contains("tokenpair doctor --help"), "{fix}");
        assert!(!seen.report.to_string().contains("secret"), "{seen:?}");
    }
    let plain = Program::new().run(&["doctor", "--nonsense"]);
    assert_eq!((plain.code, plain.out.as_str()), (Some(2), ""), "{plain:?}");
    let other = Program::new().run(&["user", "list", "--json", "--nonsense"]);
    assert_eq!((other.code, other.out.as_str()), (Some(2), ""), "{other:?}");
}

/// A server that knows the password may write it wherever it can write.
#[test]
fn a_short_password_or_token_that_a_server_sends_back_is_hidden() {
    let hostile = server(|head, client| {
        let (status, body) = match head.split(' ').nth(1).unwrap() {
            "/login" => ("200 OK", r#"{"access_token": "zqz", "refresh_token": "b"}"#),
            "/refresh" => ("400 No", r#"{"msg": "x", "code": "zqz"}"#),
            "/account" if head.contains("Bearer") => {
                ("400 No", r#"{"msg": "x", "code": "the_zqz_token"}"#)
            }
            "/account" => ("401 No", r#"{"msg": "x", "code": "missing_token"}"#),
            _ => ("400 No", r#"{"msg": "x", "code": "qvq"}"#),
        };
        let response = format!(
            "HTTP/1.1 {status}\r\nSet-Cookie: qvq=1; Path=/qvq\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let _closed = client.write_all(response.as_bytes());
    });
    let url = format!("http://{hostile}");
    for form in [&[][..], &["--json"]] {
        let arguments = [
            &["doctor", &url, "--username", "ada", "--password-stdin"],
            form,
        ]
        .concat();
        let ended = Program::new().run_with_input(&arguments, "qvq");
        let printed = format!("{}{}", ended.out, ended.err);
        assert!(printed.contains("(hidden)"), "{printed}");
        for secret in ["qvq", "zqz"] {
            assert!(!printed.contains(secret), "{secret}: {printed}");
        }
        assert_eq!(ended.code, Some(1), "{ended:?}");
    }
}
