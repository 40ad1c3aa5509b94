//! Buffers the lines of the log on their way to standard error, which a thread of its own writes, so that a reader that
//! stops cannot stop the server: the buffer is bounded, and lines past the bound are dropped and counted. A system call for
//! each request would cost more than the request, so the lines of successful requests wait a little and go out together.

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokenpair::clock::Clock;

/// How long a line may wait for others.
const PATIENCE: Duration = Duration::from_millis(100);

/// The buffer is written at once when it holds this many bytes.
const BATCH: usize = 64 * 1024;

/// The most unwritten bytes. Lines past it are dropped.
const LIMIT: usize = 1024 * 1024;

/// How long the program waits for a reader when it ends.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The buffer. Clones share it.
#[derive(Clone, Default)]
pub(super) struct LogWriter(Arc<Shared>);

#[derive(Default)]
struct Shared {
    unwritten: Mutex<Unwritten>,
    /// Wakes the writing thread.
    more: Condvar,
    /// Signals that the writing thread has finished a batch.
    written: Condvar,
}

#[derive(Default)]
struct Unwritten {
    waiting: Vec<u8>,
    /// Size of the batch that is being written, in bytes.
    leaving: usize,
    /// Lines dropped since the log last reported any.
    dropped: usize,
    /// Write the buffer now instead of waiting for more lines.
    hurry: bool,
}

impl Unwritten {
    fn takes(&self, line: &[u8]) -> bool {
        self.waiting.len() + self.leaving + line.len() <= LIMIT
    }

    fn may_wait(&self) -> bool {
        !self.hurry && self.dropped == 0 && self.waiting.len() < BATCH
    }

    fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.leaving == 0
    }
}

impl LogWriter {
    /// Starts the writing thread.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started.
    pub(super) fn start() -> io::Result<Self> {
        let lines = Self::default();
        let writer = lines.clone();
        let thread = thread::Builder::new().name("log".to_owned());
        thread.spawn(move || writer.write_now_and_then())?;
        Ok(lines)
    }

    fn write_now_and_then(&self) {
        let mut batch = Vec::new();
        loop {
            let reported = self.take(&mut batch);
            let mut lost = write_to_stderr(&batch);
            if lost > 0 {
                // The report of dropped lines is one of the lost lines itself.
                lost += reported.saturating_sub(1);
                self.lock().dropped += lost;
                thread::sleep(PATIENCE);
            }
        }
    }

    /// Waits for lines and moves them into `batch`, with a report of the dropped ones. Returns how many were dropped.
    fn take(&self, batch: &mut Vec<u8>) -> usize {
        batch.clear();
        batch.shrink_to(BATCH);
        let shared = &self.0;
        let mut unwritten = self.lock();
        unwritten.leaving = 0;
        shared.written.notify_all();
        let woken = shared
            .more
            .wait_while(unwritten, |unwritten| unwritten.waiting.is_empty());
        let woken = shared.more.wait_timeout_while(
            woken.unwrap_or_else(PoisonError::into_inner),
            PATIENCE,
            |unwritten| unwritten.may_wait(),
        );
        (unwritten, _) = woken.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(batch, &mut unwritten.waiting);
        unwritten.leaving = batch.len();
        unwritten.hurry = false;
        let dropped = std::mem::take(&mut unwritten.dropped);
        if dropped > 0 {
            batch.extend_from_slice(report_of(dropped).as_bytes());
        }
        dropped
    }

    /// Has the buffer written at once, without waiting for it.
    pub(super) fn hurry(&self) {
        self.lock().hurry = true;
        self.0.more.notify_one();
    }

    /// Waits until everything is written, at most [`LAST_WORDS`].
    pub(super) fn finish(&self) {
        self.hurry();
        let written = &self.0.written;
        let _done =
            written.wait_timeout_while(self.lock(), LAST_WORDS, |unwritten| !unwritten.is_done());
    }

    fn lock(&self) -> MutexGuard<'_, Unwritten> {
        let unwritten = self.0.unwritten.lock();
        unwritten.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Buffers a line. `env_logger` flushes after each line, so `flush` does nothing.
impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut unwritten = self.lock();
        if unwritten.takes(line) {
            let before = unwritten.waiting.len();
            unwritten.waiting.extend_from_slice(line);
            let full = before < BATCH && unwritten.waiting.len() >= BATCH;
            if before == 0 || full {
                self.0.more.notify_one();
            }
        } else {
            unwritten.dropped += 1;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Formatted here instead of logged, so that no `RUST_LOG` filter can hide it.
fn report_of(dropped: usize) -> String {
    let now = Clock::system().now();
    format!(
        "[{now} WARN  tokenpair::log] {dropped} lines of the log were dropped, because they could not be written in time\n"
    )
}

/// Writes everything, however long that takes. Returns the number of lines that could not be written.
fn write_to_stderr(mut bytes: &[u8]) -> usize {
    while !bytes.is_empty() {
        match io::stderr().write(bytes) {
            Ok(written @ 1..) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // The pipe is full, and another process has made it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PATIENCE),
            Ok(0) | Err(_) => break,
        }
    }
    bytes.iter().filter(|byte| **byte == b'\n').count()
}
