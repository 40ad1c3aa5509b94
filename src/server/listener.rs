//! Defines the listening socket, which can stop accepting new clients without cutting off existing
//! ones.
//!
//! Closing a listening socket resets connections that are established but not accepted yet, and
//! Actix drops those that it has accepted but not begun to read. Their clients may have sent a
//! request by then, and a proxy must not repeat a `POST`. So the kernel first ignores new
//! connections while the existing ones are served. An ignored client retransmits after a second
//! (RFC 6298 section 2.1) and finds the socket closed.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// Maximum number of connections that wait to be accepted, as in Actix by default.
const BACKLOG: i32 = 2048;

/// Send buffer of a connection in bytes, in the operating system and again in TLS.
const UNSENT: usize = 64 * 1024;

/// A second handle of the listening socket. The socket closes once both handles are dropped.
pub(super) struct Listener(Socket);

impl Listener {
    /// How long to serve while new connections are ignored, so that handshakes in flight end and
    /// their requests are read.
    pub(super) const CLOSING: Duration = Duration::from_millis(500);

    /// Listens on an address.
    ///
    /// # Errors
    ///
    /// If the address is in use or not local.
    pub(super) fn listen(bind: SocketAddr) -> io::Result<(TcpListener, Self)> {
        let socket = Socket::new(Domain::for_address(bind), Type::STREAM, Some(Protocol::TCP))?;
        // Connections of the previous server may still linger. On Windows, the option would let
        // another program take over the address.
        #[cfg(not(windows))]
        socket.set_reuse_address(true)?;
        // Connections inherit the size.
        socket.set_send_buffer_size(UNSENT)?;
        socket.bind(&bind.into())?;
        socket.listen(BACKLOG)?;
        Ok((socket.try_clone()?.into(), Self(socket)))
    }

    /// Makes the kernel ignore new connections from now on. Does nothing on systems other than
    /// Linux.
    pub(super) fn close(&self) {
        #[cfg(target_os = "linux")]
        if let Err(error) = self.0.attach_filter(&IGNORE_SYN) {
            log::debug!("cannot ignore new connections, so the last ones may be cut off: {error}");
        }
    }
}

/// Drops segments that open a connection: SYN without ACK (RFC 9293 section 3.1), two bits of byte
/// 13.
#[cfg(target_os = "linux")]
const IGNORE_SYN: [socket2::SockFilter; 5] = {
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    [
        socket2::SockFilter::new(LOAD_BYTE, 0, 0, 13),
        socket2::SockFilter::new(AND, 0, 0, SYN | ACK),
        socket2::SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        socket2::SockFilter::new(RETURN, 0, 0, 0),
        socket2::SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
};
