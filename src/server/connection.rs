//! Defines a client's connection as actix-http reads and writes it.
//!
//! actix-http reads whatever a client sends, however little the client takes of its answers, and keeps every request that it
//! has read, at 5 KiB each. So a connection gives it the next request only when it can be used: nothing while an answer waits
//! to be sent or is being made, and one head at a time. What a client can make the server keep for it is thereby bounded.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::bare_errors;
use super::connection_limit::ConnectionSlot;
use super::connection_state::ConnectionState;
use super::idle_timer::{End, IdleTimer};
use super::last_response::LastResponse;
use super::request_head::{FirstHead, end_of_head};
use super::response_headers::HeaderDefaults;
use crate::settings::Patience;

/// So many bytes are read from the client at once.
const PORTION: usize = 4 * 1024;

thread_local! {
    /// Where bytes are read to first.
    static SCRATCH: RefCell<[u8; PORTION]> = const { RefCell::new([0; PORTION]) };
}

/// What carries a connection's bytes, with or without TLS.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Transport for T {}

/// How connections are served.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    pub(super) patience: Patience,
    pub(super) keep_alive: Duration,
    pub(super) edge: HeaderDefaults,
}

/// A client's connection.
pub(super) struct Connection {
    transport: Box<dyn Transport>,
    flow: Rc<ConnectionState>,
    manner: Manner,
    opening: FirstHead,
    /// What was read and may not be given to actix-http yet.
    kept: Vec<u8>,
    /// actix-http has a new head, which it has not looked at.
    head_given: bool,
    /// Something waits to be sent.
    unsent: bool,
    last_words: Option<LastResponse>,
    quiet: IdleTimer,
    /// The client was given up: what it still sends is not read.
    given_up: bool,
}

impl Connection {
    pub(super) fn new(
        transport: Box<dyn Transport>,
        place: ConnectionSlot,
        manner: Manner,
    ) -> Self {
        let patience = manner.patience;
        let quiet = match place.is_past_limit() {
            true => IdleTimer::for_one_request(patience.past_limit),
            false => IdleTimer::new(patience.head, manner.keep_alive),
        };
        Self {
            transport,
            flow: Rc::new(ConnectionState::new(place)),
            manner,
            opening: FirstHead::default(),
            kept: Vec::new(),
            head_given: false,
            unsent: false,
            last_words: None,
            quiet,
            given_up: false,
        }
    }

    /// What the requests on it share with it: their `conn_data`.
    pub(super) fn flow(&self) -> Rc<ConnectionState> {
        Rc::clone(&self.flow)
    }

    /// Gives these bytes to actix-http, up to the end of a head, and keeps the rest.
    fn give(&mut self, bytes: &[u8], buf: &mut ReadBuf<'_>) {
        let head = end_of_head(bytes);
        let length = head.unwrap_or(bytes.len()).min(buf.remaining());
        let (given, kept) = bytes.split_at(length);
        buf.put_slice(given);
        self.head_given = head == Some(length);
        self.kept.extend_from_slice(kept);
    }

    /// Reads once, and gives or keeps what came. Returns its length.
    fn poll_transport(
        &mut self,
        cx: &mut Context<'_>,
        buf: Option<&mut ReadBuf<'_>>,
    ) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut read = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.transport).poll_read(cx, &mut read))?;
            let bytes = read.filled();
            match (self.opening.pass(bytes), buf) {
                (Some(passed), Some(buf)) => self.give(&passed, buf),
                (Some(passed), None) => self.kept.extend_from_slice(&passed),
                (None, _) => {}
            }
            Poll::Ready(Ok(bytes.len()))
        })
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.head_given) {
            let has_ended = self.kept.is_empty() && ready!(self.poll_transport(cx, None))? == 0;
            if has_ended {
                return Poll::Ready(Ok(()));
            }
            // More came than a request. Once actix-http has looked at that, it comes back.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let mut has_ended = false;
        while buf.filled().len() == before && !has_ended {
            match std::mem::take(&mut self.kept) {
                kept if kept.is_empty() => {
                    has_ended = ready!(self.poll_transport(cx, Some(buf)))? == 0;
                }
                kept => self.give(&kept, buf),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Gives up a client that has sent no request for too long; called when there is nothing to read.
    fn poll_quiet(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // actix-http waits for the first request, and handlers wait for bodies.
        let waits = self.flow.has_answered() || self.flow.place().is_past_limit();
        if !waits || self.flow.is_answering() {
            return Poll::Pending;
        }
        let end = ready!(self.quiet.poll(cx));
        self.given_up = true;
        if end == End::HeadTooSlow {
            let answer = bare_errors::head_too_slow(self.manner.edge);
            self.last_words = Some(LastResponse::new(answer));
        }
        Poll::Ready(())
    }

    /// Says the last words, if there are any; then nothing more is to be read.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.last_words {
            Some(last_words) => last_words.poll(cx, &mut self.transport),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.last_words.is_none() {
            match bare_errors::split(bytes) {
                ([], Some(bare)) => {
                    let answer = bare.in_full(self.manner.edge);
                    self.last_words = Some(LastResponse::new(answer));
                }
                (bytes, _) => return Pin::new(&mut self.transport).poll_write(cx, bytes),
            }
        }
        if let Some(last_words) = &mut self.last_words {
            ready!(last_words.poll(cx, &mut self.transport))?;
        }
        Poll::Ready(Ok(bytes.len()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.flow.take_just_answered() {
            this.quiet.answered();
        }
        if this.given_up {
            return this.poll_end(cx);
        }
        let is_over = this.kept.is_empty() && this.opening.is_over();
        if this.unsent || is_over || this.flow.is_busy() {
            this.flow.hold(cx.waker());
            return Poll::Pending;
        }
        if this.poll_bytes(cx, buf)?.is_ready() {
            this.quiet.request_begins();
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_quiet(cx));
        this.poll_end(cx)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let sent = this.poll_send(cx, bytes);
        this.unsent |= sent.is_pending();
        sent
    }

    /// The end of every write: actix-http flushes whenever the socket has taken all bytes.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.transport).poll_flush(cx);
        let had_unsent = std::mem::replace(&mut this.unsent, flushed.is_pending());
        if had_unsent && !this.unsent {
            this.flow.release();
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};
    use std::time::Duration;

    use tokio::io::{
        AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
    };

    use super::{Connection, Manner, PORTION};
    use crate::server::connection_limit::ConnectionLimit;
    use crate::server::connection_state::ActiveRequest;
    use crate::server::response_headers::HeaderDefaults;
    use crate::settings::Patience;

    /// Counts how often the task of a connection is woken.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Woken {
        fn times(&self) -> usize {
            self.0.swap(0, Ordering::SeqCst)
        }
    }

    /// A connection as actix-http sees it, and its client.
    struct Pair {
        connection: Connection,
        client: DuplexStream,
        woken: Arc<Woken>,
    }

    impl Pair {
        async fn sent(bytes: &[u8]) -> Self {
            let (server, mut client) = duplex(64 * 1024);
            client.write_all(bytes).await.unwrap();
            let manner = Manner {
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
                    ConnectionLimit::new(1).enter(),
                    manner,
                ),
                client,
                woken: Arc::default(),
            }
        }

        /// Reads once: how many bytes, if there are any to be read.
        fn read(&mut self) -> Option<usize> {
            let waker = Waker::from(Arc::clone(&self.woken));
            let mut cx = Context::from_waker(&waker);
            let mut space = [0; 2 * PORTION];
            let mut buf = ReadBuf::new(&mut space);
            let read = Pin::new(&mut self.connection).poll_read(&mut cx, &mut buf);
            read.is_ready().then(|| buf.filled().len())
        }

        /// Writes and flushes as actix-http does: whether all went out.
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
        let requests =
            "GET /12345 HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\nHost: x\n\n".repeat(50);
        let mut pair = Pair::sent(requests.as_bytes()).await;
        for _ in 0..50 {
            for length in [32, 24] {
                assert_eq!(pair.read(), Some(length));
                // actix-http reads until there is nothing, and then looks at it.
                assert_eq!(pair.read(), None);
            }
        }
        assert_eq!(pair.read(), None);
        assert_eq!(pair.woken.times(), 99, "only where more had come");
    }

    #[actix_web::test]
    async fn what_has_no_empty_line_is_given_as_it_comes() {
        let mut pair = Pair::sent(&[b'x'; 3 * PORTION]).await;
        for _ in 0..3 {
            assert_eq!(pair.read(), Some(PORTION));
        }
        assert_eq!((pair.read(), pair.woken.times()), (None, 0));
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
        pair.woken.times();
        assert_eq!(pair.read(), None, "the rest was not sent yet");
        assert!(pair.write(&[b'x'; 1024]));
        assert_eq!(pair.woken.times(), 1, "it may be read now");
        assert_eq!(pair.read(), Some(18));
    }

    #[actix_web::test]
    async fn nothing_is_read_while_a_request_is_answered_unless_its_body_is_wanted() {
        let mut pair = Pair::sent(b"POST / HTTP/1.1\r\n\r\n").await;
        let flow = pair.connection.flow();
        let turn = ActiveRequest::begin(&flow);
        // As often as other work of the task wakes it.
        for _ in 0..3 {
            assert_eq!(pair.read(), None);
            assert!(pair.write(b""));
        }
        assert_eq!(
            pair.woken.times(),
            0,
            "nothing to do until the handler is done"
        );
        flow.wants_body(true);
        assert_eq!(pair.woken.times(), 1);
        assert_eq!(pair.read(), Some(19));
        assert_eq!(pair.read(), None);
        flow.wants_body(false);
        pair.client
            .write_all(b"GET / HTTP/1.1\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(pair.read(), None);
        pair.woken.times();
        drop(turn);
        assert_eq!(pair.woken.times(), 1);
        assert_eq!(pair.read(), Some(18));
    }
}
