//! The rotation rule, searched whole by a model checker: every schedule of tabs, replicas, losses, delays, repetitions
//! and thieves within the bounds, against the real decision function.
//!
//! Time is in ticks of a second. States are kept relative to the row's generation and to the present, so there are
//! finitely many. A bound is what is searched, not what is assumed: every exchange that completes does so within `D`
//! ticks of being sent, and the window `W` has to exceed twice that (and the window's eighth on top).

use stateright::{Checker, Model, Property};
use tokenpair::clock::Timestamp;
use tokenpair::session::{Case, Decision, Rotation, Row, SessionPolicy, decide};

use crate::{GENERATION, NOW, first_row, living, policy, time};

/// Tokens further back than this are alike.
const FAR: i64 = 6;

type Rule = fn(&Row, i64, Timestamp, &SessionPolicy) -> Decision;

/// Moves a row by generations and ticks; ages past `oldest` are alike.
fn moved(row: Rotation, generations: i64, ticks: i64, oldest: i64) -> Rotation {
    let shift = |at: Timestamp| time((at.unix() - ticks).max(NOW - oldest));
    Rotation {
        generation: row.generation - generations,
        previous: row.previous.map(|previous| far(previous - generations)),
        previous_barred: row.previous_barred,
        // The rule does not look at it.
        rotated_at: time(NOW),
        handed_at: row.handed_at.map(shift),
        confirmed_at: row.confirmed_at.map(shift),
    }
}

fn far(generation: i64) -> i64 {
    generation.max(GENERATION - FAR)
}

// ---- No thief: several tabs with one cookie jar, any number of replicas, and a network that may do anything. ----

/// A request on its way, or on a replica that has read the row and not yet written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Request {
    token: i64,
    sent: i64,
    read: Option<Reading>,
}

/// What a replica decides from: the instant of the request, and the row as it was read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Reading {
    now: i64,
    row: Rotation,
}

impl Reading {
    fn key(&self) -> (i64, i64, Option<i64>, Option<i64>, Option<i64>) {
        let Rotation {
            generation,
            previous,
            handed_at,
            confirmed_at,
            ..
        } = self.row;
        (
            self.now,
            generation,
            previous,
            handed_at.map(Timestamp::unix),
            confirmed_at.map(Timestamp::unix),
        )
    }
}

impl PartialOrd for Reading {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Reading {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// An answer on its way; it may leave the refresh cookie as it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Answer {
    cookie: Option<i64>,
    sent: i64,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Tabs {
    row: Rotation,
    jar: i64,
    requests: Vec<Request>,
    answers: Vec<Answer>,
    /// An honest client was told that it is logged out.
    wronged: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Event {
    Send,
    /// The network delivers a request twice.
    Repeat(usize),
    /// A request never arrives, or its replica dies before it has written.
    LoseRequest(usize),
    Read(usize),
    /// The replica writes if the row is still what it read, or else reads again; then it answers.
    Write(usize),
    /// An answer never arrives, or its replica dies after it has written.
    LoseAnswer(usize),
    Arrive(usize),
    Tick,
}

struct Network {
    rule: Rule,
    window: u64,
    /// `D`
    slowest: i64,
    /// Exchanges at once.
    tabs: usize,
}

impl Network {
    fn oldest(&self) -> i64 {
        i64::try_from(self.window).unwrap() + self.slowest + 2
    }

    /// The same state, relative to its own generation and instant.
    fn normal(&self, mut state: Tabs, ticks: i64) -> Tabs {
        let generations = state.row.generation - GENERATION;
        let oldest = self.oldest();
        state.row = moved(state.row, generations, ticks, oldest);
        state.jar = far(state.jar - generations);
        for request in &mut state.requests {
            request.token = far(request.token - generations);
            request.sent -= ticks;
            if let Some(reading) = &mut request.read {
                reading.now -= ticks;
                reading.row = moved(reading.row, generations, ticks, oldest);
            }
        }
        for answer in &mut state.answers {
            answer.cookie = answer.cookie.map(|cookie| far(cookie - generations));
            answer.sent -= ticks;
        }
        let in_time = |sent: i64| NOW - sent <= self.slowest;
        state.requests.retain(|request| in_time(request.sent));
        state.answers.retain(|answer| in_time(answer.sent));
        state.requests.sort_unstable();
        state.answers.sort_unstable();
        state
    }

    fn write(&self, state: &mut Tabs, index: usize) {
        let request = state.requests[index];
        let Some(reading) = request.read else { return };
        match (self.rule)(
            &living(reading.row),
            request.token,
            time(reading.now),
            &policy(self.window),
        ) {
            Decision::Grant { next: Some(_), .. } if state.row != reading.row => {
                state.requests[index].read = Some(Reading {
                    row: state.row,
                    ..reading
                });
            }
            Decision::Grant { case, next } => {
                state.row = next.unwrap_or(state.row);
                let generation = next.unwrap_or(reading.row).generation;
                let cookie = (case != Case::Again).then_some(generation);
                state.requests.remove(index);
                state.answers.push(Answer {
                    cookie,
                    sent: request.sent,
                });
                // A generation that the row has forgotten needs a database that lost a commit; none has here.
                state.wronged |= case == Case::Forward;
            }
            Decision::Reused | Decision::Superseded | Decision::Ended(_) => state.wronged = true,
        }
    }
}

impl Model for Network {
    type State = Tabs;
    type Action = Event;

    fn init_states(&self) -> Vec<Tabs> {
        let row = first_row();
        vec![Tabs {
            row,
            jar: GENERATION,
            requests: Vec::new(),
            answers: Vec::new(),
            wronged: false,
        }]
    }

    fn actions(&self, state: &Tabs, events: &mut Vec<Event>) {
        let room = state.requests.len() + state.answers.len() < self.tabs;
        if room {
            events.push(Event::Send);
        }
        for (index, request) in state.requests.iter().enumerate() {
            events.push(Event::LoseRequest(index));
            match request.read {
                None => {
                    events.push(Event::Read(index));
                    if room {
                        events.push(Event::Repeat(index));
                    }
                }
                Some(_) => events.push(Event::Write(index)),
            }
        }
        for index in 0..state.answers.len() {
            events.extend([Event::LoseAnswer(index), Event::Arrive(index)]);
        }
        events.push(Event::Tick);
    }

    fn next_state(&self, last: &Tabs, event: Event) -> Option<Tabs> {
        let mut state = last.clone();
        let mut ticks = 0;
        match event {
            Event::Send => state.requests.push(Request {
                token: state.jar,
                sent: NOW,
                read: None,
            }),
            Event::Repeat(index) => state.requests.push(state.requests[index]),
            Event::LoseRequest(index) => drop(state.requests.remove(index)),
            Event::Read(index) => {
                state.requests[index].read = Some(Reading {
                    now: NOW,
                    row: state.row,
                })
            }
            Event::Write(index) => self.write(&mut state, index),
            Event::LoseAnswer(index) => drop(state.answers.remove(index)),
            Event::Arrive(index) => {
                state.jar = state.answers.remove(index).cookie.unwrap_or(state.jar)
            }
            Event::Tick => ticks = 1,
        }
        Some(self.normal(state, ticks))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nobody honest is logged out", |_, state: &Tabs| {
                !state.wronged
            }),
            Property::sometimes("a lost answer is recovered from", |_, state: &Tabs| {
                state
                    .row
                    .previous
                    .is_some_and(|previous| previous < state.row.generation - 1)
            }),
        ]
    }
}

/// How many states there are, and whether an honest client is ever logged out.
fn search(network: Network) -> (usize, bool) {
    let checker = network.checker().threads(2).spawn_bfs().join();
    (
        checker.unique_state_count(),
        checker.discovery("nobody honest is logged out").is_some(),
    )
}

#[test]
fn without_a_thief_no_schedule_logs_anyone_out() {
    for (window, slowest, tabs) in [(3, 1, 3), (5, 2, 2)] {
        let (states, wronged) = search(Network {
            rule: decide,
            window,
            slowest,
            tabs,
        });
        println!("W={window} D={slowest}, {tabs} exchanges at once: {states} states");
        assert!(
            !wronged && states > 1_000,
            "W={window} D={slowest}: {states} states"
        );
    }
}

#[test]
fn a_window_of_no_more_than_twice_an_exchange_breaks() {
    let (_, wronged) = search(Network {
        rule: decide,
        window: 2,
        slowest: 1,
        tabs: 3,
    });
    assert!(
        wronged,
        "the search would find a schedule if there were one"
    );
}

/// Rules with one line broken, and what it is.
const BROKEN: [(&str, Rule); 6] = [
    (
        "a repeated token is theft",
        |row, token, now, policy| match decide(row, token, now, policy) {
            Decision::Grant {
                case: Case::Same, ..
            } => Decision::Reused,
            other => other,
        },
    ),
    (
        "a lost answer is theft",
        |row, token, now, policy| match decide(row, token, now, policy) {
            Decision::Grant {
                case: Case::Recover,
                ..
            } => Decision::Reused,
            other => other,
        },
    ),
    (
        "no window: every use rotates",
        |row, token, now, policy| match decide(row, token, now, policy) {
            Decision::Grant {
                case: Case::Again, ..
            } => {
                let quiet = Rotation {
                    handed_at: None,
                    ..row.rotation
                };
                decide(
                    &Row {
                        rotation: quiet,
                        ..*row
                    },
                    token,
                    now,
                    policy,
                )
            }
            other => other,
        },
    ),
    (
        "a successor is not handed out again in time",
        |row, token, now, policy| match decide(row, token, now, policy) {
            Decision::Grant {
                case: Case::Same,
                next: Some(_),
            } => Decision::Grant {
                case: Case::Same,
                next: None,
            },
            other => other,
        },
    ),
    (
        "theft as soon as the successor was seen",
        |row, token, now, policy| match decide(row, token, now, policy) {
            Decision::Grant {
                case: Case::Same, ..
            } if row.rotation.confirmed_at.is_some() => Decision::Reused,
            other => other,
        },
    ),
    (
        "recovery forgets whose answer was lost",
        |row, token, now, policy| match decide(row, token, now, policy) {
            Decision::Grant {
                case: Case::Recover,
                next: Some(next),
            } => Decision::Grant {
                case: Case::Recover,
                next: Some(Rotation {
                    previous: Some(row.rotation.generation),
                    ..next
                }),
            },
            other => other,
        },
    ),
];

#[test]
fn each_line_of_the_rule_is_needed_and_the_search_finds_it_broken() {
    for (what, rule) in BROKEN {
        let (_, wronged) = search(Network {
            rule,
            window: 3,
            slowest: 1,
            tabs: 3,
        });
        assert!(wronged, "{what}: nobody was logged out");
    }
}

// ---- A thief with a copy: two holders who refresh more than a window apart from each other. ----

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Holder {
    Victim,
    Thief,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Theft {
    row: Rotation,
    victim: i64,
    thief: i64,
    /// Who refreshed last, and how many ticks ago.
    last: Option<(Holder, i64)>,
    /// How often another holder than the last was given a pair.
    changes: u8,
    over: bool,
    /// A token other than `G` and `P` bought a pair.
    forged: bool,
}

struct TwoHolders {
    rule: Rule,
    window: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Move {
    Refresh(Holder),
    Tick,
}

impl Model for TwoHolders {
    type State = Theft;
    type Action = Move;

    fn init_states(&self) -> Vec<Theft> {
        let stolen = |thief: i64| Theft {
            row: first_row(),
            victim: GENERATION,
            thief,
            last: None,
            changes: 0,
            over: false,
            forged: false,
        };
        // A copy of the current token, and copies of older ones.
        (0..=3).map(|age| stolen(GENERATION - age)).collect()
    }

    fn actions(&self, state: &Theft, moves: &mut Vec<Move>) {
        if state.over {
            return;
        }
        for holder in [Holder::Victim, Holder::Thief] {
            let apart = state
                .last
                .is_none_or(|(last, ticks)| last == holder || ticks > self.window);
            if apart {
                moves.push(Move::Refresh(holder));
            }
        }
        moves.push(Move::Tick);
    }

    fn next_state(&self, last: &Theft, step: Move) -> Option<Theft> {
        let mut state = last.clone();
        let mut ticks = 0;
        match step {
            Move::Tick => ticks = 1,
            Move::Refresh(holder) => self.refresh(&mut state, holder),
        }
        let generations = state.row.generation - GENERATION;
        state.row = moved(state.row, generations, ticks, self.window + 2);
        state.victim = far(state.victim - generations);
        state.thief = far(state.thief - generations);
        state.last = state
            .last
            .map(|(holder, ago)| (holder, (ago + ticks).min(self.window + 2)));
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "the third change of holder ends the session",
                |_, state: &Theft| state.changes <= 2,
            ),
            Property::always("only G and P buy anything", |_, state: &Theft| {
                !state.forged
            }),
            Property::sometimes("a theft is noticed", |_, state: &Theft| state.over),
        ]
    }
}

impl TwoHolders {
    fn refresh(&self, state: &mut Theft, holder: Holder) {
        let window = u64::try_from(self.window).unwrap();
        let token = match holder {
            Holder::Victim => state.victim,
            Holder::Thief => state.thief,
        };
        let row = state.row;
        let Decision::Grant { case, next } =
            (self.rule)(&living(row), token, time(NOW), &policy(window))
        else {
            state.over = true;
            return;
        };
        state.forged |= token != row.generation && Some(token) != row.previous;
        state.row = next.unwrap_or(row);
        let held = if case == Case::Again {
            token
        } else {
            state.row.generation
        };
        match holder {
            Holder::Victim => state.victim = held,
            Holder::Thief => state.thief = held,
        }
        if state.last.is_some_and(|(last, _)| last != holder) {
            state.changes = (state.changes + 1).min(5);
        }
        state.last = Some((holder, 0));
    }
}

#[test]
fn with_a_thief_the_third_change_of_holder_ends_the_session_and_old_copies_buy_nothing() {
    for window in [3, 5, 8] {
        let checker = TwoHolders {
            rule: decide,
            window,
        }
        .checker()
        .spawn_bfs()
        .join();
        println!(
            "W={window}, a thief: {} states",
            checker.unique_state_count()
        );
        checker.assert_properties();
    }
}

#[test]
fn a_rule_that_lets_old_tokens_live_is_found_out() {
    let lenient: Rule = |row, token, now, policy| match decide(row, token, now, policy) {
        Decision::Reused => Decision::Grant {
            case: Case::Same,
            next: None,
        },
        other => other,
    };
    let checker = TwoHolders {
        rule: lenient,
        window: 3,
    }
    .checker()
    .spawn_bfs()
    .join();
    assert!(checker.discovery("only G and P buy anything").is_some());
    assert!(
        checker
            .discovery("the third change of holder ends the session")
            .is_some()
    );
}
