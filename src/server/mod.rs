//! The server: the floors below put together, as `main` and the tests alike build it.

mod accounts;
mod around;
mod background;
mod bare;
mod body;
mod browser;
mod clocks;
mod connection;
mod cors;
mod crowd;
mod database;
mod device;
mod device_cookie;
mod envelope;
mod flow;
mod gate;
mod keys;
mod last_words;
mod lines;
mod listen;
mod login_limiter;
mod network;
mod openapi;
mod opening;
mod page;
mod panics;
mod quiet;
mod readiness;
mod routes;
mod secret;
mod sender;
mod shared_key;
mod slices;
mod stop;
mod stream;
mod telemetry;
mod tls;
mod unread;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::Bytes;
use futures_util::Stream;
use thiserror::Error;

pub use self::accounts::{AccountError, Accounts, applied};
use self::browser::Origins;
use self::clocks::Skew;
pub use self::database::{DatabaseError, open_current_store, open_migrated_store};
use self::envelope::Edge;
use self::gate::Gate;
use self::keys::Followed;
use self::login_limiter::LoginLimiter;
use self::readiness::Readiness;
use self::shared_key::SharedKey;
pub use self::stop::Signal;
use self::stop::Signals;
pub use self::telemetry::start_logging;
use self::tls::Certificates;
pub use self::tls::{TlsError, check_tls};
use crate::key_folder::FolderError;
use crate::settings::{Registration, Settings};
use tokenpair::clock::Clock;
use tokenpair::keys::{KeyError, KeyRing};
use tokenpair::session::{SessionError, Sessions, StoreError};
use tokenpair::token::Tokens;
use tokenpair::web::Auth;
use tokenpair_store::{Applied, DieselStore, PurgePolicy};

/// For how long others may keep the published keys (`Cache-Control` of `/.well-known/jwks.json`), and so how long a coming
/// key should have been published before it signs.
pub const KEYS_MAX_AGE: Duration = Duration::from_secs(300);

/// Why the server did not start. Each text names the setting and the cure.
#[derive(Debug, Error)]
pub enum StartError {
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The start was interrupted.
    #[error("the start was interrupted")]
    Stopped,
    /// The revocations could not be read.
    #[error("cannot read the revocations from the database (DATABASE_URL)")]
    Revocations(#[from] SessionError),
    /// The secret of the first start could not be read or made.
    #[error(
        "cannot read or create the signing secret in {path}; make the folder writable for this user, or set JWT_SECRET_KEY"
    )]
    Secret {
        /// Where it is kept.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The secret of the first start cannot sign.
    #[error(
        "cannot sign with the secret in {path}; restore the file, delete it to make a new secret, or set JWT_SECRET_KEY"
    )]
    KeptSecret {
        /// Where it is kept.
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
    KeyFolder(#[from] FolderError),
    /// The operating system started no more threads.
    #[error(
        "cannot start the threads that hash passwords; raise the limit of processes (ulimit -u)"
    )]
    Threads(#[source] std::io::Error),
    /// The certificate or its key cannot be used.
    #[error("cannot serve https")]
    Tls(#[from] TlsError),
    /// The address is in use, or not this machine's.
    #[error("cannot listen on {bind} (SERVER_BIND): {}", bind_text(.cause))]
    Bind {
        /// The address.
        bind: SocketAddr,
        /// Why.
        cause: std::io::Error,
    },
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

/// What handlers share.
pub(crate) struct State {
    pub(crate) auth: Auth,
    pub(crate) sessions: Sessions,
    pub(crate) accounts: Accounts,
    pub(crate) store: DieselStore,
    pub(crate) registration: Registration,
    pub(crate) openapi: Bytes,
    pub(crate) origins: Origins,
    pub(crate) edge: Edge,
    pub(crate) readiness: Readiness,
    skew: Skew,
}

impl State {
    /// Ends at once, on this replica, what a change of a user ended.
    fn note(&self, applied: &Applied) {
        if let Some(revocation) = &applied.revocation {
            self.sessions.note(revocation);
        }
    }
}

/// A server that listens and has not begun to serve.
pub struct Server {
    http: actix_web::dev::Server,
    gate: Gate,
    address: SocketAddr,
    clock: Clock,
    drain: Duration,
    purge: PurgePolicy,
    followed: Option<Followed>,
    shared_key: SharedKey,
    certificates: Option<Arc<Certificates>>,
    state: Arc<State>,
}

impl Server {
    /// Opens the database, runs the migrations unless `DATABASE_MIGRATE` is off, makes or reads the keys, and listens.
    ///
    /// # Errors
    ///
    /// [`StartError`], with its causes.
    pub async fn build(settings: &Settings, clock: Clock) -> Result<Self, StartError> {
        // Before the database, which may take its time.
        let files = settings.tls.as_ref();
        let certificates = files.map(|files| Certificates::load(files, clock.now()));
        let certificates = certificates.transpose()?;
        let store = database::ready_store(settings).await?;
        let keys = keys::begin(settings, clock.now())?;
        let tokens = Tokens::new(keys.ring, settings.tokens.clone());
        let sessions = Sessions::new(store.clone(), tokens, settings.sessions.clone());
        sessions.sync_revocations(clock.now()).await?;
        let accounts = Accounts::new(settings, store.clone()).map_err(StartError::Threads)?;
        let seals = keys::seals(settings)?;
        let shared_key = SharedKey::of(&store, &seals, clock.now()).await?;
        let limiter = LoginLimiter::new(settings.throttle, &shared_key, store.clone());
        let auth = Auth::new(sessions.clone(), settings.web.clone(), clock.clone());
        let public_origin = settings
            .public_url
            .as_ref()
            .map(|url| url.origin().ascii_serialization());
        let openapi = openapi::describe(&auth, public_origin.as_deref());
        let state = Arc::new(State {
            auth,
            openapi: openapi?.into(),
            sessions: sessions.clone(),
            accounts: accounts.limited_by(limiter),
            store,
            registration: settings.registration,
            origins: Origins::of(settings),
            edge: Edge::of(settings),
            readiness: Readiness::default(),
            skew: Skew::default(),
        });
        let (http, gate, address) = listen::listen(settings, &state, certificates.as_ref())?;
        Ok(Self {
            http,
            gate,
            address,
            clock,
            drain: settings.drain,
            purge: settings.purge,
            followed: keys.followed,
            shared_key,
            certificates,
            state,
        })
    }

    /// Where it listens; with port 0 in the settings, the port it was given.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it from elsewhere.
    pub fn handle(&self) -> ServerHandle {
        self.http.handle()
    }

    /// Serves until the first [`Signal::Stop`]. Then, for `SERVER_DRAIN`, it is not ready but still accepts connections;
    /// then it finishes the requests that run (10 s at most), and returns. Another signal skips to the next stage.
    ///
    /// # Errors
    ///
    /// If the operating system takes the listener away.
    pub async fn run(self, signals: impl Stream<Item = Signal> + 'static) -> std::io::Result<()> {
        let mut signals = Signals::new(signals);
        let keys = background::follow_keys(
            self.followed,
            self.state.sessions.tokens().clone(),
            (
                self.shared_key,
                self.state.store.clone(),
                self.clock.clone(),
            ),
            signals.looks(),
        );
        let background = [
            actix_web::rt::spawn(keys),
            actix_web::rt::spawn(tls::follow(
                self.certificates,
                self.clock.clone(),
                signals.looks(),
            )),
            actix_web::rt::spawn(clocks::follow(self.clock.clone())),
            actix_web::rt::spawn(background::follow_revocations(
                self.state.sessions.clone(),
                self.clock.clone(),
            )),
            actix_web::rt::spawn(background::purge_now_and_then(
                self.state.store.clone(),
                self.purge,
                self.clock,
            )),
        ];
        let served = stop::serve(
            (self.http, self.gate),
            &mut signals,
            &self.state,
            self.drain,
        )
        .await;
        background
            .iter()
            .for_each(actix_web::rt::task::JoinHandle::abort);
        stop::leave_in_one_file(&self.state.store, &mut signals).await;
        served
    }
}

/// The keys of the settings, as the server would start with them; none if it has to make them first, on its first start.
///
/// # Errors
///
/// [`StartError`] if they cannot be read or used.
pub fn present_keys(settings: &Settings) -> Result<Option<KeyRing>, StartError> {
    Ok(keys::present(settings)?.map(|keys| keys.ring))
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
