//! Writes the metrics in Prometheus' text format, or as OpenMetrics. A scrape reads memory and
//! `/proc`, and never the database.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::families::{Out, histogram};
use super::histogram::Totals;
use super::process;
use super::recorded::Metrics;
use crate::server::state::AppState;
use crate::server::tls::Certificates;
use tokenpair::clock::Clock;
use tokenpair_store::DatabaseUrl;

/// The media type of OpenMetrics.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The format of a response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Format {
    Prometheus,
    OpenMetrics,
}

impl Format {
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => OPEN_METRICS,
        }
    }
}

/// All metrics of the server, to be written.
pub(in crate::server) struct Exposition(Registry);

impl Exposition {
    pub(in crate::server) fn new(
        metrics: Arc<Metrics>,
        state: Arc<AppState>,
        certificates: Option<Arc<Certificates>>,
        clock: Clock,
    ) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Source {
            metrics,
            state,
            certificates,
            clock,
        }));
        Self(registry)
    }

    pub(super) fn write(&self, format: Format) -> Result<String, fmt::Error> {
        let mut body = String::with_capacity(64 * 1024);
        match format {
            Format::Prometheus => prometheus_text::encode(&mut body, &self.0)?,
            Format::OpenMetrics => text::encode(&mut body, &self.0)?,
        }
        Ok(body)
    }
}

/// Where the numbers are.
#[derive(Debug)]
struct Source {
    metrics: Arc<Metrics>,
    state: Arc<AppState>,
    certificates: Option<Arc<Certificates>>,
    clock: Clock,
}

impl Collector for Source {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out(encoder);
        self.requests(&mut out)?;
        self.sessions(&mut out)?;
        self.passwords(&mut out)?;
        self.connections(&mut out)?;
        self.build(&mut out)?;
        self.process(&mut out)
    }
}

impl Source {
    fn requests(&self, out: &mut Out<'_>) -> fmt::Result {
        let requests = &self.metrics.requests;
        let mut durations = out.family(
            "http_server_request_duration_seconds",
            "Time until a response was made, by method, matched route and status",
            MetricType::Histogram,
        )?;
        for (series, totals) in requests.durations() {
            let status = series.status.to_string();
            let labels = [
                ("http_request_method", series.method),
                ("http_route", &*series.route),
                ("http_response_status_code", status.as_str()),
            ];
            histogram(&mut durations, &labels, &totals)?;
        }
        out.gauges(
            ("http_server_active_requests", "Requests in progress"),
            "http_request_method",
            requests.active(),
        )?;
        out.counters(
            (
                "tokenpair_rejections",
                "Rejected requests, by the error code of the response",
            ),
            "code",
            requests.rejections(),
        )
    }

    fn sessions(&self, out: &mut Out<'_>) -> fmt::Result {
        let metrics = &self.metrics;
        out.counters(
            ("tokenpair_logins", "Logins with a password"),
            "outcome",
            metrics.logins.totals(),
        )?;
        out.counters(
            (
                "tokenpair_refresh",
                "Refreshes, by the case of the rotation rule",
            ),
            "outcome",
            metrics.refreshes.totals(),
        )?;
        out.counters(
            (
                "tokenpair_reissues",
                "Reissues of access tokens that came with a refresh cookie",
            ),
            "outcome",
            metrics.reissues.totals(),
        )?;
        out.counters(
            ("tokenpair_throttled", "Attempts that a rate limit refused"),
            "kind",
            metrics.throttled.totals(),
        )?;
        out.counters(
            (
                "tokenpair_audit_events",
                "Audit events that this server recorded",
            ),
            "kind",
            metrics.events.totals(),
        )?;
        out.counters(
            (
                "tokenpair_webhook_deliveries",
                "Attempts to send an alert to the webhook",
            ),
            "outcome",
            metrics.webhook.totals(),
        )?;
        let sessions = &self.state.sessions;
        if let Some(synced_at) = sessions.revocations_synced_at() {
            out.gauge(
                (
                    "tokenpair_revocation_age_seconds",
                    "Time since revocations were last read from the database",
                ),
                self.clock.now().since(synced_at).as_secs(),
            )?;
        }
        out.gauge(
            ("tokenpair_revocations", "Revocations in memory"),
            sessions.revocations().len() as u64,
        )?;
        match metrics.active_sessions() {
            Some(active) => out.gauge(
                (
                    "tokenpair_sessions_active",
                    "Active sessions in the database, as last counted",
                ),
                active,
            ),
            None => Ok(()),
        }
    }

    fn passwords(&self, out: &mut Out<'_>) -> fmt::Result {
        let pool = self.state.accounts.hashing();
        out.gauge(
            (
                "tokenpair_password_queue_length",
                "Passwords that wait to be hashed",
            ),
            pool.waiting as u64,
        )?;
        out.gauge(
            (
                "tokenpair_password_queue_capacity",
                "Passwords that may wait at most (PASSWORD_QUEUE)",
            ),
            pool.capacity as u64,
        )?;
        out.gauge(
            (
                "tokenpair_password_hashing",
                "Passwords that are being hashed",
            ),
            pool.running as u64,
        )?;
        let mut wait = out.family(
            "tokenpair_password_queue_wait_seconds",
            "Time that passwords waited before they were hashed",
            MetricType::Histogram,
        )?;
        histogram(&mut wait, &[], &Totals::from(&self.metrics.hashing_wait))?;
        let refused = &self.metrics.hashing_refused;
        out.counter(
            (
                "tokenpair_password_refused",
                "Passwords that were not hashed, because the queue was full or the wait too long",
            ),
            refused.load(Ordering::Relaxed),
        )
    }

    fn connections(&self, out: &mut Out<'_>) -> fmt::Result {
        let pools: Vec<_> = self.state.store.connections().collect();
        let of_each = |number: fn(&tokenpair_store::PoolUse) -> usize| {
            let pools = pools.iter();
            pools.map(move |pool| (pool.pool.word(), number(pool) as u64))
        };
        out.gauges(
            (
                "tokenpair_database_connections",
                "Database connections at most (DATABASE_POOL)",
            ),
            "pool",
            of_each(|pool| pool.size),
        )?;
        out.gauges(
            (
                "tokenpair_database_connections_in_use",
                "Database connections at work",
            ),
            "pool",
            of_each(|pool| pool.in_use),
        )?;
        out.gauges(
            (
                "tokenpair_database_waiting",
                "Pieces of work that wait for a connection",
            ),
            "pool",
            of_each(|pool| pool.waiting),
        )?;
        let mut wait = out.family(
            "tokenpair_database_wait_seconds",
            "Time that work waited for a database connection",
            MetricType::Histogram,
        )?;
        for pool in pools {
            let totals = Totals::from(self.metrics.connection_wait(pool.pool));
            histogram(&mut wait, &[("pool", pool.pool.word())], &totals)?;
        }
        Ok(())
    }

    fn build(&self, out: &mut Out<'_>) -> fmt::Result {
        let database = match self.state.store.url() {
            DatabaseUrl::Sqlite(_) => "sqlite",
            DatabaseUrl::Postgres(_) => "postgresql",
        };
        let labels = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("database", database),
        ];
        let help = "The version of the server, and its kind of database";
        out.family("tokenpair_build", help, MetricType::Info)?
            .encode_info(&labels)?;
        let end = self
            .certificates
            .as_ref()
            .and_then(|shown| shown.life())
            .map(|life| life.expires);
        match end {
            Some(end) => out.gauge(
                (
                    "tokenpair_certificate_expiry_timestamp_seconds",
                    "Expiry of the certificate in use (SERVER_TLS_CERT)",
                ),
                end.unix(),
            ),
            None => Ok(()),
        }
    }

    fn process(&self, out: &mut Out<'_>) -> fmt::Result {
        out.counter(
            ("process_cpu_seconds", "User and system time of the process"),
            process::cpu_seconds(),
        )?;
        if let Some(memory) = process::memory() {
            let (resident, total) = (memory.resident, memory.total);
            out.gauge(
                ("process_resident_memory_bytes", "Resident memory"),
                resident,
            )?;
            out.gauge(("process_virtual_memory_bytes", "Virtual memory"), total)?;
        }
        if let Some(files) = process::open_files() {
            out.gauge(("process_open_fds", "Open file descriptors"), files)?;
        }
        if let Some(files) = process::max_files() {
            out.gauge(("process_max_fds", "Open file descriptors at most"), files)?;
        }
        out.gauge(
            (
                "process_start_time_seconds",
                "Start of the server, in Unix time",
            ),
            self.metrics.started.unix(),
        )
    }
}

impl fmt::Debug for Exposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exposition(..)")
    }
}
