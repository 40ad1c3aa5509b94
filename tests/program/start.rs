//! Tests the start: how long it waits for the database, and its errors.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::database::{Backend, Database};
use crate::settings::{SECRET, refused, with};
use crate::support::Program;

/// How a connection to the fake server ends.
#[derive(Clone, Copy)]
enum Turn {
    /// It closes at once, as by a stopping server.
    Close,
    /// It fails with this SQLSTATE and message.
    Fatal(&'static str, &'static str),
}

/// A fake server before PostgreSQL: ends connections in the given ways in turn, and forwards all
/// later ones to the tests' server.
struct Gate {
    address: SocketAddr,
    taken: Arc<AtomicUsize>,
}

impl Gate {
    /// Without a `database`, the last turn repeats.
    fn open(turns: &'static [Turn], database: Option<&Database>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::new(AtomicUsize::new(0));
        let target = database.map(|database| place(&database.url()).0.to_owned());
        let count = Arc::clone(&taken);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let stream = stream.unwrap();
                match (turns.get(number), &target) {
                    (None, Some(target)) => lead(stream, target),
                    (turn, _) => end(stream, *turn.or(turns.last()).unwrap()),
                }
            }
        });
        Self { address, taken }
    }

    fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    fn url(&self, database: &str) -> String {
        format!(
            "postgres://postgres:hidden-word@{}/{database}",
            self.address
        )
    }
}

/// Returns the host with its port, and the database.
fn place(url: &str) -> (&str, &str) {
    let (_, place) = url.rsplit_once('@').unwrap();
    place.split_once('/').unwrap()
}

fn lead(client: TcpStream, target: &str) {
    let server = TcpStream::connect(target).unwrap();
    for (mut from, mut to) in [
        (client.try_clone().unwrap(), server.try_clone().unwrap()),
        (server, client),
    ] {
        std::thread::spawn(move || {
            let _ended = std::io::copy(&mut from, &mut to);
            let _closed = to.shutdown(std::net::Shutdown::Write);
        });
    }
}

fn end(mut stream: TcpStream, turn: Turn) {
    let Turn::Fatal(code, message) = turn else {
        return;
    };
    // Reads the startup message. Before it, libpq may ask for encryption.
    loop {
        let mut head = [0; 8];
        stream.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes(head[..4].try_into().unwrap());
        let mut rest = vec![0; length as usize - 8];
        stream.read_exact(&mut rest).unwrap();
        if !rest.is_empty() {
            break;
        }
        stream.write_all(b"N").unwrap();
    }
    let fields = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
    let length = u32::try_from(fields.len() + 4).unwrap();
    stream.write_all(b"E").unwrap();
    stream.write_all(&length.to_be_bytes()).unwrap();
    stream.write_all(fields.as_bytes()).unwrap();
}

const STARTING: Turn = Turn::Fatal("57P03", "the database system is starting up");
const FULL: Turn = Turn::Fatal("53300", "sorry, too many clients already");

#[test]
fn a_server_waits_for_a_database_that_is_starting_and_says_so_once() {
    let database = Database::create(Backend::Postgres);
    let gate = Gate::open(&[STARTING, Turn::Close, FULL], Some(&database));
    let url = database.url();
    let program = Program::new().env("DATABASE_URL", &gate.url(place(&url).1));
    let log = program.serve().stop_and_read_log();
    assert_eq!(
        log.matches("the database system is starting up").count(),
        1,
        "{log}"
    );
    let waiting: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("DATABASE_START_WAIT"))
        .collect();
    let [waiting] = waiting[..] else {
        panic!("{log}");
    };
    assert!(
        waiting.contains("WARN") && waiting.contains("waiting up to 30 s"),
        "{log}"
    );
    assert!(waiting.contains("starting up"), "{log}");
    assert_eq!(
        log.matches("the database is available after").count(),
        1,
        "{log}"
    );
    assert!(!log.contains("too many clients"), "{log}");
    assert!(!log.contains("hidden-word"), "{log}");
}

#[test]
fn what_waiting_cannot_cure_ends_the_start_at_once_with_the_cure() {
    for (code, message, cure) in [
        (
            "28P01",
            "password authentication failed for user \"postgres\"",
            "correct the user and the password in DATABASE_URL",
        ),
        (
            "3D000",
            "database \"nowhere\" does not exist",
            "create the database, or correct its name in DATABASE_URL",
        ),
        (
            "28000",
            "role \"postgres\" does not exist",
            "correct the user and the password in DATABASE_URL",
        ),
        (
            "28000",
            "no pg_hba.conf entry for host \"127.0.0.1\", user \"postgres\", database \"nowhere\", no encryption",
            "allow this connection in the server's pg_hba.conf",
        ),
    ] {
        let turn: &'static [Turn] = vec![Turn::Fatal(code, message)].leak();
        let gate = Gate::open(turn, None);
        let program = Program::new()
            .env("DATABASE_START_WAIT", "10m")
            .env("DATABASE_URL", &gate.url("nowhere"));
        let said = program.run(&["serve"]).failed();
        assert_eq!(gate.taken(), 1, "{said}");
        assert!(said.contains(message) && said.contains(cure), "{said}");
        let url = format!(
            "postgres://postgres:********@{}/nowhere (DATABASE_URL)",
            gate.address
        );
        assert!(
            said.contains(&url) && !said.contains("hidden-word"),
            "{said}"
        );
        assert!(!said.contains("waiting"), "{said}");
    }
    let unknown = "postgres://postgres@127.0.0.1:1/nowhere?frobnicate=1";
    let program = Program::new()
        .env("DATABASE_START_WAIT", "10m")
        .env("DATABASE_URL", unknown);
    let said = program.run(&["serve"]).failed();
    assert!(
        said.contains("frobnicate") && said.contains("correct DATABASE_URL"),
        "{said}"
    );
}

#[test]
fn a_wait_ends_with_the_cause_and_0_means_no_wait() {
    for (wait, waits) in [("1s", true), ("0", false)] {
        let gate = Gate::open(&[STARTING], None);
        let program = Program::new()
            .env("DATABASE_START_WAIT", wait)
            .env("DATABASE_URL", &gate.url("nowhere"));
        let said = program.run(&["serve"]).failed();
        assert_eq!(gate.taken() > 1, waits, "{said}");
        assert_eq!(said.contains("waiting up to 1 s"), waits, "{said}");
        let last = said.lines().last().unwrap();
        for part in [
            "tokenpair: cannot connect to the database",
            "the database system is starting up",
            "check that PostgreSQL is running and that DATABASE_URL names its host and port",
        ] {
            assert!(last.contains(part), "{part}: {said}");
        }
        assert!(!said.contains("hidden-word"), "{said}");
    }
    refused(
        &[("DATABASE_START_WAIT", "2h")],
        "DATABASE_START_WAIT has to be from 0s to 1h",
    );
}

#[test]
fn a_signal_ends_the_wait_for_the_database() {
    let program = Program::new()
        .env("DATABASE_URL", "postgres://ada@127.0.0.1:1/nowhere")
        .env("DATABASE_START_WAIT", "10m");
    let mut child = program
        .command(&["serve"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("waiting up to 600 s") {
        line.clear();
        let read = std::io::BufRead::read_line(&mut log, &mut line).unwrap();
        assert!(read > 0, "the server ended");
    }
    let began = Instant::now();
    let id = child.id().to_string();
    assert!(Command::new("kill").arg(id).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn other_commands_do_not_wait_for_the_database() {
    for command in [&["user", "list"][..], &["migrate"], &["migrate", "--check"]] {
        let gate = Gate::open(&[STARTING], None);
        let program = Program::new()
            .env("DATABASE_START_WAIT", "10m")
            .env("DATABASE_URL", &gate.url("nowhere"));
        let said = program.run(command).failed();
        assert_eq!(gate.taken(), 1, "{said}");
        assert!(
            said.contains("starting up") && said.contains("(DATABASE_URL)"),
            "{said}"
        );
    }
}

#[test]
fn a_database_file_that_cannot_be_used_names_the_setting_and_the_cure() {
    let program = Program::new().env("DATABASE_URL", "sqlite:///proc/x.db");
    let said = program.run(&["serve"]).failed();
    assert!(
        said.contains("sqlite:///proc/x.db (DATABASE_URL)"),
        "{said}"
    );
    assert!(
        said.contains("make the file and its folder writable"),
        "{said}"
    );
    let program = Program::new().env("DATABASE_URL", "sqlite://notes.txt");
    fs::write(
        program.path("notes.txt"),
        "Not a database, but long enough for a header. ".repeat(50),
    )
    .unwrap();
    let said = program.run(&["serve"]).failed();
    assert!(
        said.contains("sqlite://notes.txt (DATABASE_URL): file is not a database"),
        "{said}"
    );
}

#[test]
fn an_address_that_cannot_be_listened_on_names_the_setting_and_the_cure() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    for (bind, cause, cure) in [
        (
            taken.to_string(),
            "address already in use",
            "stop the program that listens there, or choose another port",
        ),
        (
            "192.0.2.1:8080".to_owned(),
            "this machine does not have the address",
            "choose one of its own, 127.0.0.1, or 0.0.0.0 for all",
        ),
    ] {
        let program = with(&[("SERVER_BIND", &bind), ("JWT_SECRET_KEY", SECRET)]);
        let said = program.run(&["serve"]).failed();
        let line = format!("tokenpair: cannot listen on {bind} (SERVER_BIND): {cause}; {cure}\n");
        assert!(said.ends_with(&line), "{said}");
    }
}

#[test]
fn a_secret_that_cannot_be_made_or_used_names_its_setting() {
    let program = Program::new().env("DATABASE_URL", "sqlite://here.db");
    fs::write(program.path("data"), "a file").unwrap();
    let said = program.run(&["serve"]).failed();
    assert!(
        said.contains("data/secret_key") && said.contains("JWT_SECRET_KEY"),
        "{said}"
    );
    let program = Program::new();
    fs::create_dir(program.path("data")).unwrap();
    fs::write(program.path("data/secret_key"), "short").unwrap();
    for command in [&["serve"][..], &["config", "check"]] {
        let said = program.run(command).failed();
        assert!(
            said.contains("data/secret_key") && said.contains("JWT_SECRET_KEY"),
            "{said}"
        );
    }
}
