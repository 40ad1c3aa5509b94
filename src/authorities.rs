//! Finds the certificate authorities that this machine trusts.

use rustls::pki_types::CertificateDer;

/// Returns the certificate authorities that this machine trusts: those in the files that
/// `SSL_CERT_FILE` and `SSL_CERT_DIR` name, or the system's. None if it has no list.
pub(crate) fn machine_authorities() -> Vec<CertificateDer<'static>> {
    let loaded = rustls_native_certs::load_native_certs();
    for error in loaded.errors {
        log::debug!("cannot read certificate authorities: {error}");
    }
    loaded.certs
}
