//! Defines the cause of a rejection, which is logged once and never sent to a client.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::StatusCode;
use log::Level;

/// The error behind a rejection. The rejection's clones share it, so that it is logged once.
pub(super) struct Cause {
    error: Box<dyn Error + Send + Sync>,
    logged: AtomicBool,
}

impl Cause {
    pub(super) fn new(error: Box<dyn Error + Send + Sync>) -> Self {
        Self {
            error,
            logged: AtomicBool::new(false),
        }
    }

    pub(super) fn error(&self) -> &(dyn Error + 'static) {
        self.error.as_ref()
    }

    /// Logs the cause, unless it was logged before.
    pub(super) fn log(&self, target: &str, status: StatusCode, code: &str) {
        let level = if status.is_server_error() {
            Level::Error
        } else {
            Level::Info
        };
        if log::log_enabled!(target: target, level) && !self.logged.swap(true, Ordering::Relaxed) {
            let status = status.as_u16();
            // Quoted, so that no text in it can begin another line.
            log::log!(target: target, level, "{status} {code}: {:?}", error_chain(self.error()));
        }
    }
}

/// Returns the texts of an error and of its sources, outermost first.
pub(super) fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(source) = next {
        texts.push(source.to_string());
        next = source.source();
    }
    texts.join(": ")
}
