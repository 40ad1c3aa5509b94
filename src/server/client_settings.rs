//! Defines [`ClientSettings`], the settings that the scripts of `/docs` and `/demo` need.

use std::time::Duration;

use serde::Serialize;

use crate::config::{Registration, Settings};
use tokenpair::session::ReusePolicy;
use tokenpair::token::TokenKind;
use tokenpair::web::{CookiePolicy, Location, SameSite};

/// Names and times. Anyone who opens the page can read them, so no secret may be among them. Times
/// are in seconds.
#[derive(Serialize)]
pub(super) struct ClientSettings<'a> {
    cookies: Option<Cookies<'a>>,
    header: Option<Header<'a>>,
    /// `None` where cookies need no CSRF value.
    csrf: Option<Csrf<'a>>,
    registration: bool,
    access_expires: Option<u64>,
    refresh_expires: Option<u64>,
    reissue_within: u64,
    rotation_window: u64,
    /// Whether every reuse of a refresh token counts as theft.
    strict: bool,
}

#[derive(Serialize)]
struct Cookies<'a> {
    access: Cookie<'a>,
    refresh: Cookie<'a>,
    /// Whether the CSRF values have cookies too.
    csrf: bool,
    secure: bool,
    same_site: Option<&'static str>,
    /// Whether cookies outlive the browser, unless a login decides otherwise.
    remember: bool,
}

#[derive(Serialize)]
struct Cookie<'a> {
    name: &'a str,
    csrf_name: &'a str,
}

#[derive(Serialize)]
struct Header<'a> {
    name: &'a str,
    scheme: &'a str,
}

#[derive(Serialize)]
struct Csrf<'a> {
    methods: Vec<&'a str>,
    access_header: &'a str,
    refresh_header: &'a str,
}

impl<'a> ClientSettings<'a> {
    pub(super) fn of(settings: &'a Settings) -> Self {
        let (web, tokens) = (&settings.web, &settings.tokens);
        let looks_in = |location| web.locations.contains(&location);
        let cookies = looks_in(Location::Cookies);
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
        Self {
            cookies: cookies.then(|| Cookies::of(&web.cookies, web.remember)),
            header: looks_in(Location::Headers).then(|| Header {
                name: web.header.name.as_str(),
                scheme: &web.header.scheme,
            }),
            csrf: (cookies && web.csrf.protect).then(|| Csrf {
                methods: web
                    .csrf
                    .methods
                    .iter()
                    .map(|method| method.as_str())
                    .collect(),
                access_header: web.csrf.access_header.as_str(),
                refresh_header: web.csrf.refresh_header.as_str(),
            }),
            registration: settings.registration == Registration::Open,
            access_expires: seconds(tokens.access_expires),
            refresh_expires: seconds(tokens.refresh_expires),
            reissue_within: web.reissue_within.as_secs(),
            rotation_window: settings.sessions.rotation_window.as_secs(),
            strict: settings.sessions.reuse == ReusePolicy::Strict,
        }
    }
}

impl<'a> Cookies<'a> {
    fn of(policy: &'a CookiePolicy, remember: bool) -> Self {
        let of_kind = |kind| Cookie {
            name: policy.token_name(kind),
            csrf_name: policy.csrf_name(kind),
        };
        Self {
            access: of_kind(TokenKind::Access),
            refresh: of_kind(TokenKind::Refresh),
            csrf: policy.csrf,
            secure: policy.secure,
            same_site: policy.same_site.map(|same_site| match same_site {
                SameSite::Strict => "Strict",
                SameSite::Lax => "Lax",
                SameSite::None => "None",
            }),
            remember,
        }
    }
}
