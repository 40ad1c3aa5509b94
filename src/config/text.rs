//! Reads files that hold settings, as text, and judges texts that people see.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// The largest file, in bytes. A device such as /dev/zero has no end.
const MOST: u64 = 1024 * 1024;

/// Returns the file's text without a byte order mark, or `None` if there is no such file. The error
/// completes a sentence about the file.
pub(super) fn read_if_there(path: &Path) -> Result<Option<String>, String> {
    // A dangling link is a mistake, so it is not a missing file.
    let missing = |error: io::Error| error.kind() == ErrorKind::NotFound && !path.is_symlink();
    if path.metadata().is_err_and(missing) {
        return Ok(None);
    }
    read(path).map(Some)
}

/// Returns whether nothing of a text is seen. Besides white space, U+2800 is an empty braille cell.
pub(super) fn is_blank(text: &str) -> bool {
    let is_empty = |letter: char| letter.is_whitespace() || letter == '\u{2800}';
    text.chars().all(is_empty)
}

/// Returns the text of a file that must exist.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() as u64 > MOST => Err("has more than 1 MiB".to_owned()),
        Ok(_) => Ok(decode(bytes)?),
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}

fn decode(bytes: Vec<u8>) -> Result<String, &'static str> {
    const UTF_16: &str = "is UTF-16 text; save it as UTF-8";
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(UTF_16);
    }
    let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8 text; save it as UTF-8")?;
    // UTF-16 without a byte order mark looks like this.
    if text.contains('\0') {
        return Err("has NUL characters, as UTF-16 text would; save it as UTF-8");
    }
    Ok(text
        .strip_prefix('\u{FEFF}')
        .map(str::to_owned)
        .unwrap_or(text))
}
