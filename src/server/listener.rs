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

use super::start_error::StartError;
use crate::config::Bind;

/// Maximum number of connections that wait to be accepted, as in Actix by default.
const BACKLOG: i32 = 2048;

/// Send buffer of a connection in bytes, in the operating system and again in TLS.
const UNSENT: usize = 64 * 1024;

/// Second handles of the listening sockets. A socket closes once both its handles are dropped.
pub(super) struct Listener(Vec<Socket>);

impl Listener {
    /// How long to serve while new connections are ignored, so that handshakes in flight end and
    /// their requests are read.
    pub(super) const CLOSING: Duration = Duration::from_millis(500);

    /// Listens on every address of a name, with the same port for all. Returns the sockets, and the
    /// first one's address. Addresses that this machine
    /// lacks are left out if there is another: `localhost` may have an IPv6 address on a machine
    /// without IPv6.
    ///
    /// # Errors
    ///
    /// [`StartError::Bind`] if an address is in use, or none is local.
    pub(super) fn listen(
        setting: &'static str,
        bind: &Bind,
    ) -> Result<(Vec<TcpListener>, Self, SocketAddr), StartError> {
        let mut sockets: Vec<Socket> = Vec::new();
        let mut lacking = None;
        for mut address in bind.addresses() {
            let error = move |cause| StartError::Bind {
                setting,
                bind: address,
                cause,
            };
            if let (0, Some(first)) = (address.port(), sockets.first()) {
                address.set_port(port_of(first).map_err(error)?);
            }
            match Self::socket(address) {
                Ok(socket) => sockets.push(socket),
                Err(cause) if is_lacking(&cause) => lacking = lacking.or(Some(error(cause))),
                Err(cause) => return Err(error(cause)),
            }
        }
        if let (true, Some(error)) = (sockets.is_empty(), lacking) {
            return Err(error);
        }
        let error = |cause| StartError::Bind {
            setting,
            bind: bind.first(),
            cause,
        };
        let listeners = sockets.iter().map(|socket| Ok(socket.try_clone()?.into()));
        let listeners: Vec<TcpListener> = listeners.collect::<io::Result<_>>().map_err(error)?;
        let first = listeners.first().map(TcpListener::local_addr);
        let address = first.unwrap_or(Ok(bind.first())).map_err(error)?;
        Ok((listeners, Self(sockets), address))
    }

    fn socket(bind: SocketAddr) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(bind), Type::STREAM, Some(Protocol::TCP))?;
        // Connections of the previous server may still linger. On Windows, the option would let
        // another program take over the address.
        #[cfg(not(windows))]
        socket.set_reuse_address(true)?;
        // Connections inherit the size.
        socket.set_send_buffer_size(UNSENT)?;
        socket.bind(&bind.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket)
    }

    /// Makes the kernel ignore new connections from now on. Does nothing on systems other than
    /// Linux.
    pub(super) fn close(&self) {
        #[cfg(target_os = "linux")]
        for socket in &self.0 {
            if let Err(error) = socket.attach_filter(&IGNORE_SYN) {
                log::debug!(
                    "cannot ignore new connections, so the last ones may be cut off: {error}"
                );
            }
        }
    }
}

fn port_of(socket: &Socket) -> io::Result<u16> {
    let address = socket.local_addr()?.as_socket();
    Ok(address.map_or(0, |address| address.port()))
}

/// Returns whether this machine lacks the address, or all of its family.
fn is_lacking(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
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

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn listens(addresses: &[&str]) -> Result<Vec<SocketAddr>, StartError> {
        let addresses = addresses.iter().map(|address| address.parse().unwrap());
        let bind = Bind::of_name("server.example", addresses).unwrap();
        let (listeners, _handle, _) = Listener::listen("SERVER_BIND", &bind)?;
        let local = |listener: &TcpListener| listener.local_addr().unwrap();
        let local: Vec<SocketAddr> = listeners.iter().map(local).collect();
        for address in &local {
            TcpStream::connect(address).unwrap();
        }
        Ok(local)
    }

    #[test]
    fn all_addresses_of_a_name_are_listened_on_with_one_port() {
        let local = listens(&["127.0.0.1:0", "127.0.0.2:0"]).unwrap();
        let port = local[0].port();
        let expected =
            ["127.0.0.1", "127.0.0.2"].map(|ip| SocketAddr::new(ip.parse().unwrap(), port));
        assert_eq!(local, expected);
    }

    #[test]
    fn an_address_that_the_machine_lacks_is_left_out_unless_it_is_the_only_one() {
        // RFC 5737 reserves the network for documentation.
        let local = listens(&["192.0.2.1:0", "127.0.0.1:0"]).unwrap();
        assert_eq!(local.len(), 1, "{local:?}");
        let error = listens(&["192.0.2.1:0"]).unwrap_err();
        assert!(error.to_string().contains("192.0.2.1:0"), "{error}");
    }
}
