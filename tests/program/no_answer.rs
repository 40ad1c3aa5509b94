//! Tests what `healthcheck`, `webhook test` and the log of alerts say of an address where nothing, or
//! another program, answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use crate::support::Program;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr";

/// Starts a program that gives every client this answer. Without one it does not answer at all.
fn another_program(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut silent = Vec::new();
        for mut client in listener.incoming().flatten() {
            if answer.is_empty() {
                silent.push(client);
                continue;
            }
            let _read = client.read(&mut [0; 4096]);
            let _gone = client.write_all(answer.as_bytes());
        }
    });
    address
}

#[track_caller]
fn says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    for jargon in ["timeout: global", "protocol:", "http parse", "io:"] {
        assert!(!said.contains(jargon), "{jargon:?} is in {said}");
    }
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn the_health_check_is_not_ready_where_another_program_answers() {
    let program = Program::new();
    let check = |answer: &'static str| {
        let url = format!("http://{}", another_program(answer));
        program.run(&["healthcheck", &url]).failed()
    };
    let another = "is not ready: another program answers there, with ";
    for (answer, parts) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            [another, "200 OK; correct the address or the port"],
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{\"status\":\"live\"}",
            [another, "200 OK; correct the address or the port"],
        ),
        (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            [
                another,
                "404 Not Found; correct the address; if the routes are under a path",
            ],
        ),
        (
            "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
            [
                another,
                "502 Bad Gateway; start the server, which the proxy there does not reach",
            ],
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/elsewhere\r\nContent-Length: 0\r\n\r\n",
            [
                "/health/ready is not ready: it answers 302 Found and redirects to http://127.0.0.1:1/elsewhere",
                "; name the server's own address",
            ],
        ),
        (
            "SSH-2.0-OpenSSH_9.2\r\n",
            [
                "the response is not HTTP/1.1: ",
                "; correct the port in the command, since another program",
            ],
        ),
        (
            "",
            [
                "no complete response within the time limit; ",
                "look whether the server hangs",
            ],
        ),
    ] {
        says(&check(answer), &parts);
    }
    let closed = program.run(&["healthcheck", "http://127.0.0.1:1"]).failed();
    says(
        &closed,
        &[
            "is not ready: nothing listens on 127.0.0.1:1 (connection refused)",
            "; start the server, or correct the port in the command",
        ],
    );
    let own = program.env("SERVER_BIND", "127.0.0.1:1");
    says(
        &own.run(&["healthcheck"]).failed(),
        &["the port in SERVER_BIND"],
    );
    let unknown = own.run(&["healthcheck", "http://nowhere.invalid"]).failed();
    says(
        &unknown,
        &["the name nowhere.invalid has no address; correct the name"],
    );
}

#[test]
fn a_webhook_that_does_not_answer_is_reported_with_the_cure() {
    let test = |url: &str| {
        let program = Program::new()
            .env("WEBHOOK_URL", url)
            .env("WEBHOOK_SECRET", SECRET);
        program.run(&["webhook", "test"]).failed()
    };
    says(
        &test("http://127.0.0.1:1/hidden"),
        &[
            "cannot deliver to http://127.0.0.1:1: nothing listens on 127.0.0.1:1 (connection refused)",
            "; start the receiver, or correct the port in WEBHOOK_URL",
        ],
    );
    let ssh = another_program("SSH-2.0-OpenSSH_9.2\r\n");
    for scheme in ["http", "https"] {
        let said = test(&format!("{scheme}://{ssh}/hidden"));
        let cause = match scheme {
            "http" => "the response is not HTTP/1.1: ",
            _ => "the answer to the TLS handshake is not TLS; write http:// in WEBHOOK_URL",
        };
        says(&said, &[cause, "WEBHOOK_URL"]);
        assert!(!said.contains("hidden"), "{said}");
    }
    let missing = another_program("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    says(
        &test(&format!("http://{missing}/x")),
        &["the receiver answered 404 Not Found; correct the path in WEBHOOK_URL"],
    );
    let silent = another_program("");
    says(
        &test(&format!("http://{silent}/x")),
        &["no complete response within the time limit; look whether the receiver hangs"],
    );
}
