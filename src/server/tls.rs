//! Implements TLS: loads the certificate and its key, and reloads them when their files change.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
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
use crate::config::TlsFiles;
use tokenpair::clock::{Clock, Timestamp};
use tokenpair_store::CertificateLife;

/// The interval at which the files are checked.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Why TLS cannot be served.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file is missing or unreadable.
    #[error("{setting} names {path}, which cannot be read: {source}")]
    Unreadable {
        /// The setting.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file has no certificate.
    #[error(
        "SERVER_TLS_CERT names {0}, which holds no certificate in PEM (-----BEGIN CERTIFICATE-----)"
    )]
    NoCertificate(PathBuf),
    /// The file has no key.
    #[error(
        "SERVER_TLS_KEY names {0}, which holds no private key in PEM that needs no password (-----BEGIN PRIVATE KEY-----)"
    )]
    NoKey(PathBuf),
    /// The key does not match the certificate.
    #[error(
        "the private key in {key} (SERVER_TLS_KEY) does not match the first certificate in {certificate} (SERVER_TLS_CERT)"
    )]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// Both files are invalid.
    #[error("{0}\n{1}")]
    Both(Box<Self>, Box<Self>),
    /// TLS does not support them.
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

/// The latest valid certificate and key.
#[derive(Debug)]
pub(super) struct Certificates {
    files: TlsFiles,
    shown: RwLock<Arc<CertifiedKey>>,
    /// The hash of the files at the last check. `None` if they could not be read.
    seen: Mutex<Option<Vec<u8>>>,
}

impl Certificates {
    pub(super) fn load(files: &TlsFiles, now: Timestamp) -> Result<Arc<Self>, TlsError> {
        let texts = Texts::read(files);
        let seen = texts.hash();
        Ok(Arc::new(Self {
            files: files.clone(),
            shown: RwLock::new(Arc::new(texts.parse(files, now)?)),
            seen: Mutex::new(seen),
        }))
    }

    /// Returns the configuration: TLS 1.2 and 1.3, for HTTP/1.1. HTTP/2 is not built in, since
    /// actix-http's h2 0.3 has RUSTSEC-2026-0258.
    pub(super) fn config(self: &Arc<Self>) -> Result<ServerConfig, TlsError> {
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_safe_default_protocol_versions()?;
        let mut config = config
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Self>::clone(self));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Returns the validity of the certificate in use. `None` if it is unreadable.
    pub(super) fn life(&self) -> Option<CertificateLife> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        let (begins, expires) = validity(&shown)?;
        let hash = digest(&SHA256, shown.cert.first()?);
        let fingerprint = BASE64_URL_SAFE_NO_PAD.encode(hash.as_ref());
        Some(CertificateLife {
            fingerprint,
            begins,
            expires,
        })
    }

    /// Reloads the files and uses them if they are valid. Returns `None` if they have not changed
    /// and the operator has not `requested` a reload.
    fn reload(&self, now: Timestamp, requested: bool) -> Option<Result<(), TlsError>> {
        let texts = Texts::read(&self.files);
        let hash = texts.hash();
        let before = &mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *before == hash && !requested {
            return None;
        }
        *before = hash;
        let loaded = texts.parse(&self.files, now);
        Some(loaded.map(|loaded| {
            *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
        }))
    }
}

/// Reloads a renewed certificate without a restart. Logs invalid files once, and each time the
/// operator requests a reload.
pub(super) async fn follow(
    certificates: Option<Arc<Certificates>>,
    clock: Clock,
    mut schedule: ReloadSchedule,
) {
    let Some(certificates) = certificates else {
        return;
    };
    loop {
        let requested = schedule.next(LOOK_EVERY).await;
        let (certificates, now) = (Arc::clone(&certificates), clock.now());
        // The disk may not respond, and this thread has other work.
        let looked = tokio::task::spawn_blocking(move || certificates.reload(now, requested)).await;
        match looked {
            Ok(Some(Ok(()))) => log::info!("reloaded the certificate"),
            Ok(Some(Err(error))) => {
                log::error!(
                    "cannot reload the certificate, so the previous one stays in use: {error}"
                );
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

/// Checks whether TLS can be served with these files.
///
/// # Errors
///
/// [`TlsError`] if they cannot be read or used.
pub fn check_tls(files: &TlsFiles, now: Timestamp) -> Result<(), TlsError> {
    Texts::read(files).parse(files, now).map(drop)
}

/// The content of each file, or its error.
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

    /// Returns the hash of both files. `None` if a file cannot be read.
    fn hash(&self) -> Option<Vec<u8>> {
        let (Ok(certificate), Ok(key)) = (&self.certificate, &self.key) else {
            return None;
        };
        let hashes = [certificate, key].map(|text| digest(&SHA256, text));
        Some(hashes.map(|hash| hash.as_ref().to_vec()).concat())
    }

    fn parse(self, files: &TlsFiles, now: Timestamp) -> Result<CertifiedKey, TlsError> {
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

/// Returns the first and the last second in which the certificate is valid. `None` if it is
/// unreadable.
fn validity(loaded: &CertifiedKey) -> Option<(Timestamp, Timestamp)> {
    let certificate = Certificate::from_der(loaded.cert.first()?).ok()?;
    let validity = certificate.tbs_certificate.validity;
    let timestamp = |time: x509_cert::time::Time| {
        let seconds = time.to_unix_duration().as_secs();
        Timestamp::from_unix(i64::try_from(seconds).unwrap_or(i64::MAX))
    };
    Some((
        timestamp(validity.not_before),
        timestamp(validity.not_after),
    ))
}

/// Warns about an expired certificate, or one not yet valid. Refusing to start would not help.
fn warn_if_out_of_date(loaded: &CertifiedKey, path: &Path, now: Timestamp) {
    let Some((begin, end)) = validity(loaded) else {
        return;
    };
    let path = path.display();
    if now > end {
        log::warn!("the certificate in {path} expired on {end}: browsers reject it");
    } else if now < begin {
        log::warn!(
            "the certificate in {path} is valid from {begin} on: until then browsers reject it"
        );
    }
}
