//! Receives webhooks: records each message, and answers as it is told.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::python::python;
use super::wait::within;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Received {
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("no {name} in {self:?}")).1
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    /// Returns what the library of Standard Webhooks says of the message, at the time that it names.
    pub(crate) fn verified_with(&self, secret: &str) -> bool {
        const VERIFY: &str = "\
import datetime, json, sys
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError
message = json.load(sys.stdin)
class Then(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(int(message['headers']['webhook-timestamp']), tz=tz)
import standardwebhooks.webhooks as module
module.datetime = Then
try:
    Webhook(message['secret']).verify(message['body'], message['headers'])
    print('verified')
except WebhookVerificationError as error:
    print(error)
";
        let headers: serde_json::Map<_, _> = self
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        let message = json!({ "secret": secret, "headers": headers, "body": self.body });
        let mut child = Command::new(python())
            .args(["-c", VERIFY])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(message.to_string().as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        output.stdout == b"verified\n"
    }
}

/// An address that webhooks are sent to.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    received: Vec<Received>,
    /// The answer to every message.
    status: u16,
}

impl Receiver {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            received: Vec::new(),
            status: 204,
        }));
        let of_all = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&of_all);
                std::thread::spawn(move || serve(&client, &state));
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks/a-secret-of-the-receiver", self.address)
    }

    /// Answers with this status from now on.
    pub(crate) fn answer(&self, status: u16) {
        self.state.lock().unwrap().status = status;
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap().received.clone()
    }

    /// Waits for this many messages.
    #[track_caller]
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Received> {
        within(30, "the messages arrive", || self.received().len() >= count);
        let received = self.received();
        assert_eq!(received.len(), count, "{received:?}");
        received
    }
}

fn serve(client: &TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(client);
    while let Some(received) = read(&mut reader) {
        let mut state = state.lock().unwrap();
        state.received.push(received);
        let location = match state.status {
            300..400 => "Location: /elsewhere\r\n",
            _ => "",
        };
        let answer = format!(
            "HTTP/1.1 {} Some Reason\r\n{location}Content-Length: 0\r\n\r\n",
            state.status
        );
        drop(state);
        if (&*client).write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Received> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let target = lines.first()?.split(' ').nth(1)?.to_owned();
    let headers: Vec<(String, String)> = lines
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length?.1.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Received {
        target,
        headers,
        body: String::from_utf8(body).ok()?,
    })
}
