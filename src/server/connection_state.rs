//! Defines what a connection and the requests on it know of each other, by which the connection reads when it should.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Waker;

use actix_web::dev::ServiceRequest;

use super::connection_limit::ConnectionSlot;

/// What a connection shares with its requests, as their `conn_data`.
pub(super) struct ConnectionState {
    place: ConnectionSlot,
    /// A request is being answered.
    answering: Cell<bool>,
    /// Its handler waits for more of its body.
    wants_body: Cell<bool>,
    has_answered: Cell<bool>,
    has_just_answered: Cell<bool>,
    /// Waits to read until the request is answered, or wants its body, or until all is sent.
    held: Cell<Option<Waker>>,
}

impl ConnectionState {
    pub(super) fn new(place: ConnectionSlot) -> Self {
        Self {
            place,
            answering: Cell::new(false),
            wants_body: Cell::new(false),
            has_answered: Cell::new(false),
            has_just_answered: Cell::new(false),
            held: Cell::new(None),
        }
    }

    /// Returns that of the connection a request came on; none in tests without a connection.
    pub(super) fn of(request: &ServiceRequest) -> Option<Rc<Self>> {
        request.conn_data::<Rc<Self>>().map(Rc::clone)
    }

    pub(super) const fn place(&self) -> &ConnectionSlot {
        &self.place
    }

    /// Says whether the handler waits for more of the body.
    pub(super) fn wants_body(&self, wants: bool) {
        self.wants_body.set(wants);
        if wants {
            self.release();
        }
    }

    pub(super) const fn is_answering(&self) -> bool {
        self.answering.get()
    }

    /// Whether any request has been answered.
    pub(super) const fn has_answered(&self) -> bool {
        self.has_answered.get()
    }

    /// Whether a request has been answered since this was last asked.
    pub(super) fn take_just_answered(&self) -> bool {
        self.has_just_answered.take()
    }

    /// Whether the request that is being answered needs nothing from the client.
    pub(super) fn is_busy(&self) -> bool {
        self.answering.get() && !self.wants_body.get()
    }

    /// Wakes the connection's task once there may be something to read for.
    pub(super) fn hold(&self, waker: &Waker) {
        self.held.set(Some(waker.clone()));
    }

    pub(super) fn release(&self) {
        if let Some(waker) = self.held.take() {
            waker.wake();
        }
    }
}

/// A request that is being answered. No other is read from its connection until this is dropped.
pub(super) struct ActiveRequest(Rc<ConnectionState>);

impl ActiveRequest {
    pub(super) fn begin(flow: &Rc<ConnectionState>) -> Self {
        flow.answering.set(true);
        Self(Rc::clone(flow))
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.answering.set(false);
        self.0.has_answered.set(true);
        self.0.has_just_answered.set(true);
        self.0.release();
    }
}
