//! Defines the findings of `tokenpair doctor`, and how a person and a program read them.

use std::io::Write;

use serde::Serialize;

use crate::cli::CommandError;
use crate::printable::{printable, printable_lines};

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

    pub(super) const fn is_fault(&self) -> bool {
        !matches!(self.verdict, Verdict::Ok)
    }
}

/// All findings about a server.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    url: String,
    origin: Option<String>,
    verdict: Verdict,
    checks: Vec<Finding>,
    /// Texts that a hostile server could send back, and that are never printed.
    #[serde(skip)]
    secrets: Vec<String>,
}

/// Secrets shorter than this occur in any text.
const SHORTEST_SECRET: usize = 6;

/// Width of a terminal, in characters.
const WIDTH: usize = 80;

/// Width of the column with the verdicts.
const COLUMN: usize = 9;

impl Report {
    pub(super) const fn new(url: String, origin: Option<String>) -> Self {
        Self {
            url,
            origin,
            verdict: Verdict::Ok,
            checks: Vec::new(),
            secrets: Vec::new(),
        }
    }

    /// Never prints this text from now on.
    pub(super) fn hide(&mut self, secret: &str) {
        if secret.len() >= SHORTEST_SECRET {
            self.secrets.push(secret.to_owned());
        }
    }

    pub(super) fn add(&mut self, mut finding: Finding) {
        for secret in &self.secrets {
            finding.message = finding.message.replace(secret, "(hidden)");
            finding.fix = finding.fix.map(|fix| fix.replace(secret, "(hidden)"));
        }
        self.verdict = self.verdict.max(finding.verdict);
        self.checks.push(finding);
    }

    pub(super) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        findings.into_iter().for_each(|finding| self.add(finding));
    }

    pub(super) const fn verdict(&self) -> Verdict {
        self.verdict
    }

    pub(super) fn print(&self, json: bool, out: &mut dyn Write) -> Result<(), CommandError> {
        if json {
            let text = serde_json::to_string_pretty(self)?;
            return Ok(writeln!(out, "{}", printable_lines(&text))?);
        }
        for finding in &self.checks {
            let word = match finding.verdict {
                Verdict::Ok => "ok",
                Verdict::Warning => "warning",
                Verdict::Problem | Verdict::Unreachable => "problem",
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
        let url = printable(&self.url);
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
    fn a_secret_that_the_server_sends_back_is_not_printed() {
        let mut report = Report::new("http://a/".to_owned(), None);
        report.hide("correct horse");
        report.add(Finding::warning(
            "tls",
            "has correct horse",
            "correct horse",
        ));
        let mut out = Vec::new();
        report.print(true, &mut out).unwrap();
        assert!(!String::from_utf8(out).unwrap().contains("horse"));
    }
}
