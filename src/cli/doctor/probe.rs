//! Implements the connections of `tokenpair doctor`: one for each request, each within a time
//! limit.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::certificate::{Presented, Recorder};
use super::exchange::{Failure, Request, Response, exchange};
use super::target::Target;

/// Time limit of one exchange.
const EXCHANGE: Duration = Duration::from_secs(10);

/// Time limit of an exchange that is known to be slow.
const SLOW_EXCHANGE: Duration = Duration::from_secs(30);

/// Time limit of the whole examination.
const EXAMINATION: Duration = Duration::from_secs(90);

/// Maximum number of addresses to try.
const ADDRESSES: usize = 4;

/// Sends requests to a server, as a browser or a program would.
pub(super) struct Probe {
    pub(super) target: Target,
    addresses: Vec<SocketAddr>,
    until: Instant,
    certificates: Arc<Recorder>,
}

impl Probe {
    /// Resolves the server's name.
    pub(super) fn new(target: Target) -> Result<Self, Failure> {
        let mut addresses = target.resolve(EXCHANGE)?;
        addresses.truncate(ADDRESSES);
        Ok(Self {
            target,
            addresses,
            until: Instant::now() + EXAMINATION,
            certificates: Arc::new(Recorder::new()),
        })
    }

    /// Sends a request on a new connection.
    pub(super) fn send(&self, request: &Request) -> Result<Response, Failure> {
        let path = self.target.path(request.route);
        let bytes = request.bytes(&path, &self.target.authority());
        let limit = if request.is_slow {
            SLOW_EXCHANGE
        } else {
            EXCHANGE
        };
        let mut plain = self.connect(limit)?;
        let local = plain.stream.local_addr().ok().map(|local| local.ip());
        let mut response = if self.target.is_https() {
            let session = self.handshake(&mut plain, &[b"http/1.1"])?;
            exchange(&mut StreamOwned::new(session, plain), &bytes)
        } else {
            exchange(&mut plain, &bytes)
        }?;
        response.local = local;
        Ok(response)
    }

    /// Returns the protocol that the server chooses if the client speaks HTTP/2 too.
    pub(super) fn alpn(&self) -> Result<Option<Vec<u8>>, Failure> {
        let session = self.handshake(&mut self.connect(EXCHANGE)?, &[b"h2", b"http/1.1"])?;
        Ok(session.alpn_protocol().map(<[u8]>::to_vec))
    }

    /// Returns the server's certificate, once it was connected to by https.
    pub(super) fn certificate(&self) -> Option<Presented> {
        self.certificates.seen()
    }

    fn connect(&self, limit: Duration) -> Result<Timed, Failure> {
        let until = self.until.min(Instant::now() + limit);
        let mut last = Failure::Timeout;
        for address in &self.addresses {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            match TcpStream::connect_timeout(address, left) {
                Ok(stream) => return Ok(Timed { stream, until }),
                Err(error) => {
                    last = match error.kind() {
                        io::ErrorKind::ConnectionRefused => Failure::Refused(*address),
                        io::ErrorKind::TimedOut => Failure::NoConnection(*address),
                        _ => Failure::Connect(*address, error),
                    }
                }
            }
        }
        Err(last)
    }

    fn handshake(
        &self,
        stream: &mut Timed,
        protocols: &[&[u8]],
    ) -> Result<ClientConnection, Failure> {
        let tls = |error: rustls::Error| Failure::Tls(error.to_string());
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_safe_default_protocol_versions().map_err(tls)?;
        let recorder = Arc::<Recorder>::clone(&self.certificates);
        let mut config = config
            .dangerous()
            .with_custom_certificate_verifier(recorder)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let host = self.target.host().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host);
        let name = name.map_err(|error| Failure::Tls(error.to_string()))?;
        let mut session = ClientConnection::new(Arc::new(config), name).map_err(tls)?;
        while session.is_handshaking() {
            session.complete_io(stream).map_err(of_handshake)?;
        }
        Ok(session)
    }
}

fn of_handshake(error: io::Error) -> Failure {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    match cause {
        Some(rustls::Error::InvalidMessage(_)) => return Failure::NoTls,
        Some(rustls::Error::AlertReceived(alert)) => {
            return Failure::Tls(format!("the server sent the alert {alert:?}"));
        }
        _ => {}
    }
    match Failure::from(error) {
        Failure::Broken(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Failure::Tls("the server closed the connection".to_owned())
        }
        Failure::Broken(error) => Failure::Tls(error.to_string()),
        failure => failure,
    }
}

/// A connection whose reads and writes fail once the time is up, however little each one waits.
struct Timed {
    stream: TcpStream,
    until: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(left)
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
