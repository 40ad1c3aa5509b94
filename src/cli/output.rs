//! Defines the standard output of commands, whose errors say that it failed.

use std::io::{self, Stdout, Write};

/// Standard output. The system's own error would not tell what failed.
pub(super) struct Output(Stdout);

impl Output {
    pub(super) fn new() -> Self {
        Self(io::stdout())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(|error| named(&error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(|error| named(&error))
    }
}

/// Keeps the kind, by which writers try again and commands recognize a closed pipe.
fn named(error: &io::Error) -> io::Error {
    let text = format!("cannot write to standard output: {error}");
    io::Error::new(error.kind(), text)
}
