//! How long logins take, and what a storm of them does to the rest. Prints figures and judges none:
//!
//!     cargo bench --bench login_timing
//!
//! First, logins by a name that someone has and by names that nobody has, 200 of each in turn: who compares the two must
//! learn nothing. Then 50 logins at once, again and again, while one client asks for `/protected`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "it measures and prints"
)]

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::Agent;

const EACH: usize = 200;
const STORM: usize = 50;
const STORM_LASTS: Duration = Duration::from_secs(10);
const PASSWORD: &str = "correct horse battery";

struct Server {
    child: Child,
    address: SocketAddr,
    agent: Agent,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Free a moment ago.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let child = Command::new(env!("CARGO_BIN_EXE_tokenpair"))
            .current_dir(folder.path())
            .env("SERVER_BIND", address.to_string())
            .env("THROTTLE", "off")
            .env("RUST_LOG", "error")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
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

    fn post(&self, path: &str, body: &Value) -> Option<(u16, String)> {
        let url = format!("http://{}{path}", self.address);
        let request = self.agent.post(url);
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

    fn login(&self, name: &str, password: &str) -> Option<(u16, String)> {
        let body = json!({ "username": name, "password": password, "tokens": "body" });
        self.post("/login", &body)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn main() {
    let server = Server::start();
    let ada = json!({ "username": "ada", "password": PASSWORD });
    assert_eq!(server.post("/register", &ada).unwrap().0, 201);
    compare(&server);
    storm(&server);
}

/// One after the other, so that whatever else the machine does meets both.
fn compare(server: &Server) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for number in 0..EACH {
        let nobody = format!("nobody{number}");
        for (name, times) in [("ada", &mut known), (nobody.as_str(), &mut unknown)] {
            let began = Instant::now();
            assert_eq!(server.login(name, "not the password").unwrap().0, 401);
            times.push(began.elapsed());
        }
    }
    println!("{EACH} failed logins each, in turn (ms):");
    for (what, times) in [("known name", &mut known), ("unknown name", &mut unknown)] {
        println!("  {what:<13} {}", quantiles(times));
    }
    let (known, unknown) = (ms(known[EACH / 2]), ms(unknown[EACH / 2]));
    let apart = (known - unknown).abs() / known * 100.0;
    println!("  the medians are {apart:.2} % apart");
}

fn storm(server: &Server) {
    let (_, body) = server.login("ada", PASSWORD).unwrap();
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
                    let count = match server.login("ada", PASSWORD) {
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

/// Every 5 ms for as long as a storm lasts.
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
