//! Defines the findings of `tokenpair doctor`, and how a person and a program read them.

use std::fmt;
use std::io::Write;

use serde::Serialize;

use crate::cli::CommandError;
use crate::cli::listing::print_json;
use crate::command::command;
use crate::printable::printable;

/// How good a check's outcome is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// Works, but may be a mistake.
    Warning,
    /// Some client fails.
    Problem,
    /// The server could not be asked.
    Unreachable,
    /// The command line is wrong, so nothing was asked.
    Usage,
}

/// The outcome of one check.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Finding {
    /// The check's name, which never changes.
    check: &'static str,
    verdict: Verdict,
    /// One sentence.
    message: String,
    /// What to do about it, with the setting or the proxy's line.
    fix: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self {
            check,
            verdict: Verdict::Ok,
            message: message.into(),
            fix: None,
        }
    }

    pub(super) fn warning(
        check: &'static str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            verdict: Verdict::Warning,
            fix: Some(fix.into()),
            ..Self::ok(check, message)
        }
    }

    pub(super) fn problem(
        check: &'static str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            verdict: Verdict::Problem,
            fix: Some(fix.into()),
            ..Self::ok(check, message)
        }
    }

    /// Returns the finding that ends the examination, because there was no answer.
    pub(super) fn unreachable(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Unreachable,
            ..Self::problem("reachable", message, fix)
        }
    }

    /// Returns the only finding of a command line that is wrong.
    fn usage(message: impl Into<String>) -> Self {
        let help = command("doctor --help");
        let fix = format!("Correct the command line: {help} lists the options.");
        Self {
            verdict: Verdict::Usage,
            ..Self::problem("usage", message, fix)
        }
    }

    pub(super) const fn is_fault(&self) -> bool {
        !matches!(self.verdict, Verdict::Ok)
    }
}

/// All findings about a server.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// `None` if the command line has no valid one.
    url: Option<String>,
    origin: Option<String>,
    verdict: Verdict,
    checks: Vec<Finding>,
    /// Texts that a hostile server could send back, and that are never printed.
    #[serde(skip)]
    secrets: Vec<String>,
}

/// Width of a terminal, in characters.
const WIDTH: usize = 80;

/// Width of the column with the verdicts.
const COLUMN: usize = 9;

/// Begins and ends a text of the server within a finding. Both are private to programs (Unicode
/// section 23.5), and no finding is printed with them.
const HEARD: [char; 2] = ['\u{f8e0}', '\u{f8e1}'];

/// Marks a text that the server chose, for a finding. A hostile server may send a secret back in it.
pub(super) fn heard(text: impl fmt::Display) -> String {
    let [begin, end] = HEARD;
    format!("{begin}{}{end}", text.to_string().replace(HEARD, "?"))
}

impl Report {
    pub(super) const fn new(url: String, origin: Option<String>) -> Self {
        Self {
            url: Some(url),
            origin,
            verdict: Verdict::Ok,
            checks: Vec::new(),
            secrets: Vec::new(),
        }
    }

    /// Returns the report on a command line that is wrong.
    pub(super) fn usage(message: &str) -> Self {
        let mut report = Self {
            url: None,
            ..Self::new(String::new(), None)
        };
        report.add(Finding::usage(message));
        report
    }

    /// Never prints this text from now on.
    pub(super) fn hide(&mut self, secret: &str) {
        if !secret.is_empty() {
            self.secrets.push(secret.to_owned());
        }
    }

    pub(super) fn add(&mut self, mut finding: Finding) {
        finding.message = self.without_secrets(&finding.message);
        finding.fix = finding.fix.map(|fix| self.without_secrets(&fix));
        self.verdict = self.verdict.max(finding.verdict);
        self.checks.push(finding);
    }

    /// Hides each text of the server that has a secret in it. The texts of this program have none,
    /// and a short secret may occur in them by chance.
    fn without_secrets(&self, text: &str) -> String {
        let mut shown = String::new();
        for (place, part) in text.split(HEARD).enumerate() {
            let is_heard = place % 2 == 1;
            let has_secret = || {
                let mut secrets = self.secrets.iter();
                secrets.any(|secret| part.contains(secret.as_str()))
            };
            shown += if is_heard && has_secret() {
                "(hidden)"
            } else {
                part
            };
        }
        shown
    }

    pub(super) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        findings.into_iter().for_each(|finding| self.add(finding));
    }

    pub(super) const fn verdict(&self) -> Verdict {
        self.verdict
    }

    pub(super) fn print(&self, json: bool, out: &mut dyn Write) -> Result<(), CommandError> {
        if json {
            return print_json(self, out);
        }
        for finding in &self.checks {
            let word = match finding.verdict {
                Verdict::Ok => "ok",
                Verdict::Warning => "warning",
                Verdict::Problem | Verdict::Unreachable | Verdict::Usage => "problem",
            };
            let text = format!("{}: {}", finding.check, finding.message);
            print_wrapped(word, &text, out)?;
            if let Some(fix) = &finding.fix {
                print_wrapped("", &format!("Fix: {fix}"), out)?;
            }
        }
        Ok(writeln!(out, "{}", self.summary())?)
    }

    fn summary(&self) -> String {
        let url = printable(self.url.as_deref().unwrap_or_default());
        let number = |verdict| {
            let of_it = self.checks.iter().filter(|one| one.verdict == verdict);
            of_it.count()
        };
        match (number(Verdict::Problem), number(Verdict::Warning)) {
            _ if self.verdict == Verdict::Unreachable => format!("{url} could not be asked."),
            (0, 0) => format!("{url} is fine."),
            (problems, warnings) => format!(
                "{url}: {}, {}.",
                counted(problems, "problem"),
                counted(warnings, "warning")
            ),
        }
    }
}

fn counted(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// Prints a text beside a column, in lines that fit a terminal.
fn print_wrapped(column: &str, text: &str, out: &mut dyn Write) -> Result<(), CommandError> {
    let text = printable(text);
    let mut line = format!("{column:<COLUMN$}");
    let mut is_empty = true;
    for word in text.split(' ') {
        let width = line.chars().count() + 1 + word.chars().count();
        if !is_empty && width > WIDTH {
            writeln!(out, "{line}")?;
            line = " ".repeat(COLUMN);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    Ok(writeln!(out, "{}", line.trim_end())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_wrap_beside_the_verdict_and_control_characters_are_escaped() {
        let mut report = Report::new("http://a/".to_owned(), None);
        let long = "word ".repeat(30);
        report.add(Finding::problem(
            "tls",
            format!("\u{1b}[2J {long}"),
            "do it",
        ));
        let mut out = Vec::new();
        report.print(false, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("problem  tls: \\u001b[2J word"), "{text}");
        assert!(text.contains("\n         word"), "{text}");
        assert!(text.contains("\n         Fix: do it\n"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
    }

    #[test]
    fn a_secret_that_the_server_sends_back_is_hidden_whatever_its_length() {
        for secret in ["correct horse", "a", "42"] {
            let mut report = Report::new("http://a/".to_owned(), None);
            report.hide("");
            report.hide(secret);
            let echo = heard(format!("x{secret}\u{f8e1}"));
            let told = format!("A cookie named {echo} arrives as {}.", heard("it is"));
            report.add(Finding::warning("tls", told, format!("Rename {echo}.")));
            let mut out = Vec::new();
            report.print(false, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            let line = "warning  tls: A cookie named (hidden) arrives as it is.\n";
            assert!(text.starts_with(line), "{text}");
            assert!(text.contains("Fix: Rename (hidden).\n"), "{text}");
        }
    }
}
