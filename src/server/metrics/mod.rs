//! Implements the metrics: counts what the server does, and answers `GET /metrics` for Prometheus on
//! an address of its own (`METRICS_BIND`).
//!
//! Every number is of this process, and no label has a user, an address or an id.

mod active_sessions;
mod counters;
mod exposition;
mod families;
mod histogram;
mod outcomes;
mod process;
mod recorded;
mod requests;
mod scrape;

pub(super) use self::active_sessions::follow as follow_active_sessions;
pub(super) use self::exposition::Exposition;
pub(super) use self::outcomes::{LoginOutcome, Throttled, WebhookOutcome};
pub(super) use self::recorded::Metrics;
pub(super) use self::requests::{Recorder, Recording, RouteSeries};
pub(super) use self::scrape::MetricsServer;
