//! Lines of the log on their way to standard error, which a thread of its own writes. Whoever logs waits for nobody: a
//! reader that has stopped would stop the server. So what is not written yet is bounded, and lines past that are dropped
//! and counted. A system call for each request would cost more than the request, so the lines of those that went well wait
//! a little, and go out together.

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokenpair::clock::Clock;

/// How long a line may wait for others.
const PATIENCE: Duration = Duration::from_millis(100);

/// So many bytes wait for no others.
const BATCH: usize = 64 * 1024;

/// The most bytes that are not written yet. Lines past it are dropped.
const LIMIT: usize = 1024 * 1024;

/// How long the end of the program waits for a reader.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Lines that wait. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Default)]
struct Shared {
    unwritten: Mutex<Unwritten>,
    /// For the thread that writes: there is something to do.
    more: Condvar,
    /// The thread that writes is done with what it had taken.
    written: Condvar,
}

#[derive(Default)]
struct Unwritten {
    waiting: Vec<u8>,
    /// How many bytes are being written.
    leaving: usize,
    /// How many lines were dropped since the log last told of it.
    dropped: usize,
    /// What waits may wait no longer.
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

impl Lines {
    /// Starts the thread that writes.
    ///
    /// # Errors
    ///
    /// If there is no thread to be had.
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
            let told = self.take(&mut batch);
            let mut lost = write_to_stderr(&batch);
            if lost > 0 {
                // One of those is the line that told of others.
                lost += told.saturating_sub(1);
                self.lock().dropped += lost;
                thread::sleep(PATIENCE);
            }
        }
    }

    /// Takes what waits, once it may wait no longer, and what there is to tell of dropped lines. Returns how many those are.
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
            batch.extend_from_slice(told_of(dropped).as_bytes());
        }
        dropped
    }

    /// Lets what waits be written at once, and does not wait for it.
    pub(super) fn hurry(&self) {
        self.lock().hurry = true;
        self.0.more.notify_one();
    }

    /// Waits until everything is written, for [`LAST_WORDS`] at most.
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

/// A line becomes one that waits; `flush` is asked for after each, and does nothing.
impl Write for Lines {
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

/// Made here, so that no filter of `RUST_LOG` leaves it out.
fn told_of(dropped: usize) -> String {
    let now = Clock::system().now();
    format!(
        "[{now} WARN  tokenpair::log] {dropped} lines of the log were dropped, because they could not be written in time\n"
    )
}

/// Writes all of it, however long that takes. Returns how many lines could not be written.
fn write_to_stderr(mut bytes: &[u8]) -> usize {
    while !bytes.is_empty() {
        match io::stderr().write(bytes) {
            Ok(written @ 1..) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A full pipe that another process has made non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PATIENCE),
            Ok(0) | Err(_) => break,
        }
    }
    bytes.iter().filter(|byte| **byte == b'\n').count()
}
