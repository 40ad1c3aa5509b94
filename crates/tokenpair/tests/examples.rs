//! Tests the examples: starts each, and runs the curl commands in its head comment.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

#[path = "shared/example.rs"]
mod example;
#[path = "shared/example_walk.rs"]
mod example_walk;
#[path = "shared/walk.rs"]
mod walk;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use example_walk::Example;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// The Flask flow has its own tests, the simulation is not a server, and the bare handler is for
/// measuring.
const WITHOUT_A_WALK: [&str; 3] = ["bare", "flask_flow", "session_rules"];

#[test]
fn every_example_does_what_its_head_says() {
    example_walk::follow_all(Path::new(EXAMPLES), &WITHOUT_A_WALK);
}

/// A minimal WebSocket of RFC 6455: short texts, under a mask of zeros.
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

    /// Returns the next frame's opcode and payload.
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
    let websocket = Example::read(Path::new(EXAMPLES), "websocket");
    let served = websocket.serve(&[("JWT_ACCESS_TOKEN_EXPIRES", "2s")]);
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
