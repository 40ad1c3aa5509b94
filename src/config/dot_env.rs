//! Parses `.env` files: lines of `NAME=value` in which every value is literal.
//!
//! | written | value |
//! |---|---|
//! | `NAME=value # comment` | the text up to a `#` that follows a blank, without the blanks around it |
//! | `NAME='value'` | everything up to the next `'`, newlines too |
//! | `NAME="value"` | everything up to the next `"`, newlines too; `\n`, `\r`, `\t`, `\\`, `\"`, `\'` and `\$` are escapes |
//!
//! Nothing is substituted: a `$` is literal, because secrets and database passwords contain it. A
//! line that other parsers of `.env` files read differently (`${NAME}`, a backslash outside quotes)
//! is rejected.

use std::collections::BTreeMap;

/// A line that cannot be parsed. Errors never quote it, since it may hold a secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Malformed {
    /// The line's number, from 1.
    pub(super) line: usize,
    /// The error and how to fix it.
    pub(super) complaint: &'static str,
}

const NO_NAME: &str = "is not NAME=value; write a name, an equals sign and the value";
const REFERENCE: &str = "has ${…}, and nothing is substituted here; write the value itself, or put it in single quotes if \
                         these characters belong to it";
const BACKSLASH: &str =
    "has a backslash outside quotes; put the value in single quotes, where it is literal";
const ESCAPE: &str = "has a backslash in double quotes before a character that it cannot escape; put the value in single \
                      quotes, where it is literal";
const OPEN: &str = "opens a quote that is never closed; close it, or put a value that begins with a quote into the other kind";
const REST: &str = "has more text after the closing quote; put the whole value in quotes";

/// Returns the values by name. The last of several values for one name counts. A value that other
/// parsers read differently is rejected only if `is_ours` accepts its name, because other programs
/// may share the file.
pub(super) fn parse(
    text: &str,
    is_ours: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, String>, Malformed> {
    let mut values = BTreeMap::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if rest.starts_with('#') {
            rest = line(rest).1.trim_start();
            continue;
        }
        let malformed = |complaint| {
            let before = text.len() - rest.len();
            let newlines = text.bytes().take(before).filter(|byte| *byte == b'\n');
            Malformed {
                line: newlines.count() + 1,
                complaint,
            }
        };
        let (name, written) = name(rest).map_err(malformed)?;
        let value = value(written).map_err(malformed)?;
        if let Some(doubt) = value.doubt.filter(|_| is_ours(name)) {
            return Err(malformed(doubt));
        }
        values.insert(name.to_owned(), value.text);
        rest = value.after.trim_start();
    }
    Ok(values)
}

struct Value<'a> {
    text: String,
    /// Why other parsers may read a different text, and how to fix it.
    doubt: Option<&'static str>,
    /// The text after the value.
    after: &'a str,
}

/// Splits off a name and its equals sign. `export` may precede it, so that a shell can read the
/// file too.
fn name(text: &str) -> Result<(&str, &str), &'static str> {
    let (head, value) = text.split_once('=').ok_or(NO_NAME)?;
    let head = head.trim_end_matches(BLANKS);
    let exported = head.strip_prefix("export").map(str::trim_start);
    let name = exported.filter(|name| is_name(name)).unwrap_or(head);
    if is_name(name) {
        Ok((name, value))
    } else {
        Err(NO_NAME)
    }
}

fn is_name(text: &str) -> bool {
    let starts = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '.';
    starts && text.chars().all(plain)
}

/// Splits off a value and the rest of its line.
fn value(text: &str) -> Result<Value<'_>, &'static str> {
    let text = text.trim_start_matches(BLANKS);
    let value = if let Some(text) = text.strip_prefix('\'') {
        let (value, after) = text.split_once('\'').ok_or(OPEN)?;
        Value {
            text: value.to_owned(),
            doubt: None,
            after,
        }
    } else if let Some(text) = text.strip_prefix('"') {
        escaped(text)?
    } else {
        return Ok(bare(text));
    };
    let (rest, after) = line(value.after);
    if rest.starts_with('#') || !uncommented(rest).is_empty() {
        return Err(REST);
    }
    Ok(Value { after, ..value })
}

fn bare(text: &str) -> Value<'_> {
    let (line, after) = line(text);
    let text = uncommented(line);
    let doubt = match text {
        _ if text.contains('\\') => Some(BACKSLASH),
        _ if text.contains("${") => Some(REFERENCE),
        _ => None,
    };
    Value {
        text: text.to_owned(),
        doubt,
        after,
    }
}

/// Splits off the text up to the closing `"`, with its escapes resolved.
fn escaped(text: &str) -> Result<Value<'_>, &'static str> {
    let mut value = String::new();
    let mut doubt = None;
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        match letter {
            '"' => {
                return Ok(Value {
                    text: value,
                    doubt,
                    after: rest.as_str(),
                });
            }
            '\\' => value.push(match rest.next().ok_or(OPEN)? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                itself @ ('\\' | '"' | '\'' | '$' | ' ') => itself,
                other => {
                    doubt = Some(ESCAPE);
                    other
                }
            }),
            letter => {
                if letter == '$' && rest.as_str().starts_with('{') {
                    doubt = Some(REFERENCE);
                }
                value.push(letter);
            }
        }
    }
    Err(OPEN)
}

const BLANKS: [char; 2] = [' ', '\t'];

/// Returns the line without its comment and surrounding blanks.
fn uncommented(line: &str) -> &str {
    let begins = |(at, _): &(usize, &str)| {
        let before = line.get(..*at).unwrap_or_default();
        before.is_empty() || before.ends_with(BLANKS)
    };
    let comment = line.match_indices('#').find(begins);
    let value = comment.and_then(|(at, _)| line.get(..at)).unwrap_or(line);
    value.trim()
}

/// Splits off the first line.
fn line(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(text: &str, value: &str) {
        assert_eq!(
            parse(text, |_| true).unwrap(),
            BTreeMap::from([("A".to_owned(), value.to_owned())]),
            "{text}"
        );
    }

    #[test]
    fn values_are_literal() {
        reads("A=pa$word$1", "pa$word$1");
        reads("A='pa${word}\\n'", "pa${word}\\n");
        reads("A=\"pa$word \\$x \\\"y\\\"\"", "pa$word $x \"y\"");
        reads("A=it's \"fine\"", "it's \"fine\"");
        reads("A=x=y#z", "x=y#z");
    }

    #[test]
    fn blanks_and_comments_around_a_value_are_not_part_of_it() {
        reads(
            "# one\n\n  export A =  two words\t# three\r\n#B=1",
            "two words",
        );
        reads("A='x # y' # z\r\n", "x # y");
        reads("A=   # nothing", "");
        reads("A=", "");
        reads("A=#", "");
    }

    #[test]
    fn quoted_values_have_as_many_lines_as_they_need() {
        reads("A='one\ntwo'\n", "one\ntwo");
        reads("A=\"one\\ntwo\n#three\"", "one\ntwo\n#three");
    }

    #[test]
    fn the_last_value_of_a_name_counts_and_export_may_be_a_name() {
        reads("A=1\nA=2", "2");
        assert_eq!(
            parse("export=1", |_| true).unwrap().keys().next().unwrap(),
            "export"
        );
    }

    #[test]
    fn what_is_not_ours_may_be_meant_for_others_and_hides_nothing() {
        let text = "X=${A}\nY=C:\\dir\nZ=\"${A}\\d\"\nA=1";
        assert_eq!(parse(text, |name| name == "A").unwrap()["A"], "1");
    }

    #[test]
    fn what_others_read_in_another_way_is_refused_by_its_line() {
        for (text, line, complaint) in [
            ("A=1\nB", 2, NO_NAME),
            ("A=1\nB\nC=3", 2, NO_NAME),
            ("1A=1", 1, NO_NAME),
            ("A B=1", 1, NO_NAME),
            ("A=1\n\nB=x${A}", 3, REFERENCE),
            ("A=\"x${A}\"", 1, REFERENCE),
            ("A=x\\$y", 1, BACKSLASH),
            ("A=\"\\d\"", 1, ESCAPE),
            ("A='one\ntwo", 1, OPEN),
            ("A=\"one\\\"", 1, OPEN),
            ("A='x'y", 1, REST),
            ("A='x\ny'#z", 1, REST),
        ] {
            assert_eq!(
                parse(text, |_| true),
                Err(Malformed { line, complaint }),
                "{text}"
            );
        }
    }
}
