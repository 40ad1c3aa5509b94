//! Defines [`Place`], where mounted routes are in the app around them, and checks that the cookies
//! reach them there.

use crate::config::{Problems, is_under};
use tokenpair::config::Reader;
use tokenpair::web::{Location, WebPolicy};

/// Where the routes are, and where a browser goes from them. Default: the program's.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The path in front of each route, such as `/auth`. Default: none.
    pub(super) prefix: String,
    /// The path that a login by a form and a logout by a link redirect to. Default: `/`.
    pub(super) home: String,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            home: "/".to_owned(),
        }
    }
}

impl Place {
    /// Returns the path of a route as clients see it.
    pub(super) fn path(&self, route: &str) -> String {
        format!("{}{route}", self.prefix)
    }

    /// Checks both paths, and those of the tokens' cookies: a browser would otherwise never send
    /// them to the routes that need them.
    pub(super) fn check(&self, web: &WebPolicy) -> Result<(), Problems> {
        let mut reader = Reader::new(|_| Ok(None), Vec::new());
        if !is_home(&self.home) {
            let complaint = format!(
                "is {:?}; write a path of this app, such as \"/\" or \"/welcome\"",
                self.home
            );
            reader.problem("AccountRoutesBuilder::home", complaint);
        }
        if is_prefix(&self.prefix) {
            self.check_cookies(&mut reader, web);
        } else {
            let complaint = format!(
                "is {:?}; write a path without a slash at the end, such as \"/auth\", or \"\" for none",
                self.prefix
            );
            reader.problem("AccountRoutesBuilder::prefix", complaint);
        }
        reader.finish(())
    }

    fn check_cookies(&self, reader: &mut Reader<'_>, web: &WebPolicy) {
        if !web.locations.contains(&Location::Cookies) {
            return;
        }
        let cookies = &web.cookies;
        let needed = [
            ("JWT_ACCESS_COOKIE_PATH", &cookies.access_path, "/account"),
            ("JWT_ACCESS_COOKIE_PATH", &cookies.access_path, "/sessions"),
            ("JWT_REFRESH_COOKIE_PATH", &cookies.refresh_path, "/refresh"),
        ];
        for (name, path, route) in needed {
            let address = self.path(route);
            if !is_under(&address, path) {
                let cure = match self.prefix.as_str() {
                    "" => "\"/\"".to_owned(),
                    prefix => format!("{prefix:?} or \"/\""),
                };
                let complaint = format!(
                    "is {path:?}, so browsers do not send the cookie to {address}; set it to {cure}"
                );
                reader.problem(name, complaint);
            }
        }
    }
}

/// Returns whether a browser takes it for a path of the same origin: two slashes, or a backslash,
/// would begin the host of another one.
fn is_home(path: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_graphic() && letter != '\\';
    path.starts_with('/') && !path.starts_with("//") && path.chars().all(is_plain)
}

/// Returns whether each segment of the prefix means itself in an address and in Actix's patterns.
fn is_prefix(prefix: &str) -> bool {
    let is_plain =
        |letter: char| letter.is_ascii_alphanumeric() || ['-', '.', '_', '~'].contains(&letter);
    let is_segment =
        |segment: &str| !matches!(segment, "" | "." | "..") && segment.chars().all(is_plain);
    match prefix.strip_prefix('/') {
        Some(segments) => segments.split('/').all(is_segment),
        None => prefix.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::{is_home, is_prefix};

    #[test]
    fn a_prefix_is_none_or_plain_segments() {
        for prefix in ["", "/auth", "/api/v1", "/a.b-c_d~e"] {
            assert!(is_prefix(prefix), "{prefix}");
        }
        for prefix in [
            "/", "auth", "/auth/", "//auth", "/{id}", "/a b", "/..", "/%61", "/a?b",
        ] {
            assert!(!is_prefix(prefix), "{prefix}");
        }
    }

    #[test]
    fn a_home_is_a_path_of_the_same_origin() {
        for home in ["/", "/welcome", "/app/?from=login#top"] {
            assert!(is_home(home), "{home}");
        }
        for home in [
            "",
            "welcome",
            "//evil.example",
            "/\\evil.example",
            "https://app.example/",
            "/a b",
            "/a\r\nSet-Cookie: a=b",
            "/ä",
        ] {
            assert!(!is_home(home), "{home}");
        }
    }
}
