//! Work for threads that may wait for a database: a bounded queue, the first first, and an answer in time.

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

/// How much may wait. Past it a request is told so at once.
const LENGTH: usize = 4096;

/// Why there is no answer of the database. Its text holds its causes, since it is logged in many places.
#[derive(Debug, Error)]
pub(super) enum JobError {
    #[error("too many wait for the database")]
    Busy,
    /// With the reason why no connection could be made meanwhile, where that is known.
    #[error("the database did not answer in time{}", .0.as_ref().map(|cause| format!(": {}", in_a_line(cause))).unwrap_or_default())]
    TooSlow(Option<Cause>),
    #[error("no connection: {}", in_a_line(.0))]
    Connect(Cause),
    #[error("the database refused a statement: {0}")]
    Query(DieselError),
    /// The same for all that was to be committed together.
    #[error("the database did not commit: {0}")]
    Commit(Cause),
    #[error("the work on the database panicked")]
    Panicked,
}

/// libpq's complaints have several lines.
fn in_a_line(cause: &Cause) -> String {
    let text = cause.to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Where work waits for its turn. Clones share it.
pub(super) struct Queue<J> {
    jobs: Sender<J>,
    wait: Duration,
}

impl<J: Send + 'static> Queue<J> {
    /// A queue, and where threads take from it until its last clone is dropped and nothing is left.
    pub(super) fn new(wait: Duration) -> (Self, Receiver<J>) {
        let (jobs, queue) = bounded(LENGTH);
        (Self { jobs, wait }, queue)
    }

    /// Queues a job that settles the ticket, and waits for that. Past its time the request is answered, whatever may
    /// still become of the job.
    pub(super) async fn ask<T>(&self, job: impl FnOnce(Ticket<T>) -> J) -> Result<T, JobError> {
        let (answer, answered) = oneshot::channel();
        let deadline = Instant::now() + self.wait;
        let job = job(Ticket { answer, deadline });
        self.jobs.try_send(job).map_err(|_| JobError::Busy)?;
        match tokio::time::timeout_at(deadline.into(), answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(JobError::TooSlow(None)),
        }
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

/// What a job is asked with: whom to answer, and until when. Dropped, it says that it is too late.
pub(super) struct Ticket<T> {
    answer: oneshot::Sender<Result<T, JobError>>,
    pub(super) deadline: Instant,
}

impl<T> Ticket<T> {
    /// What nobody waits for any more is not begun.
    pub(super) fn is_late(&self) -> bool {
        Instant::now() >= self.deadline
    }

    pub(super) fn answer(self, answer: Result<T, JobError>) {
        let _client_gone = self.answer.send(answer);
    }
}

/// Starts a thread that may wait for the database.
pub(super) fn spawn(work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    Builder::new().name("database".to_owned()).spawn(work)
}

/// Does it; a panic is a failure of this work alone.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, JobError>) -> Result<T, JobError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(JobError::Panicked))
}
