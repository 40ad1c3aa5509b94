//! Defines the settings of sessions, revocations and the audit trail.

use std::time::Duration;

use super::setting::{Known, Setting, duration_within, is_off, seconds};
use tokenpair::config::Reader;
use tokenpair::session::{ReusePolicy, SessionPolicy};
use tokenpair::token::TokenPolicy;
use tokenpair_store::PurgePolicy;

pub(super) const KNOWN: &[Known] = &[
    MAX_AGE.known(),
    ROTATION_WINDOW.known(),
    REUSE_POLICY.known(),
    LIMIT.known(),
    STALE_LIMIT.known(),
    AUDIT_KEEP.known(),
];

const MAX_AGE: Setting<Duration> = Setting::new(
    "SESSION_MAX_AGE",
    "90d",
    "Absolute timeout of a session, however much it is used.",
    |reader, name| reader.lifetime(name, SessionPolicy::default().max_age),
);

const ROTATION_WINDOW: Setting<Duration> = Setting::new(
    "SESSION_ROTATION_WINDOW",
    "60s",
    "How long a repeated refresh token gets the same successor; 10s to 1h.",
    |reader, name| {
        let default = SessionPolicy::default().rotation_window;
        let range = "from 10s to 1h: more than twice what a slow request takes";
        duration_within(reader, name, default, 10..=3600, range)
    },
);

const REUSE_POLICY: Setting<ReusePolicy> = Setting::new(
    "SESSION_REUSE_POLICY",
    "recover",
    "Handling of a refresh token that was already replaced. recover: tolerate tabs, retries and lost responses. strict: treat every reuse as theft.",
    |reader, name| {
        let choices = [
            ("recover", ReusePolicy::Recover),
            ("strict", ReusePolicy::Strict),
        ];
        reader.choice(name, ReusePolicy::Recover, &choices)
    },
);

/// The default is more than a person's devices, and few enough for one page of `GET /sessions`.
const LIMIT: Setting<Option<usize>> = Setting::new(
    "SESSION_LIMIT",
    "100",
    "Maximum number of active sessions per user; past it the oldest ends. off: no limit.",
    |reader, name| {
        let wanted = "write a whole number from 1, or off";
        reader.parsed(name, Some(100), wanted, |text| {
            let number = || text.parse().ok().filter(|limit| *limit > 0).map(Some);
            if is_off(text) { Some(None) } else { number() }
        })
    },
);

/// The minimum is 10 s, because one slow database response must not deny requests.
const STALE_LIMIT: Setting<Option<Duration>> = Setting::new(
    "REVOCATION_STALE_LIMIT",
    "off",
    "Answers 503 once revocations have not synced for this long; 10s to 1d.",
    |reader, name| {
        let is_set = reader.text(name).is_some_and(|text| !is_off(&text));
        is_set.then(|| {
            duration_within(
                reader,
                name,
                seconds(60),
                10..=86_400,
                "from 10s to 1d, or off",
            )
        })
    },
);

const AUDIT_KEEP: Setting<Duration> = Setting::new(
    "AUDIT_KEEP",
    "90d",
    "Retention time of audit events.",
    |reader, name| reader.lifetime(name, PurgePolicy::default().events),
);

pub(super) fn sessions(reader: &mut Reader<'_>, tokens: &TokenPolicy) -> SessionPolicy {
    SessionPolicy {
        rotation_window: ROTATION_WINDOW.read(reader),
        reuse: REUSE_POLICY.read(reader),
        limit: LIMIT.read(reader),
        idle: tokens
            .refresh_expires
            .unwrap_or(SessionPolicy::default().idle),
        max_age: MAX_AGE.read(reader),
        stale_limit: STALE_LIMIT.read(reader),
    }
}

pub(super) fn purge(reader: &mut Reader<'_>) -> PurgePolicy {
    PurgePolicy {
        events: AUDIT_KEEP.read(reader),
        ..PurgePolicy::default()
    }
}
