//! Tests connections: clients that do not read, do not write, or are too many; and HTTP/1.0.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rcgen::CertifiedKey;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

use crate::support::{ADA, Backend, Bearer, TestApp, within};

/// Longer than the timeouts of any server in these tests.
const LONG: Duration = Duration::from_secs(30);

/// Shorter than the server's default timeouts.
const SHORT: Duration = Duration::from_millis(300);

fn connect(app: &TestApp) -> TcpStream {
    let stream = TcpStream::connect(app.address()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

/// Sends these bytes, and returns the response until the server closes the connection.
fn raw(app: &TestApp, request: &str) -> String {
    let mut stream = connect(app);
    stream.write_all(request.as_bytes()).unwrap();
    until_closed(&mut stream)
}

fn until_closed(stream: &mut impl Read) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Returns the response to a `GET` on a new connection, if it arrives within a second.
fn ask(app: &TestApp, path: &str) -> Option<String> {
    let mut stream = connect(app);
    stream
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// Returns the status of a response.
fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

fn body(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

/// Sends requests for long responses until the server reads no more.
fn pipeline(stream: &mut impl Write) {
    let requests = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    while stream.write_all(requests.as_bytes()).is_ok() {}
}

/// Waits until the server has closed the connection, without reading from it.
fn ends(socket: &TcpStream) {
    let mut socket = socket;
    within(30, "the connection ends", || {
        let written = socket.write(b"x").map_err(|error| error.kind());
        matches!(
            written,
            Err(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
        )
    });
}

#[test]
fn a_client_that_does_not_read_is_closed_and_keeps_nobody_out() {
    let app = Backend::Sqlite.app_that_waits(&[("SERVER_MAX_CONNECTIONS", "4")], |patience| {
        patience.write = Duration::from_secs(1);
    });
    let deaf = [(); 4].map(|()| {
        let mut socket = connect(&app);
        socket.set_write_timeout(Some(SHORT)).unwrap();
        pipeline(&mut socket);
        socket
    });
    within(30, "others are served", || {
        ask(&app, "/protected").is_some_and(|answer| status(&answer) == "401")
    });
    deaf.iter().for_each(ends);
}

#[test]
fn a_client_that_does_not_read_is_closed_over_tls_too() {
    let (certificate, key) = certificate();
    let folder = tempfile::tempdir().unwrap();
    let [cert_file, key_file] = [("cert", &certificate), ("key", &key)].map(|(name, text)| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    });
    let settings = [
        ("SERVER_TLS_CERT", cert_file.as_str()),
        ("SERVER_TLS_KEY", key_file.as_str()),
        ("PUBLIC_URL", "https://localhost"),
    ];
    let app = Backend::Sqlite.app_that_waits(&settings, |patience| {
        patience.write = Duration::from_secs(1);
        patience.handshake = SHORT;
    });
    let mut client = tls(&app, &certificate);
    client.sock.set_write_timeout(Some(SHORT)).unwrap();
    pipeline(&mut client);
    ends(&client.sock);

    let mut silent = connect(&app);
    assert_eq!(
        silent.read(&mut [0; 16]).unwrap(),
        0,
        "no handshake, no connection"
    );

    let mut client = tls(&app, &certificate);
    let head = "POST /logout HTTP/1.0\r\nHost: x\r\n\r\n";
    client.write_all(head.as_bytes()).unwrap();
    let answer = until_closed(&mut client);
    assert_eq!(status(&answer), "200", "{answer}");
}

fn certificate() -> (String, String) {
    let names = ["localhost".to_owned()];
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

fn tls(app: &TestApp, certificate: &str) -> StreamOwned<ClientConnection, TcpStream> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(client, connect(app));
    stream.flush().unwrap();
    stream
}

#[test]
fn pipelined_requests_are_all_answered_however_late_the_client_reads() {
    let app = Backend::Sqlite.app();
    let login = json!({ "username": "ada", "password": "x".repeat(5000) }).to_string();
    let length = login.len();
    let wrong = format!("Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{login}");
    let json = format!("Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{login}");
    let mut requests = String::new();
    for _ in 0..30 {
        for _ in 0..5 {
            requests += "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
        }
        requests += &format!("POST /login HTTP/1.1\r\nHost: x\r\n{json}");
    }
    let many = requests.matches(" HTTP/1.1\r\n").count();
    let last = format!("POST /login HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{wrong}");
    let mut reader = connect(&app);
    let mut writer = reader.try_clone().unwrap();
    let writes = std::thread::spawn(move || writer.write_all((requests + &last).as_bytes()));
    let answers = until_closed(&mut reader);
    writes.join().unwrap().unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 150);
    assert_eq!(answers.matches("HTTP/1.1 ").count(), many + 1);
    assert!(answers.ends_with('}') && answers.contains("HTTP/1.1 415 "));
}

#[test]
fn a_head_that_never_ends_is_closed_on_a_connection_that_was_used_before_too() {
    let app = Backend::Sqlite.app_that_waits(&[], |patience| patience.head = SHORT);
    let request = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    let begun = "GET /health/live HTTP/1.1\r\nHost";
    // Sent separately, so that the server is waiting when the second request begins.
    let mut stream = connect(&app);
    stream.write_all(request.as_bytes()).unwrap();
    assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
    stream.write_all(begun.as_bytes()).unwrap();
    let answer = until_closed(&mut stream);
    assert_eq!(status(&answer), "408", "{answer}");
    assert_eq!(body(&answer)["code"], "head_too_slow");
}

#[test]
fn a_head_that_begins_with_the_request_before_it_is_closed_after_the_keep_alive() {
    let settings = [("SERVER_KEEP_ALIVE", "1s")];
    let app = Backend::Sqlite.app_that_waits(&settings, |patience| patience.head = SHORT);
    let request = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    let answer = raw(&app, &format!("{request}GET /health/live HTTP/1.1\r\nHost"));
    assert_eq!(status(&answer), "200", "{answer}");
}

/// RFC 9112 section 6.3: a request without a length has no body. nginx sends such requests for
/// `curl -X POST` by default.
#[test]
fn a_post_by_http_1_0_without_a_length_has_an_empty_body_and_is_the_last_on_its_connection() {
    let app = Backend::Sqlite.app();
    let hidden = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    for lines in ["", "Connection: close\r\n", "Connection: keep-alive\r\n"] {
        let head = format!("POST /logout HTTP/1.0\r\nHost: x\r\n{lines}\r\n");
        let answer = raw(&app, &head);
        if lines.contains("keep-alive") {
            assert!(
                !answer
                    .to_ascii_lowercase()
                    .contains("connection: keep-alive"),
                "{answer}"
            );
        }
        assert_eq!(status(&answer), "200", "{lines:?}: {answer}");
        // The bytes after it may be a body, so they are not a request.
        let answer = raw(&app, &format!("{head}{hidden}"));
        assert_eq!(answer.matches("HTTP/1.").count(), 1, "{lines:?}: {answer}");
    }
    // In pieces.
    let mut stream = connect(&app);
    for byte in "POST /logout HTTP/1.0\r\nHost: x\r\n\r\nGET".bytes() {
        stream.set_nodelay(true).unwrap();
        stream.write_all(&[byte]).unwrap();
    }
    let answer = until_closed(&mut stream);
    assert_eq!(status(&answer), "200", "{answer}");
}

#[test]
fn a_post_by_http_1_0_that_could_be_read_in_two_ways_is_refused_with_the_cure() {
    let app = Backend::Sqlite.app();
    let kept = "GET /health/live HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n";
    for (before, lines) in [
        ("", "Transfer-Encoding: chunked\r\n"),
        ("", "transfer-encoding: identity\r\n"),
        ("", "Content-Length: 5\r\nContent-Length: 6\r\n"),
        ("", "Content-Length : 5\r\n"),
        // Only actix-http knows where an earlier request ended.
        (kept, ""),
    ] {
        let answer = raw(
            &app,
            &format!("{before}POST /logout HTTP/1.0\r\nHost: x\r\n{lines}\r\n"),
        );
        let (_, refused) = answer.split_once(" 400 Bad Request\r\n").unwrap();
        let refused = body(refused);
        assert_eq!(refused["code"], "bad_request", "{answer}");
        let hint = refused["hint"].as_str().unwrap();
        assert!(
            hint.contains("Content-Length") && hint.contains("proxy_http_version 1.1"),
            "{hint}"
        );
    }
}

#[test]
fn past_the_limit_health_checks_are_answered_and_others_are_told_when_to_come_again() {
    let app = Backend::Sqlite.app_with(&[("SERVER_MAX_CONNECTIONS", "1")]);
    let mut first = connect(&app);
    first
        .write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    assert!(first.read(&mut [0; 4096]).unwrap() > 0);
    for path in ["/health/live", "/health/ready"] {
        // The server closes it unasked, so that the next connection gets a slot.
        let answer = raw(&app, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(status(&answer), "200", "{answer}");
        assert!(
            answer
                .to_ascii_lowercase()
                .contains("\r\nconnection: close\r\n"),
            "{answer}"
        );
    }
    for path in ["/protected", "/", "/nowhere", "/health"] {
        let answer = raw(&app, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(status(&answer), "503", "{answer}");
        let head = answer.to_ascii_lowercase();
        for line in [
            "connection: close",
            "retry-after: 1",
            "cache-control: no-store",
        ] {
            assert!(
                head.contains(&format!("\r\n{line}\r\n")),
                "{line}: {answer}"
            );
        }
        let body = body(&answer);
        assert_eq!(body["code"], "too_many_connections");
        assert_eq!(body["retry_after"], 1);
        assert!(body["hint"].is_string());
    }
    drop(first);
    within(30, "there is a place", || {
        ask(&app, "/protected").is_some_and(|answer| status(&answer) == "401")
    });
}

#[test]
fn past_the_limit_those_who_say_nothing_keep_no_health_check_waiting() {
    let settings = [("SERVER_MAX_CONNECTIONS", "1")];
    let app = Backend::Sqlite.app_that_waits(&settings, |patience| patience.past_limit = SHORT);
    let silent: Vec<TcpStream> = (0..200).map(|_| connect(&app)).collect();
    let mut health = connect(&app);
    health
        .write_all(b"GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let answer = until_closed(&mut health);
    assert_eq!(status(&answer), "200", "{answer}");
    drop(silent);
}

#[test]
fn a_login_whose_client_has_gone_is_not_hashed() {
    const LOGINS: usize = 9;
    let app = Backend::Sqlite.app_with(&[("PASSWORD_BCRYPT_COST", "13")]);
    let ada = json!({ "username": ADA.0, "password": ADA.1 });
    assert_eq!(app.post("/register").json(ada.clone()).send().status, 201);
    let body = ada.to_string();
    let head = format!(
        "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let gone: Vec<TcpStream> = std::iter::repeat_with(|| connect(&app))
        .take(LOGINS)
        .collect();
    for mut client in &gone {
        client.write_all(head.as_bytes()).unwrap();
        client.write_all(body.as_bytes()).unwrap();
    }
    // Every worker answers what came after the logins, so it has read them.
    for _ in 0..8 {
        assert!(ask(&app, "/health/live").is_some());
    }
    for client in gone {
        let reset = socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO));
        reset.unwrap();
    }
    // This login waits for its turn behind the others.
    let ada = Bearer::log_in(&app, ADA);
    let sessions = ada.get("/sessions").json();
    let hashed = sessions["sessions"].as_array().unwrap().len() - 1;
    assert!(hashed < LOGINS / 2, "{sessions}");
}
