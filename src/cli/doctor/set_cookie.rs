//! Parses `Set-Cookie` and applies the rules of browsers (RFC 6265bis section 5.7).

use super::target::Target;

/// A `Set-Cookie` header. Its value is a secret, so it has no `Debug`.
#[derive(Clone)]
pub(super) struct SetCookie {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) path: Option<String>,
    pub(super) domain: Option<String>,
    pub(super) same_site: Option<String>,
    pub(super) secure: bool,
    pub(super) http_only: bool,
    /// Whether it removes the cookie.
    pub(super) is_removal: bool,
    /// Whether it outlives the browser.
    pub(super) is_kept: bool,
}

impl SetCookie {
    /// Parses a header. `None` if it has no name.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut parts = line.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let mut cookie = Self {
            name: name.trim().to_owned(),
            value: value.trim().to_owned(),
            path: None,
            domain: None,
            same_site: None,
            secure: false,
            http_only: false,
            is_removal: false,
            is_kept: false,
        };
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            cookie.set(name.trim(), value.trim());
        }
        (!cookie.name.is_empty()).then_some(cookie)
    }

    fn set(&mut self, name: &str, value: &str) {
        let text = || Some(value.to_owned());
        match name.to_ascii_lowercase().as_str() {
            "path" => self.path = text(),
            "domain" => self.domain = text(),
            "samesite" => self.same_site = text(),
            "secure" => self.secure = true,
            "httponly" => self.http_only = true,
            "max-age" => match value.parse::<i64>() {
                Ok(seconds) if seconds > 0 => self.is_kept = true,
                _ => self.is_removal = true,
            },
            "expires" if value.contains("1970") => self.is_removal = true,
            "expires" => self.is_kept = true,
            _ => {}
        }
    }

    /// Returns whether two headers differ in an attribute that the settings give to all cookies
    /// alike.
    pub(super) fn differs_from(&self, other: &Self) -> Option<&'static str> {
        let site = |cookie: &Self| {
            cookie
                .same_site
                .as_ref()
                .map(|one| one.to_ascii_lowercase())
        };
        if self.secure != other.secure {
            Some("Secure")
        } else if site(self) != site(other) {
            Some("SameSite")
        } else {
            (self.domain != other.domain).then_some("Domain")
        }
    }

    /// Returns why browsers drop the cookie. `None` if they keep it.
    pub(super) fn dropped_by_browsers(&self, target: &Target) -> Option<&'static str> {
        let starts = |prefix: &str| {
            let start = self.name.get(..prefix.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        if self.secure && !target.is_trustworthy() {
            return Some("it is Secure, and the address is plain http");
        }
        if starts("__Host-")
            && !(self.secure && self.domain.is_none() && self.path.as_deref() == Some("/"))
        {
            return Some("its name begins with __Host-, which needs Secure, Path=/ and no Domain");
        }
        if (starts("__Secure-") || starts("__Http-")) && !self.secure {
            return Some("its name begins with __Secure-, which needs Secure");
        }
        let none = |site: &str| site.eq_ignore_ascii_case("none");
        if self.same_site.as_deref().is_some_and(none) && !self.secure {
            return Some("it is SameSite=None, which needs Secure");
        }
        if !self.is_of_host(target.host()) {
            return Some("its Domain is not the host's");
        }
        None
    }

    /// RFC 6265 section 5.1.3.
    pub(super) fn is_of_host(&self, host: &str) -> bool {
        let Some(domain) = self.domain.as_deref() else {
            return true;
        };
        let domain = domain.trim_start_matches('.').to_ascii_lowercase();
        let rest = host.strip_suffix(domain.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// Returns whether browsers send the cookie to this path (RFC 6265 section 5.1.4).
    pub(super) fn is_sent_to(&self, path: &str) -> bool {
        let own = self.path.as_deref().unwrap_or("/");
        let rest = path.strip_prefix(own);
        rest.is_some_and(|rest| rest.is_empty() || own.ends_with('/') || rest.starts_with('/'))
    }
}

/// Splits a header into which a proxy has joined several. The comma in a date is no separator.
pub(super) fn joined(line: &str) -> Vec<&str> {
    let mut begins = vec![0];
    for (comma, _) in line.match_indices(',') {
        let rest = line.get(comma + 1..).unwrap_or_default();
        let name = rest.split(['=', ';', ',']).next().unwrap_or_default();
        let follows_name = rest
            .get(name.len()..)
            .is_some_and(|end| end.starts_with('='));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        let name = name.trim();
        if follows_name && !name.is_empty() && name.bytes().all(plain) {
            begins.push(comma + 1);
        }
    }
    let ends = begins.iter().skip(1).map(|begin| begin - 1);
    let ends = ends.chain([line.len()]);
    let spans = begins.iter().zip(ends);
    spans
        .filter_map(|(begin, end)| line.get(*begin..end))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REMOVAL: &str = "a=; HttpOnly; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT";

    #[test]
    fn a_header_with_a_date_is_one_and_two_in_one_line_are_two() {
        assert_eq!(joined(REMOVAL), [REMOVAL]);
        let two = format!("{REMOVAL}, csrf=; Path=/");
        assert_eq!(joined(&two), [REMOVAL, " csrf=; Path=/"]);
        assert_eq!(joined(&format!("{REMOVAL},b=1")).len(), 2);
    }

    #[test]
    fn browsers_keep_and_send_cookies_by_their_attributes() {
        let dropped = |line: &str, url: &str| {
            let cookie = SetCookie::parse(line).unwrap();
            let target = Target::parse(url).unwrap();
            cookie.dropped_by_browsers(&target).is_some()
        };
        for (line, url, is_dropped) in [
            ("a=1; Secure", "http://192.0.2.1:8080", true),
            ("a=1; Secure", "http://localhost:8080", false),
            ("a=1; Secure", "https://a.example", false),
            ("a=1; SameSite=None", "https://a.example", true),
            ("__Host-a=1; Secure; Path=/", "https://a.example", false),
            ("__Host-a=1; Secure; Path=/x", "https://a.example", true),
            ("a=1; Domain=example", "https://a.example", false),
            ("a=1; Domain=b.example", "https://a.example", true),
        ] {
            assert_eq!(dropped(line, url), is_dropped, "{line} {url}");
        }
        let cookie = SetCookie::parse("a=1; Path=/refresh").unwrap();
        assert!(cookie.is_sent_to("/refresh") && cookie.is_sent_to("/refresh/x"));
        assert!(!cookie.is_sent_to("/refreshed") && !cookie.is_sent_to("/"));
        assert!(SetCookie::parse(REMOVAL).unwrap().is_removal);
    }
}
