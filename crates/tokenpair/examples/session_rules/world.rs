//! Simulates the world: tabs that share a cookie jar, a network that delays and loses, and in some
//! settings a thief.
//!
//! A schedule fixes the time of every event, whatever the rule's responses, so every rule meets the
//! same schedules.

use oorandom::Rand32;

use super::rules::{Answer, Rule};

/// The number of refreshes by a browser in a run.
pub(crate) const CYCLES: u64 = 60;
/// A thief copies the jar within this many first cycles.
const THEFT_WITHIN: u64 = 20;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const QUARTER: u64 = 15 * MINUTE;

/// The parameters of a schedule. Times are milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    tabs: u64,
    /// All tabs of a cycle refresh within this time of its start.
    spread: u64,
    /// The percentage of responses that never arrive.
    lost: u64,
    /// The time from one cycle to the next: at least, and less than.
    cycle: (u64, u64),
    /// The longest delay of one way.
    delay: u64,
    thief: Option<Thief>,
}

/// The times at which another holder refreshes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Thief {
    /// At an interval of its own between 5 and 60 minutes, give or take a tenth each time.
    OwnRhythm,
    /// As often as the victim: every 15 minutes, give or take a tenth each time.
    SameRhythm,
    /// 20 to 50 seconds after each refresh of the victim.
    Follows,
}

impl Setting {
    /// Tabs that refresh every 15 minutes, all within a minute; delays up to 9 s each way, nothing
    /// lost.
    pub(crate) const fn tabs(tabs: u64) -> Self {
        Self {
            tabs,
            spread: MINUTE,
            lost: 0,
            cycle: (QUARTER, QUARTER + 1),
            delay: 9 * SECOND,
            thief: None,
        }
    }

    pub(crate) const fn lost(self, lost: u64) -> Self {
        Self { lost, ..self }
    }

    /// Tabs that a browser has restored, or that share a timer.
    pub(crate) const fn within_10_seconds(self) -> Self {
        let spread = 10 * SECOND;
        Self { spread, ..self }
    }

    /// Page loads, whenever someone looks at the tab.
    pub(crate) const fn any_time(self) -> Self {
        let spread = QUARTER;
        Self { spread, ..self }
    }

    /// Every 70 to 92 minutes: a lost response is noticed when the access token expires.
    pub(crate) const fn seldom(self) -> Self {
        let cycle = (70 * MINUTE, 92 * MINUTE);
        Self { cycle, ..self }
    }

    /// Delays up to 40 s each way, beyond the design limit of the window of 60 s.
    pub(crate) const fn slow(self) -> Self {
        let delay = 40 * SECOND;
        Self { delay, ..self }
    }

    pub(crate) const fn stolen(self, thief: Thief) -> Self {
        let thief = Some(thief);
        Self { thief, ..self }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Holder {
    Victim,
    Thief,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    /// The request is sent, with the token in the jar.
    Send,
    /// The server handles it.
    Serve,
    /// The response arrives, and its cookie goes into the jar.
    Arrive,
    /// The server receives the access token that came with it.
    Use,
    /// The thief copies the jar.
    Copy,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    at: u64,
    event: Event,
    exchange: usize,
}

/// All events of a run, in order.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    steps: Vec<Step>,
    /// The holder of each exchange.
    holders: Vec<Holder>,
}

impl Schedule {
    pub(crate) fn draw(setting: &Setting, random: &mut Rand32) -> Self {
        let mut schedule = Self::default();
        let starts = cycles(setting, random);
        for start in &starts {
            for _ in 0..setting.tabs {
                let at = start + below(random, setting.spread);
                let lost = below(random, 100) < setting.lost;
                schedule.exchange((Holder::Victim, at), lost, setting.delay, random);
            }
        }
        if let Some(thief) = setting.thief {
            schedule.steal(thief, &starts, setting.delay, random);
        }
        schedule.steps.sort_by_key(|step| step.at);
        schedule
    }

    fn steal(&mut self, thief: Thief, starts: &[u64], delay: u64, random: &mut Rand32) {
        let end = starts.last().copied().unwrap_or_default();
        let copied = below(random, end * THEFT_WITHIN / CYCLES);
        self.push(copied, Event::Copy, 0);
        for at in refreshes(thief, copied, self.sent_after(copied, end), random) {
            self.exchange((Holder::Thief, at), false, delay, random);
        }
    }

    /// Returns when the victim refreshes between two times.
    fn sent_after(&self, begin: u64, end: u64) -> Vec<u64> {
        self.steps
            .iter()
            .filter(|step| matches!(step.event, Event::Send) && (begin..=end).contains(&step.at))
            .map(|step| step.at)
            .collect()
    }

    fn exchange(
        &mut self,
        (holder, sent): (Holder, u64),
        lost: bool,
        delay: u64,
        random: &mut Rand32,
    ) {
        let exchange = self.holders.len();
        self.holders.push(holder);
        let served = sent + below(random, delay);
        let arrived = served + below(random, delay);
        let used = arrived + below(random, delay);
        self.push(sent, Event::Send, exchange);
        self.push(served, Event::Serve, exchange);
        if !lost {
            self.push(arrived, Event::Arrive, exchange);
            self.push(used, Event::Use, exchange);
        }
    }

    fn push(&mut self, at: u64, event: Event, exchange: usize) {
        self.steps.push(Step {
            at,
            event,
            exchange,
        });
    }
}

fn cycles(setting: &Setting, random: &mut Rand32) -> Vec<u64> {
    let (least, less_than) = setting.cycle;
    let mut at = 0;
    (0..CYCLES)
        .map(|_| {
            at += least + below(random, less_than - least);
            at
        })
        .collect()
}

/// Returns when a thief refreshes who has had a copy since `copied`; `sent` is when the victim
/// does.
fn refreshes(thief: Thief, copied: u64, sent: Vec<u64>, random: &mut Rand32) -> Vec<u64> {
    let end = sent.last().copied().unwrap_or_default();
    let period = match thief {
        Thief::OwnRhythm => 5 * MINUTE + below(random, 55 * MINUTE),
        Thief::SameRhythm => QUARTER,
        Thief::Follows => {
            let after = |at| at + 20 * SECOND + below(random, 30 * SECOND);
            return sent.into_iter().map(after).collect();
        }
    };
    let mut at = copied + below(random, period);
    let mut all = Vec::new();
    while at < end {
        all.push(at);
        at += period * 9 / 10 + below(random, period / 5);
    }
    all
}

/// Returns a number below `limit`, which is less than 2^32.
fn below(random: &mut Rand32, limit: u64) -> u64 {
    random
        .rand_range(0..u32::try_from(limit).unwrap_or(u32::MAX))
        .into()
}

/// The outcome of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// No request was rejected: without a thief that is as it should be.
    Undisturbed,
    /// An honest tab was rejected, before any thief had refreshed.
    FalseLogout,
    /// The server detected two holders and ended the session, this long after the thief's first
    /// refresh.
    Seen(u64),
    /// The thief was rejected, without an alarm.
    ThiefOut,
    /// The victim was rejected without an alarm, and the thief continues.
    ThiefAlone,
}

/// Plays a schedule against a server that follows `rule`.
pub(crate) fn play(schedule: &Schedule, rule: &mut dyn Rule) -> Outcome {
    let first = rule.first();
    let mut victim = first;
    let mut thief = first;
    let mut carried = vec![first; schedule.holders.len()];
    let mut theft_began = None;
    for step in &schedule.steps {
        let holder = schedule.holders[step.exchange];
        let token = &mut carried[step.exchange];
        let jar = match holder {
            Holder::Victim => &mut victim,
            Holder::Thief => &mut thief,
        };
        match step.event {
            Event::Send => *token = *jar,
            Event::Arrive => *jar = *token,
            Event::Use => rule.used(*token),
            Event::Copy => thief = victim,
            Event::Serve => {
                if holder == Holder::Thief {
                    theft_began.get_or_insert(step.at);
                }
                match (rule.refresh(*token, step.at), theft_began, holder) {
                    (Answer::Pair(successor), ..) => *token = successor,
                    (_, None, _) => return Outcome::FalseLogout,
                    (Answer::Alarm, Some(began), _) => return Outcome::Seen(step.at - began),
                    (Answer::Refused, _, Holder::Victim) => return Outcome::ThiefAlone,
                    (Answer::Refused, _, Holder::Thief) => return Outcome::ThiefOut,
                }
            }
        }
    }
    Outcome::Undisturbed
}
