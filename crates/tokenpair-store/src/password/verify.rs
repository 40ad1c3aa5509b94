//! Implements verification, whose cost follows the policy alone.
//!
//! A login must take as long for a name that nobody has as for any user, and no request may change what
//! others pay. So a name that nobody has costs one bcrypt of the policy's cost, and a stored hash that is
//! cheaper is followed by more work until both together have cost that much:
//!
//! - bcrypt of a lower cost, by bcrypts of the costs between, which add up exactly;
//! - scrypt and PBKDF2, whose cost depends on the machine, by bcrypts that fill the processor time that is
//!   missing. How much a bcrypt takes is measured right then, on the same thread, so that neither load nor
//!   another machine puts it out.
//!
//! A stored hash that is dearer than the policy takes its own time, until its user's next login replaces it.

use std::hint::black_box;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::error::PasswordError;
use super::hash::PasswordHash;
use super::imported_hash::{ForeignHash, bcrypt_cost};
use super::plaintext::{Password, for_bcrypt};
use tokenpair::random::random_text;

/// Whether a password is the one that a hash was made of.
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
    /// It is not, or there is no hash.
    Wrong,
    /// It is.
    Right,
    /// It is, and the hash should be replaced by a new one: another program made it, its cost is not the
    /// policy's, or it was made of another spelling than [`Password`] hashes.
    Outdated,
}

impl Verdict {
    /// Returns whether the password is the right one, whatever the hash is like.
    pub const fn is_right(self) -> bool {
        matches!(self, Self::Right | Self::Outdated)
    }
}

/// Verifies a password at the given cost. Without a hash the verdict is [`Verdict::Wrong`], after the same
/// work.
///
/// Where the password was typed in another spelling than the one that is hashed, both are tried, since a
/// hash may have been made of what was typed: by another program, or by a version that hashed what it was
/// given. Whether that happens depends on the typed password alone, so it tells nothing about the user.
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
            return Ok(match as_new && is_prepared(spelling) {
                true => Verdict::Right,
                false => Verdict::Outdated,
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
    let (right, spent) = timed(verify);
    let own = match foreign {
        Some(foreign) => foreign.bcrypt_cost(),
        None => bcrypt_cost(stored.expose()),
    };
    match own {
        // A bcrypt of cost c, and then one of c, c + 1, ... up to cost - 1, take together as long as one of cost.
        Some(own) => (own..cost).for_each(work),
        None => {
            let yardstick = yardstick(cost);
            let ((), measured) = timed(|| work(yardstick));
            padding(spent + measured, measured, cost).for_each(work);
        }
    }
    Ok(right?)
}

/// bcrypt's lowest cost, and so the smallest unit of work.
const LOWEST: u32 = 4;

/// The cost of the bcrypt that is measured: an eighth of the whole is long enough to be measured well, and
/// short enough to be part of the padding.
fn yardstick(cost: u32) -> u32 {
    cost.saturating_sub(3).max(LOWEST)
}

/// Returns the costs of the bcrypts that bring what was spent to the time of one of `cost`, where the
/// yardstick took what was measured. There are none if no less was spent.
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

/// Returns the processor time that this thread spent on it, too. Time on the clock would count other
/// threads' work as well, since those that hash have the lowest priority.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = thread_time();
    let done = work();
    (done, thread_time().saturating_sub(began))
}

#[cfg(unix)]
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.try_into().unwrap_or_default()
}

/// Here the time on the clock has to do.
#[cfg(not(unix))]
fn thread_time() -> Duration {
    static START: std::sync::LazyLock<std::time::Instant> =
        std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}

/// Returns a hash that nobody's password has, made without hashing: a random salt and a random digest in
/// bcrypt's alphabet, whose last characters carry fewer bits than the others.
pub(super) fn nobodys_hash(cost: u32) -> PasswordHash {
    let letters = random_text(64).replace(['-', '_'], "a");
    let (salt, rest) = letters.split_at(21);
    let digest: String = rest.chars().take(30).collect();
    PasswordHash::from_text(format!("$2b${cost:02}${salt}.{digest}."))
}
