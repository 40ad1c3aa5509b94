//! Defines the settings of `/forward-auth`: the headers in which a proxy learns who the user is, and
//! the login page.

use actix_web::http::header::HeaderName;
use url::Url;

use super::setting::{Known, Setting};
use super::urls::is_address;
use tokenpair::config::Reader;

pub(super) const KNOWN: &[Known] = &[USER.known(), GROUPS.known(), SESSION.known(), LOGIN.known()];

const USER: Setting<HeaderName> = Setting::new(
    "FORWARD_AUTH_USER_HEADER",
    "Remote-User",
    "Response header of /forward-auth with the user's name.",
    |reader, name| header(reader, name, HeaderName::from_static("remote-user")),
);

const GROUPS: Setting<HeaderName> = Setting::new(
    "FORWARD_AUTH_GROUPS_HEADER",
    "Remote-Groups",
    "Response header of /forward-auth with the user's roles, separated by commas.",
    |reader, name| header(reader, name, HeaderName::from_static("remote-groups")),
);

const SESSION: Setting<HeaderName> = Setting::new(
    "FORWARD_AUTH_SESSION_HEADER",
    "X-Auth-Session",
    "Response header of /forward-auth with the id of the session.",
    |reader, name| header(reader, name, HeaderName::from_static("x-auth-session")),
);

const LOGIN: Setting<String> = Setting::new(
    "FORWARD_AUTH_LOGIN",
    "/",
    "The login page that /forward-auth sends browsers to: a path of the app's host, or a URL.",
    |reader, name| {
        let wanted = "write a path such as /auth/, or an http or https URL, without ? and #";
        reader.parsed(name, "/".to_owned(), wanted, login)
    },
);

/// The settings of `/forward-auth`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForwardAuth {
    /// `FORWARD_AUTH_USER_HEADER`
    pub user: HeaderName,
    /// `FORWARD_AUTH_GROUPS_HEADER`
    pub groups: HeaderName,
    /// `FORWARD_AUTH_SESSION_HEADER`
    pub session: HeaderName,
    /// `FORWARD_AUTH_LOGIN`
    pub login: String,
}

pub(super) fn forward_auth(reader: &mut Reader<'_>) -> ForwardAuth {
    let read = ForwardAuth {
        user: USER.read(reader),
        groups: GROUPS.read(reader),
        session: SESSION.read(reader),
        login: LOGIN.read(reader),
    };
    let names = [
        (USER.name(), &read.user),
        (GROUPS.name(), &read.groups),
        (SESSION.name(), &read.session),
    ];
    for (index, (setting, name)) in names.iter().enumerate() {
        let twin = names.iter().take(index).find(|(_, other)| other == name);
        if let Some((other, _)) = twin {
            reader.problem(
                setting,
                format!("is the header of {other} too; choose another name"),
            );
        }
    }
    read
}

/// Headers that mean something else to proxies, browsers and apps, or that each response has.
const TAKEN: [&str; 30] = [
    "authorization",
    "cache-control",
    "clear-site-data",
    "connection",
    "content-encoding",
    "content-length",
    "content-security-policy",
    "content-type",
    "cookie",
    "cross-origin-resource-policy",
    "date",
    "expect",
    "host",
    "keep-alive",
    "location",
    "origin",
    "referrer-policy",
    "refresh",
    "retry-after",
    "set-cookie",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "via",
    "www-authenticate",
    "x-content-type-options",
    "x-request-id",
];

/// The beginnings of others. `X-Forwarded-User` and `X-Forwarded-Groups` are usual names.
const TAKEN_BY_PREFIX: [&str; 11] = [
    "access-control-",
    "proxy-",
    "sec-",
    "x-accel-",
    "x-auth-set-cookie-",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-method",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-uri",
];

fn header(reader: &mut Reader<'_>, name: &str, default: HeaderName) -> HeaderName {
    let wanted = "write the name of a header that has no other meaning, such as X-Auth-User";
    reader.parsed(name, default, wanted, |text| {
        let header: HeaderName = text.parse().ok()?;
        let begins = |prefix: &&str| header.as_str().starts_with(*prefix);
        let is_taken = TAKEN.contains(&header.as_str()) || TAKEN_BY_PREFIX.iter().any(begins);
        (!is_taken).then_some(header)
    })
}

fn login(text: &str) -> Option<String> {
    let is_plain = |letter: char| letter.is_ascii_graphic() && !['\\', '?', '#'].contains(&letter);
    let is_path = text.starts_with('/') && !text.starts_with("//");
    let is_url = || Url::parse(text).is_ok_and(|url| is_address(&url));
    (text.chars().all(is_plain) && (is_path || is_url())).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::login;

    #[test]
    fn a_login_page_is_a_path_or_a_url() {
        for page in [
            "/",
            "/auth/",
            "https://login.example.org/",
            "http://127.0.0.1:8080/a",
        ] {
            assert_eq!(login(page).as_deref(), Some(page));
        }
        for page in [
            "",
            "auth",
            "//evil.example",
            "/\\evil.example",
            "/a b",
            "/?next=/",
            "/#a",
            "javascript:alert(1)",
            "https://ada:secret@login.example.org/",
        ] {
            assert_eq!(login(page), None, "{page}");
        }
    }
}
