//! Sends the last answer on a connection, where actix-http would close at once: a client that still sends might then see a
//! reset and not the answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long to wait for the client to end its side.
const LINGER: Duration = Duration::from_secs(1);

/// An answer and the end of its connection.
pub(super) struct LastResponse {
    answer: Vec<u8>,
    sent: usize,
    linger: Option<Pin<Box<Sleep>>>,
}

impl LastResponse {
    pub(super) const fn new(answer: Vec<u8>) -> Self {
        Self {
            answer,
            sent: 0,
            linger: None,
        }
    }

    /// Sends it, ends the server's side, and waits a little for the client to end its own.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        while let Some(rest @ [_, ..]) = self.answer.get(self.sent..) {
            match ready!(Pin::new(&mut *transport).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.sent += sent,
            }
        }
        if self.linger.is_none() {
            ready!(Pin::new(&mut *transport).poll_flush(cx))?;
            ready!(Pin::new(&mut *transport).poll_shutdown(cx))?;
        }
        let linger = self.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        if linger.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        loop {
            let mut space = [0; 1024];
            let mut unread = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut *transport).poll_read(cx, &mut unread))?;
            if unread.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
