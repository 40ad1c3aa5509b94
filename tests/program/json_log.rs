//! Tests the log in JSON: one object per line, whatever happens, and no secret.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};

use crate::exchange::Request;
use crate::support::{Program, Served, json_line};

const PASSWORD: &str = "correct horse battery";

/// Returns each line of a log as an object, and asserts what all lines have.
fn objects(log: &str) -> Vec<Value> {
    let objects: Vec<Value> = log.lines().map(json_line).collect();
    for object in &objects {
        let at = object["timestamp"].as_str().unwrap();
        assert_eq!((at.len(), &at[10..11], &at[23..]), (24, "T", "Z"), "{at}");
        let level = object["level"].as_str().unwrap();
        let levels = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];
        assert!(levels.contains(&level), "{object}");
        for name in ["target", "message"] {
            assert!(!object[name].as_str().unwrap().is_empty(), "{object}");
        }
    }
    objects
}

fn requests(log: &str) -> Vec<Value> {
    let mut objects = objects(log);
    objects.retain(|object| object["target"] == "tokenpair::request");
    objects
}

#[test]
fn a_request_is_an_object_with_stable_names() {
    let served = Program::new().serve_in_json();
    let login = json!({ "username": "ada", "password": PASSWORD });
    let request = Request::new(served.address, "POST", "/login");
    let request = request.header("X-Request-Id", "id-of-a-proxy").json(login);
    assert_eq!(request.send().status, 401);
    served.request("GET", "/nowhere?secret=1", None);
    let of_user = "/admin/users/0198c0de-0000-7000-8000-000000000000";
    served.request("PATCH", of_user, None);
    let log = served.stop_and_read_log();
    let [login, nowhere, user] = &requests(&log)[..] else {
        panic!("{log}")
    };
    let mut login = login.clone();
    let millis = login["duration_ms"].take();
    assert!(millis.is_f64() && millis.as_f64() > Some(0.0), "{millis}");
    let expected = json!({
        "timestamp": login["timestamp"], "level": "INFO", "target": "tokenpair::request",
        "message": "POST /login 401", "http.request.method": "POST", "http.route": "/login",
        "http.response.status_code": 401, "duration_ms": null, "request_id": "id-of-a-proxy",
        "client.address": "127.0.0.1", "code": "bad_credentials",
    });
    assert_eq!(login, expected);
    assert_eq!(nowhere["url.path"], "/nowhere");
    assert_eq!(nowhere["http.route"], Value::Null);
    assert_eq!(user["http.route"], "/admin/users/{id}");
    assert!(!log.contains("0198c0de"), "{log}");
}

#[test]
fn nothing_but_json_is_on_standard_error_and_nothing_on_standard_output() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let program = Program::new()
        .env("LOG_FORMAT", "JSON")
        .env("SERVER_BIND", &taken.local_addr().unwrap().to_string())
        .env("SESSION_MANAGER", "of-a-desktop");
    let ended = program.run(&["serve"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    let lines = objects(&ended.err);
    let last = lines.last().unwrap();
    assert_eq!(last["level"], "ERROR");
    assert_eq!(last["target"], "tokenpair");
    let message = last["message"].as_str().unwrap();
    assert!(message.contains("cannot listen on 127.0.0.1:"), "{message}");
    let note = |line: &Value| {
        line["message"]
            .as_str()
            .unwrap()
            .contains("SESSION_MANAGER")
    };
    assert!(lines.iter().any(note), "{lines:?}");

    let program = program.env("SERVER_WORKERS", "none\u{1b}");
    let ended = program.env("JWT_ALGORITHM", "none").run(&[]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    let [problems] = &objects(&ended.err)[..] else {
        panic!("{}", ended.err)
    };
    let message = problems["message"].as_str().unwrap();
    assert!(
        message.starts_with("2 settings cannot work:\n"),
        "{message}"
    );
    assert!(!ended.err.contains('\u{1b}'), "{}", ended.err);
}

#[test]
fn the_greeting_is_in_the_log_and_commands_stay_text() {
    let program = Program::new().env("LOG_FORMAT", "json");
    let served = program.serve_in_json();
    assert!(
        served.greeting.starts_with("tokenpair "),
        "{}",
        served.greeting
    );
    objects(&served.stop_and_read_log());
    let refused = program.run(&["session", "list", "nobody"]).failed();
    assert!(
        refused.starts_with("tokenpair: there is no user"),
        "{refused}"
    );
}

/// Sends a request line and headers that no client of HTTP would let through.
fn send_raw(served: &Served, head: &[u8]) {
    let mut stream = TcpStream::connect(served.address).unwrap();
    stream.write_all(head).unwrap();
    stream.write_all(b"\r\nConnection: close\r\n\r\n").unwrap();
    // The server may cut off what is not HTTP.
    let _answer = stream.read_to_end(&mut Vec::new());
}

#[test]
fn whatever_bytes_a_client_sends_each_line_is_valid_json_without_secrets() {
    let program = Program::new()
        .env("RUST_LOG", "trace")
        .env("SERVER_CORS_ORIGINS", "https://app.example.org");
    let served = program.serve_in_json();
    let token = served.log_in_a_new_user("ada", PASSWORD);
    for line in [
        format!("GET /{token}?jwt={token} HTTP/1.1\r\nHost: x"),
        format!("{token} / HTTP/1.1\r\nHost: x"),
        format!("GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: {token}"),
        "GET /\"},{\"level\":\"ERROR\" HTTP/1.1\r\nHost: x".to_owned(),
        "GET /%22%7d%0a%7b%22a%22:1%7d%1b%5b2J%e2%80%ae HTTP/1.1\r\nHost: x".to_owned(),
        "GET /protected HTTP/1.1\r\nHost: x\r\nX-Request-Id: \"}\\".to_owned(),
        "POST /logout HTTP/1.1\r\nHost: x\r\nOrigin: https://\"}\\\u{202e}".to_owned(),
        "OPTIONS /login HTTP/1.1\r\nHost: x\r\nOrigin: https://app.example.org\r\n\
         Access-Control-Request-Method: \"}\r\nAccess-Control-Request-Headers: a\"},\\"
            .to_owned(),
        format!("GET /protected HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\"}}"),
        format!("GET /protected HTTP/1.1\r\nHost: x\r\ntraceparent: {token}"),
    ] {
        send_raw(&served, line.as_bytes());
    }
    for byte in [0_u8, 7, 0x1b, 0x7f, 0x80, 0xff] {
        let mut head = b"GET /a".to_vec();
        head.push(byte);
        head.extend_from_slice(b"b HTTP/1.1\r\nHost: x\r\nX-Request-Id: a");
        head.push(byte);
        head.extend_from_slice(b"\r\nOrigin: https://a");
        head.push(byte);
        send_raw(&served, &head);
    }
    let secret = fs::read_to_string(program.path("data/secret_key")).unwrap();
    let log = served.stop_and_read_log();
    assert!(requests(&log).len() >= 8, "{log}");
    assert!(
        log.chars()
            .all(|letter| letter == '\n' || !letter.is_control())
    );
    for secret in [&token[20..], PASSWORD, "eyJ", secret.trim(), "\u{202e}"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[test]
fn a_stopping_server_says_so_in_json() {
    let served = Program::new().serve_in_json();
    let log = served.stop_and_read_log();
    objects(&log);
    assert!(log.contains("stopping"), "{log}");
}

/// The block of a page after a heading.
fn block(page: &str, heading: &str) -> String {
    let (_, after) = page.split_once(heading).unwrap();
    let lines = after.lines().skip_while(|line| !line.starts_with("    "));
    let block = lines.take_while(|line| line.starts_with("    "));
    let lines: Vec<&str> = block.map(str::trim_start).collect();
    lines.join("\n")
}

/// The request of the examples in the page.
fn ask_as_in_the_page(served: &Served) {
    let login = json!({ "username": "ada", "password": PASSWORD });
    let request = Request::new(served.address, "POST", "/login")
        .header("X-Request-Id", "7d1f0c9b")
        .header(
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        );
    assert_eq!(request.json(login).send().status, 401);
}

#[test]
fn the_examples_of_the_page_are_what_the_program_writes() {
    let page = fs::read_to_string("docs/logs-and-traces.md").unwrap();
    let served = Program::new().serve();
    ask_as_in_the_page(&served);
    let log = served.stop_and_read_log();
    let line = log.lines().find(|line| line.contains("POST /login"));
    let example = block(&page, "\n## Text\n");
    // The time and the duration differ.
    let fixed = |line: &str| {
        let (_, rest) = line.split_once("Z ").unwrap();
        let words = rest.split(' ').filter(|word| !word.ends_with("ms"));
        words.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(fixed(&example), fixed(line.unwrap()));

    let served = Program::new().serve_in_json();
    ask_as_in_the_page(&served);
    let log = served.stop_and_read_log();
    let line = requests(&log).remove(0);
    let text = log.lines().find(|line| line.contains("POST /login"));
    let example = block(&page, "\n## JSON\n");
    let mut shown = json_line(&example.replace('\n', " "));
    let order = |text: &str| {
        let names = shown.as_object().unwrap().keys();
        let mut places: Vec<_> = names
            .map(|name| text.find(&format!("\"{name}\":")))
            .collect();
        assert!(places.iter().all(Option::is_some), "{text}");
        let unsorted = places.clone();
        places.sort_unstable();
        let place = |at| places.iter().position(|place| *place == at);
        unsorted.into_iter().map(place).collect::<Vec<_>>()
    };
    assert_eq!(order(&example), order(text.unwrap()));
    for name in ["timestamp", "duration_ms", "span_id"] {
        shown[name] = line[name].clone();
    }
    assert_eq!(shown, line);
    for name in line.as_object().unwrap().keys() {
        assert!(
            page.contains(&format!("| `{name}` |")),
            "{name} is in the table"
        );
    }
}
