//! Says why a request of this program got no answer, and what to do. `doctor`, which looks closer,
//! uses the same words.

use std::io::ErrorKind;

use rustls::AlertDescription;
use url::Url;

/// The response took too long.
pub(crate) const TIMED_OUT: &str = "no complete response within the time limit";

/// The response is not HTTP/1.
pub(crate) const NOT_HTTP: &str = "the response is not HTTP/1.1";

/// The answer to a TLS handshake is not TLS.
pub(crate) const NO_TLS: &str = "the answer to the TLS handshake is not TLS";

/// The TLS handshake failed.
pub(crate) const BAD_TLS: &str = "the TLS handshake failed";

/// The connection broke, or ended early.
pub(crate) const BROKEN: &str = "the connection broke";

/// Nothing listens at an address.
pub(crate) fn refused(address: impl std::fmt::Display) -> String {
    format!("nothing listens on {address} (connection refused)")
}

/// The program that was asked.
pub(crate) struct Asked<'a> {
    /// Its address, of which only the host and the port are shown.
    pub(crate) url: &'a Url,
    /// What it is: "the receiver".
    pub(crate) program: &'a str,
    /// Where its address is named: "WEBHOOK_URL".
    pub(crate) named_in: &'a str,
}

impl Asked<'_> {
    /// Returns why there is no answer and what to do, in one line.
    pub(crate) fn no_answer(&self, error: &ureq::Error) -> String {
        let (cause, cure) = self.explained(error);
        format!("{cause}; {cure}")
    }

    fn explained(&self, error: &ureq::Error) -> (String, String) {
        let Self {
            program, named_in, ..
        } = self;
        match error {
            ureq::Error::Timeout(_) => self.timed_out(),
            ureq::Error::HostNotFound => self.no_address(),
            ureq::Error::Protocol(error) => {
                let error = error.to_string();
                let error = error.trim_start_matches("http parse fail: ");
                (format!("{NOT_HTTP}: {error}"), self.other_program())
            }
            ureq::Error::Io(error) => self.of_io(error),
            ureq::Error::Rustls(error) => self.of_tls(error),
            error => (
                error.to_string(),
                format!("check {program} and the address in {named_in}"),
            ),
        }
    }

    fn of_io(&self, error: &std::io::Error) -> (String, String) {
        let Self {
            program, named_in, ..
        } = self;
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        if let Some(cause) = cause {
            return self.of_tls(cause);
        }
        // The standard library has no kind for it.
        if error.to_string().starts_with("failed to lookup address") {
            return self.no_address();
        }
        match error.kind() {
            ErrorKind::ConnectionRefused => (
                refused(self.authority()),
                format!("start {program}, or correct the port in {named_in}"),
            ),
            ErrorKind::TimedOut | ErrorKind::WouldBlock => self.timed_out(),
            ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe => (format!("{BROKEN}: {error}"), self.other_program()),
            _ => (
                format!("cannot connect to {}: {error}", self.authority()),
                format!("correct the address in {named_in}, or the network between here and there"),
            ),
        }
    }

    fn of_tls(&self, error: &rustls::Error) -> (String, String) {
        let Self {
            program, named_in, ..
        } = self;
        match error {
            rustls::Error::InvalidMessage(_) => (
                NO_TLS.to_owned(),
                format!("write http:// in {named_in}, or the port that speaks TLS"),
            ),
            rustls::Error::InvalidCertificate(_)
            | rustls::Error::AlertReceived(AlertDescription::UnknownCA) => (
                format!("{BAD_TLS}: {error}"),
                format!(
                    "let {program} serve a certificate for this name that this machine trusts, or add its authority (SSL_CERT_FILE)"
                ),
            ),
            error => (
                format!("{BAD_TLS}: {error}"),
                format!("let {program} speak TLS 1.2 or 1.3 for this name"),
            ),
        }
    }

    fn no_address(&self) -> (String, String) {
        (
            format!("the name {} has no address", self.host()),
            format!(
                "correct the name in {}, or add it to the DNS (or to this machine's /etc/hosts)",
                self.named_in
            ),
        )
    }

    fn timed_out(&self) -> (String, String) {
        let Self {
            program, named_in, ..
        } = self;
        (
            TIMED_OUT.to_owned(),
            format!(
                "look whether {program} hangs, whether a firewall drops the packets, and whether {named_in} is right"
            ),
        )
    }

    fn other_program(&self) -> String {
        let named_in = self.named_in;
        match self.url.scheme() {
            "http" => format!(
                "correct the port in {named_in}, since another program has this one, or write https:// if the port speaks that"
            ),
            _ => format!("correct the port in {named_in}: another program has this one"),
        }
    }

    fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    fn authority(&self) -> String {
        let port = self.url.port_or_known_default().unwrap_or_default();
        format!("{}:{port}", self.host())
    }
}
