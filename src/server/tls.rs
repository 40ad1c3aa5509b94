//! TLS: the certificate and its key, from their files, and again when those change.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};
use thiserror::Error;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::reload::ReloadSchedule;
use crate::settings::TlsFiles;
use tokenpair::clock::{Clock, Timestamp};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Why https cannot be spoken.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file is not there, or not ours to read.
    #[error("{setting} names {path}, which cannot be read: {source}")]
    Unreadable {
        /// The setting.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No certificate in it.
    #[error(
        "SERVER_TLS_CERT names {0}, which holds no certificate in PEM (-----BEGIN CERTIFICATE-----)"
    )]
    NoCertificate(PathBuf),
    /// No key in it.
    #[error(
        "SERVER_TLS_KEY names {0}, which holds no private key in PEM that needs no password (-----BEGIN PRIVATE KEY-----)"
    )]
    NoKey(PathBuf),
    /// The two do not belong together.
    #[error(
        "the private key in {key} (SERVER_TLS_KEY) is not that of the first certificate in {certificate} (SERVER_TLS_CERT)"
    )]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// Both files, each by itself.
    #[error("{0}\n{1}")]
    Both(Box<Self>, Box<Self>),
    /// Neither is what TLS can work with.
    #[error("SERVER_TLS_CERT and SERVER_TLS_KEY cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

impl TlsError {
    fn of_pair(error: rustls::Error, files: &TlsFiles) -> Self {
        match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => Self::Mismatch {
                certificate: files.certificate.clone(),
                key: files.key.clone(),
            },
            error => Self::Unusable(error),
        }
    }
}

/// What browsers are shown: the latest good pair of the files.
#[derive(Debug)]
pub(super) struct Certificates {
    files: TlsFiles,
    shown: RwLock<Arc<CertifiedKey>>,
    /// The hash of what stood in the files at the last look; none if they could not be read.
    seen: Mutex<Option<Vec<u8>>>,
}

impl Certificates {
    pub(super) fn load(files: &TlsFiles, now: Timestamp) -> Result<Arc<Self>, TlsError> {
        let texts = Texts::read(files);
        let seen = texts.hash();
        Ok(Arc::new(Self {
            files: files.clone(),
            shown: RwLock::new(Arc::new(texts.understood(files, now)?)),
            seen: Mutex::new(seen),
        }))
    }

    /// TLS 1.2 and 1.3, for HTTP/1.1: actix-http's HTTP/2 is not built in, since h2 0.3 has RUSTSEC-2026-0258.
    pub(super) fn config(self: &Arc<Self>) -> Result<ServerConfig, TlsError> {
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_safe_default_protocol_versions()?;
        let mut config = config
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Self>::clone(self));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Shows from now on what stands in the files, if it is good. None if it has not changed and the operator has not
    /// `asked`.
    fn look_again(&self, now: Timestamp, asked: bool) -> Option<Result<(), TlsError>> {
        let texts = Texts::read(&self.files);
        let hash = texts.hash();
        let before = &mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *before == hash && !asked {
            return None;
        }
        *before = hash;
        let loaded = texts.understood(&self.files, now);
        Some(loaded.map(|loaded| {
            *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
        }))
    }
}

/// Shows a renewed certificate without a restart. Of files that are no good it is said once, and each time that the operator
/// asks.
pub(super) async fn follow(
    certificates: Option<Arc<Certificates>>,
    clock: Clock,
    mut looks: ReloadSchedule,
) {
    let Some(certificates) = certificates else {
        return;
    };
    loop {
        let asked = looks.next(LOOK_EVERY).await;
        let (certificates, now) = (Arc::clone(&certificates), clock.now());
        // Files can be on a disk that does not answer, and this thread has other work.
        let looked = tokio::task::spawn_blocking(move || certificates.look_again(now, asked)).await;
        match looked {
            Ok(Some(Ok(()))) => log::info!("the certificate was read again"),
            Ok(Some(Err(error))) => {
                log::error!("TLS goes on with the certificate from before: {error}");
            }
            _ => {}
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&shown))
    }
}

/// Whether https could be spoken with these files.
///
/// # Errors
///
/// [`TlsError`]: what is wrong with them.
pub fn check_tls(files: &TlsFiles, now: Timestamp) -> Result<(), TlsError> {
    Texts::read(files).understood(files, now).map(drop)
}

/// The text of each file, or why it cannot be read.
struct Texts {
    certificate: Result<Vec<u8>, TlsError>,
    key: Result<Vec<u8>, TlsError>,
}

impl Texts {
    fn read(files: &TlsFiles) -> Self {
        Self {
            certificate: read("SERVER_TLS_CERT", &files.certificate),
            key: read("SERVER_TLS_KEY", &files.key),
        }
    }

    /// None if a file cannot be read.
    fn hash(&self) -> Option<Vec<u8>> {
        let (Ok(certificate), Ok(key)) = (&self.certificate, &self.key) else {
            return None;
        };
        let hashes = [certificate, key].map(|text| digest(&SHA256, text));
        Some(hashes.map(|hash| hash.as_ref().to_vec()).concat())
    }

    fn understood(self, files: &TlsFiles, now: Timestamp) -> Result<CertifiedKey, TlsError> {
        let chain = self.certificate.and_then(|text| {
            let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
            let chain = chain.ok().filter(|chain| !chain.is_empty());
            chain.ok_or_else(|| TlsError::NoCertificate(files.certificate.clone()))
        });
        let key = self.key.and_then(|text| {
            let key = PrivateKeyDer::from_pem_slice(&text);
            key.map_err(|_| TlsError::NoKey(files.key.clone()))
        });
        let (chain, key) = match (chain, key) {
            (Ok(chain), Ok(key)) => (chain, key),
            (Err(one), Err(other)) => return Err(TlsError::Both(Box::new(one), Box::new(other))),
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => return Err(error),
        };
        let pair = CertifiedKey::from_der(chain, key, &default_provider());
        let pair = pair.map_err(|error| TlsError::of_pair(error, files))?;
        warn_if_out_of_date(&pair, &files.certificate, now);
        Ok(pair)
    }
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Unreadable {
        setting,
        path: path.to_owned(),
        source,
    })
}

/// Browsers refuse it, and a server that did not start would help nobody.
fn warn_if_out_of_date(loaded: &CertifiedKey, path: &Path, now: Timestamp) {
    let first = loaded.cert.first();
    let Some(Ok(certificate)) = first.map(|first| Certificate::from_der(first)) else {
        return;
    };
    let validity = certificate.tbs_certificate.validity;
    let instant = |time: x509_cert::time::Time| {
        let seconds = time.to_unix_duration().as_secs();
        Timestamp::from_unix(i64::try_from(seconds).unwrap_or(i64::MAX))
    };
    let (begin, end) = (instant(validity.not_before), instant(validity.not_after));
    let path = path.display();
    if now > end {
        log::warn!("the certificate in {path} ended on {end}: browsers refuse it");
    } else if now < begin {
        log::warn!(
            "the certificate in {path} is good from {begin} on: until then browsers refuse it"
        );
    }
}
