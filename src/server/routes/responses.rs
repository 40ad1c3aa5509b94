//! Defines the response bodies that several routes share.

use serde::Serialize;
use utoipa::ToSchema;

use crate::server::error_code::Code;

/// Confirms what was done.
#[derive(Serialize, ToSchema)]
pub(super) struct Message {
    msg: &'static str,
}

impl Message {
    pub(super) const fn of(msg: &'static str) -> Self {
        Self { msg }
    }
}

/// Confirms that sessions ended, and counts them.
#[derive(Serialize, ToSchema)]
pub(super) struct Ended {
    msg: &'static str,
    /// Number of sessions that ended.
    #[schema(value_type = u32)]
    ended: usize,
}

impl Ended {
    pub(super) const fn of(msg: &'static str, ended: usize) -> Self {
        Self { msg, ended }
    }
}

/// An error.
#[expect(dead_code, reason = "the library's Rejection serializes itself")]
#[derive(ToSchema)]
pub(super) struct Problem {
    /// For people.
    msg: String,
    #[schema(value_type = Code, inline)]
    code: String,
    /// What to do next.
    #[schema(nullable = false)]
    hint: Option<String>,
    /// Seconds to wait before trying again.
    #[schema(minimum = 0, nullable = false)]
    retry_after: Option<u32>,
}
