//! Builds [`AppState`] from the settings, a database and the keys, for the program and for other
//! apps alike.

use std::sync::Arc;

use super::accounts::Accounts;
use super::background::KeyReload;
use super::clients::ServiceClients;
use super::clock_watch;
use super::log_interval::LogInterval;
use super::login_limiter::LoginLimiter;
use super::metrics::Metrics;
use super::mount_path::Place;
use super::openapi::Described;
use super::origins::Origins;
use super::page::Site;
use super::readiness::Readiness;
use super::response_headers::HeaderDefaults;
use super::shared_key::SharedKey;
use super::start_error::StartError;
use super::startup_keys;
use super::state::AppState;
use crate::config::Settings;
use tokenpair::clock::Clock;
use tokenpair::session::Sessions;
use tokenpair::token::Tokens;
use tokenpair::web::Auth;
use tokenpair_store::DieselStore;

/// What differs between the program and another app with its routes.
pub(super) struct Serving {
    pub(super) described: Described,
    pub(super) headers: HeaderDefaults,
    pub(super) place: Place,
    pub(super) metrics: Option<Arc<Metrics>>,
}

/// The state, and the reload of its keys, which the caller runs.
pub(super) struct Assembly {
    pub(super) state: Arc<AppState>,
    pub(super) keys: KeyReload,
}

/// Creates or reads the keys and builds the state. The database must have the current schema.
pub(super) async fn assemble(
    settings: &Settings,
    store: DieselStore,
    clock: &Clock,
    serving: Serving,
) -> Result<Assembly, StartError> {
    let keys = startup_keys::begin(settings, clock.now())?;
    let tokens = Tokens::new(keys.ring, settings.tokens.clone());
    let mut sessions = Sessions::new(store.clone(), tokens.clone(), settings.sessions.clone());
    if let Some(metrics) = serving.metrics.clone() {
        store.observe(metrics.clone());
        sessions = sessions.observed_by(metrics);
    }
    sessions.sync_revocations(clock.now()).await?;
    let accounts = Accounts::new(settings, store.clone()).map_err(StartError::Threads)?;
    let seals = startup_keys::seals(settings)?;
    let shared_key = SharedKey::of(&store, &seals, clock.now()).await?;
    let limiter = LoginLimiter::new(settings.throttle, &shared_key, store.clone());
    let auth = Auth::new(sessions.clone(), settings.web.clone(), clock.clone());
    let state = Arc::new(AppState {
        openapi: serving.described.complete(&auth)?.into(),
        auth,
        sessions,
        accounts: accounts
            .limited_by(limiter.clone())
            .counted_by(serving.metrics.clone()),
        clients: ServiceClients::new(store.clone(), limiter, serving.metrics.clone()),
        store: store.clone(),
        registration: settings.registration,
        forward_auth: settings.forward_auth.clone(),
        origins: Origins::of(settings),
        site: Arc::new(Site::of(settings)),
        edge: serving.headers,
        place: serving.place,
        readiness: Readiness::default(),
        skew_reports: LogInterval::new(clock_watch::REPORT_EVERY),
        metrics: serving.metrics,
    });
    let keys = KeyReload {
        followed: keys.followed,
        tokens,
        shared_key,
        store,
        clock: clock.clone(),
    };
    Ok(Assembly { state, keys })
}
