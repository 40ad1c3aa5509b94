//! Implements the page of a logged-in user: the sessions, and what can be done with them.

use std::net::IpAddr;

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::address::{Address, LOG_OUT, SESSIONS};
use super::document::{Shown, State};
use super::forms::{csrf_field, notice_line};
use super::next::Next;
use super::visit::Notice;

/// What the page of a logged-in user shows.
pub(in crate::server) struct Account<'a> {
    pub(in crate::server) username: &'a str,
    /// The CSRF value of the session, if its tokens have one.
    pub(in crate::server) csrf: Option<&'a str>,
    /// `None` if the database is unavailable.
    pub(in crate::server) sessions: Option<Sessions>,
    pub(in crate::server) notice: Option<Notice>,
    /// Where the user came from.
    pub(in crate::server) next: Option<Next>,
}

/// The user's sessions.
pub(in crate::server) struct Sessions {
    pub(in crate::server) listed: Vec<Listed>,
    /// The number of the others.
    pub(in crate::server) more: usize,
}

/// A session of the user.
pub(in crate::server) struct Listed {
    pub(in crate::server) id: String,
    pub(in crate::server) device: Device,
    pub(in crate::server) ip: Option<IpAddr>,
    /// How long ago it was last used, in seconds.
    pub(in crate::server) unused_for: u64,
    pub(in crate::server) is_current: bool,
}

/// The device of a session.
pub(in crate::server) enum Device {
    Browser { name: String, system: String },
    Program(String),
    Unknown,
}

impl Account<'_> {
    pub(in crate::server) fn show(&self, shown: &Shown<'_>) -> HttpResponse {
        let texts = shown.texts;
        let main = html! {
            (notice_line(shown, self.notice))
            @if let Some(next) = &self.next {
                p { a.primary href=(next.as_str()) { ((texts.go_on)(next.as_str())) } }
            }
            (self.devices(shown))
            div.actions {
                a.secondary href=(Address::Password.as_str()) { (texts.change_password) }
                form method="post" action=(LOG_OUT) {
                    (csrf_field(self.csrf))
                    button.secondary { (texts.log_out) }
                }
            }
        };
        shown.respond(&State::new((texts.greeting)(self.username), main))
    }

    fn devices(&self, shown: &Shown<'_>) -> Markup {
        let texts = shown.texts;
        html! {
            section aria-labelledby="sessions" {
                h2 #sessions { (texts.sessions) }
                @match &self.sessions {
                    None => { p.note { (texts.sessions_away) } },
                    Some(sessions) => {
                        @if !sessions.listed.is_empty() {
                            ul.sessions role="list" {
                                @for session in &sessions.listed { (self.row(shown, session)) }
                            }
                        }
                        @if sessions.more > 0 {
                            p.note { ((texts.more_sessions)(sessions.more)) }
                        }
                        @if sessions.listed.len() > 1 {
                            (self.end(texts.end_others, None, "others"))
                        }
                    },
                }
            }
        }
    }

    fn row(&self, shown: &Shown<'_>, session: &Listed) -> Markup {
        let texts = shown.texts;
        let device = session.device.in_words(shown);
        let ip = session.ip.map(|ip| ip.to_string());
        let ago = texts.ago(session.unused_for);
        html! {
            li {
                div {
                    p.device {
                        (device)
                        @if session.is_current { " " span.badge { (texts.this_device) } }
                    }
                    p.note {
                        @if let Some(ip) = &ip { (ip) " · " }
                        ((texts.last_used)(&ago))
                    }
                }
                @if !session.is_current {
                    (self.end(texts.end_session, Some(&device), &session.id))
                }
            }
        }
    }

    /// A form that ends a session, or all others.
    fn end(&self, label: &str, device: Option<&str>, session: &str) -> Markup {
        html! {
            form method="post" action=(SESSIONS) {
                (csrf_field(self.csrf))
                button.secondary name="session" value=(session) {
                    (label)
                    @if let Some(device) = device { span.unseen { " " (device) } }
                }
            }
        }
    }
}

impl Device {
    fn in_words(&self, shown: &Shown<'_>) -> String {
        match self {
            Self::Browser { name, system } => (shown.texts.browser_on)(name, system),
            Self::Program(name) => name.clone(),
            Self::Unknown => shown.texts.unknown_device.to_owned(),
        }
    }
}
