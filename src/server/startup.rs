//! Implements [`Server`], which combines the settings, the database, the keys and the app.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use futures_util::Stream;

use super::assembly::{Assembly, Serving, assemble};
use super::background::{self, KeyReload};
use super::listener::Listener;
use super::metrics::{self, Exposition, Metrics, MetricsServer};
use super::mount_path::Place;
use super::openapi::Described;
use super::response_headers::HeaderDefaults;
use super::start_error::StartError;
use super::state::AppState;
use super::stop::{Signal, Signals};
use super::tls::Certificates;
use super::{
    certificate_watch, clock_watch, database, http_server, page, routes, startup_keys, stop,
    supervisor, tls, webhook,
};
use crate::config::{Settings, Webhook};
use tokenpair::clock::Clock;
use tokenpair::keys::KeyRing;
use tokenpair_store::PurgePolicy;

/// A server that listens but does not serve yet.
pub struct Server {
    http: actix_web::dev::Server,
    listener: Listener,
    address: SocketAddr,
    clock: Clock,
    drain: Duration,
    purge: PurgePolicy,
    /// The idle timeout of sessions.
    idle: Duration,
    keys: KeyReload,
    certificates: Option<Arc<Certificates>>,
    webhook: Option<Webhook>,
    metrics: Option<MetricsServer>,
    state: Arc<AppState>,
}

impl Server {
    /// Opens the database, runs the migrations unless `DATABASE_MIGRATE` is off, creates or reads
    /// the keys, and listens.
    ///
    /// # Errors
    ///
    /// [`StartError`], with its causes.
    pub async fn build(settings: &Settings, clock: Clock) -> Result<Self, StartError> {
        // Before the database, for which the server may wait.
        let files = settings.tls.as_ref();
        let certificates = files.map(|files| Certificates::load(files, clock.now()));
        let certificates = certificates.transpose()?;
        let store = database::ready_store(settings).await?;
        let public_origin = settings
            .public_url
            .as_ref()
            .filter(|_| settings.public_url_set)
            .map(|url| url.origin().ascii_serialization());
        let described = Described {
            routes: Box::new(routes::description),
            server: public_origin,
            by_program: true,
            forward_auth: Some(settings.forward_auth.clone()),
        };
        let serving = Serving {
            described,
            headers: HeaderDefaults::of(settings),
            place: Place::default(),
            metrics: settings.metrics.as_ref().map(|_| Metrics::new(clock.now())),
        };
        let Assembly { state, keys } = assemble(settings, store, &clock, serving).await?;
        let (http, listener, address) =
            http_server::listen(settings, &state, certificates.as_ref())?;
        let metrics = settings.metrics.as_ref().zip(state.metrics.clone());
        let metrics = metrics.map(|(bind, metrics)| {
            let (state, certificates) = (Arc::clone(&state), certificates.clone());
            let exposition = Exposition::new(metrics, state, certificates, clock.clone());
            MetricsServer::listen(bind, exposition)
        });
        Ok(Self {
            metrics: metrics.transpose()?,
            http,
            listener,
            address,
            clock,
            drain: settings.drain,
            purge: settings.purge,
            idle: settings.sessions.idle,
            keys,
            certificates,
            webhook: settings.webhook.clone(),
            state,
        })
    }

    /// Returns the listening address, with the port that the system chose for port 0.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address of the metrics, if they are served.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(MetricsServer::address)
    }

    /// Returns whether the database has a user. True if it does not answer.
    pub async fn has_users(&self) -> bool {
        self.state.store.has_users().await.unwrap_or(true)
    }

    /// Returns a handle that stops the server.
    pub fn handle(&self) -> ServerHandle {
        self.http.handle()
    }

    /// Serves until the first [`Signal::Stop`]. For `SERVER_DRAIN` the server is then not ready but
    /// still accepts connections. Then it finishes the running requests, within 10 s, and returns.
    /// Another signal skips to the next stage.
    ///
    /// # Errors
    ///
    /// If the listener fails.
    pub async fn run(self, signals: impl Stream<Item = Signal> + 'static) -> std::io::Result<()> {
        let mut signals = Signals::new(signals);
        let metrics = self.metrics.map(MetricsServer::start);
        let counting = self.state.metrics.clone().map(|metrics| {
            let (store, clock) = (self.state.store.clone(), self.clock.clone());
            actix_web::rt::spawn(metrics::follow_active_sessions(
                metrics, store, self.idle, clock,
            ))
        });
        let background = [
            actix_web::rt::spawn(self.keys.run(signals.reload_schedule())),
            actix_web::rt::spawn(certificate_watch::follow(
                self.certificates.clone(),
                self.state.store.clone(),
                self.clock.clone(),
            )),
            actix_web::rt::spawn(webhook::deliver(
                self.webhook,
                self.state.store.clone(),
                self.clock.clone(),
                self.state.metrics.clone(),
            )),
            actix_web::rt::spawn(tls::follow(
                self.certificates,
                self.clock.clone(),
                signals.reload_schedule(),
            )),
            actix_web::rt::spawn(page::follow(
                Arc::clone(&self.state.site),
                signals.reload_schedule(),
            )),
            actix_web::rt::spawn(clock_watch::follow(self.clock.clone())),
            actix_web::rt::spawn(
                self.state
                    .sessions
                    .follow_revocations(background::SYNC_EVERY, self.clock.clone()),
            ),
            actix_web::rt::spawn(background::purge_periodically(
                self.state.store.clone(),
                self.purge,
                self.clock,
            )),
        ];
        // Until the end, because a stop takes longer than most watchdogs wait.
        let watchdog = actix_web::rt::spawn(supervisor::feed_watchdog());
        supervisor::ready(&format!("listening on {}", self.address));
        let served = stop::serve(
            self.http,
            self.listener,
            &mut signals,
            &self.state,
            self.drain,
        )
        .await;
        background
            .iter()
            .chain(&counting)
            .for_each(actix_web::rt::task::JoinHandle::abort);
        stop::leave_in_one_file(&self.state.store, &mut signals).await;
        if let Some(metrics) = metrics {
            metrics.stop(false).await;
        }
        watchdog.abort();
        served
    }
}

/// Returns the keys that the server would start with. `None` if its first start would create them.
///
/// # Errors
///
/// [`StartError`] if they cannot be read or used.
pub fn present_keys(settings: &Settings) -> Result<Option<KeyRing>, StartError> {
    Ok(startup_keys::present(settings)?.map(|keys| keys.ring))
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
