//! Records the certificate that a server presents, and what browsers would say about it.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use crate::authorities::machine_authorities;
use tokenpair::clock::Timestamp;

/// A certificate, as browsers see it.
#[derive(Clone, Debug)]
pub(super) struct Presented {
    /// The first and the last second of its validity. `None` if it is unreadable.
    pub(super) validity: Option<[Timestamp; 2]>,
    /// Whether it names the host.
    pub(super) names_host: bool,
    /// Whether this machine trusts its issuer. `None` if it has no list of authorities.
    pub(super) is_trusted: Option<bool>,
}

impl Presented {
    /// Returns whether a browser would open the page without a warning.
    pub(super) fn is_accepted(&self, now: Timestamp) -> bool {
        let valid = |[begin, end]: [Timestamp; 2]| begin <= now && now <= end;
        self.names_host && self.is_trusted == Some(true) && self.validity.is_some_and(valid)
    }
}

/// Accepts any certificate and records it, so that the examination can go on.
#[derive(Debug)]
pub(super) struct Recorder {
    authorities: Option<Arc<WebPkiServerVerifier>>,
    seen: Mutex<Option<Presented>>,
}

impl Recorder {
    pub(super) fn new() -> Self {
        Self {
            authorities: authorities(),
            seen: Mutex::default(),
        }
    }

    /// Returns the last certificate.
    pub(super) fn seen(&self) -> Option<Presented> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }
}

/// Returns a verifier with this machine's certificate authorities. `None` if it has none.
fn authorities() -> Option<Arc<WebPkiServerVerifier>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(machine_authorities());
    let provider = Arc::new(default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    verifier.build().ok()
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let names_host = ParsedCertificate::try_from(certificate)
            .and_then(|parsed| rustls::client::verify_server_name(&parsed, name))
            .is_ok();
        let validity = validity(certificate);
        // A certificate that has expired, or names another host, may have a known issuer.
        let then = validity.and_then(|[begin, _]| u64::try_from(begin.unix()).ok());
        let then = then.map(std::time::Duration::from_secs);
        let is_trusted = self.authorities.as_ref().map(|authorities| {
            let verified =
                |now| authorities.verify_server_cert(certificate, chain, name, ocsp, now);
            let fits = |verified: Result<ServerCertVerified, Error>| {
                verified.map_or_else(|error| is_about_the_name(&error), |_| true)
            };
            fits(verified(now))
                || then.is_some_and(|then| fits(verified(UnixTime::since_unix_epoch(then))))
        });
        let presented = Presented {
            validity,
            names_host,
            is_trusted,
        };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(presented);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = default_provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = default_provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = default_provider().signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// The chain is verified before the name.
fn is_about_the_name(error: &Error) -> bool {
    use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
    matches!(
        error,
        Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })
    )
}

fn validity(certificate: &CertificateDer<'_>) -> Option<[Timestamp; 2]> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let validity = certificate.tbs_certificate.validity;
    let timestamp = |time: x509_cert::time::Time| {
        let seconds = time.to_unix_duration().as_secs();
        Timestamp::from_unix(i64::try_from(seconds).unwrap_or(i64::MAX))
    };
    Some([validity.not_before, validity.not_after].map(timestamp))
}
