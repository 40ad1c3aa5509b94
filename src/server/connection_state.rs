//! Defines the state that a connection shares with its requests. The connection decides by it when
//! to read.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Waker;

use actix_web::dev::ServiceRequest;

use super::connection_limit::ConnectionSlot;

/// The state that a connection shares with its requests, as their `conn_data`.
pub(super) struct ConnectionState {
    slot: ConnectionSlot,
    /// Whether a request is being handled.
    answering: Cell<bool>,
    /// Whether its handler waits for more of the body.
    wants_body: Cell<bool>,
    has_answered: Cell<bool>,
    has_just_answered: Cell<bool>,
    /// Wakes the connection once the request is handled or wants its body, or once all bytes are
    /// sent.
    paused: Cell<Option<Waker>>,
}

impl ConnectionState {
    pub(super) fn new(slot: ConnectionSlot) -> Self {
        Self {
            slot,
            answering: Cell::new(false),
            wants_body: Cell::new(false),
            has_answered: Cell::new(false),
            has_just_answered: Cell::new(false),
            paused: Cell::new(None),
        }
    }

    /// Returns the state of a request's connection. `None` in tests without a connection.
    pub(super) fn of(request: &ServiceRequest) -> Option<Rc<Self>> {
        request.conn_data::<Rc<Self>>().map(Rc::clone)
    }

    pub(super) const fn slot(&self) -> &ConnectionSlot {
        &self.slot
    }

    /// Records whether the handler waits for more of the body.
    pub(super) fn set_wants_body(&self, wants: bool) {
        self.wants_body.set(wants);
        if wants {
            self.resume_reading();
        }
    }

    pub(super) const fn is_answering(&self) -> bool {
        self.answering.get()
    }

    /// Returns whether any request has been answered.
    pub(super) const fn has_answered(&self) -> bool {
        self.has_answered.get()
    }

    /// Returns whether a request has been answered since the last call.
    pub(super) fn take_just_answered(&self) -> bool {
        self.has_just_answered.take()
    }

    /// Returns whether a request is being handled that needs nothing from the client.
    pub(super) fn is_busy(&self) -> bool {
        self.answering.get() && !self.wants_body.get()
    }

    /// Wakes the connection's task once it may read again.
    pub(super) fn pause_reading(&self, waker: &Waker) {
        self.paused.set(Some(waker.clone()));
    }

    pub(super) fn resume_reading(&self) {
        if let Some(waker) = self.paused.take() {
            waker.wake();
        }
    }
}

/// A request that is being handled. The connection reads no other request until this is dropped.
pub(super) struct ActiveRequest(Rc<ConnectionState>);

impl ActiveRequest {
    pub(super) fn begin(connection: &Rc<ConnectionState>) -> Self {
        connection.answering.set(true);
        Self(Rc::clone(connection))
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.answering.set(false);
        self.0.has_answered.set(true);
        self.0.has_just_answered.set(true);
        self.0.resume_reading();
    }
}
