//! Implements the buffer of log lines, which a separate thread writes to standard error. A reader
//! that stops cannot block the server: the buffer is bounded, and further lines are dropped and
//! counted. A system call for each request would cost more than the request, so the lines of
//! successful requests are delayed a little and written together.

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use log::Level;

use super::json_line;
use crate::config::LogFormat;
use tokenpair::clock::Clock;

/// The log target of the report of dropped lines.
const TARGET: &str = "tokenpair::log";

/// Maximum delay of a line.
const FLUSH_DELAY: Duration = Duration::from_millis(100);

/// The buffer is written at once when it holds this many bytes.
const BATCH: usize = 64 * 1024;

/// The most unwritten bytes. Lines past it are dropped.
const LIMIT: usize = 1024 * 1024;

/// Maximum wait for a reader when the program ends.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

/// The buffer. Clones share it.
#[derive(Clone)]
pub(super) struct LogWriter(Arc<Shared>);

struct Shared {
    /// The form of the report of dropped lines.
    format: LogFormat,
    unwritten: Mutex<Unwritten>,
    /// Wakes the writing thread.
    more: Condvar,
    /// Signals that the writing thread has finished a batch.
    written: Condvar,
}

#[derive(Default)]
struct Unwritten {
    pending: Vec<u8>,
    /// Size in bytes of the batch being written.
    writing: usize,
    /// Lines dropped since the log last reported any.
    dropped: usize,
    /// Write the buffer now instead of waiting for more lines.
    flush_now: bool,
}

impl Unwritten {
    fn has_room_for(&self, line: &[u8]) -> bool {
        self.pending.len() + self.writing + line.len() <= LIMIT
    }

    fn may_delay(&self) -> bool {
        !self.flush_now && self.dropped == 0 && self.pending.len() < BATCH
    }

    fn is_done(&self) -> bool {
        self.pending.is_empty() && self.writing == 0
    }
}

impl LogWriter {
    /// Starts the writing thread.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started.
    pub(super) fn start(format: LogFormat) -> io::Result<Self> {
        let lines = Self(Arc::new(Shared {
            format,
            unwritten: Mutex::default(),
            more: Condvar::new(),
            written: Condvar::new(),
        }));
        let writer = lines.clone();
        let thread = thread::Builder::new().name("log".to_owned());
        thread.spawn(move || writer.write_batches())?;
        Ok(lines)
    }

    fn write_batches(&self) {
        let mut batch = Vec::new();
        loop {
            let reported = self.take(&mut batch);
            let mut lost = write_to_stderr(&batch);
            if lost > 0 {
                // The report of dropped lines is itself one of the lost lines.
                lost += reported.saturating_sub(1);
                self.lock().dropped += lost;
                thread::sleep(FLUSH_DELAY);
            }
        }
    }

    /// Waits for lines and moves them into `batch`, with a report of dropped lines. Returns the
    /// number of dropped lines.
    fn take(&self, batch: &mut Vec<u8>) -> usize {
        batch.clear();
        batch.shrink_to(BATCH);
        let shared = &self.0;
        let mut unwritten = self.lock();
        unwritten.writing = 0;
        shared.written.notify_all();
        let woken = shared
            .more
            .wait_while(unwritten, |unwritten| unwritten.pending.is_empty());
        let woken = shared.more.wait_timeout_while(
            woken.unwrap_or_else(PoisonError::into_inner),
            FLUSH_DELAY,
            |unwritten| unwritten.may_delay(),
        );
        (unwritten, _) = woken.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(batch, &mut unwritten.pending);
        unwritten.writing = batch.len();
        unwritten.flush_now = false;
        let dropped = std::mem::take(&mut unwritten.dropped);
        if dropped > 0 {
            batch.extend_from_slice(report_of(dropped, shared.format).as_bytes());
        }
        dropped
    }

    /// Requests an immediate write, without waiting for it.
    pub(super) fn flush_now(&self) {
        self.lock().flush_now = true;
        self.0.more.notify_one();
    }

    /// Waits until everything is written, for at most [`FINISH_TIMEOUT`].
    pub(super) fn finish(&self) {
        self.flush_now();
        let written = &self.0.written;
        let _done = written.wait_timeout_while(self.lock(), FINISH_TIMEOUT, |unwritten| {
            !unwritten.is_done()
        });
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
        if unwritten.has_room_for(line) {
            let before = unwritten.pending.len();
            unwritten.pending.extend_from_slice(line);
            let full = before < BATCH && unwritten.pending.len() >= BATCH;
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
fn report_of(dropped: usize, format: LogFormat) -> String {
    let text =
        format!("{dropped} log lines were dropped because they could not be written in time");
    match format {
        LogFormat::Text => {
            let now = Clock::system().now();
            format!("[{now} WARN  {TARGET}] {text}\n")
        }
        LogFormat::Json => json_line::of_message(Level::Warn, TARGET, &text),
    }
}

/// Writes all bytes, however long that takes. Returns the number of lines that could not be
/// written.
fn write_to_stderr(mut bytes: &[u8]) -> usize {
    while !bytes.is_empty() {
        match io::stderr().write(bytes) {
            Ok(written @ 1..) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // The pipe is full, and another process has made it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(FLUSH_DELAY),
            Ok(0) | Err(_) => break,
        }
    }
    bytes.iter().filter(|byte| **byte == b'\n').count()
}
