//! Collects the kinds of the audit events that a piece of work writes, so that they are reported
//! once they are committed.
//!
//! The statements that write events know only their connection, and the thread that runs the work
//! knows whether it was committed. Each thread runs one piece of work at a time.

use std::cell::RefCell;

use super::event_kind::EventKind;

/// The kinds of events that were written, and their numbers.
pub(super) type Noted = Vec<(EventKind, usize)>;

thread_local! {
    /// `None` outside of [`collect`].
    static NOTED: RefCell<Option<Noted>> = const { RefCell::new(None) };
}

/// Notes that this many events were written.
pub(super) fn note(kind: EventKind, count: usize) {
    NOTED.with_borrow_mut(|noted| {
        if let Some(noted) = noted.as_mut().filter(|_| count > 0) {
            noted.push((kind, count));
        }
    });
}

/// Runs work and returns its result with the events that it wrote. Panics of the work must be
/// caught within it.
pub(super) fn collect<T>(work: impl FnOnce() -> T) -> (T, Noted) {
    NOTED.set(Some(Vec::new()));
    let done = work();
    (done, NOTED.take().unwrap_or_default())
}
