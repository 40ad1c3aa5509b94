//! Defines a client's connection as actix-http reads and writes it.
//!
//! actix-http reads everything a client sends, even if the client does not read its responses, and
//! keeps each request in memory, at 5 KiB. So a connection forwards one request head at a time, and
//! only while no response is being made or waits to be sent. This bounds the memory that a client
//! can occupy. While a request is handled, the connection reads ahead a little to notice a reset.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
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
use crate::config::Patience;

/// Maximum number of bytes read at once.
const READ_SIZE: usize = 4 * 1024;

thread_local! {
    /// The buffer that bytes are read into first.
    static READ_BUFFER: RefCell<[u8; READ_SIZE]> = const { RefCell::new([0; READ_SIZE]) };
}

/// The transport of a connection, with or without TLS.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Transport for T {}

/// The configuration of connections.
#[derive(Clone, Copy)]
pub(super) struct ConnectionConfig {
    pub(super) patience: Patience,
    pub(super) keep_alive: Duration,
    pub(super) edge: HeaderDefaults,
}

/// A client's connection.
pub(super) struct Connection {
    transport: Box<dyn Transport>,
    state: Rc<ConnectionState>,
    config: ConnectionConfig,
    first_head: FirstHead,
    /// Bytes that were read and must not be forwarded to actix-http yet.
    buffered: Vec<u8>,
    /// Whether actix-http has a new head that it has not parsed.
    head_forwarded: bool,
    /// Whether bytes wait to be sent.
    unsent: bool,
    last_response: Option<LastResponse>,
    idle_timer: IdleTimer,
    /// Whether the client has ended its side while a request was handled.
    has_ended: bool,
    /// Whether the connection is closing: further bytes from the client are not read.
    closing: bool,
}

impl Connection {
    pub(super) fn new(
        transport: Box<dyn Transport>,
        slot: ConnectionSlot,
        config: ConnectionConfig,
    ) -> Self {
        let patience = config.patience;
        let idle_timer = if slot.is_past_limit() {
            IdleTimer::for_one_request(patience.past_limit)
        } else {
            IdleTimer::new(patience.head, config.keep_alive)
        };
        Self {
            transport,
            state: Rc::new(ConnectionState::new(slot)),
            config,
            first_head: FirstHead::default(),
            buffered: Vec::new(),
            head_forwarded: false,
            unsent: false,
            last_response: None,
            idle_timer,
            has_ended: false,
            closing: false,
        }
    }

    /// Returns the state that the connection shares with its requests, as their `conn_data`.
    pub(super) fn state(&self) -> Rc<ConnectionState> {
        Rc::clone(&self.state)
    }

    /// Forwards these bytes to actix-http, up to the end of a head, and buffers the rest.
    fn forward(&mut self, bytes: &[u8], buf: &mut ReadBuf<'_>) {
        let head = end_of_head(bytes);
        let length = head.unwrap_or(bytes.len()).min(buf.remaining());
        let (given, buffered) = bytes.split_at(length);
        buf.put_slice(given);
        self.head_forwarded = head == Some(length);
        self.buffered.extend_from_slice(buffered);
    }

    /// Reads once and forwards or buffers the bytes. Returns their number.
    fn poll_transport(
        &mut self,
        cx: &mut Context<'_>,
        buf: Option<&mut ReadBuf<'_>>,
    ) -> Poll<io::Result<usize>> {
        READ_BUFFER.with_borrow_mut(|space| {
            let mut read = ReadBuf::new(space);
            ready!(Pin::new(&mut self.transport).poll_read(cx, &mut read))?;
            let bytes = read.filled();
            match (self.first_head.pass(bytes), buf) {
                (Some(passed), Some(buf)) => self.forward(&passed, buf),
                (Some(passed), None) => self.buffered.extend_from_slice(&passed),
                (None, _) => {}
            }
            Poll::Ready(Ok(bytes.len()))
        })
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.head_forwarded) {
            let has_ended = self.buffered.is_empty() && ready!(self.poll_transport(cx, None))? == 0;
            if has_ended {
                return Poll::Ready(Ok(()));
            }
            // There are bytes after the head. actix-http polls again once it has parsed the head.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let mut has_ended = false;
        while buf.filled().len() == before && !has_ended {
            match std::mem::take(&mut self.buffered) {
                buffered if buffered.is_empty() => {
                    has_ended = ready!(self.poll_transport(cx, Some(buf)))? == 0;
                }
                buffered => self.forward(&buffered, buf),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads ahead while a request is handled, so that a reset drops its handler. A client that only
    /// ends its own side still waits for the response.
    fn check_reset(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.has_ended && self.buffered.len() < READ_SIZE {
            match self.poll_transport(cx, None) {
                Poll::Ready(Ok(length)) => self.has_ended = length == 0,
                // TLS without its closing alert.
                Poll::Ready(Err(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                    self.has_ended = true;
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    /// Times out a client that has sent no request for too long. Called when there is nothing to
    /// read.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // actix-http times out the first request, and handlers time out bodies.
        let may_time_out = self.state.has_answered() || self.state.slot().is_past_limit();
        if !may_time_out || self.state.is_answering() {
            return Poll::Pending;
        }
        let end = ready!(self.idle_timer.poll(cx));
        self.closing = true;
        if end == End::HeadTooSlow {
            let response = bare_errors::head_too_slow(self.config.edge);
            self.last_response = Some(LastResponse::new(response));
        }
        Poll::Ready(())
    }

    /// Sends the last response, if there is one. Afterwards nothing is read.
    fn poll_last_response(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.last_response {
            Some(last_response) => last_response.poll(cx, &mut self.transport),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.last_response.is_none() {
            match bare_errors::split(bytes) {
                ([], Some(bare)) => {
                    let response = bare.in_full(self.config.edge);
                    self.last_response = Some(LastResponse::new(response));
                }
                (bytes, _) => return Pin::new(&mut self.transport).poll_write(cx, bytes),
            }
        }
        if let Some(last_response) = &mut self.last_response {
            ready!(last_response.poll(cx, &mut self.transport))?;
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
        if this.state.take_just_answered() {
            this.idle_timer.responded();
        }
        if this.closing {
            return this.poll_last_response(cx);
        }
        let is_over = this.buffered.is_empty() && this.first_head.is_over();
        let must_wait = this.unsent || is_over;
        if this.state.is_busy() && !must_wait {
            this.check_reset(cx)?;
        }
        if must_wait || this.state.is_busy() {
            this.state.pause_reading(cx.waker());
            return Poll::Pending;
        }
        if this.poll_bytes(cx, buf)?.is_ready() {
            this.idle_timer.request_begins();
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_idle(cx));
        this.poll_last_response(cx)
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

    /// Ends a write: actix-http flushes whenever the socket has accepted all bytes.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.transport).poll_flush(cx);
        let had_unsent = std::mem::replace(&mut this.unsent, flushed.is_pending());
        if had_unsent && !this.unsent {
            this.state.resume_reading();
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
