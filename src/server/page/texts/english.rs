//! The texts of the page in English.

use super::{Errors, Explained, Texts};

pub(super) const TEXTS: Texts = Texts {
    log_in: "Log in",
    username: "Username",
    password: "Password",
    remember: "Stay logged in on this device",
    no_account: "No account yet?",
    ask_operator: "No account yet? Ask the operator of this server for one.",
    programs_only: "This server gives tokens to programs only. You cannot log in with a browser.",

    create_account: "Create an account",
    register: "Create account",
    have_account: "Already have an account?",
    password_rule: |min| {
        format!(
            "At least {min} characters. Several unrelated words are easy to remember and hard to guess."
        )
    },

    confirm: "Enter your password again",
    confirm_why: "You logged in a while ago. To change your password, first confirm that it is you.",

    greeting: |name| format!("Hello, {name}."),
    log_out: "Log out",
    go_on: |path| format!("Continue to {path}"),
    sessions: "Where you are logged in",
    this_device: "This device",
    unknown_device: "Unknown device",
    browser_on: |browser, system| format!("{browser} on {system}"),
    last_used: |ago| format!("Last used {ago}"),
    end_session: "Log out",
    end_others: "Log out everywhere else",
    more_sessions: |count| match count {
        1 => "1 more session is not shown.".to_owned(),
        _ => format!("{count} more sessions are not shown."),
    },
    sessions_away: "Your sessions cannot be shown right now. Try again in a moment.",

    change_password: "Change password",
    current_password: "Current password",
    new_password: "New password",
    password_effect: "You stay logged in here. All your other sessions end.",
    back: "Back to your account",

    form_outdated: "The page was out of date, so nothing was changed. Please try again.",
    password_changed: "Your password was changed. All your other sessions have ended.",
    session_ended: "That device is logged out.",
    others_ended: "All your other sessions have ended.",
    logged_out: "You are logged out.",

    just_now: "just now",
    minutes_ago: |count| format!("{} ago", counted(count, "minute")),
    hours_ago: |count| format!("{} ago", counted(count, "hour")),
    days_ago: |count| format!("{} ago", counted(count, "day")),
    retry_in_seconds: |count| format!("Try again in {}.", counted(count.into(), "second")),
    retry_in_minutes: |count| format!("Try again in {}.", counted(count.into(), "minute")),

    error: "Error",
    try_again: "Try again",
    start_page: "Go to the start page",
    errors: Errors {
        bad_credentials: Explained {
            says: "The username or the password is wrong",
            advice: "Check both and try again.",
        },
        wrong_password: Explained {
            says: "The current password is wrong",
            advice: "Enter the password that you log in with.",
        },
        too_many_attempts: Explained {
            says: "Too many attempts",
            advice: "Try again later. Existing sessions are not affected.",
        },
        missing_username: Explained {
            says: "Enter your username",
            advice: "The username is missing.",
        },
        missing_password: Explained {
            says: "Enter your password",
            advice: "The password is missing.",
        },
        missing_field: Explained {
            says: "Fill in all fields",
            advice: "A field is empty.",
        },
        invalid_username: Explained {
            says: "This username cannot be used",
            advice: "Use at most 254 letters, digits and signs such as . _ - @, without spaces.",
        },
        username_taken: Explained {
            says: "The username is taken",
            advice: "Choose another username.",
        },
        password_too_short: Explained {
            says: "The password is too short",
            advice: "Choose a longer one.",
        },
        password_too_long: Explained {
            says: "The password is too long",
            advice: "Choose a shorter one.",
        },
        password_too_common: Explained {
            says: "This password is too easy to guess",
            advice: "Choose several words that do not belong together, without your username or the name of this site.",
        },
        registration_closed: Explained {
            says: "Registration is closed",
            advice: "Ask the operator of this server for an account.",
        },
        session_not_found: Explained {
            says: "This session has already ended",
            advice: "Your account page lists the sessions that are left.",
        },
        not_logged_in: Explained {
            says: "You are not logged in any more",
            advice: "Log in again.",
        },
        not_fresh: Explained {
            says: "Enter your password again",
            advice: "You logged in a while ago.",
        },
        user_disabled: Explained {
            says: "This account is disabled",
            advice: "Ask the operator of this server to enable it.",
        },
        admin_required: Explained {
            says: "Only administrators can see this",
            advice: "Ask the operator of this server for the role.",
        },
        form_outdated: Explained {
            says: "The page was out of date",
            advice: "Open it again, and repeat what you did.",
        },
        cross_site: Explained {
            says: "Cross-site request refused",
            advice: "Another website sent you here. Go to the start page, and repeat what you did there.",
        },
        wrong_host: Explained {
            says: "This server has another name",
            advice: "Check the address in your browser.",
        },
        link_required: Explained {
            says: "You are still logged in",
            advice: "Go to the start page to log out.",
        },
        not_found: Explained {
            says: "Page not found",
            advice: "Check the address in your browser.",
        },
        method_not_allowed: Explained {
            says: "This page cannot be opened",
            advice: "Its address is for programs.",
        },
        body_too_large: Explained {
            says: "The form is too large",
            advice: "Enter less, and send it again.",
        },
        body_too_slow: Explained {
            says: "The form took too long to arrive",
            advice: "Check your connection, and send it again.",
        },
        incomplete_body: Explained {
            says: "The form did not arrive completely",
            advice: "Check your connection, and send it again.",
        },
        bad_request: Explained {
            says: "The server does not understand this request",
            advice: "Check the address in your browser.",
        },
        conflicting_headers: Explained {
            says: "A proxy on the way here is set up wrongly",
            advice: "Tell the operator of this server.",
        },
        too_early: Explained {
            says: "Your login is not valid yet",
            advice: "Try again in a few seconds.",
        },
        unavailable: Explained {
            says: "Temporarily unavailable",
            advice: "You are not logged out by this. Try again in a moment.",
        },
        database_readonly: Explained {
            says: "Nothing can be changed at the moment",
            advice: "Try again later.",
        },
        internal: Explained {
            says: "Something went wrong",
            advice: "Try again later. If it happens again, tell the operator of this server.",
        },
    },
};

fn counted(count: u64, unit: &str) -> String {
    match count {
        1 => format!("1 {unit}"),
        _ => format!("{count} {unit}s"),
    }
}
