//! Escapes untrusted text before a terminal shows it. Control characters move the cursor or repaint
//! the screen, bidirectional ones reverse a line, and invisible ones hide in a name.

use std::borrow::Cow;
use std::fmt::Write;

/// Returns the text with every control, bidirectional and invisible character escaped as in JSON:
/// `\u202e`. Visible characters stay, and so do quotes and backslashes, so JSON stays JSON.
///
/// ```text
/// printable("ada\u{202e}") == "ada\\u202e"
/// ```
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !has_unseen(text) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if is_unseen(letter) {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                // Writing to a `String` cannot fail.
                let _infallible = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(letter);
        }
    }
    Cow::Owned(shown)
}

/// Like [`printable`], but keeps line breaks and replaces tabs by blanks. PostgreSQL's messages
/// have both, and end with an empty line.
pub(crate) fn printable_lines(text: &str) -> String {
    let lines = text.trim_end().split('\n');
    let lines = lines.map(|line| printable(&line.replace('\t', " ")).into_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns whether a text has a character that [`printable`] escapes.
pub(crate) fn has_unseen(text: &str) -> bool {
    text.chars().any(is_unseen)
}

/// Unicode's general categories Cc, Cf, Zl and Zp, and all other `Default_Ignorable_Code_Point`
/// characters.
fn is_unseen(letter: char) -> bool {
    if letter.is_ascii() {
        return letter.is_ascii_control();
    }
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_several_lines_stays_one() {
        let refused = "connection refused\n\tIs the server running?\u{7}\n\n";
        let shown = "connection refused\n Is the server running?\\u0007";
        assert_eq!(printable_lines(refused), shown);
    }

    #[test]
    fn what_is_seen_stays() {
        for seen in ["ada", "Ünïcödé", "e\u{301}", "山田 🐎", r#""a\b""#, ""] {
            assert!(
                matches!(printable(seen), Cow::Borrowed(shown) if shown == seen),
                "{seen}"
            );
        }
    }

    #[test]
    fn what_acts_or_hides_is_escaped() {
        for (hidden, shown) in [
            ("\u{1b}[2J", r"\u001b[2J"),
            (
                "a\r\nb\0\t\u{7f}\u{9b}",
                r"a\u000d\u000ab\u0000\u0009\u007f\u009b",
            ),
            (
                "\u{202e}\u{2066}\u{200e}\u{61c}",
                r"\u202e\u2066\u200e\u061c",
            ),
            (
                "\u{200b}\u{200d}\u{feff}\u{2060}\u{ad}",
                r"\u200b\u200d\ufeff\u2060\u00ad",
            ),
            ("\u{2028}\u{2029}", r"\u2028\u2029"),
            ("\u{e0041}", r"\udb40\udc41"),
        ] {
            assert_eq!(printable(hidden), shown);
        }
        assert_eq!(printable_lines("a\u{1b}\nb"), "a\\u001b\nb");
    }
}
