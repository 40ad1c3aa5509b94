//! Implements warnings about wrong clocks: this server's clock when it jumps, and another replica's
//! when it is ahead.

use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::dev::ServiceResponse;
use actix_web::{HttpMessage, web};

use super::state::AppState;
use tokenpair::clock::{Clock, Timestamp};
use tokenpair::web::{ErrorCode, Rejection, Verified};

/// The greatest difference between clocks in whole seconds that agree.
const ROUNDING: Duration = Duration::from_secs(1);

/// Minimum interval between two reports of another replica's clock.
pub(super) const REPORT_EVERY: Duration = Duration::from_secs(3600);

/// The interval at which this server's clock is compared with the monotonic clock.
const INTERVAL: Duration = Duration::from_secs(1);

/// Reports a token that a replica signed in this server's future. Only a verified signature counts,
/// so that no client can forge the warning.
pub(super) fn report_skew(response: &ServiceResponse) {
    let Some(state) = response.request().app_data::<web::Data<AppState>>() else {
        return;
    };
    let policy = state.auth.tokens().policy();
    let leeway = policy.leeway.max(policy.early_leeway);
    let ahead = match response.response().error() {
        Some(error) => error.as_error().and_then(wait).map(|wait| leeway + wait),
        None => admitted_early(response, state.auth.now()),
    };
    if let Some(ahead) = ahead.filter(|ahead| *ahead > ROUNDING && state.skew_reports.is_due()) {
        log::warn!(
            "the clock of another replica is {} s ahead of this one's: synchronize both with NTP; past {} s, its new tokens are \
             rejected with token_not_yet_valid",
            ahead.as_secs(),
            leeway.as_secs()
        );
    }
}

/// Returns the `Retry-After` of a rejection because the token is not valid yet.
fn wait(rejection: &Rejection) -> Option<Duration> {
    let early = rejection.error_code() == Some(ErrorCode::TokenNotYetValid);
    let seconds = early.then(|| rejection.seconds_to_wait()).flatten()?;
    Some(Duration::from_secs(seconds.into()))
}

fn admitted_early(response: &ServiceResponse, now: Timestamp) -> Option<Duration> {
    let extensions = response.request().extensions();
    let verified = extensions.get::<Rc<Verified>>()?;
    verified.claims.iat.map(|iat| iat.since(now))
}

/// Compares the clock with the monotonic clock for as long as the server runs, and reports each
/// jump.
pub(super) async fn follow(clock: Clock) {
    let mut last = Reading::now(&clock);
    loop {
        tokio::time::sleep(INTERVAL).await;
        let next = Reading::now(&clock);
        match last.jump_until(next) {
            0 => {}
            jump => log::warn!(
                "this server's clock jumped by {jump:+} s: its tokens begin and expire that much earlier or later; let NTP slew it"
            ),
        }
        last = next;
    }
}

/// The clock's time, and the monotonic clock's at the same moment.
#[derive(Clone, Copy)]
struct Reading {
    shown: Timestamp,
    at: Instant,
}

impl Reading {
    fn now(clock: &Clock) -> Self {
        Self {
            shown: clock.now(),
            at: Instant::now(),
        }
    }

    /// Returns by how many seconds the clock moved more than the monotonic clock. Returns 0 for
    /// rounding.
    fn jump_until(self, next: Self) -> i64 {
        let expected = self.shown + next.at.duration_since(self.at);
        let jump = next.shown.unix().saturating_sub(expected.unix());
        if jump.unsigned_abs() > ROUNDING.as_secs() {
            jump
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_the_clock_is_told_from_rounding_and_from_a_late_look() {
        let at = Instant::now();
        let shown = Timestamp::from_unix(1_800_000_000);
        let first = Reading { shown, at };
        let after = |passed: u64, moved: i64| Reading {
            shown: Timestamp::from_unix(shown.unix() + moved),
            at: at + Duration::from_millis(passed),
        };
        for (passed, moved, jump) in [
            (1_000, 1, 0),
            (1_999, 2, 0),
            (1_000, 0, 0),
            (90_000, 90, 0),
            (1_000, 3, 2),
            (1_000, 3_601, 3_600),
            (1_000, -59, -60),
            (1_000, -1, -2),
        ] {
            assert_eq!(
                first.jump_until(after(passed, moved)),
                jump,
                "{passed} {moved}"
            );
        }
    }
}
