//! Implements verification, whose cost depends only on the policy.
//!
//! A login must take as long for an unknown name as for any user, and no request may change the
//! cost for others. So an unknown name costs one bcrypt of the policy's cost, and a cheaper stored
//! hash is followed by more work until both together have cost that much:
//!
//! - bcrypt of a lower cost, by bcrypts of the costs between, which add up exactly;
//! - scrypt and PBKDF2, whose cost depends on the machine, by bcrypts that fill the missing
//!   processor time. The time of a bcrypt is measured just before, on the same thread, so that
//!   neither load nor another machine skews it.
//!
//! A stored hash that is more expensive than the policy takes its own time, until its user's next
//! login replaces it.

use std::hint::black_box;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::error::PasswordError;
use super::hash::PasswordHash;
use super::imported_hash::{ForeignHash, bcrypt_cost};
use super::plaintext::{Password, for_bcrypt};
use tokenpair::random::random_text;

/// The outcome of verifying a password against a hash.
///
/// ```
/// use tokenpair_store::password::Verdict;
///
/// assert!(Verdict::Right.is_right());
/// assert!(Verdict::Outdated.is_right());
/// assert!(!Verdict::Wrong.is_right());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Verdict {
    /// The password is wrong, or there is no hash.
    Wrong,
    /// The password is right.
    Right,
    /// The password is right, and the hash should be replaced: another program made it, its cost is
    /// not the policy's, or it was made of another spelling than [`Password`] hashes.
    Outdated,
}

impl Verdict {
    /// Returns whether the password is right, even if the hash is outdated.
    pub const fn is_right(self) -> bool {
        matches!(self, Self::Right | Self::Outdated)
    }
}

/// Verifies a password at the given cost. Without a hash the verdict is [`Verdict::Wrong`], after
/// the same work.
///
/// If the password was typed in another spelling than the one that is hashed, both are tried, since
/// a hash may have been made of the typed text: by another program, or by an older version. Whether
/// that happens depends on the typed password alone, so it reveals nothing about the user.
pub(super) fn verify(
    password: &Password,
    hash: Option<&PasswordHash>,
    cost: u32,
) -> Result<Verdict, PasswordError> {
    let nobodys = nobodys_hash(cost);
    let stored = hash.unwrap_or(&nobodys);
    let foreign = ForeignHash::stored(stored.expose()).transpose()?;
    let (prepared, typed) = (password.prepared(), password.typed());
    let is_prepared =
        |spelling: &SecretString| spelling.expose_secret() == prepared.expose_secret();
    let spellings = match &foreign {
        _ if is_prepared(typed) => vec![&prepared],
        Some(_) => vec![typed, &prepared],
        None => vec![&prepared, typed],
    };
    for spelling in spellings {
        let right = verify_at_cost(spelling, stored, foreign.as_ref(), cost)?;
        if right && hash.is_some() {
            let as_new = foreign.is_none() && bcrypt_cost(stored.expose()) == Some(cost);
            return Ok(if as_new && is_prepared(spelling) {
                Verdict::Right
            } else {
                Verdict::Outdated
            });
        }
    }
    Ok(Verdict::Wrong)
}

fn verify_at_cost(
    spelling: &SecretString,
    stored: &PasswordHash,
    foreign: Option<&ForeignHash>,
    cost: u32,
) -> Result<bool, PasswordError> {
    let verify = || match foreign {
        Some(foreign) => foreign.verify(spelling.expose_secret()),
        None => {
            let text = for_bcrypt(spelling);
            bcrypt::non_truncating_verify(text.expose_secret(), stored.expose())
        }
    };
    let verified = timed(verify);
    let own = match foreign {
        Some(foreign) => foreign.bcrypt_cost(),
        None => bcrypt_cost(stored.expose()),
    };
    match own {
        // A bcrypt of cost c, and then one of c, c + 1, ... up to cost - 1, take together as long
        // as one of cost.
        Some(own) => (own..cost).for_each(work),
        None => {
            let yardstick = yardstick(cost);
            let measured = timed(|| work(yardstick)).spent;
            padding(verified.spent + measured, measured, cost).for_each(work);
        }
    }
    Ok(verified.value?)
}

/// bcrypt's lowest cost, and so the smallest unit of work.
const LOWEST: u32 = 4;

/// The cost of the bcrypt that is measured: an eighth of the whole is long enough to measure well,
/// and short enough to be part of the padding.
fn yardstick(cost: u32) -> u32 {
    cost.saturating_sub(3).max(LOWEST)
}

/// Returns the costs of the bcrypts that extend the time spent to that of one of `cost`, given the
/// measured time of the yardstick. Empty if no time is missing.
pub(super) fn padding(spent: Duration, measured: Duration, cost: u32) -> impl Iterator<Item = u32> {
    let yardstick = yardstick(cost);
    let whole = measured * (1 << (cost - yardstick));
    let missing = whole.saturating_sub(spent).as_nanos();
    let in_units = (missing << (yardstick - LOWEST)).checked_div(measured.as_nanos());
    let units = in_units.unwrap_or(0);
    (0..=cost - LOWEST)
        .filter(move |bit| (units >> bit) & 1 == 1)
        .map(|bit| bit + LOWEST)
}

/// Does the work of one bcrypt.
fn work(cost: u32) {
    black_box(bcrypt::bcrypt(cost, [0; 16], b"work"));
}

/// Runs the work and measures its processor time on this thread. Elapsed time would count other
/// threads' work too, since hashing threads have the lowest priority.
fn timed<T>(work: impl FnOnce() -> T) -> Timed<T> {
    let began = thread_time();
    let value = work();
    Timed {
        value,
        spent: thread_time().saturating_sub(began),
    }
}

struct Timed<T> {
    value: T,
    spent: Duration,
}

#[cfg(unix)]
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.try_into().unwrap_or_default()
}

/// Elapsed time must do on this platform.
#[cfg(not(unix))]
fn thread_time() -> Duration {
    static START: std::sync::LazyLock<std::time::Instant> =
        std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}

/// Returns a hash that no password has, made without hashing: a random salt and a random digest in
/// bcrypt's alphabet, whose last characters carry fewer bits than the others.
pub(super) fn nobodys_hash(cost: u32) -> PasswordHash {
    let letters = random_text(64).replace(['-', '_'], "a");
    let (salt, rest) = letters.split_at(21);
    let digest: String = rest.chars().take(30).collect();
    PasswordHash::from_text(format!("$2b${cost:02}${salt}.{digest}."))
}
