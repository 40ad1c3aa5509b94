//! Writes the tables, in Markdown, and puts them into a page.

use std::io;

use super::world::Outcome;
use super::{Ends, RUNS, Results};

const BEGIN: &str = "<!-- printed by the example -->\n";
const END: &str = "<!-- end -->\n";

/// Returns all tables.
pub(crate) fn write(honest: &[Results], thefts: &[Results]) -> String {
    let mut text = format!("### Runs of {RUNS} in which someone honest was logged out\n\n");
    text += &false_logouts(honest);
    for results in thefts {
        text += &format!("\n### Thefts: {}\n\n", results.setting);
        text += &seen(results);
    }
    text
}

/// Returns the page with the tables between its marks; an error if it has no marks.
pub(crate) fn put_into(page: &str, tables: &str) -> io::Result<String> {
    let parts = page
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, after)) = parts else {
        return Err(io::Error::other("the page has no place for the tables"));
    };
    Ok(format!("{before}{BEGIN}\n{tables}\n{END}{after}"))
}

fn row(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<String> = cells.into_iter().collect();
    format!("| {} |\n", cells.join(" | "))
}

fn head(cells: &[&str]) -> String {
    let rule = format!("|---|{}\n", "---:|".repeat(cells.len() - 1));
    row(cells.iter().map(ToString::to_string)) + &rule
}

fn false_logouts(honest: &[Results]) -> String {
    let settings = honest.iter().map(|results| results.setting);
    let names: Vec<&str> = ["rule"].into_iter().chain(settings).collect();
    let mut text = head(&names);
    for (index, first) in honest[0].rules.iter().enumerate() {
        let counts = honest.iter().map(|results| {
            results.rules[index]
                .count(|outcome| *outcome == Outcome::FalseLogout)
                .to_string()
        });
        text += &row([first.rule.to_owned()].into_iter().chain(counts));
    }
    text
}

fn seen(results: &Results) -> String {
    let columns = [
        "rule",
        "seen",
        "median",
        "95 % within",
        "side by side to the end",
        "victim out, thief stays",
        "thief out, no alarm",
        "false alarm first",
    ];
    let line = |ends: &Ends| {
        let count = |which| ends.count(|outcome| *outcome == which).to_string();
        let times = times(ends);
        row([
            ends.rule.to_owned(),
            times.len().to_string(),
            share(&times, 50),
            share(&times, 95),
            count(Outcome::Undisturbed),
            count(Outcome::ThiefAlone),
            count(Outcome::ThiefOut),
            count(Outcome::FalseLogout),
        ])
    };
    head(&columns) + &results.rules.iter().map(line).collect::<String>()
}

/// Returns how long the detected thieves had access, the shortest first.
fn times(ends: &Ends) -> Vec<u64> {
    let seen = ends.runs.iter().filter_map(|outcome| match outcome {
        Outcome::Seen(after) => Some(*after),
        _ => None,
    });
    let mut times: Vec<u64> = seen.collect();
    times.sort_unstable();
    times
}

/// Returns the time within which this percentage was detected.
fn share(times: &[u64], percent: usize) -> String {
    let index = (times.len() * percent).div_ceil(100).saturating_sub(1);
    match times.get(index) {
        None => "".to_owned(),
        Some(0) => "at once".to_owned(),
        Some(time) if *time < 60_000 => "< 1 min".to_owned(),
        Some(time) => format!("{} min", (time + 30_000) / 60_000),
    }
}
