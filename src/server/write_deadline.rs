//! Defines the write deadline, which closes the connection of a client that does not read its
//! response.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// Time for all bytes that wait to be sent, as a multiple of the write timeout, even if the client
/// keeps reading a little.
const SLOWEST: u32 = 6;

/// A socket whose writes fail with [`io::ErrorKind::TimedOut`] once the client has read nothing for
/// the write timeout. It is below TLS, which would hide how much the client reads.
pub(super) struct WriteDeadline<T> {
    socket: T,
    patience: Duration,
    stalled: Option<Stalled>,
}

/// The deadlines of a full socket.
struct Stalled {
    last: Instant,
    timer: Pin<Box<Sleep>>,
}

impl<T> WriteDeadline<T> {
    pub(super) const fn new(socket: T, patience: Duration) -> Self {
        Self {
            socket,
            patience,
            stalled: None,
        }
    }

    /// Returns the error once the socket has been full for too long. Called when it is full.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| {
            let now = Instant::now();
            Stalled {
                last: now + patience * SLOWEST,
                timer: Box::pin(sleep_until(now + patience)),
            }
        });
        ready!(stalled.timer.as_mut().poll(cx));
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    /// Records that the client read some bytes.
    fn progressed(&mut self) {
        if let Some(stalled) = &mut self.stalled {
            let next = (Instant::now() + self.patience).min(stalled.last);
            stalled.timer.as_mut().reset(next);
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for WriteDeadline<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match Pin::new(&mut this.socket).poll_write(cx, bytes) {
            Poll::Pending => this.poll_patience(cx).map(Err),
            Poll::Ready(Ok(sent)) if sent < bytes.len() => {
                this.progressed();
                Poll::Ready(Ok(sent))
            }
            done => {
                this.stalled = None;
                done
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for WriteDeadline<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_read(cx, buf)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::time::{Duration, Instant};

    use actix_web::rt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::{SLOWEST, WriteDeadline};

    const PATIENCE: Duration = Duration::from_millis(500);

    #[actix_web::test]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (server, _client) = duplex(8);
        let mut server = WriteDeadline::new(server, PATIENCE);
        let began = Instant::now();
        let error = server.write_all(&[0; 100]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(began.elapsed() >= PATIENCE);
    }

    #[actix_web::test]
    async fn a_client_that_takes_a_little_now_and_then_is_waited_for_but_not_for_ever() {
        for (length, is_done) in [(100, true), (10_000, false)] {
            let (server, mut client) = duplex(8);
            let mut server = WriteDeadline::new(server, PATIENCE);
            let reads = rt::spawn(async move {
                loop {
                    rt::time::sleep(PATIENCE / 10).await;
                    let _some = client.read(&mut [0; 8]).await;
                }
            });
            let began = Instant::now();
            let written = server.write_all(&vec![0; length]).await;
            assert_eq!(written.is_ok(), is_done);
            assert!(
                began.elapsed()
                    >= if is_done {
                        PATIENCE
                    } else {
                        PATIENCE * SLOWEST
                    }
            );
            reads.abort();
        }
    }
}
