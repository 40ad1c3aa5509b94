//! Tests the log, and that it never contains secrets, at any level.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::database::{Backend, Database, as_superuser};
use crate::exchange::{Request, Response};
use crate::jar::Jar;
use crate::support::{Program, Served, an_address_of_ones_own};
use crate::wait::within;

const PASSWORD: &str = "correct horse battery";

/// Runs a browser that logs in, works, refreshes and logs out. Returns all secrets that it had.
struct Visitor<'a> {
    served: &'a Served,
    jar: Jar,
    secrets: Vec<String>,
}

impl Visitor<'_> {
    fn send(
        &mut self,
        method: &str,
        path: &str,
        csrf: &str,
        body: Option<serde_json::Value>,
    ) -> Response {
        let mut request = self
            .jar
            .fill(Request::new(self.served.address, method, path));
        if !csrf.is_empty() {
            request = request.header("X-CSRF-TOKEN", self.jar.value(csrf));
        }
        let response = match body {
            Some(body) => request.json(body).send(),
            None => request.send(),
        };
        self.jar.keep(&response);
        let values = response.cookies().into_iter().map(|cookie| cookie.value);
        self.secrets
            .extend(values.filter(|value| !value.is_empty()));
        response
    }

    fn visit(&mut self) {
        let user = json!({ "username": "ada", "password": PASSWORD, "remember": true });
        assert_eq!(
            self.send("POST", "/register", "", Some(user.clone()))
                .status,
            201
        );
        assert_eq!(self.send("POST", "/login", "", Some(user)).status, 200);
        assert_eq!(self.send("GET", "/protected", "", None).status, 200);
        assert_eq!(self.send("POST", "/refresh", "", None).status, 401);
        assert_eq!(
            self.send("POST", "/refresh", "csrf_refresh_token", None)
                .status,
            200
        );
        let change = json!({ "current_password": "wrong horse", "new_password": "another horse" });
        assert_eq!(
            self.send(
                "POST",
                "/account/password",
                "csrf_access_token",
                Some(change)
            )
            .status,
            401
        );
        assert_eq!(
            self.send("POST", "/logout", "csrf_access_token", None)
                .status,
            200
        );
        let wrong = json!({ "username": PASSWORD, "password": "wrong horse" });
        assert_eq!(self.send("POST", "/login", "", Some(wrong)).status, 401);
    }
}

/// Requests that try to put a secret or a forged line into the log.
fn mischief(served: &Served, token: &str) {
    for line in [
        format!("GET /nowhere/{token}?jwt={token} HTTP/1.1\r\nHost: x"),
        "GET /%0d%0a[2026-01-01T00:00:00Z%20ERROR%20forged]%1b[31m HTTP/1.1\r\nHost: x".to_owned(),
        format!("GET /protected HTTP/1.1\r\nHost: x\r\nX-Request-Id: {token}"),
        format!("GET /protected HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token} {token}"),
        format!("GET /protected HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {token}"),
        format!("{token} /protected HTTP/1.1\r\nHost: x"),
        format!("GET {token} HTTP/1.1\r\nHost: x"),
        format!("GET /protected HTTP/1.1\r\nHost: x\r\nBad Header{token}: {token}"),
        format!("POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: {token}\r\nContent-Length: 1"),
        format!(
            "OPTIONS /login HTTP/1.1\r\nHost: x\r\nOrigin: {token}\r\nAccess-Control-Request-Method: {token}"
        ),
    ] {
        let mut stream = TcpStream::connect(served.address).unwrap();
        let head = format!("{line}\r\nConnection: close\r\n\r\n{{");
        stream.write_all(head.as_bytes()).unwrap();
        // The server may cut off requests that are not HTTP.
        let _answer = stream.read_to_end(&mut Vec::new());
    }
}

fn no_log_line_has_anything_secret_at_any_level(on: Backend) {
    const DSN: &str = "word-of-the-database";
    let database = Database::create(on);
    // The tests' PostgreSQL accepts any password.
    let url = database
        .url()
        .replacen("postgres@", &format!("postgres:{DSN}@"), 1);
    let program = Program::new()
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "full")
        .env("DATABASE_URL", &url)
        .env("SERVER_CORS_ORIGINS", "https://app.example.org");
    let served = program.serve();
    let mut visitor = Visitor {
        served: &served,
        jar: Jar::default(),
        secrets: Vec::new(),
    };
    visitor.visit();
    let mut secrets = visitor.secrets;
    let program_s = json!({ "username": "ada", "password": PASSWORD, "tokens": "body" });
    let pair = served.post("/login", &program_s);
    for name in ["access_token", "refresh_token"] {
        secrets.push(pair[name].as_str().unwrap().to_owned());
    }
    served.get("/protected", pair["access_token"].as_str().unwrap());
    mischief(&served, pair["access_token"].as_str().unwrap());
    let key = fs::read_to_string(program.path("data/secret_key")).unwrap();
    let log = served.stop_and_read_log();
    for line in [
        "GET /protected 200",
        "POST /login 401",
        "GET (a path with a token in it) 404",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
    for forged in ["[2026-01-01T00:00:00Z ERROR forged]", "\u{1b}"] {
        assert!(!log.contains(forged), "{log}");
    }
    assert_eq!(
        secrets.len(),
        11,
        "five cookies, four of a refresh, and two tokens"
    );
    let words = [
        PASSWORD,
        "wrong horse",
        "another horse",
        "horse",
        "eyJ",
        "$2b$",
        "Bearer ",
        DSN,
        key.trim(),
    ];
    for secret in secrets.iter().map(String::as_str).chain(words) {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

on_both_databases!(no_log_line_has_anything_secret_at_any_level);

/// The handler sees the method of the request that the proxy asks about.
#[test]
fn the_line_of_forward_auth_has_the_method_that_was_sent() {
    let served = Program::new().serve();
    for method in ["GET", "PATCH"] {
        let status = Request::new(served.address, method, "/forward-auth")
            .send()
            .status;
        assert_eq!(status, 401);
        served.wait_for_log(&format!("{method} /forward-auth 401"));
    }
    Request::new(served.address, "GET", "/forward-auth")
        .header("X-Forwarded-Method", "DELETE")
        .send();
    served.wait_for_log_times("GET /forward-auth 401", 2);
    let log = served.stop_and_read_log();
    assert!(!log.contains("POST") && !log.contains("DELETE"), "{log}");
}

#[test]
fn the_line_of_a_request_is_there_soon_and_none_is_lost() {
    let program = Program::new();
    let served = program.serve();
    assert_eq!(served.request("GET", "/protected", None).0, 401);
    within(20, "the first line is there", || {
        served.log_so_far().contains("GET /protected 401")
    });
    let ids: Vec<String> = (0..500)
        .map(|number| format!("request-{number:03}"))
        .collect();
    for id in &ids {
        let request = Request::new(served.address, "GET", "/protected");
        assert_eq!(
            request.header("X-Request-Id", id.as_str()).send().status,
            401
        );
    }
    let log = served.stop_and_read_log();
    let of_ours = log
        .lines()
        .filter_map(|line| line.split_once(" id=request-"));
    let told = of_ours.filter_map(|(_, rest)| rest.split(' ').next());
    let told: Vec<String> = told.map(|number| format!("request-{number}")).collect();
    assert_eq!(told, ids);
}

#[test]
fn without_an_access_log_only_requests_that_failed_by_our_fault_are_lines() {
    let database = Database::create(Backend::Postgres);
    let program = Program::new()
        .env("DATABASE_URL", &database.url())
        .env("SERVER_ACCESS_LOG", "off");
    let served = program.serve();
    let user = json!({ "username": "ada", "password": PASSWORD });
    assert_eq!(served.request("POST", "/login", Some(&user)).0, 401);
    assert_eq!(served.request("GET", "/nowhere", None).0, 404);
    drop(database);
    assert_eq!(served.request("POST", "/login", Some(&user)).0, 503);
    let log = served.stop_and_read_log();
    assert!(log.contains("migration"), "other lines are there: {log}");
    let lines = log
        .lines()
        .filter(|line| line.contains("tokenpair::request"));
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("POST /login 503"), "{log}");
}

#[test]
fn health_checks_are_no_lines_but_a_change_of_readiness_is_one() {
    let database = Database::create(Backend::Postgres);
    let Database::Postgres(name) = &database else {
        panic!("a PostgreSQL");
    };
    let program = Program::new()
        .env("DATABASE_URL", &database.url())
        .env("DATABASE_WAIT", "1s");
    let served = program.serve();
    let check = |path: &str| served.request("GET", path, None).0;
    let all_checks = |ready: u16| {
        for _ in 0..3 {
            assert_eq!(
                (check("/health/live"), check("/health/ready")),
                (200, ready)
            );
        }
    };
    all_checks(200);
    as_superuser(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
    as_superuser(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    ));
    all_checks(503);
    as_superuser(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
    within(20, "the server is ready again", || {
        check("/health/ready") == 200
    });
    all_checks(200);
    let log = served.stop_and_read_log();
    assert!(!log.contains("/health/"), "{log}");
    let ready = |line: &&str| line.contains("ready") && line.contains("server::readiness");
    let changes: Vec<&str> = log.lines().filter(ready).collect();
    assert_eq!(changes.len(), 2, "{log}");
    assert!(changes[0].contains("WARN"), "{log}");
    assert!(changes[0].contains("] not ready: "), "{log}");
    assert!(changes[1].contains("INFO"), "{log}");
    assert!(changes[1].contains("] ready again"), "{log}");
}

#[test]
fn a_line_begins_with_its_time_in_utc_its_level_and_its_module() {
    let served = Program::new().serve();
    assert_eq!(served.request("GET", "/nope", None).0, 404);
    let log = served.stop_and_read_log();
    let line = log.lines().find(|line| line.contains("/nope")).unwrap();
    let zeros = line.replace(|letter: char| letter.is_ascii_digit(), "0");
    let begins = "[0000-00-00T00:00:00Z INFO  tokenpair::request] GET /nope ";
    assert!(zeros.starts_with(begins), "{line}");
}

#[test]
fn an_operator_who_looks_closely_sees_each_health_check() {
    let served = Program::new().env("RUST_LOG", "debug").serve();
    answers(served.address);
    assert_eq!(served.request("POST", "/health/live", None).0, 405);
    let log = served.stop_and_read_log();
    for line in [
        "DEBUG tokenpair::request] GET /health/live 200",
        "INFO  tokenpair::request] POST /health/live 405",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
}

#[test]
fn secrets_in_a_path_or_a_request_id_are_left_out_even_percent_encoded() {
    let served = Program::new().serve();
    for secret in [
        "tpc_hidden",
        "whsec_hidden",
        "eyJhidden",
        "%65yJhidden",
        "ey%4Ahidden",
        "%74pc_hidden",
    ] {
        let request = Request::new(served.address, "GET", &format!("/nope/{secret}"));
        assert_eq!(request.header("X-Request-Id", secret).send().status, 404);
    }
    let log = served.stop_and_read_log();
    assert_eq!(
        log.matches("(a path with a token in it)").count(),
        6,
        "{log}"
    );
    assert!(!log.contains("hidden"), "{log}");
}

#[test]
fn a_refused_page_is_named_by_its_origin_and_a_refused_preflight_by_what_it_asked_for() {
    let program = Program::new().env("SERVER_CORS_ORIGINS", "https://app.example.org");
    let served = program.serve();
    let send = |method: &str, headers: &[(&str, &str)]| {
        let request = Request::new(served.address, method, "/logout");
        let header = |request: Request, (name, value): &(&str, &str)| request.header(name, *value);
        headers.iter().fold(request, header).send()
    };
    let token = "https://evil.example/eyJhbGciOiJIUzI1NiJ9.e30.x?hidden=word";
    send(
        "POST",
        &[
            ("Origin", "https://evil.example"),
            ("Sec-Fetch-Site", "cross-site"),
        ],
    );
    send("POST", &[("Origin", "capacitor://localhost")]);
    send(
        "POST",
        &[("Origin", "null"), ("Sec-Fetch-Site", "cross-site\"x=1")],
    );
    send(
        "POST",
        &[("Origin", "no origin, and a line \\n of its own")],
    );
    send("POST", &[("Referer", token)]);
    send(
        "POST",
        &[("Origin", "https://eyJhbGciOiJIUzI1NiJ9.example")],
    );
    send("POST", &[("Origin", &format!("x://{}", "y".repeat(200)))]);
    let app = ("Origin", "https://app.example.org");
    let ask = |method| ("Access-Control-Request-Method", method);
    let with = |headers| ("Access-Control-Request-Headers", headers);
    send("OPTIONS", &[app, ask("PUT")]);
    send("OPTIONS", &[app, ask("POST"), with("content-type,x-other")]);
    send(
        "OPTIONS",
        &[("Origin", "https://evil.example"), ask("POST")],
    );
    let log = served.stop_and_read_log();
    for cause in [
        "code=cross_site_request cause=\"origin: https://evil.example, sec-fetch-site: cross-site\"",
        "code=cross_site_request cause=\"origin: capacitor://localhost\"",
        "code=cross_site_request cause=\"origin: null, sec-fetch-site: cross-site",
        "code=cross_site_request cause=\"origin: malformed\"",
        "code=cross_site_request cause=\"referer: https://evil.example\"",
        "code=cors_refused cause=\"Method not allowed: PUT, origin: https://app.example.org\"",
        "code=cors_refused cause=\"Request header not allowed: x-other, origin: https://app.example.org\"",
        "code=cors_refused cause=\"Origin is not allowed to make this request, origin: https://evil.example\"",
    ] {
        assert!(log.contains(cause), "{cause}\n{log}");
    }
    for secret in ["eyJ", "hidden", &"y".repeat(101)] {
        assert!(!log.contains(secret), "{secret}\n{log}");
    }
}

/// More lines than fit into a pipe (64 KiB) and the server's buffer (1 MiB).
const TOO_MANY: usize = 6_000;

/// Sends that many requests with long log lines, and reads the responses.
fn fill_the_log(server: SocketAddr, requests: usize) {
    const AT_ONCE: usize = 100;
    let path = "x".repeat(100);
    let id = "i".repeat(64);
    let request = format!("GET /{path} HTTP/1.1\r\nHost: x\r\nX-Request-Id: {id}\r\n\r\n");
    let connection = TcpStream::connect(server).unwrap();
    let patience = Some(Duration::from_secs(20));
    connection.set_read_timeout(patience).unwrap();
    let mut connection = BufReader::new(connection);
    for _ in 0..requests / AT_ONCE {
        let together = request.repeat(AT_ONCE);
        connection.get_mut().write_all(together.as_bytes()).unwrap();
        // Every status line except the first follows the body of the previous response.
        let lines = connection.by_ref().lines().map(Result::unwrap);
        let answers = lines.filter(|line| line.contains("HTTP/1.1 404"));
        assert_eq!(answers.take(AT_ONCE).count(), AT_ONCE);
    }
}

#[track_caller]
fn answers(server: SocketAddr) {
    let live = Request::new(server, "GET", "/health/live").try_send();
    assert_eq!(live.unwrap().status, 200);
}

/// A program that is killed on drop.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[test]
fn a_log_that_nobody_reads_holds_nobody_up_and_says_later_how_many_lines_it_lacks() {
    let (served, log) = Program::new().serve_with_an_unread_log();
    fill_the_log(served.address, TOO_MANY);
    answers(served.address);

    let mut lines = BufReader::new(log).lines().map(Result::unwrap);
    let mut there = 0;
    let said = lines.by_ref().find(|line| {
        there += usize::from(line.contains(" 404 "));
        line.contains("log lines were dropped")
    });
    let said = said.unwrap();
    let (_, words) = said.split_once("] ").unwrap();
    let dropped: usize = words.split(' ').next().unwrap().parse().unwrap();
    assert!(there > 1024 * 1024 / 300, "{there}");
    // The server has a few lines of its own to write, which may be among those dropped.
    let lost = TOO_MANY - there;
    assert!((lost..lost + 10).contains(&dropped), "{there}: {said}");

    fill_the_log(served.address, 100);
    let after = lines.take_while(|line| !line.contains("stopping"));
    let after = std::thread::spawn(move || after.filter(|line| line.contains(" 404 ")).count());
    assert!(served.stop().success());
    assert_eq!(after.join().unwrap(), 100);
}

#[test]
fn a_server_whose_log_nobody_reads_stops_as_any_other() {
    let (mut served, _unread) = Program::new().serve_with_an_unread_log();
    fill_the_log(served.address, TOO_MANY);
    served.send_signal("-TERM");
    within(8, "the server stops", || served.has_ended());
    assert!(served.wait().success());
}

#[test]
fn a_terminal_that_has_stopped_stops_neither_requests_nor_the_end() {
    let mut served = Program::new().serve_on_a_stopped_terminal();
    fill_the_log(served.address, 300);
    answers(served.address);
    served.send_signal("-TERM");
    within(8, "the server stops", || served.has_ended());
}

/// A full pipe, as a previous server may leave it.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&[b'\n'; 65_536]).unwrap();
    (reader, writer)
}

#[test]
fn a_server_starts_though_nobody_reads_what_the_one_before_said() {
    let server = an_address_of_ones_own();
    let program = Program::new().env("SERVER_BIND", &server.to_string());
    let (_unread, full) = full_pipe();
    let mut command = program.command(&["serve"]);
    let command = command.stdout(full.try_clone().unwrap()).stderr(full);
    let _killed = Killed(command.spawn().unwrap());
    within(20, "the server listens", || {
        TcpStream::connect(server).is_ok()
    });
    answers(server);
}

#[test]
fn a_server_that_cannot_start_ends_though_nobody_reads_why() {
    let program = Program::new().env("SERVER_DRAIN", "soon");
    let (_unread, full) = full_pipe();
    let mut command = program.command(&["serve"]);
    let child = command.stdout(Stdio::null()).stderr(full).spawn();
    let mut child = Killed(child.unwrap());
    let mut code = None;
    within(20, "the program ends", || {
        code = child.0.try_wait().unwrap();
        code.is_some()
    });
    assert_eq!(code.unwrap().code(), Some(1));
}

#[test]
fn an_outage_of_the_database_is_logged_once_with_its_cause() {
    let database = Database::create(Backend::Postgres);
    let Database::Postgres(name) = &database else {
        panic!("a PostgreSQL database")
    };
    let served = Program::new()
        .env("DATABASE_URL", &database.url())
        .env("DATABASE_WAIT", "1s")
        .serve();
    as_superuser(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
    as_superuser(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    ));
    let told = "cannot read revocations of other replicas: no connection";
    served.wait_for_log(told);
    as_superuser(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
    served.wait_for_log("revocations of other replicas can be read again");
    let log = served.stop_and_read_log();
    assert_eq!(
        log.matches("cannot read revocations of other replicas")
            .count(),
        1
    );
    let line = log.lines().find(|line| line.contains(told)).unwrap();
    let cause = "is not currently accepting connections";
    assert!(line.contains(cause), "{line}");
}

#[test]
fn the_log_says_once_that_the_limit_of_connections_is_reached() {
    let program = Program::new().env("SERVER_MAX_CONNECTIONS", "1");
    let served = program.serve();
    let ask = || {
        let mut socket = TcpStream::connect(served.address).unwrap();
        let head = b"GET /protected HTTP/1.1\r\nHost: x\r\n\r\n";
        socket.write_all(head).unwrap();
        assert!(socket.read(&mut [0; 4096]).unwrap() > 0);
        socket
    };
    let first = ask();
    for _ in 0..3 {
        ask();
    }
    drop(first);
    let log = served.stop_and_read_log();
    let warnings: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("SERVER_MAX_CONNECTIONS"))
        .collect();
    let [warning] = warnings[..] else {
        panic!("{log}")
    };
    assert!(
        warning.contains("WARN") && warning.contains("all 1 connections"),
        "{log}"
    );
    let refused = log.matches("code=too_many_connections").count();
    assert_eq!(refused, 3, "{log}");
    assert!(!log.contains("ERROR"), "{log}");
}
