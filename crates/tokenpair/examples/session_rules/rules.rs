//! Defines the rules. Each is a server's handling of a presented refresh token, rewritten from the
//! project's code.
//!
//! A token is a number, whose meaning is the rule's affair. Times are milliseconds.

use tokenpair::clock::Timestamp;
use tokenpair::session::{ReusePolicy, Rotation, RotationDecision, Row, SessionPolicy, decide};

const SECOND: u64 = 1_000;

/// The response to a refresh.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// A pair with this refresh token, which may be the one presented.
    Pair(usize),
    /// A rejection. The session continues for a holder of a better token.
    Refused,
    /// A token was reused in a way that only a copy explains: the session is ended.
    Alarm,
}

/// A server's rule, and its state for one session.
pub(crate) trait Rule {
    /// Returns the token from the login.
    fn first(&self) -> usize {
        0
    }

    /// Handles a presented refresh token.
    fn refresh(&mut self, token: usize, now: u64) -> Answer;

    /// Handles the use of the access token handed out with this refresh token.
    fn used(&mut self, _token: usize) {}
}

/// A rule's name in tables and pictures, and its constructor for a session.
pub(crate) type Named = (&'static str, fn() -> Box<dyn Rule>);

/// All rules, ours last.
pub(crate) const RULES: [Named; 10] = [
    ("retire at once", || Box::new(RetireAtOnce::default())),
    ("SuperTokens to CDI 5.4", || Box::new(FirstUsedChild::new())),
    ("SuperTokens from CDI 5.5, 30 s", || {
        Box::new(LastChild::default())
    }),
    ("hydra, 60 s", || Box::new(ManyChildren::hydra())),
    ("rauthy, 5 s", || Box::new(ManyChildren::rauthy())),
    ("supabase/auth v2, 0 s", || Box::new(Counter::new(0))),
    ("supabase/auth v2, 10 s", || Box::new(Counter::new(10))),
    ("no rotation", || Box::new(NoRotation)),
    ("tokenpair, strict", || {
        Box::new(Ours::new(ReusePolicy::Strict))
    }),
    ("tokenpair, recover", || {
        Box::new(Ours::new(ReusePolicy::Recover))
    }),
];

/// Every refresh retires the token; reusing it ends the session.
///
/// So do node-oidc-provider (at 02877f6, `lib/actions/grants/refresh_token.js`), kanidm,
/// better-auth's provider and others.
#[derive(Default)]
struct RetireAtOnce {
    current: usize,
}

impl Rule for RetireAtOnce {
    fn refresh(&mut self, token: usize, _now: u64) -> Answer {
        if token != self.current {
            return Answer::Alarm;
        }
        self.current += 1;
        Answer::Pair(self.current)
    }
}

/// Each refresh issues a new child; the parent stays valid until one of them, or its access token,
/// is first used.
///
/// supertokens-core to CDI 5.4, at 93f9449, `src/main/java/io/supertokens/session/Session.java`:
/// `refreshSessionHelper` and, for the access token, `getSession`.
struct FirstUsedChild {
    current: usize,
    /// Each token's parent; the first token has none.
    parents: Vec<Option<usize>>,
}

impl FirstUsedChild {
    fn new() -> Self {
        Self {
            current: 0,
            parents: vec![None],
        }
    }
}

impl Rule for FirstUsedChild {
    fn refresh(&mut self, token: usize, _now: u64) -> Answer {
        self.used(token);
        if token != self.current {
            return Answer::Alarm;
        }
        self.parents.push(Some(token));
        Answer::Pair(self.parents.len() - 1)
    }

    fn used(&mut self, token: usize) {
        if self.parents[token] == Some(self.current) {
            self.current = token;
        }
    }
}

/// For 30 s the parent gets another child each time, and only the last child is valid.
///
/// supertokens-core from CDI 5.5, as its issues 1300 (the period) and 1301 (the rule) describe it.
#[derive(Default)]
struct LastChild {
    issued: usize,
    current: usize,
    retired: Option<(usize, u64)>,
}

impl Rule for LastChild {
    fn refresh(&mut self, token: usize, now: u64) -> Answer {
        if token == self.current {
            self.retired = Some((token, now));
        } else if !self
            .retired
            .is_some_and(|(parent, at)| token == parent && now <= at + 30 * SECOND)
        {
            return Answer::Alarm;
        }
        self.issued += 1;
        self.current = self.issued;
        Answer::Pair(self.current)
    }
}

/// For some seconds after its first use a token gets another child each time, and all children are
/// valid.
///
/// ory/hydra v2 at 2c3ba13, `persistence/sql/persister_oauth2.go` (`GetRefreshTokenSession`,
/// `gracefulRefreshRotation`) and `fosite/handler/oauth2/flow_refresh.go`: a later use revokes all;
/// the period is a setting, 0 by default. (A used token may be pruned after 30 minutes, and is then
/// only rejected; here it is remembered.) sebadob/rauthy at 0578be3,
/// `src/service/src/oidc/validation.rs` (`validate_refresh_token`): a later use is only rejected;
/// the period is 5 s by default.
struct ManyChildren {
    grace: u64,
    late: Answer,
    /// The time of each token's first use.
    first_used: Vec<Option<u64>>,
}

impl ManyChildren {
    fn hydra() -> Self {
        Self {
            grace: 60 * SECOND,
            late: Answer::Alarm,
            first_used: vec![None],
        }
    }

    fn rauthy() -> Self {
        Self {
            grace: 5 * SECOND,
            late: Answer::Refused,
            first_used: vec![None],
        }
    }
}

impl Rule for ManyChildren {
    fn refresh(&mut self, token: usize, now: u64) -> Answer {
        let first_used = *self.first_used[token].get_or_insert(now);
        if now >= first_used + self.grace {
            return self.late;
        }
        self.first_used.push(None);
        Answer::Pair(self.first_used.len() - 1)
    }
}

/// A counter. The previous token gets the current one at any time, and any older token does within
/// the interval after the last refresh of any kind.
///
/// supabase/auth at 058836f, v2 tokens, `internal/tokens/service.go` (`RefreshTokenGrant`); the
/// interval is a setting, 0 by default, 10 s recommended.
struct Counter {
    current: usize,
    interval: u64,
    refreshed: u64,
}

impl Counter {
    fn new(seconds: u64) -> Self {
        Self {
            current: 0,
            interval: seconds * SECOND,
            refreshed: 0,
        }
    }
}

impl Rule for Counter {
    fn refresh(&mut self, token: usize, now: u64) -> Answer {
        match self.current - token {
            0 => self.current += 1,
            1 => {}
            _ if now - self.refreshed < self.interval => {}
            _ => return Answer::Alarm,
        }
        self.refreshed = now;
        Answer::Pair(self.current)
    }
}

/// The token stays the same until it expires: Flask-JWT-Extended's recipe, and the default of
/// simplejwt.
struct NoRotation;

impl Rule for NoRotation {
    fn refresh(&mut self, token: usize, _now: u64) -> Answer {
        Answer::Pair(token)
    }
}

/// Our rule: the function that the server calls.
struct Ours {
    row: Row,
    policy: SessionPolicy,
}

impl Ours {
    fn new(reuse: ReusePolicy) -> Self {
        let login = Timestamp::from_unix(0);
        let policy = SessionPolicy {
            reuse,
            ..SessionPolicy::default()
        };
        let row = Row {
            rotation: Rotation::first(login),
            revoked: false,
            user_disabled: false,
            last_used_at: login,
            expires_at: login + policy.max_age,
        };
        Self { row, policy }
    }
}

impl Rule for Ours {
    fn first(&self) -> usize {
        1
    }

    fn refresh(&mut self, token: usize, now: u64) -> Answer {
        // The server's clock has whole seconds.
        let now = Timestamp::from_unix(i64::try_from(now / SECOND).unwrap_or(i64::MAX));
        let presented = i64::try_from(token).unwrap_or(i64::MAX);
        match decide(&self.row, presented, now, &self.policy) {
            RotationDecision::Grant { next, .. } => {
                self.row.rotation = next.unwrap_or(self.row.rotation);
                self.row.last_used_at = now;
                Answer::Pair(usize::try_from(self.row.rotation.generation).unwrap_or(token))
            }
            RotationDecision::Reused => Answer::Alarm,
            RotationDecision::Superseded | RotationDecision::Ended(_) => Answer::Refused,
        }
    }
}
