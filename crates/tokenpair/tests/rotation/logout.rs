//! Promise 4, and promise 3 with requests that race: any token is presented at any time, by an
//! honest client or not, and a request may be in flight for ever. Meanwhile the user logs out. A
//! token is presented to refresh, or beside an access token that is due for a reissue, which is
//! issued only after its write.

use stateright::{Model, Property};
use tokenpair::session::{
    End, ReissueDecision, Rotation, RotationDecision, Row, decide, decide_reissue,
};

use crate::page::assert_counted;
use crate::replica::{
    Guards, Key, Numbers, ReissueRule, Rule, aged, aged_with_start, key, mentioned, search,
};
use crate::{GENERATION, NOW, first_row, living, policy, time};

const WINDOW: u64 = 3;
/// Older times are equivalent.
const OLDEST: i64 = 4;
/// A generation that no row mentions.
const OLDER: i64 = GENERATION - 50;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Request {
    token: i64,
    /// For a reissue, otherwise to refresh.
    reissue: bool,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Stage {
    Arrived {
        now: i64,
    },
    /// It has read the row and is about to write the decision, or to revoke.
    Read {
        now: i64,
        row: Rotation,
        revoked: bool,
    },
}

impl Request {
    fn order(&self) -> (i64, bool, i64, bool, Option<Key>) {
        let (now, revoked, row) = match self.stage {
            Stage::Arrived { now } => (now, false, None),
            Stage::Read { now, row, revoked } => (now, revoked, Some(key(&row))),
        };
        (self.token, self.reissue, now, revoked, row)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Logout {
    Not,
    /// Only for a logout that first reads the row, which ours does not.
    Read(i64),
    /// The revocation is committed, if there is one.
    Committed,
    Answered,
}

/// The broken promises.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Wrong {
    granted: bool,
    written: bool,
    lives_on: bool,
    answered_only: bool,
    minted: bool,
    forgotten: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Ending {
    row: Rotation,
    revoked: bool,
    requests: Vec<Request>,
    logout: Logout,
    wrong: Wrong,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Event {
    /// A client presents a token of that generation.
    Present(i64),
    /// A client presents it beside an access token that is due for a reissue.
    Show(i64),
    Read(usize),
    Write(usize),
    ReadForLogout,
    CommitLogout,
    AnswerLogout,
    Tick,
}

/// The ways in which a logout may be wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flaw {
    None,
    /// Like a refresh, it writes only if the row is still of the generation that it has read, and
    /// does not retry.
    Compares,
    /// It responds before it has committed.
    AnswersFirst,
    /// A refresh writes the whole row as it was read, which undoes a concurrent revocation.
    Overwritten,
    /// The revocation of a session whose token was copied is rolled back with the error that ends
    /// the request.
    RolledBack,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Race {
    pub(crate) rule: Rule,
    pub(crate) guards: Guards,
    pub(crate) flaw: Flaw,
    /// The number of concurrent requests.
    pub(crate) requests: usize,
    /// The rule for reissues; `None` for no reissues.
    pub(crate) reissue: Option<ReissueRule>,
}

pub(crate) const RACE: Race = Race {
    rule: decide,
    guards: Guards::ALL,
    flaw: Flaw::None,
    requests: 2,
    reissue: None,
};

pub(crate) const REISSUE: Race = Race {
    reissue: Some(decide_reissue),
    ..RACE
};

impl Race {
    fn decide_reissue(
        &self,
        row: Rotation,
        revoked: bool,
        token: i64,
        now: i64,
    ) -> ReissueDecision {
        let row = Row {
            revoked,
            ..living(row)
        };
        let now = time(now);
        self.reissue.unwrap()(&row, token, Some(now), now, &policy(WINDOW))
    }

    fn read_for_reissue(&self, state: &mut Ending, index: usize, now: i64) {
        let token = state.requests[index].token;
        let (row, revoked) = (state.row, state.revoked);
        let decision = self.decide_reissue(row, revoked, token, now);
        let ours = token == row.generation || Some(token) == row.previous;
        state.wrong.minted |= matches!(decision, ReissueDecision::Permit(_)) && !ours;
        if decision == ReissueDecision::Refuse {
            state.requests.remove(index);
        } else {
            state.requests[index].stage = Stage::Read { now, row, revoked };
        }
    }

    /// A request that read the row before a logout gets nothing after it either, since the write
    /// comes first.
    fn write_for_reissue(&self, state: &mut Ending, index: usize) {
        let Request { token, stage, .. } = state.requests[index];
        let Stage::Read { now, row, revoked } = stage else {
            return;
        };
        match self.decide_reissue(row, revoked, token, now) {
            ReissueDecision::Reused => {
                state.revoked |= self.flaw != Flaw::RolledBack;
                state.wrong.answered_only |= !state.revoked;
                state.requests.remove(index);
            }
            ReissueDecision::Permit(next) if self.guards.hold(&state.row, state.revoked, &row) => {
                self.step(state, next, revoked);
                state.requests.remove(index);
            }
            _ => state.requests[index].stage = Stage::Arrived { now },
        }
    }

    fn step(&self, state: &mut Ending, next: Rotation, revoked: bool) {
        let before = state.row;
        state.wrong.written |= state.revoked;
        state.wrong.forgotten |= next.generation < before.generation
            || next.generation == before.generation && next.confirmed_at < before.confirmed_at;
        state.wrong.granted |= state.logout == Logout::Answered;
        state.row = next;
        if self.flaw == Flaw::Overwritten {
            state.revoked = revoked;
        }
    }

    fn decide(&self, row: Rotation, revoked: bool, token: i64, now: i64) -> RotationDecision {
        let row = Row {
            revoked,
            ..living(row)
        };
        (self.rule)(&row, token, time(now), &policy(WINDOW))
    }

    fn read(&self, state: &mut Ending, index: usize) {
        let Request {
            token,
            reissue,
            stage,
        } = state.requests[index];
        let Stage::Arrived { now } = stage else {
            return;
        };
        if reissue {
            return self.read_for_reissue(state, index, now);
        }
        let (row, revoked) = (state.row, state.revoked);
        let decision = self.decide(row, revoked, token, now);
        let ours = token == row.generation || Some(token) == row.previous;
        let granted = matches!(decision, RotationDecision::Grant { .. });
        state.wrong.granted |= granted && state.logout == Logout::Answered;
        state.wrong.minted |= granted && !ours;
        match decision {
            RotationDecision::Grant { next: Some(_), .. } | RotationDecision::Reused => {
                state.requests[index].stage = Stage::Read { now, row, revoked };
            }
            // It responds with the row as it was read: tokens of a generation in the row, which end
            // with it.
            RotationDecision::Grant { next: None, .. }
            | RotationDecision::Superseded
            | RotationDecision::Ended(_) => {
                state.requests.remove(index);
            }
        }
    }

    fn write(&self, state: &mut Ending, index: usize) {
        let Request {
            token,
            reissue,
            stage,
        } = state.requests[index];
        if reissue {
            return self.write_for_reissue(state, index);
        }
        let Stage::Read { now, row, revoked } = stage else {
            return;
        };
        match self.decide(row, revoked, token, now) {
            RotationDecision::Reused => {
                state.revoked |= self.flaw != Flaw::RolledBack;
                state.wrong.answered_only |= !state.revoked;
                state.requests.remove(index);
            }
            RotationDecision::Grant {
                next: Some(next), ..
            } if self.guards.hold(&state.row, state.revoked, &row) => {
                self.step(state, next, revoked);
                state.requests.remove(index);
            }
            _ => state.requests[index].stage = Stage::Arrived { now },
        }
    }

    fn commit(&self, state: &mut Ending) {
        let stale = matches!(state.logout, Logout::Read(read) if read != state.row.generation);
        state.revoked |= !stale;
        state.logout = match state.logout {
            Logout::Answered => Logout::Answered,
            _ => Logout::Committed,
        };
    }

    /// Returns the same state, relative to its own generation and time.
    fn normal(&self, mut state: Ending, ticks: i64) -> Ending {
        let mut all: Vec<i64> = mentioned(&state.row).collect();
        for request in &state.requests {
            all.push(request.token);
            if let Stage::Read { row, .. } = &request.stage {
                all.extend(mentioned(row));
            }
        }
        if let Logout::Read(read) = state.logout {
            all.push(read);
        }
        all.retain(|generation| *generation != OLDER);
        let numbers = Numbers::new(state.row.generation, all);
        let of = |generation| match generation {
            OLDER => OLDER,
            _ => numbers.of(generation),
        };
        let aged = if self.reissue.is_some() {
            aged_with_start
        } else {
            aged
        };
        let moved = |row| numbers.row(aged(row, ticks, OLDEST));
        let ago = |now: i64| (now - ticks).max(NOW - OLDEST);
        for request in &mut state.requests {
            request.token = of(request.token);
            request.stage = match request.stage {
                Stage::Arrived { now } => Stage::Arrived { now: ago(now) },
                Stage::Read { now, row, revoked } => Stage::Read {
                    now: ago(now),
                    row: moved(row),
                    revoked,
                },
            };
        }
        if let Logout::Read(read) = &mut state.logout {
            *read = of(*read);
        }
        state.row = moved(state.row);
        state.requests.sort_unstable_by_key(Request::order);
        // A session whose end was undone, or that never ended.
        state.wrong.lives_on |= state.logout == Logout::Answered && !state.revoked;
        state
    }
}

impl Model for Race {
    type State = Ending;
    type Action = Event;

    fn init_states(&self) -> Vec<Ending> {
        vec![Ending {
            row: first_row(),
            revoked: false,
            requests: Vec::new(),
            logout: Logout::Not,
            wrong: Wrong::default(),
        }]
    }

    fn actions(&self, state: &Ending, events: &mut Vec<Event>) {
        if state.wrong != Wrong::default() {
            return;
        }
        if state.requests.len() < self.requests {
            let row = state.row;
            let tokens = [row.generation, OLDER].into_iter().chain(row.previous);
            events.extend(tokens.clone().map(Event::Present));
            if self.reissue.is_some() {
                events.extend(tokens.map(Event::Show));
            }
        }
        for (index, request) in state.requests.iter().enumerate() {
            events.push(match request.stage {
                Stage::Arrived { .. } => Event::Read(index),
                Stage::Read { .. } => Event::Write(index),
            });
        }
        events.extend(match (state.logout, self.flaw) {
            (Logout::Not, Flaw::Compares) => Some(Event::ReadForLogout),
            (Logout::Not, Flaw::AnswersFirst) | (Logout::Committed, _) => Some(Event::AnswerLogout),
            (Logout::Not | Logout::Read(_), _) => Some(Event::CommitLogout),
            (Logout::Answered, Flaw::AnswersFirst) => Some(Event::CommitLogout),
            (Logout::Answered, _) => None,
        });
        events.push(Event::Tick);
    }

    fn next_state(&self, last: &Ending, event: Event) -> Option<Ending> {
        let mut state = last.clone();
        let mut ticks = 0;
        match event {
            Event::Present(token) | Event::Show(token) => state.requests.push(Request {
                token,
                reissue: matches!(event, Event::Show(_)),
                stage: Stage::Arrived { now: NOW },
            }),
            Event::Read(index) => self.read(&mut state, index),
            Event::Write(index) => self.write(&mut state, index),
            Event::ReadForLogout => state.logout = Logout::Read(state.row.generation),
            Event::CommitLogout => self.commit(&mut state),
            Event::AnswerLogout => state.logout = Logout::Answered,
            Event::Tick => ticks = 1,
        }
        Some(self.normal(state, ticks))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(GRANTED, |_, state: &Ending| !state.wrong.granted),
            Property::always(WRITTEN, |_, state: &Ending| !state.wrong.written),
            Property::always(LIVES, |_, state: &Ending| !state.wrong.lives_on),
            Property::always(COMMITS, |_, state: &Ending| !state.wrong.answered_only),
            Property::always(FORGOTTEN, |_, state: &Ending| !state.wrong.forgotten),
            Property::always(ONLY, |_, state: &Ending| !state.wrong.minted),
        ]
    }
}

pub(crate) const GRANTED: &str =
    "after a logout has answered, nothing is granted that looks at the row";
pub(crate) const WRITTEN: &str = "a session that has ended is never rotated";
pub(crate) const LIVES: &str = "a session that was logged out has ended, and stays so";
pub(crate) const COMMITS: &str = "a response that reports a copy follows the revocation";
pub(crate) const FORGOTTEN: &str =
    "no write undoes another: generations rise, and that one was presented stays known";
pub(crate) const ONLY: &str = "only G and P of the row that was read mint anything";

#[test]
fn after_a_logout_no_token_is_taken_whatever_was_in_flight() {
    for requests in [1, 2] {
        let (states, broken) = search(Race { requests, ..RACE });
        assert!(broken.is_empty(), "{broken:?}");
        assert_counted(&format!("logout: {requests} at once"), states);
    }
}

#[test]
fn after_a_logout_nothing_is_reissued_whatever_was_in_flight() {
    let wide = std::env::var_os("ROTATION_WIDE").is_some();
    for requests in 1..=if wide { 2 } else { 1 } {
        let (states, broken) = search(Race {
            requests,
            ..REISSUE
        });
        assert!(broken.is_empty(), "{broken:?}");
        assert_counted(&format!("logout and reissues: {requests} at once"), states);
    }
}

#[test]
fn a_logout_is_an_end_to_the_rule_whatever_is_presented_and_whenever() {
    for token in GENERATION - 3..=GENERATION + 20 {
        for handed in 0..=OLDEST {
            let row = Row {
                revoked: true,
                ..living(Rotation {
                    previous: Some(GENERATION - 1),
                    handed_at: Some(time(NOW - handed)),
                    ..first_row()
                })
            };
            let said = decide(&row, token, time(NOW), &policy(WINDOW));
            assert_eq!(said, RotationDecision::Ended(End::Revoked));
        }
    }
}
