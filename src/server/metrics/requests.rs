//! Counts requests by OpenTelemetry's conventions for HTTP servers: their durations, those in
//! progress, and the codes of their rejections.
//!
//! Each worker counts in numbers of its own, which no other thread writes, so that workers share no
//! cache line and take no lock. A scrape adds them up. A request allocates nothing: its route brings
//! its series along, and a series is created once.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;

use super::histogram::{Histogram, Totals, add_alone};
use crate::server::error_code::AnyCode;
use tokenpair::web::Rejection;

/// The methods of RFC 9110 and RFC 5789, and one word for all others: clients can send anything.
const METHODS: [&str; 10] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "_OTHER",
];

/// The route of a request whose path no route has. No path begins with a parenthesis.
const UNMATCHED: &str = "(unmatched)";

/// The numbers of all workers.
#[derive(Debug)]
pub(in crate::server) struct RequestMetrics {
    workers: Mutex<Vec<Arc<Worker>>>,
    /// The place of each code in [`Worker::rejections`].
    codes: HashMap<&'static str, usize>,
}

/// The numbers of one worker. Only its thread writes them.
#[derive(Debug)]
struct Worker {
    begun: [AtomicU64; METHODS.len()],
    ended: [AtomicU64; METHODS.len()],
    rejections: Box<[AtomicU64]>,
    durations: Mutex<Vec<(Series, Arc<Histogram>)>>,
}

/// The labels of a series.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Series {
    pub(super) route: Arc<str>,
    pub(super) method: &'static str,
    pub(super) status: u16,
}

impl Default for RequestMetrics {
    fn default() -> Self {
        let codes = AnyCode::all().map(AnyCode::as_str).enumerate();
        Self {
            workers: Mutex::default(),
            codes: codes.map(|(index, code)| (code, index)).collect(),
        }
    }
}

impl RequestMetrics {
    /// Returns the duration of the requests of each series.
    pub(super) fn durations(&self) -> BTreeMap<Series, Totals> {
        let mut all = BTreeMap::<Series, Totals>::new();
        for worker in lock(&self.workers).iter() {
            for (series, histogram) in lock(&worker.durations).iter() {
                all.entry(series.clone()).or_default().add(histogram);
            }
        }
        all
    }

    /// Returns the requests in progress, by method.
    pub(super) fn active(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let workers = lock(&self.workers);
        let mut active = [0; METHODS.len()];
        for worker in workers.iter() {
            let both = worker.begun.iter().zip(&worker.ended);
            for (total, (begun, ended)) in active.iter_mut().zip(both) {
                // In this order: a request that ends in between is not counted as less than none.
                let ended = ended.load(Ordering::Acquire);
                *total += begun.load(Ordering::Acquire).saturating_sub(ended);
            }
        }
        METHODS.into_iter().zip(active)
    }

    /// Returns the rejections, by code.
    pub(super) fn rejections(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let workers = lock(&self.workers).clone();
        AnyCode::all()
            .map(AnyCode::as_str)
            .enumerate()
            .map(move |(index, code)| {
                let of_workers = workers
                    .iter()
                    .filter_map(|worker| worker.rejections.get(index));
                (
                    code,
                    of_workers.map(|count| count.load(Ordering::Relaxed)).sum(),
                )
            })
    }
}

/// Counts the requests of one worker. It stays on the worker's thread.
pub(in crate::server) struct Recorder {
    metrics: Arc<RequestMetrics>,
    worker: Arc<Worker>,
    unmatched: RouteSeries,
}

/// The series of one route, as the app data of its resource.
pub(in crate::server) struct RouteSeries {
    route: Arc<str>,
    seen: RefCell<Vec<Seen>>,
}

/// A series that this worker has counted in.
struct Seen {
    method: usize,
    status: u16,
    duration: Arc<Histogram>,
}

impl RouteSeries {
    /// Returns the series of the route with this pattern.
    pub(in crate::server) fn of(pattern: &str) -> Self {
        Self {
            route: pattern.into(),
            seen: RefCell::default(),
        }
    }
}

impl Recorder {
    /// Returns the recorder of a worker that starts.
    pub(in crate::server) fn of_worker(metrics: &Arc<RequestMetrics>) -> Rc<Self> {
        let worker = Arc::new(Worker {
            begun: Default::default(),
            ended: Default::default(),
            rejections: metrics.codes.iter().map(|_| AtomicU64::new(0)).collect(),
            durations: Mutex::default(),
        });
        lock(&metrics.workers).push(Arc::clone(&worker));
        Rc::new(Self {
            metrics: Arc::clone(metrics),
            worker,
            unmatched: RouteSeries::of(UNMATCHED),
        })
    }

    fn answered(&self, recording: &Recording, response: &ServiceResponse) {
        let routed = response.request().app_data::<RouteSeries>();
        let route = routed.unwrap_or(&self.unmatched);
        let (method, status) = (recording.method, response.status().as_u16());
        let seen = route.seen.borrow();
        let known = seen
            .iter()
            .find(|seen| seen.method == method && seen.status == status);
        match known {
            Some(seen) => seen.duration.observe_alone(recording.begun.elapsed()),
            None => {
                drop(seen);
                let duration = self.add_series(route, method, status);
                duration.observe_alone(recording.begun.elapsed());
            }
        }
        if let Some(error) = response.response().error() {
            self.rejected(error.as_error());
        }
    }

    fn add_series(&self, route: &RouteSeries, method: usize, status: u16) -> Arc<Histogram> {
        let duration = Arc::<Histogram>::default();
        let series = Series {
            route: Arc::clone(&route.route),
            method: METHODS.get(method).copied().unwrap_or_default(),
            status,
        };
        lock(&self.worker.durations).push((series, Arc::clone(&duration)));
        route.seen.borrow_mut().push(Seen {
            method,
            status,
            duration: Arc::clone(&duration),
        });
        duration
    }

    fn rejected(&self, rejection: Option<&Rejection>) {
        let code = rejection.and_then(|rejection| self.metrics.codes.get(rejection.code()));
        if let Some(count) = code.and_then(|index| self.worker.rejections.get(*index)) {
            add_alone(count, 1);
        }
    }
}

/// A request in progress, if requests are counted. It counts as such until it is dropped, which
/// happens without an answer if its client goes away.
pub(in crate::server) struct Recording {
    recorder: Rc<Recorder>,
    method: usize,
    begun: Instant,
}

impl Recording {
    pub(in crate::server) fn begin(request: &ServiceRequest) -> Option<Self> {
        let recorder = request.app_data::<Rc<Recorder>>()?;
        let method = place_of(request.method());
        if let Some(begun) = recorder.worker.begun.get(method) {
            add_alone(begun, 1);
        }
        Some(Self {
            recorder: Rc::clone(recorder),
            method,
            begun: Instant::now(),
        })
    }

    /// Counts the response, whose body may not be sent yet.
    pub(in crate::server) fn end(self, response: &ServiceResponse) {
        self.recorder.answered(&self, response);
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if let Some(ended) = self.recorder.worker.ended.get(self.method) {
            add_alone(ended, 1);
        }
    }
}

/// Returns the place of a method in [`METHODS`].
fn place_of(method: &Method) -> usize {
    match *method {
        Method::GET => 0,
        Method::HEAD => 1,
        Method::POST => 2,
        Method::PUT => 3,
        Method::PATCH => 4,
        Method::DELETE => 5,
        Method::OPTIONS => 6,
        Method::TRACE => 7,
        Method::CONNECT => 8,
        _ => METHODS.len() - 1,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
