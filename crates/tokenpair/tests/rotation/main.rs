//! Tests the rotation rule: its bounds to the second, and a search of every schedule that it may
//! meet. docs/rotation.md describes the searches, their bounds, and their limits.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

mod broken;
mod cost;
mod honest;
mod logout;
mod page;
mod quiet;
mod replica;
mod rule;
mod tabs;
mod thief;

use std::time::Duration;

use tokenpair::clock::Timestamp;
use tokenpair::session::{Rotation, Row, SessionPolicy};

/// The time that every state is normalized to.
const NOW: i64 = 1_000;
const GENERATION: i64 = 100;

fn policy(window: u64) -> SessionPolicy {
    SessionPolicy {
        rotation_window: Duration::from_secs(window),
        ..SessionPolicy::default()
    }
}

fn time(tick: i64) -> Timestamp {
    Timestamp::from_unix(tick)
}

/// The row of a live session.
fn living(rotation: Rotation) -> Row {
    Row {
        rotation,
        revoked: false,
        user_disabled: false,
        last_used_at: time(NOW),
        expires_at: time(NOW + 1_000_000),
    }
}

fn first_row() -> Rotation {
    Rotation {
        generation: GENERATION,
        ..Rotation::first(time(NOW))
    }
}
