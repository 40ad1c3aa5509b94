//! Tests the example `websocket` through its sockets: an open connection ends with its access.

#![allow(missing_docs, clippy::unwrap_used, reason = "test helpers")]

#[allow(dead_code, reason = "the example has a main function too")]
#[path = "../examples/websocket.rs"]
mod example;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer};
use tokenpair::clock::{Clock, Timestamp};
use tokenpair::config::JwtSettings;
use tokenpair::session::{MemoryStore, RequestContext, Revocation, Revoked};
use tokenpair::web::Auth;

const START: Timestamp = Timestamp::from_unix(1_800_000_000);

/// A token expires 15 minutes after its login, and is accepted for 10 seconds more.
const SETTINGS: [(&str, &str); 3] = [
    ("JWT_SECRET_KEY", "32 bytes that only the server knows"),
    ("JWT_ACCESS_TOKEN_EXPIRES", "15m"),
    ("JWT_DECODE_LEEWAY", "10s"),
];

/// The example with a clock that the test sets.
struct Example {
    address: SocketAddr,
    auth: Auth,
    clock: Clock,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Example {
    fn serve() -> Self {
        let setting = |name: &str| {
            let found = SETTINGS.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let (users, clock) = (MemoryStore::default(), Clock::fixed(START));
        let settings = JwtSettings::read_for_origin("http://127.0.0.1", setting).unwrap();
        let auth = settings.recorded_in(users.clone()).clock(clock.clone());
        let auth = auth.build();
        let (tell, told) = mpsc::channel();
        let its_auth = auth.clone();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || {
                    let (auth, users) = (its_auth.clone(), users.clone());
                    App::new().configure(example::routes(auth, users, ORIGIN.to_owned()))
                };
                let server = HttpServer::new(app).workers(1).disable_signals();
                let server = server.bind("127.0.0.1:0").unwrap();
                let address = server.addrs().into_iter().next().unwrap();
                let server = server.run();
                tell.send((address, server.handle())).unwrap();
                server.await.unwrap();
            });
        });
        let (address, handle) = told.recv().unwrap();
        Self {
            address,
            auth,
            clock,
            handle,
            thread: Some(thread),
        }
    }

    /// Logs in, and opens a WebSocket that talks.
    fn connect(&self, name: &str) -> Socket {
        let login = format!("http://{}/login/{name}", self.address);
        let answer = ureq::post(login).send_empty().unwrap();
        let cookies = answer.headers().get_all("set-cookie").iter();
        let pairs = cookies.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap());
        let cookies = pairs.collect::<Vec<&str>>().join("; ");
        let mut socket = Socket::open(self.address, cookies);
        socket.talks(name);
        socket
    }

    fn log_out(&self, socket: &Socket) {
        let csrf = socket.cookies.split("csrf_access_token=").nth(1).unwrap();
        let csrf = csrf.split(';').next().unwrap();
        let logout = ureq::post(format!("http://{}/logout", self.address));
        let logout = logout.header("Cookie", &socket.cookies);
        let logout = logout.header("X-CSRF-TOKEN", csrf).send_empty().unwrap();
        assert_eq!(logout.status(), 200);
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

const ORIGIN: &str = "http://the.example";

/// A minimal WebSocket of RFC 6455: short texts, under a mask of zeros.
struct Socket {
    stream: TcpStream,
    cookies: String,
}

impl Socket {
    fn open(server: SocketAddr, cookies: String) -> Self {
        let mut stream = TcpStream::connect(server).unwrap();
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).unwrap();
        let upgrade = format!(
            "GET /echo HTTP/1.1\r\nHost: {server}\r\nOrigin: {ORIGIN}\r\nCookie: {cookies}\r\n\
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
        Self { stream, cookies }
    }

    /// Sends a text, and gets it back with the name.
    #[track_caller]
    fn talks(&mut self, name: &str) {
        let text = b"hello";
        let head = [0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
        self.stream.write_all(&head).unwrap();
        self.stream.write_all(text).unwrap();
        assert_eq!(self.hear(), (1, format!("{name}: hello").into_bytes()));
    }

    #[track_caller]
    fn is_closed(&mut self, reason: &str) {
        let closed = [&4401_u16.to_be_bytes(), reason.as_bytes()].concat();
        assert_eq!(self.hear(), (8, closed), "{reason}");
    }

    /// Returns the next frame's opcode and payload.
    fn hear(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).unwrap();
        let [opcode, length] = head;
        let mut payload = vec![0; usize::from(length)];
        self.stream.read_exact(&mut payload).unwrap();
        (opcode & 0x0f, payload)
    }
}

#[test]
fn a_socket_talks_until_its_token_has_expired_and_the_leeway_is_over() {
    let example = Example::serve();
    let mut socket = example.connect("ada");
    example.clock.advance(Duration::from_secs(15 * 60 + 9));
    socket.talks("ada");
    let mut later = example.connect("bob");
    example.clock.advance(Duration::from_secs(1));
    socket.is_closed("token_expired");
    later.talks("bob");
}

#[test]
fn a_logout_closes_the_sockets_of_its_session_and_no_others() {
    let example = Example::serve();
    let mut socket = example.connect("ada");
    let mut second = Socket::open(example.address, socket.cookies.clone());
    let (mut elsewhere, mut bob) = (example.connect("ada"), example.connect("bob"));
    example.log_out(&socket);
    socket.is_closed("token_revoked");
    second.is_closed("token_revoked");
    elsewhere.talks("ada");
    bob.talks("bob");
}

#[test]
fn a_change_of_the_user_on_another_server_closes_the_socket() {
    let example = Example::serve();
    let (mut ada, mut bob) = (example.connect("ada"), example.connect("bob"));
    let sessions = example.auth.sessions().unwrap();
    let raised = |lowest_epoch| {
        let id = "ada".to_owned();
        let subject = Revoked::User { id, lowest_epoch };
        sessions.record_revocation(&Revocation { subject, at: START });
    };
    // Of an epoch that the token has reached.
    raised(0);
    ada.talks("ada");
    raised(1);
    ada.is_closed("token_revoked");
    bob.talks("bob");
}

#[test]
fn a_socket_of_a_session_that_an_admin_ends_is_closed() {
    let example = Example::serve();
    let mut socket = example.connect("ada");
    let sessions = example.auth.sessions().unwrap().clone();
    actix_web::rt::System::new().block_on(async move {
        let ended = sessions.end_all("ada", &RequestContext::at(START)).await;
        assert_eq!(ended.unwrap(), 1);
    });
    socket.is_closed("token_revoked");
}
