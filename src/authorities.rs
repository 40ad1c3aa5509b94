//! Defines which certificate authorities the program trusts as a client.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Returns the certificate authorities that this machine trusts: those in the files that
/// `SSL_CERT_FILE` and `SSL_CERT_DIR` name, or the system's. Empty if it has no list.
pub(crate) fn machine_authorities() -> Vec<CertificateDer<'static>> {
    let loaded = rustls_native_certs::load_native_certs();
    for error in loaded.errors {
        log::debug!("cannot read certificate authorities: {error}");
    }
    loaded.certs
}

/// Returns the configuration of a client that sends to an address of this scheme and trusts this
/// machine's authorities. Without TLS it reads no list, which takes a while.
pub(crate) fn trusting_machine(scheme: &str) -> TlsConfig {
    let authorities = match scheme {
        "https" => machine_authorities(),
        _ => Vec::new(),
    };
    let own = |authority: &CertificateDer<'_>| Certificate::from_der(authority).to_owned();
    trusting(authorities.iter().map(own).collect())
}

/// Returns the configuration of a client that trusts these authorities only.
pub(crate) fn trusting(authorities: Vec<Certificate<'static>>) -> TlsConfig {
    TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(authorities)))
        .unversioned_rustls_crypto_provider(Arc::new(default_provider()))
        .build()
}
