//! Writes an error with its causes, in one line.

use std::error::Error;

/// Returns the text of a failure and its causes.
pub(crate) fn with_causes(failure: &dyn Error) -> String {
    let mut text = failure.to_string();
    let mut next = failure.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // Some errors already quote their cause.
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

/// Returns the text of a failure and its causes in one line. Advice of libpq, on lines that begin
/// with a tab, is omitted.
pub(crate) fn in_a_line(failure: &dyn Error) -> String {
    let text = with_causes(failure);
    let lines = text.lines().filter(|line| !line.starts_with('\t'));
    let lines = lines.map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("; ")
}
