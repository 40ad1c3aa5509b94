//! Tests raw bytes on a connection: heads and bodies that are inconsistent, end too early, or never
//! end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{ADA, Backend, TestApp};

/// Longer than any client timeout of the server.
const PATIENCE: Duration = Duration::from_secs(40);

/// Returns the bytes received on a raw connection until the server closes it.
fn raw(app: &TestApp, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.address()).unwrap();
    stream.write_all(request).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = Vec::new();
    let closed = stream.read_to_end(&mut answer);
    assert!(
        closed.is_ok(),
        "{:?}: {:?}",
        closed,
        String::from_utf8_lossy(&answer)
    );
    String::from_utf8_lossy(&answer).into_owned()
}

const LOGIN: &str =
    "POST /login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n";

fn a_request_that_could_be_read_in_two_ways_is_400_and_closed(on: Backend) {
    let app = on.app();
    let lengths = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: \u{b}chunked\r\n",
    ];
    let lengths = lengths.map(|lines| format!("{LOGIN}{lines}\r\n0\r\n\r\n"));
    let get = |lines: &str| format!("GET /health/live HTTP/1.1\r\n{lines}\r\n");
    let heads = [
        "Host: x\r\nA: b\rC: d\r\n",
        "Host: x\r\nA: b\r\n folded\r\n",
        "Host: x\r\nA: b\0c\r\n",
        "Host: x\r\nA\0: b\r\n",
        "Host: x\r\nA : b\r\n",
        "Host: x\r\nBad Header\r\n",
        "Host: x\r\nHost: y\r\n",
        "A: b\r\n",
    ];
    let heads = heads.map(get);
    let junk = ["\0\u{1}\u{2}\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
    let junk = junk.map(str::to_owned);
    for request in lengths.iter().chain(&heads).chain(&junk) {
        is_in_json(&raw(&app, request.as_bytes()), 400, "bad_request");
    }
    let fine = raw(&app, get("Host: x\r\nConnection: close\r\n").as_bytes());
    assert!(fine.starts_with("HTTP/1.1 200"), "{fine}");
}

fn the_hint_of_a_malformed_request_names_its_cause(on: Backend) {
    let app = on.app();
    for (lines, cure) in [
        ("Host: x\r\nA: b\0c\r\n", "without control characters"),
        ("Host: x\r\nA: b\r\n folded\r\n", "each header on one line"),
        ("Host: x\r\nA : b\r\n", "as in Name: value"),
        ("Host: x\r\nHost: y\r\n", "one Host header"),
        (
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "no conflicting lengths",
        ),
    ] {
        let request = format!("GET /health/live HTTP/1.1\r\n{lines}\r\n");
        let answer = raw(&app, request.as_bytes());
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        let hint = body["hint"].as_str().unwrap();
        assert!(hint.contains(cure), "{lines}: {hint}");
    }
}

/// Requests that actix-http rejects before the server sees them.
fn is_in_json(answer: &str, status: u16, code: &str) {
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")),
        "{answer}"
    );
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    for line in [
        "connection: close",
        "content-type: application/json",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
    ] {
        assert!(head.lines().any(|found| found == line), "{line}: {answer}");
    }
    assert_eq!(head.matches("http/1.1 ").count(), 1, "{answer}");
    let length = format!("content-length: {}", body.len());
    assert!(head.lines().any(|found| found == length), "{answer}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["code"], code, "{answer}");
    assert!(
        body["msg"].is_string() && body["hint"].is_string(),
        "{answer}"
    );
}

fn a_head_that_is_too_large_is_431(on: Backend) {
    let app = on.app();
    let many: String = (0..200).map(|index| format!("A{index}: x\r\n")).collect();
    let answer = raw(
        &app,
        format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n").as_bytes(),
    );
    is_in_json(&answer, 431, "head_too_large");
    let large = "x".repeat(200_000);
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nA: {large}\r\n\r\n");
    is_in_json(&raw(&app, head.as_bytes()), 431, "head_too_large");
}

fn what_is_no_method_of_ours_is_refused_and_no_header_makes_it_another(on: Backend) {
    let app = on.app().with_ada();
    for line in [
        "CONNECT example.org:80",
        "CONNECT /login",
        "TRACE /login",
        "BREW /login",
    ] {
        let head = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = raw(&app, head.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 40"), "{line}: {answer}");
    }
    let mut browser = app.browser();
    for name in [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
    ] {
        let csrf = browser.value("csrf_access_token").to_owned();
        let disguised = app
            .post("/account")
            .header(name, "DELETE")
            .header("X-CSRF-TOKEN", csrf);
        let response = browser.send(disguised.json(json!({ "password": ADA.1 })));
        response.refused(405, "method_not_allowed", "Method not allowed");
    }
    assert_eq!(browser.get("/account").status, 200);
}

fn a_body_that_is_too_large_is_413_however_it_is_sent(on: Backend) {
    let app = on.app();
    let large = json!({ "username": "ada", "password": "x".repeat(17_000) });
    let msg = "The body has more than 16384 bytes";
    app.post("/login")
        .json(large.clone())
        .send()
        .refused(413, "body_too_large", msg);
    let chunk = large.to_string();
    let chunked = format!(
        "{LOGIN}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{chunk}\r\n0\r\n\r\n",
        chunk.len()
    );
    let promised = format!("{LOGIN}Content-Length: 999999999999\r\n\r\n{{");
    for request in [chunked, promised] {
        let answer = raw(&app, request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(answer.contains(r#""code":"body_too_large""#), "{answer}");
    }
}

fn a_body_that_breaks_off_or_is_cut_wrongly_is_400(on: Backend) {
    let app = on.app();
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    for body in [
        "zz\r\n{}\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    ] {
        let answer = raw(&app, format!("{LOGIN}{chunked}{body}").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(answer.contains(r#""code":"incomplete_body""#), "{answer}");
    }
    for odd in [
        &b"\xff\xfe{\x00}\x00"[..],
        b"{\"username\":\"\xff\"}",
        b"{\"a\":NaN}",
    ] {
        let mut request = format!("{LOGIN}Content-Length: {}\r\n\r\n", odd.len()).into_bytes();
        request.extend_from_slice(odd);
        let answer = raw(&app, &request);
        assert!(answer.contains(r#""code":"malformed_json""#), "{answer}");
    }
}

fn a_head_that_never_ends_is_408_and_closed(on: Backend) {
    let app = on.app_that_waits(&[], |patience| patience.head = Duration::from_millis(300));
    for begun in ["", "GET /health/live HTTP/1.1\r\nHost: x\r\n"] {
        is_in_json(&raw(&app, begun.as_bytes()), 408, "head_too_slow");
    }
}

fn a_body_that_never_ends_is_408_and_closed(on: Backend) {
    let app = on.app();
    for length in ["Content-Length: 50", "Transfer-Encoding: chunked"] {
        let answer = raw(&app, format!("{LOGIN}{length}\r\n\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(answer.contains(r#""code":"body_too_slow""#), "{answer}");
    }
}

fn a_body_that_nobody_asked_for_keeps_no_one_waiting(on: Backend) {
    let app = on.app();
    let heads = ["POST /logout", "GET /health/live", "POST /nowhere"];
    let lengths = ["Content-Length: 50", "Transfer-Encoding: chunked"];
    for (head, length) in heads
        .iter()
        .flat_map(|head| lengths.map(|length| (head, length)))
    {
        let answer = raw(
            &app,
            format!("{head} HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n").as_bytes(),
        );
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
        assert!(!answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
}

fn a_body_in_chunks_that_was_read_leaves_the_connection_open(on: Backend) {
    let app = on.app().with_ada();
    let body = json!({ "username": ADA.0, "password": ADA.1 }).to_string();
    let (first, second) = body.split_at(10);
    let head = "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let chunks = format!(
        "a\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        second.len()
    );
    let next = "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let both = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}{next}");
    let answers = raw(&app, both.as_bytes());
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
    assert!(
        answers.contains(r#""login":true"#) && answers.contains(r#""status":"live""#),
        "{answers}"
    );
}

fn a_connection_that_stays_idle_is_closed(on: Backend) {
    let app = on.app_with(&[("SERVER_KEEP_ALIVE", "1s")]);
    let mut stream = TcpStream::connect(app.address()).unwrap();
    let request = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(request).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let answered = Instant::now();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let kept = answered.elapsed();
    assert!(kept >= Duration::from_millis(500), "closed after {kept:?}");
}

on_both_databases!(
    a_connection_that_stays_idle_is_closed,
    a_request_that_could_be_read_in_two_ways_is_400_and_closed,
    the_hint_of_a_malformed_request_names_its_cause,
    a_head_that_is_too_large_is_431,
    what_is_no_method_of_ours_is_refused_and_no_header_makes_it_another,
    a_body_that_is_too_large_is_413_however_it_is_sent,
    a_body_that_breaks_off_or_is_cut_wrongly_is_400,
    a_head_that_never_ends_is_408_and_closed,
    a_body_that_never_ends_is_408_and_closed,
    a_body_that_nobody_asked_for_keeps_no_one_waiting,
    a_body_in_chunks_that_was_read_leaves_the_connection_open,
);
