//! Sends a request and holds back its last byte: the server has admitted it, and waits for the rest
//! of its body.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::TestApp;

pub(crate) struct Held {
    stream: BufReader<TcpStream>,
    last: u8,
}

impl Held {
    /// Sends all of a request except the last byte of its body. The response to `Expect:
    /// 100-continue` shows that the server has read the head: it is sent as the handler's guards
    /// run.
    pub(crate) fn send(app: &TestApp, method: &str, path: &str, token: &str, body: &Value) -> Self {
        let body = body.to_string();
        let (last, first) = body.as_bytes().split_last().unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\n\
             Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = BufReader::new(TcpStream::connect(app.address()).unwrap());
        stream.get_mut().write_all(head.as_bytes()).unwrap();
        let mut interim = String::new();
        while !interim.ends_with("\r\n\r\n") {
            let read = stream.read_line(&mut interim).unwrap();
            assert!(read > 0, "the server hung up: {interim}");
        }
        assert!(interim.starts_with("HTTP/1.1 100 "), "{interim}");
        stream.get_mut().write_all(first).unwrap();
        Self {
            stream,
            last: *last,
        }
    }

    /// Sends the last byte. Returns the response's status and body.
    pub(crate) fn finish(mut self) -> (u16, Value) {
        self.stream.get_mut().write_all(&[self.last]).unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }
}
