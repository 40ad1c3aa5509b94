//! Defines [`AppState`], the state that handlers and middleware share.

use std::fmt;
use std::sync::Arc;

use actix_web::web::Bytes;

use super::accounts::Accounts;
use super::clients::ServiceClients;
use super::log_interval::LogInterval;
use super::metrics::{LoginOutcome, Metrics};
use super::mount_path::Place;
use super::origins::Origins;
use super::page::Site;
use super::readiness::Readiness;
use super::response_headers::HeaderDefaults;
use crate::config::{ForwardAuth, Registration};
use tokenpair::session::Sessions;
use tokenpair::web::Auth;
use tokenpair_store::{Applied, DieselStore};

/// The state that handlers and middleware share.
pub(crate) struct AppState {
    pub(crate) auth: Auth,
    pub(crate) sessions: Sessions,
    pub(crate) accounts: Accounts,
    pub(crate) clients: ServiceClients,
    pub(crate) store: DieselStore,
    pub(crate) registration: Registration,
    pub(crate) forward_auth: ForwardAuth,
    pub(crate) openapi: Bytes,
    pub(crate) origins: Origins,
    pub(super) site: Arc<Site>,
    pub(crate) edge: HeaderDefaults,
    pub(crate) place: Place,
    pub(crate) readiness: Readiness,
    pub(super) skew_reports: LogInterval,
    /// `None` unless `METRICS_BIND` is set.
    pub(crate) metrics: Option<Arc<Metrics>>,
}

impl AppState {
    /// Counts a login with the right password: granted, or failed since.
    pub(super) fn count_login(&self, granted: bool) {
        let outcome = if granted {
            LoginOutcome::Granted
        } else {
            LoginOutcome::Failed
        };
        if let Some(metrics) = &self.metrics {
            metrics.logged_in(outcome);
        }
    }

    /// Applies the revocation of a change at once, on this replica.
    pub(super) fn record_revocation(&self, applied: &Applied) {
        if let Some(revocation) = &applied.revocation {
            self.sessions.record_revocation(revocation);
        }
    }
}

impl fmt::Debug for AppState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
