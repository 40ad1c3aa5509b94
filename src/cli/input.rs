//! Reads the first line of standard input, and asks questions on the terminal.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use super::CommandError;

/// Maximum length of the line in bytes, so that a wrong file does not fill the memory.
const LIMIT: u64 = 1024 * 1024;

/// Returns the first line of standard input, with its end. `wanted` names what it should be.
pub(super) fn first_line(wanted: &str) -> Result<String, CommandError> {
    let mut line = Vec::new();
    io::stdin()
        .lock()
        .take(LIMIT)
        .read_until(b'\n', &mut line)?;
    String::from_utf8(line).map_err(|_| {
        format!("the first line of standard input is not text in UTF-8; write {wanted} there")
            .into()
    })
}

/// Asks a question on the terminal.
pub(super) fn confirmed(question: &str, out: &mut dyn Write) -> Result<bool, CommandError> {
    if !io::stdin().is_terminal() {
        return Err("without a terminal, confirm with --yes".into());
    }
    write!(out, "{question} [y/N] ")?;
    out.flush()?;
    let line = first_line("y or n")?;
    Ok(line.trim().eq_ignore_ascii_case("y"))
}
