//! Tests the graceful stop: first load balancers notice, then running requests finish, and the
//! SQLite database is complete in one file.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::exchange::Request;
use crate::support::{Program, Served};
use crate::wait::within;

const DATABASE: &str = "data/tokenpair.db";

/// Returns the size of a file, or 0 if it does not exist.
fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

#[test]
fn a_stopped_server_leaves_all_its_data_in_the_database_file() {
    for signal in ["-TERM", "-INT"] {
        let program = Program::new();
        let served = program.serve();
        served.log_in_a_new_user("ada", "correct horse battery");
        let log = program.path("data/tokenpair.db-wal");
        assert!(size(&log) > 0, "it is written while the server runs");
        assert!(served.signal(signal).success());
        assert_eq!(size(&log), 0, "{signal}");

        let copy = Program::new();
        fs::create_dir(copy.path("data")).unwrap();
        fs::copy(program.path(DATABASE), copy.path(DATABASE)).unwrap();
        let users = copy.run(&["user", "list"]).done();
        assert!(users.contains("ada"), "{signal}: {users}");
    }
}

#[test]
fn a_server_whose_database_another_process_still_reads_says_that_the_log_must_be_kept() {
    let program = Program::new();
    let served = program.serve();
    served.log_in_a_new_user("ada", "correct horse battery");
    let script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None); \
                  db.execute('BEGIN'); db.execute('SELECT * FROM users').fetchall(); \
                  print('reads', flush=True); sys.stdin.read()";
    let mut reader = std::process::Command::new("python3")
        .args(["-c", script])
        .arg(program.path(DATABASE))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let out = reader.stdout.as_mut().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
    served.log_in("ada", "correct horse battery");
    let log = served.stop_and_read_log();
    drop(reader.stdin.take());
    assert!(reader.wait().unwrap().success());
    assert!(log.contains("another process uses the database"), "{log}");
}

/// A connection that the client keeps alive.
struct Kept(BufReader<TcpStream>);

/// The bytes received on it.
#[derive(Debug)]
struct Answer {
    status: String,
    closes: bool,
}

impl Kept {
    fn open(server: SocketAddr) -> Self {
        Self(BufReader::new(TcpStream::connect(server).unwrap()))
    }

    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn get(&mut self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        self.answer()
    }

    /// Begins a login that the server is handling, and holds back its last byte.
    fn begin_login(&mut self) {
        let length = LOGIN.len();
        self.send(&format!(
            "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        ));
        assert_eq!(self.head(), ["http/1.1 100 continue"]);
        self.send(LOGIN.strip_suffix('}').unwrap());
    }

    fn head(&mut self) -> Vec<String> {
        let mut head = Vec::new();
        let mut line = String::new();
        while self.0.read_line(&mut line).unwrap() > 2 {
            head.push(std::mem::take(&mut line).trim().to_ascii_lowercase());
        }
        head
    }

    fn answer(&mut self) -> Answer {
        let head = self.head();
        let length = head
            .iter()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        self.0.read_exact(&mut body).unwrap();
        Answer {
            status: head[0].split(' ').nth(1).unwrap().to_owned(),
            closes: head.iter().any(|line| line == "connection: close"),
        }
    }

    /// Returns whether the server has closed it and sent nothing more.
    fn is_at_its_end(&mut self) -> bool {
        self.0.read(&mut [0]).is_ok_and(|count| count == 0)
    }
}

const LOGIN: &str = r#"{"username": "ada", "password": "correct horse battery"}"#;

/// Waits until the server reports that it is not ready.
#[track_caller]
fn wait_until_it_drains(served: &Served) {
    within(20, "the server is not ready", || {
        let ready = Request::new(served.address, "GET", "/health/ready");
        ready.send().status == 503
    });
}

#[track_caller]
fn wait_until_it_does_not_listen(served: &Served) {
    within(20, "the server does not listen any more", || {
        TcpStream::connect(served.address).is_err()
    });
}

/// Waits for the end, which must come much sooner than the drain that was cut short.
#[track_caller]
fn ends_at_once(served: Served) {
    let began = Instant::now();
    assert!(served.wait().success());
    assert!(began.elapsed() < Duration::from_secs(8));
}

#[test]
fn a_server_that_drains_is_not_ready_and_serves_all_who_come_on_connections_that_close() {
    let served = Program::new().env("SERVER_DRAIN", "2m").serve();
    served.log_in_a_new_user("ada", "correct horse battery");
    let mut idle = Kept::open(served.address);
    let before = idle.get("/health/ready");
    assert_eq!((before.status.as_str(), before.closes), ("200", false));

    served.send_signal("-TERM");
    wait_until_it_drains(&served);
    for path in ["/health/live", "/"] {
        let mut new = Kept::open(served.address);
        let answer = new.get(path);
        assert_eq!((answer.status.as_str(), answer.closes), ("200", true));
        assert!(new.is_at_its_end());
    }
    let mut new = Kept::open(served.address);
    new.begin_login();
    new.send("}");
    assert_eq!(new.answer().status, "200", "all routes serve");
    let answer = idle.get("/health/live");
    assert_eq!((answer.status.as_str(), answer.closes), ("200", true));
    assert!(idle.is_at_its_end());

    let mut running = Kept::open(served.address);
    running.begin_login();
    served.send_signal("-TERM");
    wait_until_it_does_not_listen(&served);
    running.send("}");
    let answer = running.answer();
    assert_eq!((answer.status.as_str(), answer.closes), ("200", true));
    ends_at_once(served);
}

#[test]
fn a_drain_is_over_after_its_time() {
    let served = Program::new().env("SERVER_DRAIN", "2s").serve();
    let began = Instant::now();
    let log = served.stop_and_read_log();
    assert!(began.elapsed() >= Duration::from_secs(2), "{log}");
    assert!(
        log.contains("connections are still accepted for 2 s"),
        "{log}"
    );
}

/// Sends each request on a new connection, as a proxy without keep-alive does, until a connection
/// is refused.
fn answers_until_refused(server: SocketAddr) -> usize {
    let connections = std::iter::from_fn(|| TcpStream::connect(server).ok());
    let answers = connections.map(|connection| {
        let mut connection = Kept(BufReader::new(connection));
        assert_eq!(connection.get("/health/live").status, "200");
    });
    answers.count()
}

#[test]
fn a_client_that_gets_a_connection_gets_an_answer_also_at_the_end_of_the_drain() {
    let served = Program::new().env("SERVER_DRAIN", "1s").serve();
    let server = served.address;
    let clients: Vec<_> = (0..8)
        .map(|_| std::thread::spawn(move || answers_until_refused(server)))
        .collect();
    served.send_signal("-TERM");
    for client in clients {
        assert!(client.join().unwrap() > 0);
    }
    ends_at_once(served);
}

#[test]
fn another_signal_cuts_off_the_requests_that_a_stopping_server_finishes() {
    for second in ["-TERM", "-INT"] {
        let mut served = Program::new().serve();
        let mut running = Kept::open(served.address);
        running.begin_login();
        served.send_signal("-TERM");
        wait_until_it_does_not_listen(&served);
        assert!(!served.has_ended(), "it waits for the login");
        served.send_signal(second);
        ends_at_once(served);
    }
}

#[test]
fn a_hang_up_signal_ends_neither_a_server_nor_its_drain_nor_its_last_requests() {
    let served = Program::new().env("SERVER_DRAIN", "2m").serve();
    served.log_in_a_new_user("ada", "correct horse battery");
    let hang_up = |times| {
        served.send_signal("-HUP");
        served.wait_for_log_times("reloading certificates and keys", times);
    };
    hang_up(1);
    assert_eq!(served.request("GET", "/health/ready", None).0, 200);
    served.send_signal("-TERM");
    wait_until_it_drains(&served);
    hang_up(2);
    assert_eq!(served.request("GET", "/health/ready", None).0, 503);
    assert_eq!(served.request("GET", "/health/live", None).0, 200);
    let mut running = Kept::open(served.address);
    running.begin_login();
    served.send_signal("-TERM");
    wait_until_it_does_not_listen(&served);
    hang_up(3);
    running.send("}");
    assert_eq!(running.answer().status, "200");
    assert!(served.wait().success());
}

#[test]
fn without_a_setting_a_server_drains_unless_it_runs_on_a_terminal() {
    let program = Program::new().without("SERVER_DRAIN");
    let supervised = program.serve();
    supervised.send_signal("-TERM");
    wait_until_it_drains(&supervised);
    supervised.send_signal("-TERM");
    let log = supervised.wait_and_read_log();
    assert!(
        log.contains("connections are still accepted for 5 s"),
        "{log}"
    );

    let log = program.serve_on_a_terminal().stop_and_read_log();
    assert!(log.contains("no new connections"), "{log}");
    assert!(!log.contains("still accepted"), "{log}");
}
