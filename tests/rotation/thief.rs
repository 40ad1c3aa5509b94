//! Promises 2 and 3: a thief with a copy, against a victim who knows nothing of it. Both refresh more than a window
//! apart from each other.
//!
//! A generation once passed never returns, so of what a holder holds only three things matter: whether the token of `G`
//! is in it, that of `P`, and any other (older, or an orphan). The victim has only what came last; the thief may keep
//! every token it ever got, and choose.

use stateright::{Model, Property};
use tokenpair::session::{Case, Decision, Rotation, decide};

use crate::page::assert_counted;
use crate::replica::{Numbers, Rule, aged, mentioned, search};
use crate::{GENERATION, NOW, first_row, living, policy, time};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Holder {
    Victim,
    Thief,
}

/// What a token is, seen from the row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Copy {
    Current,
    Previous,
    /// Older, or an orphan that a recovery left behind.
    Other,
}

const COPIES: [Copy; 3] = [Copy::Current, Copy::Previous, Copy::Other];

/// A thief's tokens, by what they are now.
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
    /// None until the theft.
    thief: Option<Loot>,
    /// Who refreshed last, and how many ticks ago.
    last: Option<(Holder, i64)>,
    /// Whom the last answer reached.
    fed: Option<Holder>,
    /// How often, since the theft, an answer reached another holder than the last.
    changes: u8,
    /// For how many ticks `G` has been known to have arrived; kept apart from the row, which has its own idea.
    seen: Option<i64>,
    /// There is a token that is neither of `G` nor of `P`.
    others: bool,
    over: bool,
    /// A token other than `G` and `P` bought a pair.
    minted: bool,
    /// `P` bought a pair though `G` had been presented for half a window.
    late: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct TwoHolders {
    pub(crate) rule: Rule,
    pub(crate) window: i64,
    /// The thief keeps every token, else only the newest.
    pub(crate) hoards: bool,
}

pub(crate) const NEWEST_ONLY: TwoHolders = TwoHolders {
    rule: decide,
    window: 3,
    hoards: false,
};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Move {
    /// The thief gets a copy.
    Steal(Copy),
    /// A holder refreshes with that, and the answer arrives or not.
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
            }
            Move::Refresh(holder, copy, arrives) => {
                self.refresh(&mut state, (holder, copy), arrives);
            }
        }
        let far = self.window + 2;
        let all = mentioned(&state.row).chain([state.victim]).collect();
        let numbers = Numbers::new(state.row.generation, all);
        state.row = numbers.row(aged(state.row, ticks, far));
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
        ]
    }
}

pub(crate) const THIRD: &str = "the third change of holder ends the session";
pub(crate) const FOURTH: &str = "the fourth change of holder ends the session";
pub(crate) const ONLY: &str = "a token other than G and P mints nothing, and ends the session";
pub(crate) const LATE: &str = "P buys nothing once G was presented for half a window";

/// No generation that a row mentions.
const OLDER: i64 = GENERATION - 50;

/// Who may present what.
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

impl TwoHolders {
    fn refresh(&self, state: &mut Theft, (holder, copy): (Holder, Copy), arrives: bool) {
        let row = state.row;
        let token = match copy {
            Copy::Current => row.generation,
            Copy::Previous => row.previous.unwrap(),
            Copy::Other => OLDER,
        };
        let window = u64::try_from(self.window).unwrap();
        let Decision::Grant { case, next } =
            (self.rule)(&living(row), token, time(NOW), &policy(window))
        else {
            state.over = true;
            return;
        };
        state.minted |= copy == Copy::Other;
        state.late |=
            copy == Copy::Previous && state.seen.is_some_and(|ago| 2 * ago >= self.window);
        if copy == Copy::Current {
            state.seen = state.seen.or(Some(0));
        }
        state.row = next.unwrap_or(row);
        if state.row.generation != row.generation {
            state.seen = None;
            state.others |= row.previous.is_some();
            state.thief = state.thief.map(|loot| passed(loot, &row, &state.row));
        }
        if arrives {
            self.take(state, holder, case);
        }
        let ago = 0;
        state.last = Some((holder, ago));
    }

    /// The holder has the answer.
    fn take(&self, state: &mut Theft, holder: Holder, case: Case) {
        match (holder, &mut state.thief) {
            (Holder::Victim, _) => state.victim = state.row.generation,
            (Holder::Thief, Some(_)) if case == Case::Again => {}
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

/// What a thief's tokens are once the row has moved from `before` to `after`.
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
