//! Defines the settings of accounts: registration, passwords, and the rate limit of failed logins.

use super::setting::{Known, Setting};
use tokenpair::config::{Reader, parse_duration};
use tokenpair_store::password::PasswordPolicy;
use tokenpair_store::rate_limit::{Rate, ThrottlePolicy};

pub(super) const KNOWN: &[Known] = &[
    REGISTRATION.known(),
    BCRYPT_COST.known(),
    MIN_LENGTH.known(),
    QUEUE.known(),
    THROTTLE.known(),
    THROTTLE_ACCOUNT.known(),
    THROTTLE_PEER.known(),
];

pub(super) const REGISTRATION: Setting<Registration> = Setting::new(
    "REGISTRATION",
    "open",
    "open: anyone may register. closed: only `tokenpair user add` creates accounts.",
    |reader, name| {
        let choices = [
            ("open", Registration::Open),
            ("closed", Registration::Closed),
        ];
        reader.choice(name, Registration::Open, &choices)
    },
);

const BCRYPT_COST: Setting<u32> = Setting::new(
    "PASSWORD_BCRYPT_COST",
    "12",
    "bcrypt cost, 10 to 16; each step doubles the time of a login.",
    |reader, name| reader.number(name, PasswordPolicy::default().cost, PasswordPolicy::COSTS),
);

const MIN_LENGTH: Setting<usize> = Setting::new(
    "PASSWORD_MIN_LENGTH",
    "8",
    "Minimum length of a new password, in characters; 8 to 64.",
    |reader, name| {
        let default = PasswordPolicy::default().min_chars;
        reader.number(name, default, PasswordPolicy::MIN_CHARS)
    },
);

const QUEUE: Setting<usize> = Setting::new(
    "PASSWORD_QUEUE",
    "64",
    "Maximum number of passwords waiting to be hashed. Past it, the network with the most waiting gets 503 for its newest.",
    |reader, name| reader.number(name, PasswordPolicy::default().queue, 1..=10_000),
);

const THROTTLE: Setting<bool> = Setting::new(
    "THROTTLE",
    "on",
    "Rate-limits failed logins; off for tests.",
    |reader, name| reader.truth(name, true),
);

const THROTTLE_ACCOUNT: Setting<Rate> = Setting::new(
    "THROTTLE_ACCOUNT",
    "10/15m",
    "Wrong passwords allowed per account and network in that time. An IPv6 /56 may send twice, a /48 four times, and all networks together ten times as many.",
    |reader, name| rate(reader, name, ThrottlePolicy::default().account),
);

const THROTTLE_PEER: Setting<Rate> = Setting::new(
    "THROTTLE_PEER",
    "100/15m",
    "Wrong passwords, and as many registrations, allowed per network (an IPv4 address or an IPv6 /64) in that time. An IPv6 /56 may send twice, a /48 four times as many.",
    |reader, name| rate(reader, name, ThrottlePolicy::default().peer),
);

/// Who may create an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Registration {
    /// Anyone.
    Open,
    /// Only the operator, by `tokenpair user add`.
    Closed,
}

pub(super) fn password(reader: &mut Reader<'_>) -> PasswordPolicy {
    PasswordPolicy {
        cost: BCRYPT_COST.read(reader),
        queue: QUEUE.read(reader),
        min_chars: MIN_LENGTH.read(reader),
    }
}

pub(super) fn throttle(reader: &mut Reader<'_>) -> Option<ThrottlePolicy> {
    let policy = ThrottlePolicy {
        account: THROTTLE_ACCOUNT.read(reader),
        peer: THROTTLE_PEER.read(reader),
    };
    THROTTLE.read(reader).then_some(policy)
}

fn rate(reader: &mut Reader<'_>, name: &str, default: Rate) -> Rate {
    let wanted =
        "write a number of failures and a time, as in 10/15m: 1 to 1000000 failures in 1s to 1d";
    reader.parsed(name, default, wanted, |text| {
        let (count, per) = text.split_once('/')?;
        let rate = Rate {
            count: count.trim().parse().ok()?,
            per: parse_duration(per.trim())?,
        };
        let sane =
            (1..=1_000_000).contains(&rate.count) && (1..=86_400).contains(&rate.per.as_secs());
        sane.then_some(rate)
    })
}
