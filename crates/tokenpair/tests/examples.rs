//! The examples do what their heads say: each is started, and its walk with curl taken as it stands there.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

#[path = "common/example.rs"]
mod example;
#[path = "../../../tests/common/walk.rs"]
mod walk;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The flow of Flask has tests of its own, the simulation is no server, and the bare handler is there to be measured.
const WITHOUT_A_WALK: [&str; 3] = ["bare", "flask_flow", "session_rules"];

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

struct Head(String);

impl Head {
    fn of(name: &str) -> Self {
        let file = examples().join(format!("{name}.rs"));
        let folder = examples().join(name).join("main.rs");
        let text = fs::read_to_string(file).or_else(|_| fs::read_to_string(folder));
        let text = text.unwrap();
        let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
        let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
        Self(lines.collect::<Vec<&str>>().join("\n"))
    }

    /// What curl does, if there is something.
    fn walk(&self) -> Option<&str> {
        let (_, rest) = self.0.split_once("```sh\n")?;
        Some(rest.split_once("```")?.0)
    }

    /// The settings before the command; a secret that the shell would make differs from name to name.
    fn settings(&self) -> Vec<(String, String)> {
        let command = self.0.split("cargo run").next().unwrap();
        let pairs = command
            .split_whitespace()
            .filter_map(|word| word.split_once('='));
        let given = |name: &str, value: &str| match value {
            "$(openssl" => format!("{name} of 32 bytes at least, and for the tests only"),
            _ => value.to_owned(),
        };
        pairs
            .map(|(name, value)| (name.to_owned(), given(name, value)))
            .collect()
    }
}

struct Served {
    child: Child,
    address: SocketAddr,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Another program may take the port before the example does; then it ends, and gets another port.
fn serve(name: &str, settings: &[(&str, &str)]) -> Served {
    const PATIENCE: Duration = Duration::from_secs(30);
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let address = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap();
        let child = Command::new(example::program(name))
            .envs(Head::of(name).settings())
            .envs(settings.iter().copied())
            .env("PORT", address.port().to_string())
            .spawn()
            .unwrap();
        let mut served = Served { child, address };
        while served.child.try_wait().unwrap().is_none() && Instant::now() < deadline {
            if TcpStream::connect(address).is_ok() {
                return served;
            }
            sleep(Duration::from_millis(20));
        }
    }
    panic!("{name} does not answer");
}

#[test]
fn every_example_does_what_its_head_says() {
    for entry in fs::read_dir(examples()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if WITHOUT_A_WALK.contains(&name) {
            continue;
        }
        let head = Head::of(name);
        let Some(steps) = head.walk() else {
            panic!("{name} has no walk")
        };
        eprintln!("{name}:");
        walk::follow(steps, serve(name, &[]).address);
    }
}

/// A WebSocket of RFC 6455, as small as can be: short texts, under a mask of zeros.
struct Socket(TcpStream);

impl Socket {
    fn open(server: SocketAddr, cookie: &str) -> Self {
        let mut stream = TcpStream::connect(server).unwrap();
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).unwrap();
        let upgrade = format!(
            "GET /echo HTTP/1.1\r\nHost: {server}\r\nOrigin: http://{server}\r\nCookie: {cookie}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        stream.write_all(upgrade.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.extend(byte);
        }
        assert!(answer.starts_with(b"HTTP/1.1 101 "));
        Self(stream)
    }

    fn say(&mut self, text: &str) {
        let length = u8::try_from(text.len()).unwrap();
        let head = [0x81, 0x80 | length, 0, 0, 0, 0];
        self.0.write_all(&head).unwrap();
        self.0.write_all(text.as_bytes()).unwrap();
    }

    /// The next frame's opcode and payload.
    fn hear(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).unwrap();
        let mut payload = vec![0; usize::from(head[1])];
        self.0.read_exact(&mut payload).unwrap();
        (head[0] & 0x0f, payload)
    }
}

#[test]
fn a_websocket_talks_until_its_token_ends() {
    let served = serve("websocket", &[("JWT_ACCESS_TOKEN_EXPIRES", "2s")]);
    let login = format!("http://{}/login/ada", served.address);
    let answer = ureq::post(login).send_empty().unwrap();
    let cookies = answer.headers().get_all("set-cookie").iter();
    let mut cookies = cookies.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap());
    let token = cookies
        .find(|cookie| cookie.starts_with("access_token_cookie="))
        .unwrap();

    let mut socket = Socket::open(served.address, token);
    socket.say("hello");
    assert_eq!(socket.hear(), (1, b"ada: hello".to_vec()));
    let close = (8, 1008_u16.to_be_bytes().to_vec());
    assert_eq!(socket.hear(), close, "the policy's, not an accident");
}
