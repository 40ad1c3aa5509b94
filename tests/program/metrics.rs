//! Tests the metrics of the program: the setting, the address while the server stops, and the
//! certificate's expiry.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use crate::exchange::Request;
use crate::settings::{refused, with};
use crate::support::{Program, Served};
use crate::wait::within;

const ON: (&str, &str) = ("METRICS_BIND", "127.0.0.1:0");

/// Returns the scraped text. `None` if nothing answers.
fn scrape(address: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    let head = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    Some(answer)
}

/// Returns the address that the greeting names.
fn metrics(served: &Served) -> String {
    let mut lines = served.greeting.lines();
    let url = lines.find_map(|line| line.strip_prefix("metrics: http://"));
    let url = url.unwrap_or_else(|| panic!("{}", served.greeting));
    url.strip_suffix("/metrics").unwrap().to_owned()
}

#[test]
fn an_address_that_cannot_work_is_refused_at_the_start() {
    let metrics = |address| ("METRICS_BIND", address);
    let server = |address| ("SERVER_BIND", address);
    for (server_at, metrics_at) in [
        ("127.0.0.1:9000", "127.0.0.1:9000"),
        ("0.0.0.0:9000", "127.0.0.1:9000"),
        ("127.0.0.1:9000", "[::]:9000"),
        ("localhost:9000", "127.0.0.1:9000"),
    ] {
        refused(
            &[server(server_at), metrics(metrics_at)],
            "two servers cannot listen on one port; choose another port, such as 9464",
        );
    }
    refused(
        &[metrics("9464")],
        "METRICS_BIND is \"9464\"; write an address and a port",
    );
    refused(
        &[metrics("no.such.name.invalid:9464")],
        "does not resolve to an address",
    );
    refused(&[("METRICS_BINDS", "127.0.0.1:9464")], "METRICS_BIND");
    // RFC 5737 reserves the network for documentation.
    let elsewhere = with(&[metrics("192.0.2.1:9464")]).run(&["serve"]);
    assert!(
        elsewhere
            .err
            .contains("cannot listen on 192.0.2.1:9464 (METRICS_BIND)"),
        "{elsewhere:?}"
    );
}

#[test]
fn an_address_that_other_machines_reach_is_noted() {
    let check = |address| {
        with(&[("METRICS_BIND", address)])
            .run(&["config", "check"])
            .done()
    };
    assert_eq!(check("127.0.0.1:9464"), "the settings are valid\n");
    assert_eq!(check("localhost:9464"), "the settings are valid\n");
    let noted = check("0.0.0.0:9464");
    assert!(
        noted.contains(
            "note: METRICS_BIND is 0.0.0.0:9464, and metrics are served without a password"
        ),
        "{noted}"
    );
}

#[test]
fn a_server_that_stops_is_watched_until_its_last_request_has_ended() {
    let program = Program::new().env(ON.0, ON.1).env("SERVER_DRAIN", "60");
    let served = program.serve();
    served.log_in_a_new_user("ada", "correct horse battery");
    let address = metrics(&served);
    served.send_signal("-TERM");
    within(20, "the server is not ready", || {
        let ready = Request::new(served.address, "GET", "/health/ready");
        ready.send().status == 503
    });
    let scraped = scrape(&address).expect("metrics are served during the drain");
    assert!(
        scraped.contains("tokenpair_logins_total{outcome=\"granted\"} 1"),
        "{scraped}"
    );
    // Another signal ends the drain.
    assert!(served.signal("-TERM").success());
    assert_eq!(scrape(&address), None);
}

#[test]
fn the_expiry_of_the_certificate_in_use_is_a_metric() {
    let program = Program::new()
        .env(ON.0, ON.1)
        .env("SERVER_TLS_CERT", "cert.pem")
        .env("SERVER_TLS_KEY", "key.pem");
    let write = |year| {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        fs::write(program.path("key.pem"), key.serialize_pem()).unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        fs::write(program.path("cert.pem"), certificate).unwrap();
    };
    let name = "tokenpair_certificate_expiry_timestamp_seconds";
    write(2040);
    let served = program.serve();
    let address = metrics(&served);
    let scraped = scrape(&address).unwrap();
    assert!(
        scraped.contains(&format!("{name} 2208988800\n")),
        "{scraped}"
    );
    write(2050);
    served.send_signal("-HUP");
    within(20, "the renewed certificate is in use", || {
        scrape(&address)
            .unwrap()
            .contains(&format!("{name} 2524608000\n"))
    });
    drop(served);
    let plain = Program::new().env(ON.0, ON.1).serve();
    assert!(!scrape(&metrics(&plain)).unwrap().contains(name));
}

#[test]
fn connections_that_fill_the_address_are_not_taken_for_those_of_the_server() {
    let program = with(&[ON]);
    let served = program.serve();
    let address = metrics(&served);
    let _idle: Vec<_> = (0..40)
        .map(|_| TcpStream::connect(&address).unwrap())
        .collect();
    served.wait_for_log("all 32 connections of METRICS_BIND are taken");
    assert!(scrape(&address).is_some());
    let log = served.stop_and_read_log();
    assert!(!log.contains("SERVER_MAX_CONNECTIONS"), "{log}");
}
