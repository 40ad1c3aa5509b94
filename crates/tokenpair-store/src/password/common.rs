//! Looks passwords up in the list of the most common ones (NIST SP 800-63B-4, section 3.1.1.2).

use std::cmp::Ordering;

use unicode_normalization::UnicodeNormalization;

/// The passwords, in lower case, one on each line, sorted by bytes. `scripts/common-passwords`
/// writes the file. As one text it costs no memory but that of the pages a search reads.
const LIST: &[u8] = include_bytes!("common_passwords.txt");

/// Returns whether a password is on the list, in any case and width and with any spaces around it:
/// an attacker would try those too.
pub(super) fn is_common(password: &str) -> bool {
    let narrow: String = password.trim().nfkc().collect();
    contains(LIST, narrow.to_lowercase().as_bytes())
}

/// Searches sorted lines by bisection.
fn contains(list: &[u8], word: &[u8]) -> bool {
    let mut rest = list;
    while !rest.is_empty() {
        let (before, after) = rest.split_at(rest.len() / 2);
        let start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let end = after.iter().position(|byte| *byte == b'\n');
        let end = end.map_or(rest.len(), |end| before.len() + end);
        let line = rest.get(start..end).unwrap_or_default();
        rest = match word.cmp(line) {
            Ordering::Equal => return true,
            Ordering::Less => rest.get(..start),
            Ordering::Greater => rest.get(end + 1..),
        }
        .unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{LIST, contains, is_common};

    #[test]
    fn every_line_is_found_and_nothing_between_them() {
        let lines = LIST
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        let mut count = 0;
        for line in lines {
            assert!(contains(LIST, line), "{line:?}");
            assert!(!contains(LIST, &[line, b"\x01"].concat()), "{line:?}");
            count += 1;
        }
        assert!(count > 40_000, "{count}");
        for absent in ["", "\n", "a", "~~~~~~~~~~~~", "correct horse battery"] {
            assert!(!is_common(absent), "{absent}");
        }
        assert!(is_common("FootBall"));
    }
}
