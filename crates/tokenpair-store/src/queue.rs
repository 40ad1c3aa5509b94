//! Implements a bounded FIFO queue of work for threads that may block on a database, with a
//! deadline for each answer.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use diesel::result::Error as DieselError;
use thiserror::Error;
use tokio::sync::oneshot;

/// A cause that several requests share.
pub(super) type Cause = Arc<dyn Error + Send + Sync>;

/// The maximum number of queued jobs. Past it a request is rejected at once.
const LENGTH: usize = 4096;

/// The reason a job failed. Its text includes its causes, since it is logged in many places.
#[derive(Debug, Error)]
pub(super) enum JobError {
    #[error("too many requests are queued for the database")]
    Busy,
    /// With the reason that no connection could be opened in the meantime, if it is known.
    #[error("the database did not answer in time{}", .0.as_ref().map(|cause| format!(": {}", in_a_line(cause))).unwrap_or_default())]
    TooSlow(Option<Cause>),
    #[error("no connection: {}", in_a_line(.0))]
    Connect(Cause),
    #[error("the database rejected a statement: {0}")]
    Query(DieselError),
    /// The same for all jobs that were to be committed together.
    #[error("the database failed to commit: {0}")]
    Commit(Cause),
    #[error("the work on the database panicked")]
    Panicked,
}

/// libpq's messages have several lines.
fn in_a_line(cause: &Cause) -> String {
    let text = cause.to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A queue of jobs. Clones share it.
pub(super) struct Queue<J> {
    jobs: Sender<J>,
    wait: Duration,
}

impl<J: Send + 'static> Queue<J> {
    /// Creates a queue, and the receiver from which threads take jobs until its last clone is
    /// dropped and no job is left.
    pub(super) fn new(wait: Duration) -> (Self, Receiver<J>) {
        let (jobs, queue) = bounded(LENGTH);
        (Self { jobs, wait }, queue)
    }

    /// Queues a job that settles the ticket, and waits for it. After the deadline the caller gets
    /// an error, whatever becomes of the job.
    pub(super) async fn ask<T>(&self, job: impl FnOnce(Ticket<T>) -> J) -> Result<T, JobError> {
        let (answer, answered) = oneshot::channel();
        let asked = Instant::now();
        let deadline = asked + self.wait;
        let job = job(Ticket {
            answer,
            asked,
            deadline,
        });
        self.jobs.try_send(job).map_err(|_| JobError::Busy)?;
        match tokio::time::timeout_at(deadline.into(), answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(JobError::TooSlow(None)),
        }
    }
}

impl<J> Queue<J> {
    /// Returns the number of jobs that wait.
    pub(super) fn waiting(&self) -> usize {
        self.jobs.len()
    }
}

impl<J> Clone for Queue<J> {
    fn clone(&self) -> Self {
        Self {
            jobs: self.jobs.clone(),
            wait: self.wait,
        }
    }
}

/// A job's reply channel and deadline. Dropping it reports that it is too late.
pub(super) struct Ticket<T> {
    answer: oneshot::Sender<Result<T, JobError>>,
    pub(super) asked: Instant,
    pub(super) deadline: Instant,
}

impl<T> Ticket<T> {
    /// Returns whether the caller no longer waits, so that the job is not started.
    pub(super) fn is_late(&self) -> bool {
        Instant::now() >= self.deadline
    }

    pub(super) fn answer(self, answer: Result<T, JobError>) {
        let _client_gone = self.answer.send(answer);
    }
}

/// Starts a thread that may block on the database.
pub(super) fn spawn(work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    Builder::new().name("database".to_owned()).spawn(work)
}

/// Runs the work; a panic fails only this work.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, JobError>) -> Result<T, JobError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(JobError::Panicked))
}
