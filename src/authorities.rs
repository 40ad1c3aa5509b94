//! Finds this machine's list of certificate authorities.

use std::fs;
use std::path::PathBuf;

/// Files with the certificate authorities of common systems. `SSL_CERT_FILE` comes first.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Returns the content of the first file that can be read, in PEM.
pub(crate) fn system_authorities() -> Option<Vec<u8>> {
    let own = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let files = own.into_iter().chain(BUNDLES.map(PathBuf::from));
    files.map(fs::read).find_map(Result::ok)
}
