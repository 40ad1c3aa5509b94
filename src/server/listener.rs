//! Defines the gate: the listening socket, which can turn new clients away without cutting off the ones it has.
//!
//! Closing a listening socket resets connections that are established but not accepted yet, and Actix drops those that it
//! has accepted but not begun to read. Their clients may have sent a request by then, and a proxy must not repeat a `POST`.
//! So the gate closes first: the kernel ignores new connections from then on, and the existing ones are served. An ignored
//! client retransmits after a second (RFC 6298 section 2.1) and finds the socket closed.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// The most connections that wait to be accepted; Actix's default.
const BACKLOG: i32 = 2048;

/// How many bytes of answers the operating system may hold for a client, and TLS on top of them.
const UNSENT: usize = 64 * 1024;

/// A second handle of the listening socket. The socket closes once both handles are dropped.
pub(super) struct Listener(Socket);

impl Listener {
    /// How long to serve with the gate closed. Handshakes in flight end meanwhile, and their requests are read.
    pub(super) const LAST_CALL: Duration = Duration::from_millis(500);

    /// Listens on an address.
    ///
    /// # Errors
    ///
    /// If the address is in use or not local.
    pub(super) fn listen(bind: SocketAddr) -> io::Result<(TcpListener, Self)> {
        let socket = Socket::new(Domain::for_address(bind), Type::STREAM, Some(Protocol::TCP))?;
        // Connections of the previous server may still linger. On Windows it would let another program take the address over.
        #[cfg(not(windows))]
        socket.set_reuse_address(true)?;
        // The connections inherit it.
        socket.set_send_buffer_size(UNSENT)?;
        socket.bind(&bind.into())?;
        socket.listen(BACKLOG)?;
        Ok((socket.try_clone()?.into(), Self(socket)))
    }

    /// Makes the kernel ignore new connections from now on. Does nothing on systems other than Linux.
    pub(super) fn close(&self) {
        #[cfg(target_os = "linux")]
        if let Err(error) = self.0.attach_filter(&IGNORE_SYN) {
            log::debug!("the last connections may be cut off: {error}");
        }
    }
}

/// Drops segments that open a connection: SYN without ACK (RFC 9293 section 3.1), two bits of byte 13.
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
