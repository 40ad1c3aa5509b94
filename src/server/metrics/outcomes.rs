//! Defines the labels of the counters: the outcomes of logins, refreshes and reissues, and the rate
//! limits. `docs/monitoring.md` explains each.

use super::counters::Label;
use tokenpair::session::{RotationCase, RotationDecision, SessionError};
use tokenpair::web::ErrorCode;
use tokenpair_store::EventKind;

/// Defines a label from its values and their words.
macro_rules! label {
    ($(#[$meta:meta])* $visibility:vis enum $name:ident { $($(#[$doc:meta])* $value:ident = $word:expr,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        $visibility enum $name {
            $($(#[$doc])* $value,)+
        }

        impl Label for $name {
            const ALL: &'static [Self] = &[$(Self::$value,)+];

            fn word(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }
        }
    };
}

label! {
    /// The outcome of a login. Wrong passwords, unknown names and disabled users are one outcome:
    /// a client that also reads the metrics must not learn which names exist.
    pub(in crate::server) enum LoginOutcome {
        /// A session began.
        Granted = "granted",
        /// The name or the password is wrong, or the user is disabled.
        BadCredentials = ErrorCode::BadCredentials.as_str(),
        /// A rate limit refused the attempt.
        Throttled = "throttled",
        /// The database or the password queue failed, or the user changed in the meantime.
        Failed = "failed",
    }
}

label! {
    /// The kind of attempt that a rate limit refused.
    pub(in crate::server) enum Throttled {
        Login = "login",
        Confirmation = "confirmation",
        Registration = "registration",
        Client = "client",
    }
}

label! {
    /// The outcome of an attempt to send an alert to the webhook.
    pub(in crate::server) enum WebhookOutcome {
        Delivered = "delivered",
        /// It failed, and will be repeated.
        Failed = "failed",
        /// It failed, and was the last attempt.
        GivenUp = "given_up",
        /// The receiver wants no more messages.
        Gone = "gone",
    }
}

label! {
    /// The outcome of a refresh, by the words of `tokenpair session explain`.
    pub(super) enum RefreshOutcome {
        Rotated = "rotated",
        Repeated = "repeated",
        Same = "same",
        Recovered = "recovered",
        Forward = "forward",
        Superseded = "superseded",
        Reused = "reused",
        Ended = "ended",
        Failed = "failed",
    }
}

impl From<Result<RotationDecision, &SessionError>> for RefreshOutcome {
    fn from(outcome: Result<RotationDecision, &SessionError>) -> Self {
        match outcome {
            Ok(RotationDecision::Grant { case, .. }) => match case {
                // A refresh is never decided as a reissue.
                RotationCase::Rotate | RotationCase::Reissue => Self::Rotated,
                RotationCase::RepeatCurrent => Self::Repeated,
                RotationCase::ReplayPrevious => Self::Same,
                RotationCase::LostResponse => Self::Recovered,
                RotationCase::LostCommit => Self::Forward,
            },
            Ok(RotationDecision::Superseded) => Self::Superseded,
            Ok(RotationDecision::Reused) => Self::Reused,
            Ok(RotationDecision::Ended(_)) => Self::Ended,
            Err(_) => Self::Failed,
        }
    }
}

label! {
    /// The outcome of a reissue.
    pub(super) enum ReissueOutcome {
        Granted = "granted",
        Refused = "refused",
        Reused = "reused",
        Failed = "failed",
    }
}

impl From<Result<RotationDecision, &SessionError>> for ReissueOutcome {
    fn from(outcome: Result<RotationDecision, &SessionError>) -> Self {
        match outcome {
            Ok(RotationDecision::Grant { .. }) => Self::Granted,
            Ok(RotationDecision::Superseded | RotationDecision::Ended(_)) => Self::Refused,
            Ok(RotationDecision::Reused) => Self::Reused,
            Err(_) => Self::Failed,
        }
    }
}

impl Label for EventKind {
    const ALL: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        Self::word(self)
    }
}
