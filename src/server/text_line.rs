//! Writes a log record as a line for a person, in the form of `env_logger`, whose timestamps would
//! need a library of time zones.

use std::io::{self, Write};

use chrono::SecondsFormat;
use env_logger::fmt::Formatter;
use env_logger::fmt::style::{AnsiColor, Style};
use log::Record;

use super::json_line::now;

/// Writes the line of a record. Further lines of its message are indented, so that none looks like
/// a record.
pub(super) fn write(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let level = out.default_level_style(record.level());
    // Without colours, levels have none.
    let bracket = if level == Style::new() {
        level
    } else {
        AnsiColor::BrightBlack.on_default()
    };
    // Unlike a clock's time, it is written without reading a pattern for each line.
    let now = now().to_rfc3339_opts(SecondsFormat::Secs, true);
    let name = record.level();
    write!(out, "{bracket}[{bracket:#}{now} {level}{name:<5}{level:#}")?;
    if !record.target().is_empty() {
        write!(out, " {}", record.target())?;
    }
    write!(out, "{bracket}]{bracket:#} ")?;
    let message = record.args().to_string();
    if message.contains('\n') {
        writeln!(out, "{}", message.replace('\n', "\n    "))
    } else {
        writeln!(out, "{message}")
    }
}
