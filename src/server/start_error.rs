//! Defines [`StartError`]: why the server did not start, with the setting to change.

use std::fmt;
use std::io::ErrorKind;
use std::net::SocketAddr;

use thiserror::Error;

use super::database_error::DatabaseError;
use super::tls::TlsError;
use crate::causes::{in_a_line, with_causes};
use crate::config::Problems;
use crate::keys::DirectoryError;
use tokenpair::keys::KeyError;
use tokenpair::session::{SessionError, StoreError};

/// Why the server did not start. Each text names the setting and the fix. Its `Debug` prints it with
/// its causes, so that `main` can return it.
#[derive(Error)]
pub enum StartError {
    /// Settings do not fit the routes that another app mounts.
    #[error(transparent)]
    Settings(#[from] Problems),
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The exporter of traces refuses the environment.
    #[error(
        "cannot send traces ({0}); change the OTEL_EXPORTER_OTLP_ variables that it names, or remove them"
    )]
    Traces(String),
    /// The start was interrupted.
    #[error("the start was interrupted")]
    Stopped,
    /// The revocations could not be read.
    #[error("cannot read the revocations from the database (DATABASE_URL)")]
    Revocations(#[from] SessionError),
    /// The secret of the first start could not be read or created.
    #[error(
        "cannot read or create the signing secret in {path}; make the folder writable for this user, or set JWT_SECRET_KEY"
    )]
    Secret {
        /// Its path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The secret of the first start cannot sign.
    #[error(
        "cannot sign with the secret in {path}; restore the file, delete it to make a new secret, or set JWT_SECRET_KEY"
    )]
    KeptSecret {
        /// Its path.
        path: String,
        /// Why.
        source: KeyError,
    },
    /// The key that all servers on this database share cannot be opened.
    #[error(
        "cannot decrypt the table server_keys; delete its rows to start the rate-limit counts over"
    )]
    SharedKey,
    /// The database did not keep or return the key that all servers share.
    #[error("cannot read or write the table server_keys in the database (DATABASE_URL)")]
    Sealed(#[from] StoreError),
    /// The key that all servers share does not exist yet and cannot be stored.
    #[error(
        "cannot create the key that all servers share in the table server_keys (DATABASE_URL): {}; start the first server \
         while the database accepts writes",
        in_a_line(.0)
    )]
    Sealing(#[source] StoreError),
    /// The key cannot sign.
    #[error(
        "cannot use the signing key (JWT_SECRET_KEY, JWT_PRIVATE_KEY or JWT_PREVIOUS_SECRET_KEYS)"
    )]
    Key(#[from] KeyError),
    /// The description of the API has no JSON form.
    #[error("cannot write the description of the API")]
    Description(#[from] serde_json::Error),
    /// The folder of keys cannot be read, or a key in it cannot be used.
    #[error("cannot use the keys in JWT_KEYS_DIR")]
    KeyDirectory(#[from] DirectoryError),
    /// The operating system started no more threads.
    #[error(
        "cannot start the threads that the server needs; raise the limit of processes (ulimit -u)"
    )]
    Threads(#[source] std::io::Error),
    /// The certificate or its key cannot be used.
    #[error("cannot serve https")]
    Tls(#[from] TlsError),
    /// The address is in use, or not this machine's.
    #[error("cannot listen on {bind} ({setting}): {}", bind_text(.cause))]
    Bind {
        /// The setting.
        setting: &'static str,
        /// The address.
        bind: SocketAddr,
        /// Why.
        cause: std::io::Error,
    },
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&with_causes(self))
    }
}

fn bind_text(cause: &std::io::Error) -> String {
    let text = match cause.kind() {
        ErrorKind::AddrInUse => {
            "address already in use; stop the program that listens there, or choose another port"
        }
        ErrorKind::AddrNotAvailable => {
            "this machine does not have the address; choose one of its own, 127.0.0.1, or 0.0.0.0 for all"
        }
        ErrorKind::PermissionDenied => {
            "permission denied; choose a port from 1024, or grant CAP_NET_BIND_SERVICE"
        }
        _ => return format!("{cause}; choose another address"),
    };
    text.to_owned()
}
