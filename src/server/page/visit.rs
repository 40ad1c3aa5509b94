//! Defines [`Visit`], what the query of the page asks for.

use actix_web::HttpRequest;

use super::address::{NEXT, NOTICE, VIEW};
use super::next::Next;

/// What a visitor of the page asks for. Unknown parameters and values have no effect.
#[derive(Default, Debug)]
pub(in crate::server) struct Visit {
    pub(in crate::server) view: View,
    pub(in crate::server) notice: Option<Notice>,
    pub(in crate::server) next: Option<Next>,
}

/// What the page shows.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(in crate::server) enum View {
    /// The login form, or the account.
    #[default]
    Start,
    /// The form for a new account.
    Register,
    /// The form for a new password.
    Password,
}

/// What was done before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::server) enum Notice {
    /// The form was out of date, and nothing was done.
    Outdated,
    /// The password was changed.
    Password,
    /// A session ended.
    Session,
    /// All other sessions ended.
    Others,
    /// The user has logged out.
    Logout,
}

impl Visit {
    pub(in crate::server) fn of(request: &HttpRequest) -> Self {
        let mut visit = Self::default();
        for (name, value) in url::form_urlencoded::parse(request.query_string().as_bytes()) {
            match (name.as_ref(), value.as_ref()) {
                (VIEW, "register") => visit.view = View::Register,
                (VIEW, "password") => visit.view = View::Password,
                (NOTICE, notice) => visit.notice = Notice::parse(notice),
                (NEXT, next) => visit.next = Next::of(request, next),
                _ => {}
            }
        }
        visit
    }
}

impl Notice {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "outdated" => Self::Outdated,
            "password" => Self::Password,
            "session" => Self::Session,
            "others" => Self::Others,
            "logout" => Self::Logout,
            _ => return None,
        })
    }
}
