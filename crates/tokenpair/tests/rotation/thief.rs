//! Promises 2 and 3: a thief with a copy, against a victim who does not know of it. Each refreshes
//! more than a window apart from the other.
//!
//! A past generation never returns, so only three facts about a holder matter: whether it has the
//! token of `G`, that of `P`, and any other (older, or an orphan). The victim has only the last
//! token received; the thief may keep every token it ever received, and choose.
//!
//! With reissues both may also have their access token replaced, by presenting a refresh token
//! beside it, as often as they like. A thief may have an access token and no refresh token at all.

use stateright::{Model, Property};
use tokenpair::session::{
    ReissueDecision, Rotation, RotationCase, RotationDecision, SessionPolicy, decide,
    decide_reissue,
};

use crate::page::assert_counted;
use crate::replica::{Numbers, ReissueRule, Rule, aged, aged_with_start, mentioned, search};
use crate::{GENERATION, NOW, first_row, living, policy, time};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Holder {
    Victim,
    Thief,
}

/// The kind of a token, relative to the row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Copy {
    Current,
    Previous,
    /// Older, or an orphan that a recovery left behind.
    Other,
}

const COPIES: [Copy; 3] = [Copy::Current, Copy::Previous, Copy::Other];

/// A thief's tokens, by their current kind.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Loot {
    current: bool,
    previous: bool,
    other: bool,
}

impl Loot {
    const fn has(self, copy: Copy) -> bool {
        match copy {
            Copy::Current => self.current,
            Copy::Previous => self.previous,
            Copy::Other => self.other,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Theft {
    row: Rotation,
    /// The victim's newest token.
    victim: i64,
    /// `None` until the theft.
    thief: Option<Loot>,
    /// The holder who refreshed last, and how many ticks ago.
    last: Option<(Holder, i64)>,
    /// The holder who received the last response.
    fed: Option<Holder>,
    /// How often, since the theft, a response reached another holder than the last.
    changes: u8,
    /// For how many ticks `G` has been known to have arrived; tracked apart from the row, which
    /// tracks this itself.
    seen: Option<i64>,
    /// There is a token that is neither of `G` nor of `P`.
    others: bool,
    over: bool,
    /// A token other than `G` and `P` bought a pair.
    minted: bool,
    /// `P` bought a pair, or a reissue, although `G` had been presented for half a window.
    late: bool,
    /// The remaining lifetime of the thief's access token; counted only with reissues.
    access: i64,
    /// An access token was reissued without a refresh token.
    prolonged: bool,
    /// A copy was not reissued, and the session continues.
    unnoticed: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct TwoHolders {
    pub(crate) rule: Rule,
    pub(crate) window: i64,
    /// The thief keeps every token, otherwise only the newest.
    pub(crate) hoards: bool,
    /// The rule for reissues; `None` for no reissues.
    pub(crate) reissue: Option<ReissueRule>,
    /// A flaw: an access token is reissued without a refresh token.
    pub(crate) alone: bool,
}

/// The lifetime of an access token. It may be reissued from the start.
const LIFE: i64 = 2;

pub(crate) const NEWEST_ONLY: TwoHolders = TwoHolders {
    rule: decide,
    window: 3,
    hoards: false,
    reissue: None,
    alone: false,
};

pub(crate) const RIDERS: TwoHolders = TwoHolders {
    reissue: Some(decide_reissue),
    ..NEWEST_ONLY
};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Move {
    /// The thief gets a copy, and the access token beside it.
    Steal(Copy),
    /// The thief gets an access token only.
    StealAccess,
    /// A holder's access token is due for a reissue, and that refresh token is presented beside it,
    /// or none is.
    Ride(Holder, Option<Copy>),
    /// A holder refreshes with that token, and the response arrives or not.
    Refresh(Holder, Copy, bool),
    Tick,
}

impl Model for TwoHolders {
    type State = Theft;
    type Action = Move;

    fn init_states(&self) -> Vec<Theft> {
        vec![Theft {
            row: first_row(),
            victim: GENERATION,
            thief: None,
            last: None,
            fed: None,
            changes: 0,
            seen: None,
            others: false,
            over: false,
            minted: false,
            late: false,
            access: 0,
            prolonged: false,
            unnoticed: false,
        }]
    }

    fn actions(&self, state: &Theft, moves: &mut Vec<Move>) {
        if state.over || state.changes > 4 {
            return;
        }
        if state.thief.is_none() {
            let exists = |copy: &Copy| match copy {
                Copy::Current => true,
                Copy::Previous => state.row.previous.is_some(),
                Copy::Other => state.others,
            };
            moves.extend(COPIES.into_iter().filter(exists).map(Move::Steal));
            moves.extend(self.reissue.map(|_| Move::StealAccess));
        }
        if self.reissue.is_some() {
            let rides =
                |(holder, _): &(Holder, Copy)| *holder == Holder::Victim || state.access > 0;
            let shown = tokens(state).into_iter().filter(rides);
            moves.extend(shown.map(|(holder, copy)| Move::Ride(holder, Some(copy))));
            if state.access > 0 {
                moves.push(Move::Ride(Holder::Thief, None));
            }
        }
        for (holder, copy) in tokens(state) {
            let apart = state
                .last
                .is_none_or(|(last, ago)| last == holder || ago > self.window);
            if apart {
                moves.extend([true, false].map(|arrives| Move::Refresh(holder, copy, arrives)));
            }
        }
        moves.push(Move::Tick);
    }

    fn next_state(&self, last: &Theft, step: Move) -> Option<Theft> {
        let mut state = last.clone();
        let mut ticks = 0;
        match step {
            Move::Tick => ticks = 1,
            Move::Steal(copy) => {
                state.thief = Some(Loot {
                    current: copy == Copy::Current,
                    previous: copy == Copy::Previous,
                    other: copy == Copy::Other,
                });
                state.access = self.reissue.map_or(0, |_| LIFE);
            }
            Move::StealAccess => {
                state.thief = Some(Loot::default());
                state.access = LIFE;
            }
            Move::Ride(holder, copy) => self.ride(&mut state, holder, copy),
            Move::Refresh(holder, copy, arrives) => {
                self.refresh(&mut state, (holder, copy), arrives);
            }
        }
        let far = self.window + 2;
        let all = mentioned(&state.row).chain([state.victim]).collect();
        let numbers = Numbers::new(state.row.generation, all);
        let aged = if self.reissue.is_some() {
            aged_with_start
        } else {
            aged
        };
        state.row = numbers.row(aged(state.row, ticks, far));
        state.access = (state.access - ticks).max(0);
        state.victim = numbers.of(state.victim);
        state.last = state
            .last
            .map(|(holder, ago)| (holder, (ago + ticks).min(far)));
        state.seen = state.seen.map(|ago| (ago + ticks).min(far));
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(THIRD, |_, state: &Theft| state.changes <= 2),
            Property::always(FOURTH, |_, state: &Theft| state.changes <= 3),
            Property::always(ONLY, |_, state: &Theft| !state.minted),
            Property::always(LATE, |_, state: &Theft| !state.late),
            Property::always(ALONE, |_, state: &Theft| !state.prolonged),
            Property::always(NOTICED, |_, state: &Theft| !state.unnoticed),
        ]
    }
}

pub(crate) const THIRD: &str = "the third change of holder ends the session";
pub(crate) const FOURTH: &str = "the fourth change of holder ends the session";
pub(crate) const ONLY: &str = "a token other than G and P mints nothing, and ends the session";
pub(crate) const LATE: &str = "P buys nothing once G was presented for half a window";

pub(crate) const ALONE: &str = "an access token without a refresh token ends when it says";
pub(crate) const NOTICED: &str = "a copy that gets no reissue ends the session";

/// A generation that no row mentions.
const OLDER: i64 = GENERATION - 50;

/// Returns the holders and the tokens that they may present.
fn tokens(state: &Theft) -> Vec<(Holder, Copy)> {
    let victim = (Holder::Victim, seen_from(&state.row, state.victim));
    let loot = state.thief.unwrap_or_default();
    let thief = COPIES
        .into_iter()
        .filter(|copy| loot.has(*copy))
        .map(|copy| (Holder::Thief, copy));
    [victim].into_iter().chain(thief).collect()
}

fn seen_from(row: &Rotation, token: i64) -> Copy {
    if token == row.generation {
        Copy::Current
    } else if Some(token) == row.previous {
        Copy::Previous
    } else {
        Copy::Other
    }
}

fn generation(row: &Rotation, copy: Copy) -> i64 {
    match copy {
        Copy::Current => row.generation,
        Copy::Previous => row.previous.unwrap(),
        Copy::Other => OLDER,
    }
}

impl TwoHolders {
    fn policy(&self) -> SessionPolicy {
        policy(u64::try_from(self.window).unwrap())
    }

    fn ride(&self, state: &mut Theft, holder: Holder, copy: Option<Copy>) {
        let Some(copy) = copy else {
            state.prolonged |= self.alone;
            return;
        };
        let token = generation(&state.row, copy);
        let now = time(NOW);
        let row = living(state.row);
        match self.reissue.unwrap()(&row, token, Some(now), now, &self.policy()) {
            ReissueDecision::Permit(next) => {
                state.granted(copy, self.window);
                state.row = next;
                if holder == Holder::Thief {
                    state.access = LIFE;
                }
            }
            ReissueDecision::Refuse => state.unnoticed = true,
            ReissueDecision::Reused => state.over = true,
        }
    }

    fn refresh(&self, state: &mut Theft, (holder, copy): (Holder, Copy), arrives: bool) {
        let row = state.row;
        let token = generation(&row, copy);
        let RotationDecision::Grant { case, next } =
            (self.rule)(&living(row), token, time(NOW), &self.policy())
        else {
            state.over = true;
            return;
        };
        state.granted(copy, self.window);
        state.row = next.unwrap_or(row);
        if state.row.generation != row.generation {
            state.seen = None;
            state.others |= row.previous.is_some();
            state.thief = state.thief.map(|loot| passed(loot, &row, &state.row));
        }
        if arrives {
            self.take(state, holder, case);
            if holder == Holder::Thief && self.reissue.is_some() {
                state.access = LIFE;
            }
        }
        let ago = 0;
        state.last = Some((holder, ago));
    }

    /// The holder receives the response.
    fn take(&self, state: &mut Theft, holder: Holder, case: RotationCase) {
        match (holder, &mut state.thief) {
            (Holder::Victim, _) => state.victim = state.row.generation,
            (Holder::Thief, Some(_)) if case == RotationCase::RepeatCurrent => {}
            (Holder::Thief, Some(loot)) => {
                let kept = if self.hoards { *loot } else { Loot::default() };
                *loot = Loot {
                    current: true,
                    ..kept
                };
            }
            (Holder::Thief, None) => {}
        }
        if state.thief.is_some() && state.fed.is_some_and(|fed| fed != holder) {
            state.changes += 1;
        }
        state.fed = Some(holder);
    }
}

impl Theft {
    /// Records that this token bought a pair or a reissue.
    fn granted(&mut self, copy: Copy, window: i64) {
        self.minted |= copy == Copy::Other;
        self.late |= copy == Copy::Previous && self.seen.is_some_and(|ago| 2 * ago >= window);
        if copy == Copy::Current {
            self.seen = self.seen.or(Some(0));
        }
    }
}

/// Returns a thief's tokens after the row has moved from `before` to `after`.
fn passed(loot: Loot, before: &Rotation, after: &Rotation) -> Loot {
    let kept = after.previous == before.previous;
    Loot {
        current: false,
        previous: if kept { loot.previous } else { loot.current },
        other: loot.other || if kept { loot.current } else { loot.previous },
    }
}

#[test]
fn with_a_thief_the_third_change_of_holder_ends_the_session_and_old_copies_buy_nothing() {
    for window in [3, 5, 8] {
        let (states, broken) = search(TwoHolders {
            window,
            ..NEWEST_ONLY
        });
        assert!(broken.is_empty(), "{broken:?}");
        assert_counted(&format!("thief: W={window}"), states);
    }
}

#[test]
fn a_thief_who_keeps_every_token_gains_one_change_of_holder_and_no_more() {
    for window in [3, 5, 8] {
        let (states, broken) = search(TwoHolders {
            window,
            hoards: true,
            ..NEWEST_ONLY
        });
        assert_eq!(broken, [THIRD]);
        assert_counted(&format!("thief who keeps every token: W={window}"), states);
    }
}

#[test]
fn a_thief_who_rides_on_reissues_is_found_out_as_one_who_refreshes() {
    for window in [3, 5, 8] {
        let (states, broken) = search(TwoHolders { window, ..RIDERS });
        assert!(broken.is_empty(), "{broken:?}");
        assert_counted(&format!("thief and reissues: W={window}"), states);
    }
    let (states, broken) = search(TwoHolders {
        hoards: true,
        ..RIDERS
    });
    assert_eq!(broken, [THIRD]);
    assert_counted("thief who keeps every token, and reissues: W=3", states);
}
