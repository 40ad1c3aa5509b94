//! Simulates how often rules for refresh tokens log honest users out, and how soon they detect a
//! thief.
//!
//!     cargo run --release --example session_rules                  prints the tables
//!     cargo run --release --example session_rules -- --svg PATH    draws the picture
//!     cargo run --release --example session_rules -- --write docs  rewrites both in docs/session_rules.{md,svg}
//!
//! The same seed gives the same figures on every machine. `docs/session_rules.md` explains them.

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a program that prints, and indexes only its own data"
)]

mod picture;
mod rules;
mod table;
mod world;

use std::panic::resume_unwind;
use std::path::Path;
use std::thread::{self, ScopedJoinHandle};
use std::{env, fs, io};

use oorandom::Rand32;

use self::rules::RULES;
pub(crate) use self::table::put_into;
use self::world::{Outcome, Schedule, Setting, Thief, play};

const SEED: u64 = 20_261_120;
/// The number of schedules that each rule meets in each setting.
const RUNS: usize = 1_000;

/// A setting, and its name in the table.
type Told = (&'static str, Setting);

const HONEST: [Told; 10] = [
    ("1 tab", Setting::tabs(1)),
    ("1 tab, 2 % lost", Setting::tabs(1).lost(2)),
    ("1 tab, 2 % lost, seldom", Setting::tabs(1).lost(2).seldom()),
    ("1 tab, 30 % lost", Setting::tabs(1).lost(30)),
    ("2 tabs in 10 s", Setting::tabs(2).within_10_seconds()),
    (
        "4 tabs in 10 s, 2 % lost",
        Setting::tabs(4).within_10_seconds().lost(2),
    ),
    ("4 tabs in 60 s, 2 % lost", Setting::tabs(4).lost(2)),
    (
        "4 tabs at any time, 2 % lost",
        Setting::tabs(4).any_time().lost(2),
    ),
    ("4 tabs in 60 s, 30 % lost", Setting::tabs(4).lost(30)),
    (
        "4 tabs in 60 s, 2 % lost, slow",
        Setting::tabs(4).lost(2).slow(),
    ),
];

const THEFTS: [Told; 4] = [
    (
        "1 tab; the thief refreshes at his own rhythm, every 5 to 60 minutes",
        Setting::tabs(1).stolen(Thief::OwnRhythm),
    ),
    (
        "1 tab; the thief refreshes as often as the victim, every 15 minutes",
        Setting::tabs(1).stolen(Thief::SameRhythm),
    ),
    (
        "1 tab; the thief follows each refresh of the victim by 20 to 50 seconds",
        Setting::tabs(1).stolen(Thief::Follows),
    ),
    (
        "4 tabs in 60 s, 2 % lost; the thief refreshes at his own rhythm",
        Setting::tabs(4).lost(2).stolen(Thief::OwnRhythm),
    ),
];

/// The outcomes of one setting: for each rule, how its runs ended.
#[derive(Debug)]
struct Results {
    setting: &'static str,
    rules: Vec<Ends>,
}

/// The outcomes of one rule in one setting.
#[derive(Debug)]
struct Ends {
    rule: &'static str,
    runs: Vec<Outcome>,
}

impl Ends {
    fn count(&self, which: impl Fn(&Outcome) -> bool) -> usize {
        self.runs.iter().filter(|outcome| which(outcome)).count()
    }
}

fn simulate((name, setting): &Told) -> Results {
    let mut random = Rand32::new(SEED);
    let mut rules = RULES.map(|(rule, _)| Ends {
        rule,
        runs: Vec::with_capacity(RUNS),
    });
    for _ in 0..RUNS {
        let schedule = Schedule::draw(setting, &mut random);
        for (ends, (_, new)) in rules.iter_mut().zip(RULES) {
            ends.runs.push(play(&schedule, &mut *new()));
        }
    }
    Results {
        setting: name,
        rules: rules.into(),
    }
}

/// Runs each setting on its own thread.
fn simulate_all(settings: &[Told]) -> Vec<Results> {
    thread::scope(|scope| {
        let running: Vec<_> = settings
            .iter()
            .map(|told| scope.spawn(|| simulate(told)))
            .collect();
        let done = running.into_iter().map(ScopedJoinHandle::join);
        done.map(|results| results.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

/// Returns the tables and the picture.
pub(crate) fn report() -> (String, String) {
    let honest = simulate_all(&HONEST);
    let thefts = simulate_all(&THEFTS);
    (
        table::write(&honest, &thefts),
        picture::draw(&honest[6], &thefts[1]),
    )
}

fn main() -> io::Result<()> {
    let (tables, picture) = report();
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => print!("{tables}"),
        ["--svg", path] => fs::write(path, picture)?,
        ["--write", folder] => {
            let page = Path::new(folder).join("session_rules.md");
            let text = fs::read_to_string(&page)?;
            fs::write(page, put_into(&text, &tables)?)?;
            fs::write(Path::new(folder).join("session_rules.svg"), picture)?;
        }
        _ => return Err(io::Error::other("usage: [--svg PATH | --write FOLDER]")),
    }
    Ok(())
}
