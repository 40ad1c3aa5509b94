//! Lines of the log on their way to standard error. A system call for each request would cost more than the request, so the
//! lines of those that went well wait a little, and go out together; every other line takes them along at once.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a line may wait.
const PATIENCE: Duration = Duration::from_millis(100);

/// So many bytes wait at most. Past it whoever logs writes them out, and is as slow as whoever reads: no line is lost.
const LIMIT: usize = 64 * 1024;

/// Lines that wait. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Vec<u8>>,
    some: Condvar,
    /// Held while lines are written, so that they stay in order. Empty before and after.
    leaving: Mutex<Vec<u8>>,
}

impl Lines {
    /// Lines that wait no longer than [`PATIENCE`].
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
        loop {
            let waiting = lock(&self.0.waiting);
            let some = self.0.some.wait_while(waiting, |lines| lines.is_empty());
            drop(some);
            thread::sleep(PATIENCE);
            self.write_out();
        }
    }

    /// Writes out all that waits. What cannot be written is given up, as there is no one to tell.
    pub(super) fn write_out(&self) {
        let mut leaving = lock(&self.0.leaving);
        std::mem::swap(&mut *leaving, &mut *lock(&self.0.waiting));
        let _given_up = io::stderr().write_all(&leaving);
        leaving.clear();
    }
}

/// A line becomes one that waits; `flush` is asked for after each, and does nothing.
impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = lock(&self.0.waiting);
        let was_empty = waiting.is_empty();
        waiting.extend_from_slice(line);
        let full = waiting.len() >= LIMIT;
        drop(waiting);
        if was_empty {
            self.0.some.notify_one();
        }
        if full {
            self.write_out();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
