//! Tests the connection: when it reads, and what it forwards to actix-http.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};

use super::{Connection, ConnectionConfig, READ_SIZE};
use crate::config::Patience;
use crate::server::connection_limit::ConnectionLimit;
use crate::server::connection_state::ActiveRequest;
use crate::server::response_headers::HeaderDefaults;

/// Counts the wake-ups of a connection's task.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Woken {
    fn count(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

/// A connection as actix-http uses it, and its client.
struct Pair {
    connection: Connection,
    client: DuplexStream,
    woken: Arc<Woken>,
}

impl Pair {
    async fn sent(bytes: &[u8]) -> Self {
        let (server, mut client) = duplex(64 * 1024);
        client.write_all(bytes).await.unwrap();
        let config = ConnectionConfig {
            patience: Patience::default(),
            keep_alive: Duration::from_secs(75),
            edge: HeaderDefaults {
                hsts: false,
                cors: false,
            },
        };
        Self {
            connection: Connection::new(
                Box::new(server),
                ConnectionLimit::new(1, "all {} connections are taken").acquire(),
                config,
            ),
            client,
            woken: Arc::default(),
        }
    }

    /// Reads once. Returns the number of bytes if the read is ready.
    fn read(&mut self) -> Option<usize> {
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut cx = Context::from_waker(&waker);
        let mut space = [0; 2 * READ_SIZE];
        let mut buf = ReadBuf::new(&mut space);
        let read = Pin::new(&mut self.connection).poll_read(&mut cx, &mut buf);
        read.is_ready().then(|| buf.filled().len())
    }

    /// Writes and flushes as actix-http does. Returns whether all bytes were sent.
    fn write(&mut self, bytes: &[u8]) -> bool {
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut cx = Context::from_waker(&waker);
        let mut sent = 0;
        while let Some(rest @ [_, ..]) = bytes.get(sent..) {
            match Pin::new(&mut self.connection).poll_write(&mut cx, rest) {
                Poll::Ready(count) => sent += count.unwrap(),
                Poll::Pending => return false,
            }
        }
        let flushed = Pin::new(&mut self.connection).poll_flush(&mut cx);
        flushed.is_ready()
    }
}

#[actix_web::test]
async fn requests_sent_ahead_are_given_one_at_a_time() {
    let requests = "GET /12345 HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\nHost: x\n\n".repeat(50);
    let mut pair = Pair::sent(requests.as_bytes()).await;
    for _ in 0..50 {
        for length in [32, 24] {
            assert_eq!(pair.read(), Some(length));
            // actix-http reads until the read is pending, and then parses.
            assert_eq!(pair.read(), None);
        }
    }
    assert_eq!(pair.read(), None);
    assert_eq!(pair.woken.count(), 99, "only where more had come");
}

#[actix_web::test]
async fn what_has_no_empty_line_is_given_as_it_comes() {
    let mut pair = Pair::sent(&[b'x'; 3 * READ_SIZE]).await;
    for _ in 0..3 {
        assert_eq!(pair.read(), Some(READ_SIZE));
    }
    assert_eq!((pair.read(), pair.woken.count()), (None, 0));
    drop(pair.client);
    let waker = Waker::noop();
    let mut cx = Context::from_waker(waker);
    let mut buf = [0; 8];
    let mut buf = ReadBuf::new(&mut buf);
    let end = Pin::new(&mut pair.connection).poll_read(&mut cx, &mut buf);
    assert!(end.is_ready() && buf.filled().is_empty());
}

#[actix_web::test]
async fn nothing_is_read_while_an_answer_waits_to_be_sent() {
    let mut pair = Pair::sent(b"GET / HTTP/1.1\r\n\r\n").await;
    assert!(!pair.write(&[b'x'; 65 * 1024]));
    assert_eq!(pair.read(), None);
    let mut taken = vec![0; 64 * 1024];
    pair.client.read_exact(&mut taken).await.unwrap();
    pair.woken.count();
    assert_eq!(pair.read(), None, "the rest was not sent yet");
    assert!(pair.write(&[b'x'; 1024]));
    assert_eq!(pair.woken.count(), 1, "it may be read now");
    assert_eq!(pair.read(), Some(18));
}

#[actix_web::test]
async fn nothing_is_forwarded_while_a_request_is_answered_unless_its_body_is_wanted() {
    let mut pair = Pair::sent(b"POST / HTTP/1.1\r\n\r\n").await;
    let state = pair.connection.state();
    let active = ActiveRequest::begin(&state);
    // Other work may wake the task.
    for _ in 0..3 {
        assert_eq!(pair.read(), None);
        assert!(pair.write(b""));
    }
    assert_eq!(
        pair.woken.count(),
        0,
        "nothing to do until the handler is done"
    );
    state.set_wants_body(true);
    assert_eq!(pair.woken.count(), 1);
    assert_eq!(pair.read(), Some(19));
    assert_eq!(pair.read(), None);
    state.set_wants_body(false);
    pair.client
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(pair.read(), None);
    pair.woken.count();
    drop(active);
    assert_eq!(pair.woken.count(), 1);
    assert_eq!(pair.read(), Some(18));
}

#[actix_web::test]
async fn little_is_read_ahead_while_a_request_is_answered() {
    let mut pair = Pair::sent(&[b'x'; 64 * 1024]).await;
    let active = ActiveRequest::begin(&pair.connection.state());
    for _ in 0..10 {
        assert_eq!(pair.read(), None);
    }
    assert!(pair.connection.buffered.len() <= 2 * READ_SIZE);
    drop(active);
    assert!(pair.read().is_some());
}

#[actix_web::test]
async fn a_client_that_ends_its_own_side_still_gets_its_answer() {
    let mut pair = Pair::sent(b"").await;
    let _active = ActiveRequest::begin(&pair.connection.state());
    pair.client.shutdown().await.unwrap();
    for _ in 0..3 {
        assert_eq!(pair.read(), None);
    }
    assert!(pair.write(b"HTTP/1.1 200 OK\r\n\r\n"));
}
