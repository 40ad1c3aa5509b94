//! Defines [`Metrics`], the numbers that the server counts while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use super::counters::Counters;
use super::histogram::Histogram;
use super::outcomes::{LoginOutcome, RefreshOutcome, ReissueOutcome, Throttled, WebhookOutcome};
use super::requests::RequestMetrics;
use tokenpair::clock::Timestamp;
use tokenpair::session::{RotationDecision, SessionError, SessionObserver};
use tokenpair_store::{EventKind, PoolName, StoreObserver};

/// What the server has counted since it started.
#[derive(Debug)]
pub(in crate::server) struct Metrics {
    pub(super) requests: Arc<RequestMetrics>,
    pub(super) logins: Counters<LoginOutcome>,
    pub(super) refreshes: Counters<RefreshOutcome>,
    pub(super) reissues: Counters<ReissueOutcome>,
    pub(super) throttled: Counters<Throttled>,
    pub(super) webhook: Counters<WebhookOutcome>,
    pub(super) events: Counters<EventKind>,
    pub(super) hashing_wait: Histogram,
    pub(super) hashing_refused: AtomicU64,
    shared_wait: Histogram,
    readers_wait: Histogram,
    writer_wait: Histogram,
    /// The active sessions at the last count. Negative before the first.
    active_sessions: AtomicI64,
    pub(super) started: Timestamp,
}

impl Metrics {
    /// Returns the metrics of a server that starts now.
    pub(in crate::server) fn new(now: Timestamp) -> Arc<Self> {
        Arc::new(Self {
            requests: Arc::default(),
            logins: Counters::default(),
            refreshes: Counters::default(),
            reissues: Counters::default(),
            throttled: Counters::default(),
            webhook: Counters::default(),
            events: Counters::default(),
            hashing_wait: Histogram::default(),
            hashing_refused: AtomicU64::new(0),
            shared_wait: Histogram::default(),
            readers_wait: Histogram::default(),
            writer_wait: Histogram::default(),
            active_sessions: AtomicI64::new(-1),
            started: now,
        })
    }

    /// Returns the numbers of requests, in which each worker counts.
    pub(in crate::server) const fn requests(&self) -> &Arc<RequestMetrics> {
        &self.requests
    }

    /// Counts a login.
    pub(in crate::server) fn logged_in(&self, outcome: LoginOutcome) {
        self.logins.add(outcome, 1);
    }

    /// Counts an attempt that a rate limit refused.
    pub(in crate::server) fn throttled(&self, kind: Throttled) {
        self.throttled.add(kind, 1);
    }

    /// Counts an attempt to send an alert.
    pub(in crate::server) fn webhook(&self, outcome: WebhookOutcome) {
        self.webhook.add(outcome, 1);
    }

    pub(super) const fn connection_wait(&self, pool: PoolName) -> &Histogram {
        match pool {
            PoolName::Readers => &self.readers_wait,
            PoolName::Writer => &self.writer_wait,
            _ => &self.shared_wait,
        }
    }

    /// Returns the active sessions at the last count, if it succeeded.
    pub(super) fn active_sessions(&self) -> Option<u64> {
        u64::try_from(self.active_sessions.load(Ordering::Relaxed)).ok()
    }

    pub(super) fn set_active_sessions(&self, sessions: Option<u64>) {
        let sessions = sessions.and_then(|sessions| i64::try_from(sessions).ok());
        let sessions = sessions.unwrap_or(-1);
        self.active_sessions.store(sessions, Ordering::Relaxed);
    }
}

impl SessionObserver for Metrics {
    fn refreshed(&self, outcome: Result<RotationDecision, &SessionError>) {
        self.refreshes.add(outcome.into(), 1);
    }

    fn reissued(&self, outcome: Result<RotationDecision, &SessionError>) {
        self.reissues.add(outcome.into(), 1);
    }
}

impl StoreObserver for Metrics {
    fn recorded(&self, kind: EventKind, count: usize) {
        self.events.add(kind, count as u64);
    }

    fn waited_for_connection(&self, pool: PoolName, wait: Duration) {
        self.connection_wait(pool).observe(wait);
    }

    fn waited_for_hashing(&self, wait: Duration) {
        self.hashing_wait.observe(wait);
    }

    fn hashing_refused(&self) {
        self.hashing_refused.fetch_add(1, Ordering::Relaxed);
    }
}
