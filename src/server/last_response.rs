//! Sends the last response on a connection. actix-http would close the connection at once, and a
//! client that still sends might see a reset instead of the response.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Maximum wait for the client to close its side.
const LINGER: Duration = Duration::from_secs(1);

/// A response and the end of its connection.
pub(super) struct LastResponse {
    response: Vec<u8>,
    sent: usize,
    linger: Option<Pin<Box<Sleep>>>,
}

impl LastResponse {
    pub(super) const fn new(response: Vec<u8>) -> Self {
        Self {
            response,
            sent: 0,
            linger: None,
        }
    }

    /// Sends the response, closes the server's side, and waits up to [`LINGER`] for the client to
    /// close its side.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        while let Some(rest @ [_, ..]) = self.response.get(self.sent..) {
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
