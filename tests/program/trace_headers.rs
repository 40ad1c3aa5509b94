//! Tests that a caller's `traceparent` is in the log, and that an invalid one is ignored.

use crate::exchange::Request;
use crate::support::{Program, Served, json_line};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn ask(served: &Served, traceparents: &[&str]) {
    let request = Request::new(served.address, "GET", "/protected");
    let header = |request: Request, value: &&str| request.header("traceparent", *value);
    let request = traceparents.iter().fold(request, header);
    // An invalid header is no reason to refuse a request.
    assert_eq!(request.send().status, 401);
}

#[test]
fn the_log_names_the_trace_of_a_caller_and_a_span_of_this_server() {
    let sampled = format!("00-{TRACE}-{SPAN}-01");
    let unsampled = format!("00-{TRACE}-{SPAN}-00");
    let later = format!("cc-{TRACE}-{SPAN}-00-and-more");
    let served = Program::new().serve_in_json();
    for header in [&sampled, &unsampled, &later] {
        ask(&served, &[header]);
    }
    ask(&served, &[]);
    let log = served.stop_and_read_log();
    let lines = log.lines().map(json_line);
    let requests = lines.filter(|line| line["target"] == "tokenpair::request");
    let requests: Vec<_> = requests.collect();
    let [traced @ .., untraced] = &requests[..] else {
        panic!("{log}")
    };
    assert_eq!(traced.len(), 3);
    let mut spans: Vec<&str> = Vec::new();
    for line in traced {
        assert_eq!(line["trace_id"], TRACE);
        let span = line["span_id"].as_str().unwrap();
        assert!(span.len() == 16 && span != SPAN, "{span}");
        assert!(!spans.contains(&span), "{span}");
        spans.push(span);
    }
    assert!(untraced["trace_id"].is_null() && untraced["span_id"].is_null());

    let served = Program::new().serve();
    ask(&served, &[&sampled]);
    ask(&served, &[]);
    let log = served.stop_and_read_log();
    assert_eq!(log.matches(&format!(" trace={TRACE} ")).count(), 1, "{log}");
    assert_eq!(log.matches(" trace=").count(), 1, "{log}");
}

#[test]
fn an_invalid_header_is_ignored() {
    let valid = format!("00-{TRACE}-{SPAN}-01");
    let served = Program::new().serve_in_json();
    ask(&served, &[&valid, &valid]);
    for header in [
        "",
        "00",
        &valid.to_uppercase(),
        &format!("ff-{TRACE}-{SPAN}-01"),
        &format!("00-{TRACE}-{SPAN}-01-more"),
        &format!("00-{}-{SPAN}-01", "0".repeat(32)),
        &format!("00-{TRACE}-{}-01", "0".repeat(16)),
        &format!("{valid}, {valid}"),
        &"0".repeat(4000),
    ] {
        ask(&served, &[header]);
    }
    let log = served.stop_and_read_log();
    assert_eq!(log.matches("GET /protected 401").count(), 10, "{log}");
    assert!(!log.contains("trace_id"), "{log}");
}

#[test]
fn a_program_without_traces_says_that_it_sends_none() {
    let program = Program::new().env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
    let noted = program.run(&["config", "check"]).done();
    let note = "OTEL_EXPORTER_OTLP_ENDPOINT is set, but this program was built without traces and sends none";
    assert!(noted.contains(note), "{noted}");
    let served = program.serve();
    let log = served.stop_and_read_log();
    assert!(log.contains(note), "{log}");
    // What another program's collector needs does not stop this one.
    let program = program.env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    program.run(&["config", "check"]).done();
}
