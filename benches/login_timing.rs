//! Measures how long logins take, and how a flood of logins affects other requests. It only prints
//! figures:
//!
//!     cargo bench --bench login_timing [compare] [storm] [flood]
//!
//! - `compare`: failed logins of users with several kinds of hashes and of unknown names, in turn.
//!   Their times must not reveal which is which. On Linux, the processor time of the hashing
//!   threads is shown too, which hardly depends on other load.
//! - `storm`: 50 logins at once, again and again, while one client requests `/protected`.
//! - `flood`: 90 connections from one network that log in 10 accounts without a pause, while a user
//!   logs in from another network.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "it measures and prints"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::Agent;

const EACH: u32 = 100;
const STORM: usize = 50;
const STORM_LASTS: Duration = Duration::from_secs(10);
const FLOOD: usize = 90;
const FLOOD_ACCOUNTS: usize = 10;
const FLOOD_LOGINS: usize = 30;
const PASSWORD: &str = "correct horse battery";

const HERE: &str = "198.51.100.4";
const ELSEWHERE: &str = "203.0.113.7";

struct Server {
    child: Child,
    address: SocketAddr,
    agent: Agent,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The port was free just now.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let program = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tokenpair"));
            command
                .args(arguments)
                .current_dir(folder.path())
                .env("SERVER_BIND", address.to_string())
                .env("SERVER_TRUSTED_PROXIES", "127.0.0.1")
                .env("THROTTLE", "off")
                .env("RUST_LOG", "off")
                .stdout(Stdio::null());
            command
        };
        let lines = imported().map(|(name, hash)| format!("{name},{hash}\n"));
        let file = format!("username,hash\n{}", lines.concat());
        std::fs::write(folder.path().join("users"), file).unwrap();
        let import = program(&["user", "import", "users"]).status().unwrap();
        assert!(import.success());
        let child = program(&["serve"]).spawn().unwrap();
        let config = Agent::config_builder().http_status_as_error(false);
        let agent = config.proxy(None).build().new_agent();
        let server = Self {
            child,
            address,
            agent,
            _folder: folder,
        };
        while server.get("/health/ready", "").is_none() {
            std::thread::yield_now();
        }
        server
    }

    fn post(&self, from: &str, path: &str, body: &Value) -> Option<(u16, String)> {
        let url = format!("http://{}{path}", self.address);
        let request = self.agent.post(url).header("X-Forwarded-For", from);
        let request = request.header("Content-Type", "application/json");
        let mut answer = request.send(body.to_string()).ok()?;
        let text = answer.body_mut().read_to_string().ok()?;
        Some((answer.status().as_u16(), text))
    }

    fn get(&self, path: &str, access: &str) -> Option<u16> {
        let url = format!("http://{}{path}", self.address);
        let request = self.agent.get(url);
        let bearer = format!("Bearer {access}");
        let answer = request.header("Authorization", bearer).call().ok()?;
        Some(answer.status().as_u16())
    }

    fn register(&self, name: &str) {
        let user = json!({ "username": name, "password": PASSWORD });
        assert_eq!(self.post(HERE, "/register", &user).unwrap().0, 201);
    }

    fn login(&self, from: &str, name: &str, password: &str) -> Option<(u16, String)> {
        let body = json!({ "username": name, "password": password, "tokens": "body" });
        self.post(from, "/login", &body)
    }

    /// Returns the processor time of the hashing threads.
    fn spent_hashing(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let tasks = tasks.into_iter().flatten().flatten();
        let read = |path: &Path, name| std::fs::read_to_string(path.join(name)).unwrap_or_default();
        let hashing = tasks
            .map(|task| task.path())
            .filter(|task| read(task, "comm").starts_with("password-"));
        hashing
            .filter_map(|task| read(&task, "schedstat").split(' ').next()?.parse().ok())
            .map(Duration::from_nanos)
            .sum()
    }

    /// Returns the duration and status of a login.
    fn timed_login(&self, name: &str, password: &str) -> (Duration, u16) {
        let began = Instant::now();
        let answer = self.login(HERE, name, password);
        (began.elapsed(), answer.unwrap().0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Hashes of other programs, under usernames: with Werkzeug's defaults, and with costs other than
/// this server's.
fn imported() -> [(&'static str, String); 4] {
    let bcrypt = |cost| format!("$2b${cost}$KbQi5Cnn1yVvQ3yYpXqXYe5w8rQyPHGmJn1mX0X2kX8eFZrXo9m6W");
    [
        (
            "scrypt",
            format!("scrypt:32768:8:1$salt${}", "5a".repeat(64)),
        ),
        (
            "pbkdf2-1000000",
            format!("pbkdf2:sha256:1000000$salt${}", "5a".repeat(32)),
        ),
        ("bcrypt-10", bcrypt("10")),
        ("bcrypt-13", bcrypt("13")),
    ]
}

fn main() {
    let server = Server::start();
    server.register("ada");
    let words = std::env::args().skip(1);
    let wanted: Vec<String> = words.filter(|word| !word.starts_with('-')).collect();
    let runs = |part: &str| wanted.is_empty() || wanted.iter().any(|word| word == part);
    if runs("compare") {
        compare(&server);
    }
    if runs("storm") {
        storm(&server);
    }
    if runs("flood") {
        flood(&server);
    }
}

/// Measures users in turn, so that other load affects all alike.
fn compare(server: &Server) {
    let users = imported().map(|(name, _)| name);
    let kinds: Vec<&str> = ["nobody", "ada"].into_iter().chain(users).collect();
    let mut measured = vec![(Vec::new(), Duration::ZERO); kinds.len()];
    for number in 0..EACH {
        for (kind, (times, spent)) in kinds.iter().zip(&mut measured) {
            let name = match *kind {
                "nobody" => format!("nobody{number}"),
                kind => kind.to_owned(),
            };
            let before = server.spent_hashing();
            let (time, status) = server.timed_login(&name, "not the password");
            assert_eq!(status, 401);
            times.push(time);
            *spent += server.spent_hashing() - before;
        }
    }
    println!("{EACH} failed logins each, in turn (ms), and the mean of their processor time:");
    for (kind, (times, spent)) in kinds.iter().zip(&mut measured) {
        let spent = ms(*spent) / f64::from(EACH);
        println!("  {kind:<15} {}; {spent:.1}", quantiles(times));
    }
}

/// Measures the latency of others while one network keeps the queue full.
fn flood(server: &Server) {
    for number in 0..FLOOD_ACCOUNTS {
        server.register(&format!("flooder{number}"));
    }
    let logins = || {
        let logins = (0..FLOOD_LOGINS).map(|_| server.timed_login("ada", PASSWORD));
        let (mut times, statuses): (Vec<_>, Vec<_>) = logins.unzip();
        let granted = statuses.iter().filter(|status| **status == 200).count();
        let quantiles = quantiles(&mut times);
        let said = format!("{quantiles}, {granted} of {FLOOD_LOGINS} granted");
        (ms(times[FLOOD_LOGINS / 2]), said)
    };
    let (quiet, said) = logins();
    println!("logins of one user, one after the other (ms):");
    println!("  quiet         {said}");
    let (over, granted, busy) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for number in 0..FLOOD {
            let (over, granted, busy) = (&over, &granted, &busy);
            scope.spawn(move || {
                let name = format!("flooder{}", number % FLOOD_ACCOUNTS);
                while !over.load(Ordering::Relaxed) {
                    let count = match server.login(ELSEWHERE, &name, PASSWORD) {
                        Some((200, _)) => granted,
                        _ => busy,
                    };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while busy.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        let (flooded, said) = logins();
        println!("  in the flood  {said}");
        println!("  the medians' ratio is {:.2}", flooded / quiet);
        over.store(true, Ordering::Relaxed);
    });
    println!(
        "{FLOOD} connections of one network: {} logins granted, {} asked to come back",
        granted.into_inner(),
        busy.into_inner()
    );
}

fn storm(server: &Server) {
    let (_, body) = server.login(HERE, "ada", PASSWORD).unwrap();
    let body: Value = serde_json::from_str(&body).unwrap();
    let access = body["access_token"].as_str().unwrap();
    println!("/protected, asked by one client (ms):");
    println!(
        "  quiet         {}",
        poll(server, access, &AtomicBool::new(false))
    );
    let (over, logins, busy) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..STORM {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let count = match server.login(HERE, "ada", PASSWORD) {
                        Some((200, _)) => &logins,
                        _ => &busy,
                    };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let polled = poll(server, access, &over);
        println!("  in the storm  {polled}");
        over.store(true, Ordering::Relaxed);
    });
    let rate = f64::from(logins.load(Ordering::Relaxed)) / STORM_LASTS.as_secs_f64();
    let busy = busy.load(Ordering::Relaxed);
    println!(
        "{STORM} logins at once, for {} s: {rate:.1} logins a second, {busy} asked to come back",
        STORM_LASTS.as_secs()
    );
}

/// Requests every 5 ms during a storm.
fn poll(server: &Server, access: &str, over: &AtomicBool) -> String {
    let (mut times, mut failed) = (Vec::new(), 0);
    let began = Instant::now();
    while began.elapsed() < STORM_LASTS && !over.load(Ordering::Relaxed) {
        let asked = Instant::now();
        match server.get("/protected", access) {
            Some(200) => times.push(asked.elapsed()),
            _ => failed += 1,
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let count = times.len();
    format!(
        "{}, {failed} of {} failed",
        quantiles(&mut times),
        count + failed
    )
}

fn quantiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |percent: usize| ms(times[(times.len() * percent / 100).min(times.len() - 1)]);
    let [half, most, nearly_all, all] = [50, 90, 99, 100].map(at);
    format!("p50 {half:.2}, p90 {most:.2}, p99 {nearly_all:.2}, max {all:.2}")
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
