//! Promises 1 and 5, and the lost commit of promise 3, without a thief: tabs share one cookie jar,
//! replicas have their own clocks, and the network may delay, lose, repeat and reorder messages.
//!
//! Some events are represented by others. A lost request, or a request whose replica dies before it
//! writes, has no effect, as if it had not been sent; a request delivered twice is two requests
//! sent at once. A response that is lost on its way is a response whose replica died after it
//! wrote.
//!
//! A request whose access cookie is due for a reissue carries the jar's refresh cookie too. Its
//! handler may take far longer than an exchange, and only then the token is judged. The response
//! leaves the refresh cookie unchanged.

use stateright::{Model, Property};
use tokenpair::session::{
    ReissueDecision, Rotation, RotationCase, RotationDecision, decide, decide_reissue,
};

use crate::replica::{
    Guards, Key, Numbers, ReissueRule, Rule, aged, aged_with_start, key, mentioned,
};
use crate::{GENERATION, NOW, first_row, living, policy, time};

/// A request in flight, or at a replica.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Request {
    token: i64,
    sent: i64,
    purpose: Purpose,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Purpose {
    Refresh,
    /// Another request, with an access cookie near its expiry.
    Reissue,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Stage {
    Travelling,
    /// A guard admitted it when its replica's clock, this many ticks fast, showed `arrived`; the
    /// handler is at work.
    AtWork {
        arrived: i64,
        fast: i64,
    },
    /// The handler has finished and the row was read; it is about to write that `G` was presented.
    Judged {
        arrived: i64,
        fast: i64,
        now: i64,
        row: Rotation,
    },
    /// A replica has read its clock and is about to read the row, again if another write came
    /// first.
    Arrived {
        now: i64,
        overtaken: u8,
    },
    /// It has read the row and is about to write.
    Read {
        now: i64,
        overtaken: u8,
        row: Rotation,
    },
}

/// The times a request arrived and was judged, and its replica's clock error or its number of
/// retries.
type Clocks = (i64, i64, u8);

impl Request {
    fn order(&self) -> (i64, i64, Purpose, Option<Clocks>, Option<Key>) {
        let (stage, row) = match self.stage {
            Stage::Travelling => (None, None),
            Stage::AtWork { arrived, fast } => (Some((arrived, fast, 0)), None),
            Stage::Judged {
                arrived,
                fast,
                now,
                row,
            } => (
                Some((arrived, now, u8::try_from(fast).unwrap())),
                Some(key(&row)),
            ),
            Stage::Arrived { now, overtaken } => (Some((0, now, overtaken)), None),
            Stage::Read {
                now,
                overtaken,
                row,
            } => (Some((0, now, overtaken)), Some(key(&row))),
        };
        (self.token, self.sent, self.purpose, stage, row)
    }
}

/// A response in flight that sets the refresh cookie.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Answer {
    cookie: i64,
    sent: i64,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Tabs {
    row: Rotation,
    jar: i64,
    requests: Vec<Request>,
    answers: Vec<Answer>,
    /// The row before the last writes, the latest last, for as long as the database may still lose
    /// them.
    history: Vec<Rotation>,
    passwords: u8,
    /// The generation that the last change of password began.
    barred_below: i64,
    /// An honest client's session was revoked, or its token was rejected as out of date without an
    /// explanation.
    wronged: bool,
    /// A token from before a change of password bought a pair after it.
    revived: bool,
    /// A request has just been rejected because its writes failed too often.
    busy: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Event {
    /// A tab refreshes with the cookie in the jar.
    Send,
    /// A tab sends another request, whose access cookie is due for a reissue.
    Browse,
    /// A request reaches a replica whose clock is this many ticks fast.
    Reach(usize, i64),
    /// A request's handler finishes, and its replica reads its clock and the row. A decision that
    /// leaves the rotation unchanged needs no further step: if another write came first and it
    /// decided again, it would equal a request that finished later.
    Finish(usize),
    /// The replica reads the row; if there is nothing to write, it responds.
    Read(usize),
    /// The replica writes if the row is unchanged, and responds; otherwise it will read again.
    Write(usize),
    /// The same, but the response never arrives, or the replica dies between its commit and the
    /// response.
    WriteAndDie(usize),
    /// The client receives a response.
    Arrive(usize),
    /// The client receives a response that the network will deliver once more.
    ArriveTwice(usize),
    /// The user changes the password: the generation moves on, and the previous token is barred.
    ChangePassword,
    /// The database loses its last commits, this many.
    FailOver(usize),
    Tick,
}

/// The bounds of the search. They limit the search; they are not assumptions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network {
    pub(crate) rule: Rule,
    pub(crate) guards: Guards,
    pub(crate) window: u64,
    /// `D`: every exchange that completes does so within this many ticks.
    pub(crate) slowest: i64,
    /// The number of concurrent exchanges.
    pub(crate) tabs: usize,
    /// The maximum difference between the clocks of replicas.
    pub(crate) skew: i64,
    /// The maximum number of decisions before a request is rejected. The service has its own limit;
    /// unless the search is about it, no request reaches this one, since a request that gave up
    /// would equal a lost one.
    pub(crate) decisions: u8,
    /// The number of commits that a failover may lose; there is at most one failover.
    pub(crate) lost_commits: usize,
    /// Includes commits that only record that a token was handed out again.
    pub(crate) lost_handings: bool,
    /// The number of changes of password, after which the session continues.
    pub(crate) passwords: u8,
    /// The rule for reissues; `None` if all requests are refreshes.
    pub(crate) reissue: Option<ReissueRule>,
    /// The maximum duration of other requests' handlers, beside `D`.
    pub(crate) handler: i64,
}

/// The smallest network that reaches every case of the rule.
pub(crate) const SMALL: Network = Network {
    rule: decide,
    guards: Guards::ALL,
    window: 3,
    slowest: 1,
    tabs: 3,
    skew: 0,
    decisions: 9,
    lost_commits: 0,
    lost_handings: false,
    passwords: 0,
    reissue: None,
    handler: 0,
};

/// The smallest with reissues, whose exchanges take a whole window with their handlers.
pub(crate) const REISSUES: Network = Network {
    reissue: Some(decide_reissue),
    handler: 2,
    tabs: 2,
    ..SMALL
};

impl Network {
    fn oldest(&self) -> i64 {
        i64::try_from(self.window).unwrap() + self.slowest + self.skew + self.handler + 1
    }

    /// Returns the same state, relative to its own generation and time.
    fn normal(&self, mut state: Tabs, ticks: i64) -> Tabs {
        state.answers.iter_mut().for_each(|it| it.sent -= ticks);
        state.requests.iter_mut().for_each(|it| it.sent -= ticks);
        let in_time = |sent: i64| NOW - sent <= self.slowest;
        state.requests.retain(|request| {
            let at_work = match (request.purpose, request.stage) {
                (Purpose::Reissue, Stage::Travelling) | (Purpose::Refresh, _) => 0,
                (Purpose::Reissue, _) => self.handler,
            };
            in_time(request.sent + at_work)
        });
        state.answers.retain(|answer| in_time(answer.sent));
        let numbers = numbers(&state);
        let aged = if self.reissue.is_some() {
            aged_with_start
        } else {
            aged
        };
        let moved = |row: Rotation| numbers.row(aged(row, ticks, self.oldest()));
        state.row = moved(state.row);
        state.jar = numbers.of(state.jar);
        if state.passwords > 0 {
            state.barred_below = numbers.of(state.barred_below);
        }
        for row in &mut state.history {
            *row = moved(*row);
        }
        for request in &mut state.requests {
            request.token = numbers.of(request.token);
            match &mut request.stage {
                Stage::Travelling => {}
                Stage::AtWork { arrived, .. } => *arrived -= ticks,
                Stage::Arrived { now, .. } => *now -= ticks,
                Stage::Judged {
                    arrived, now, row, ..
                } => {
                    *arrived -= ticks;
                    *now -= ticks;
                    *row = moved(*row);
                }
                Stage::Read { now, row, .. } => {
                    *now -= ticks;
                    *row = moved(*row);
                }
            }
        }
        for answer in &mut state.answers {
            answer.cookie = numbers.of(answer.cookie);
        }
        state.requests.sort_unstable_by_key(Request::order);
        state.answers.sort_unstable();
        // Receiving the same cookie twice, before both are too late, equals receiving the later
        // one.
        state.answers.dedup();
        state
    }

    fn decide(&self, row: Rotation, token: i64, now: i64) -> RotationDecision {
        (self.rule)(&living(row), token, time(now), &policy(self.window))
    }

    fn decide_reissue(&self, row: Rotation, token: i64, arrived: i64, now: i64) -> ReissueDecision {
        let (arrived, now) = (Some(time(arrived)), time(now));
        self.reissue.unwrap()(&living(row), token, arrived, now, &policy(self.window))
    }

    fn read(&self, state: &mut Tabs, index: usize) {
        let Request {
            token,
            sent,
            stage: Stage::Arrived { now, overtaken },
            ..
        } = state.requests[index]
        else {
            return;
        };
        let row = state.row;
        let decision = self.decide(row, token, now);
        let granted = matches!(decision, RotationDecision::Grant { .. });
        state.revived |= granted && token < state.barred_below;
        match decision {
            RotationDecision::Grant { next: Some(_), .. } => {
                state.requests[index].stage = Stage::Read {
                    now,
                    overtaken,
                    row,
                };
            }
            RotationDecision::Grant { case, next: None } => {
                state.requests.remove(index);
                answer(state, case, row.generation, sent);
            }
            RotationDecision::Superseded => {
                state.requests.remove(index);
                // The cookie stays, and a newer one is in flight: harmless after a change that
                // explains it.
                state.wronged |= self.passwords == 0 && self.lost_commits == 0;
            }
            RotationDecision::Reused | RotationDecision::Ended(_) => state.wronged = true,
        }
    }

    fn finish(&self, state: &mut Tabs, index: usize) {
        let Request { token, stage, .. } = state.requests[index];
        let Stage::AtWork { arrived, fast } = stage else {
            return;
        };
        let (row, now) = (state.row, NOW + fast);
        match self.decide_reissue(row, token, arrived, now) {
            ReissueDecision::Permit(next) => {
                state.revived |= token < state.barred_below;
                if next == row {
                    state.requests.remove(index);
                } else {
                    state.requests[index].stage = Stage::Judged {
                        arrived,
                        fast,
                        now,
                        row,
                    };
                }
            }
            // Another request will get one, with the jar's cookie at that time.
            ReissueDecision::Refuse => {
                state.requests.remove(index);
            }
            ReissueDecision::Reused => state.wronged = true,
        }
    }

    fn write_presented(&self, state: &mut Tabs, index: usize) {
        let Request { token, stage, .. } = state.requests[index];
        let Stage::Judged {
            arrived,
            fast,
            now,
            row,
        } = stage
        else {
            return;
        };
        match self.decide_reissue(row, token, arrived, now) {
            ReissueDecision::Permit(next) if self.guards.hold(&state.row, false, &row) => {
                self.remember(state);
                state.row = next;
                state.requests.remove(index);
            }
            _ => state.requests[index].stage = Stage::AtWork { arrived, fast },
        }
    }

    fn write(&self, state: &mut Tabs, index: usize, dies: bool) {
        let Request {
            token,
            sent,
            stage:
                Stage::Read {
                    now,
                    overtaken,
                    row,
                },
            ..
        } = state.requests[index]
        else {
            return;
        };
        if !self.guards.hold(&state.row, false, &row) {
            let overtaken = overtaken + 1;
            state.requests[index].stage = Stage::Arrived { now, overtaken };
            if overtaken == self.decisions {
                state.requests.remove(index);
                state.busy = true;
            }
            return;
        }
        let RotationDecision::Grant {
            case,
            next: Some(next),
        } = self.decide(row, token, now)
        else {
            return;
        };
        self.remember(state);
        state.row = next;
        state.requests.remove(index);
        if !dies {
            answer(state, case, next.generation, sent);
        }
        // A generation that the row no longer has requires a database that lost a commit.
        state.wronged |= case == RotationCase::LostCommit && self.lost_commits == 0;
    }

    fn remember(&self, state: &mut Tabs) {
        if state.history.len() == self.lost_commits + 1 {
            // The failover has happened, or there is none.
            return;
        }
        state.history.push(state.row);
        if state.history.len() > self.lost_commits {
            state.history.remove(0);
        }
    }

    fn may_lose(&self, state: &Tabs, commits: usize) -> bool {
        let rows: Vec<&Rotation> = state.history.iter().chain([&state.row]).collect();
        let handing = |pair: &[&Rotation]| {
            pair[0].generation == pair[1].generation && pair[0].handed_at != pair[1].handed_at
        };
        let lost = &rows[rows.len() - commits - 1..];
        self.lost_handings || !lost.windows(2).any(handing)
    }

    fn fail_over(&self, state: &mut Tabs, commits: usize) {
        state.row = state.history[state.history.len() - commits];
        // Longer than it ever gets, so that it does not happen again.
        state.history = vec![state.row; self.lost_commits + 1];
    }
}

fn numbers(state: &Tabs) -> Numbers {
    let mut all: Vec<i64> = mentioned(&state.row).chain([state.jar]).collect();
    if state.passwords > 0 {
        all.push(state.barred_below);
    }
    all.extend(state.answers.iter().map(|answer| answer.cookie));
    all.extend(state.history.iter().flat_map(mentioned));
    for request in &state.requests {
        all.push(request.token);
        if let Stage::Read { row, .. } = &request.stage {
            all.extend(mentioned(row));
        }
    }
    Numbers::new(state.row.generation, all)
}

fn send(state: &mut Tabs, purpose: Purpose) {
    state.requests.push(Request {
        token: state.jar,
        sent: NOW,
        purpose,
        stage: Stage::Travelling,
    });
}

/// A response that leaves the refresh cookie unchanged has no effect on arrival.
fn answer(state: &mut Tabs, case: RotationCase, cookie: i64, sent: i64) {
    if case != RotationCase::RepeatCurrent {
        state.answers.push(Answer { cookie, sent });
    }
}

/// Changes the row as a change of password does for the session that continues, and responds.
fn change_password(state: &mut Tabs) {
    let generation = state.row.generation + 1;
    state.row = Rotation {
        generation,
        previous: Some(state.row.generation),
        previous_barred: true,
        rotated_at: time(NOW),
        handed_at: None,
        confirmed_at: None,
    };
    state.passwords += 1;
    state.barred_below = generation;
    state.answers.push(Answer {
        cookie: generation,
        sent: NOW,
    });
}

impl Model for Network {
    type State = Tabs;
    type Action = Event;

    fn init_states(&self) -> Vec<Tabs> {
        vec![Tabs {
            row: first_row(),
            jar: GENERATION,
            requests: Vec::new(),
            answers: Vec::new(),
            history: Vec::new(),
            passwords: 0,
            barred_below: 0,
            wronged: false,
            revived: false,
            busy: false,
        }]
    }

    fn actions(&self, state: &Tabs, events: &mut Vec<Event>) {
        if state.wronged || state.revived {
            return;
        }
        if state.requests.len() + state.answers.len() < self.tabs {
            events.push(Event::Send);
            events.extend(self.reissue.map(|_| Event::Browse));
            if state.passwords < self.passwords {
                events.push(Event::ChangePassword);
            }
        }
        for (index, request) in state.requests.iter().enumerate() {
            match request.stage {
                Stage::Travelling => {
                    events.extend((0..=self.skew).map(|fast| Event::Reach(index, fast)));
                }
                Stage::AtWork { .. } => events.push(Event::Finish(index)),
                Stage::Arrived { .. } => events.push(Event::Read(index)),
                Stage::Read { .. } => {
                    events.extend([Event::Write(index), Event::WriteAndDie(index)]);
                }
                Stage::Judged { .. } => events.push(Event::Write(index)),
            }
        }
        for index in 0..state.answers.len() {
            events.extend([Event::Arrive(index), Event::ArriveTwice(index)]);
        }
        if state.history.len() <= self.lost_commits {
            let can = (1..=state.history.len()).filter(|commits| self.may_lose(state, *commits));
            events.extend(can.map(Event::FailOver));
        }
        events.push(Event::Tick);
    }

    fn next_state(&self, last: &Tabs, event: Event) -> Option<Tabs> {
        let mut state = last.clone();
        state.busy = false;
        let mut ticks = 0;
        match event {
            Event::Send => send(&mut state, Purpose::Refresh),
            Event::Browse => send(&mut state, Purpose::Reissue),
            Event::Reach(index, fast) => {
                let arrived = NOW + fast;
                state.requests[index].stage = match state.requests[index].purpose {
                    Purpose::Refresh => Stage::Arrived {
                        now: arrived,
                        overtaken: 0,
                    },
                    Purpose::Reissue => Stage::AtWork { arrived, fast },
                };
            }
            Event::Finish(index) => self.finish(&mut state, index),
            Event::Read(index) => self.read(&mut state, index),
            Event::Write(index) => match state.requests[index].purpose {
                Purpose::Refresh => self.write(&mut state, index, false),
                Purpose::Reissue => self.write_presented(&mut state, index),
            },
            Event::WriteAndDie(index) => self.write(&mut state, index, true),
            Event::Arrive(index) => state.jar = state.answers.remove(index).cookie,
            Event::ArriveTwice(index) => state.jar = state.answers[index].cookie,
            Event::ChangePassword => change_password(&mut state),
            Event::FailOver(commits) => self.fail_over(&mut state, commits),
            Event::Tick => ticks = 1,
        }
        Some(self.normal(state, ticks))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NOBODY, |_, state: &Tabs| !state.wronged),
            Property::always(BARRED, |_, state: &Tabs| !state.revived),
            Property::always(NOT_BUSY, |_, state: &Tabs| !state.busy),
        ]
    }
}

pub(crate) const NOBODY: &str = "no honest client is logged out";
pub(crate) const BARRED: &str = "after a change of password, no older token buys anything";
pub(crate) const NOT_BUSY: &str = "no request is rejected as busy";
