//! Implements the watch over the threads that talk to PostgreSQL.
//!
//! A server that hangs keeps its connections open without answering, while its operating system
//! acknowledges all input. No TCP timeout ends that, and libpq has no timeout for an answer. So a
//! thread that has been in one job for [`patience`] is given up with its connection, and another
//! takes its place. If its answer still comes, the job is finished as usual, so a slow transaction
//! loses nothing.

use std::io;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use super::policy::StorePolicy;
use super::queue::{Cause, spawn};

/// Maximum number of given-up threads that still hang, for each connection of the pool. Limits the
/// cost of servers that hang one after the other: a thread and a socket each time.
const GIVEN_UP_PER_CONNECTION: usize = 4;

/// A healthy server ends each statement after [`StorePolicy::wait`]. A request that meets the hang
/// just before it is noticed waits for as long again, and must still be the last to fail within
/// three times that.
fn patience(policy: StorePolicy) -> Duration {
    policy.wait * 3 / 2
}

/// The shared knowledge of the threads about their connections.
#[derive(Default)]
pub(super) struct Trust(Mutex<Known>);

#[derive(Default)]
struct Known {
    hung_at: Option<Instant>,
    refusal: Option<Cause>,
}

impl Trust {
    /// Returns whether a connection of that time may be used: not if one as old has hung since.
    pub(super) fn covers(&self, since: Instant) -> bool {
        lock(&self.0).hung_at.is_none_or(|hung_at| since > hung_at)
    }

    pub(super) fn end(&self, now: Instant) {
        lock(&self.0).hung_at = Some(now);
    }

    pub(super) fn connected(&self) {
        lock(&self.0).refusal = None;
    }

    pub(super) fn refused(&self, error: Cause) {
        lock(&self.0).refusal = Some(error);
    }

    /// Returns the reason that the last attempt to connect failed; `None` if it succeeded.
    pub(super) fn refusal(&self) -> Option<Cause> {
        lock(&self.0).refusal.clone()
    }
}

/// The current job of one thread.
#[derive(Default)]
pub(super) struct Shift(Mutex<Doing>);

#[derive(Default)]
enum Doing {
    #[default]
    Nothing,
    Job(Instant),
    GivenUp,
}

impl Shift {
    pub(super) fn begin(&self) {
        let mut doing = lock(&self.0);
        if !matches!(*doing, Doing::GivenUp) {
            *doing = Doing::Job(Instant::now());
        }
    }

    /// Returns false if another thread has taken its place.
    pub(super) fn end(&self) -> bool {
        let mut doing = lock(&self.0);
        if matches!(*doing, Doing::GivenUp) {
            return false;
        }
        *doing = Doing::Nothing;
        true
    }

    fn is_at_it_since(&self, past: Instant) -> bool {
        matches!(*lock(&self.0), Doing::Job(began) if began <= past)
    }

    fn give_up(&self) {
        *lock(&self.0) = Doing::GivenUp;
    }
}

/// Ends when dropped.
pub(super) struct Watch(#[expect(dead_code, reason = "its end is the signal")] Sender<()>);

impl Watch {
    /// Starts a thread for each connection, and one that watches them.
    pub(super) fn start<W: Fn(&Shift) + Send + Sync + 'static>(
        policy: StorePolicy,
        trust: Arc<Trust>,
        work: W,
    ) -> io::Result<Self> {
        let mut crew = Crew::start(policy, trust, work)?;
        let (stop, stopped) = bounded(0);
        let tick = policy.wait / 8;
        Builder::new()
            .name("database-watch".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(tick) == Err(RecvTimeoutError::Timeout) {
                    crew.look(Instant::now());
                }
            })?;
        Ok(Self(stop))
    }
}

struct Crew<W> {
    work: Arc<W>,
    trust: Arc<Trust>,
    patience: Duration,
    at_work: Vec<Worker>,
    given_up: Vec<JoinHandle<()>>,
    most_given_up: usize,
    told: Told,
}

struct Worker {
    shift: Arc<Shift>,
    thread: JoinHandle<()>,
}

/// The messages logged about this outage.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Nothing,
    OneHangs,
    TooManyHang,
}

impl<W: Fn(&Shift) + Send + Sync + 'static> Crew<W> {
    fn start(policy: StorePolicy, trust: Arc<Trust>, work: W) -> io::Result<Self> {
        let work = Arc::new(work);
        let at_work: io::Result<Vec<_>> = (0..policy.pool).map(|_| Worker::hire(&work)).collect();
        let at_work = at_work?;
        Ok(Self {
            work,
            trust,
            patience: patience(policy),
            most_given_up: at_work.len() * GIVEN_UP_PER_CONNECTION,
            at_work,
            given_up: Vec::new(),
            told: Told::Nothing,
        })
    }

    /// Replaces the threads that hang.
    fn look(&mut self, now: Instant) {
        self.given_up.retain(|thread| !thread.is_finished());
        if self.given_up.is_empty() {
            self.told = Told::Nothing;
        }
        let Some(past) = now.checked_sub(self.patience) else {
            return;
        };
        for worker in &mut self.at_work {
            if !worker.shift.is_at_it_since(past) {
                continue;
            }
            if self.given_up.len() == self.most_given_up {
                self.tell(Told::TooManyHang);
                return;
            }
            // No thread is available: the next look retries.
            let Ok(fresh) = Worker::hire(&self.work) else {
                return;
            };
            let hung = mem::replace(worker, fresh);
            hung.shift.give_up();
            self.given_up.push(hung.thread);
            self.trust.end(now);
        }
        if !self.given_up.is_empty() {
            self.tell(Told::OneHangs);
        }
    }

    fn tell(&mut self, news: Told) {
        if self.told >= news {
            return;
        }
        self.told = news;
        let most = self.most_given_up;
        match news {
            Told::Nothing => {}
            Told::OneHangs => log::warn!(
                "PostgreSQL has not answered on an open connection for {} s: replacing all connections \
                 (giving up at most {most} that hang)",
                self.patience.as_secs()
            ),
            Told::TooManyHang => log::error!(
                "{most} connections to PostgreSQL hang and were given up: replacing no other until one of them ends"
            ),
        }
    }
}

impl Worker {
    fn hire<W: Fn(&Shift) + Send + Sync + 'static>(work: &Arc<W>) -> io::Result<Self> {
        let shift = Arc::<Shift>::default();
        let (own, work) = (Arc::clone(&shift), Arc::clone(work));
        let thread = spawn(move || work(&own))?;
        Ok(Self { shift, thread })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const WAIT: Duration = Duration::from_secs(4);

    #[test]
    fn threads_that_hang_are_replaced_up_to_a_limit_and_end_once_they_are_answered() {
        let begun = Arc::new(AtomicUsize::new(0));
        let (answer, answered) = bounded::<()>(0);
        let (jobs, end) = (Arc::clone(&begun), Arc::new(AtomicUsize::new(0)));
        let ended = Arc::clone(&end);
        let hangs = move |shift: &Shift| {
            shift.begin();
            jobs.fetch_add(1, Ordering::SeqCst);
            let _dropped = answered.recv();
            assert!(!shift.end(), "another is in its place");
            end.fetch_add(1, Ordering::SeqCst);
        };
        let policy = StorePolicy {
            pool: 2,
            wait: WAIT,
            ..StorePolicy::default()
        };
        let trust = Arc::<Trust>::default();
        let mut crew = Crew::start(policy, Arc::clone(&trust), hangs).unwrap();
        let all_begun = |count| {
            while begun.load(Ordering::SeqCst) < count {
                std::thread::yield_now();
            }
        };
        all_begun(2);
        let connected = Instant::now();
        crew.look(connected + WAIT);
        assert!(crew.given_up.is_empty() && trust.covers(connected));
        for round in 1..=4 {
            crew.look(connected + 3 * WAIT * round);
            assert_eq!(crew.given_up.len(), 2 * usize::try_from(round).unwrap());
            all_begun(2 + crew.given_up.len());
        }
        assert!(!trust.covers(connected), "one as old has hung");
        crew.look(connected + 100 * WAIT);
        assert_eq!(begun.load(Ordering::SeqCst), 10, "8 are given up, 2 hang");

        crew.at_work
            .iter()
            .for_each(|worker| worker.shift.give_up());
        drop(answer);
        for thread in crew.given_up.drain(..) {
            thread.join().unwrap();
        }
        assert!(ended.load(Ordering::SeqCst) >= 8);
    }
}
