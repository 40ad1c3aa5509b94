//! Reads the settings of the four cookies into a [`CookiePolicy`], and checks the rules of name
//! prefixes.

use std::net::IpAddr;

use super::reader::{Reader, parse_bool};
use crate::web::{CookiePolicy, SameSite};

const PREFIX: &str = "JWT_COOKIE_PREFIX";

/// A cookie as it will be set: the setting that names it, its name without [`PREFIX`], its path,
/// and whether scripts can read it.
struct Named<'a> {
    setting: &'static str,
    name: &'a str,
    path: &'a str,
    http_only: bool,
}

/// Reads the settings; `default` has the value of every setting that is not set.
pub(super) fn cookies(reader: &mut Reader<'_>, default: CookiePolicy, csrf: bool) -> CookiePolicy {
    let prefix = prefix(reader);
    let plain = without_prefix(reader, default, csrf);
    check_prefixes(reader, prefix, &plain);
    let named = |name: String| format!("{prefix}{name}");
    CookiePolicy {
        access_name: named(plain.access_name),
        refresh_name: named(plain.refresh_name),
        access_csrf_name: named(plain.access_csrf_name),
        refresh_csrf_name: named(plain.refresh_csrf_name),
        ..plain
    }
}

fn without_prefix(reader: &mut Reader<'_>, default: CookiePolicy, csrf: bool) -> CookiePolicy {
    let path = |reader: &mut Reader<'_>, name: &str| {
        let clean = |text: &str| {
            text.starts_with('/')
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b';')
        };
        let wanted = "write a path that begins with /";
        reader.parsed(name, "/".to_owned(), wanted, |text| {
            clean(text).then(|| text.to_owned())
        })
    };
    CookiePolicy {
        access_name: cookie_name(reader, "JWT_ACCESS_COOKIE_NAME", default.access_name),
        refresh_name: cookie_name(reader, "JWT_REFRESH_COOKIE_NAME", default.refresh_name),
        access_csrf_name: cookie_name(
            reader,
            "JWT_ACCESS_CSRF_COOKIE_NAME",
            default.access_csrf_name,
        ),
        refresh_csrf_name: cookie_name(
            reader,
            "JWT_REFRESH_CSRF_COOKIE_NAME",
            default.refresh_csrf_name,
        ),
        access_path: path(reader, "JWT_ACCESS_COOKIE_PATH"),
        refresh_path: path(reader, "JWT_REFRESH_COOKIE_PATH"),
        access_csrf_path: path(reader, "JWT_ACCESS_CSRF_COOKIE_PATH"),
        refresh_csrf_path: path(reader, "JWT_REFRESH_CSRF_COOKIE_PATH"),
        domain: domain(reader),
        secure: secure(reader, default.secure),
        same_site: same_site(reader, default.same_site),
        csrf: reader.truth("JWT_CSRF_IN_COOKIES", true) && csrf,
        first_that_verifies: default.first_that_verifies,
    }
}

/// RFC 6265 section 4.1.1: a cookie's name is a token.
fn cookie_name(reader: &mut Reader<'_>, name: &str, default: String) -> String {
    let token = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    reader.parsed(
        name,
        default,
        "write letters, digits, - and _ only",
        |text| token(text).then(|| text.to_owned()),
    )
}

/// RFC 6265 section 5.1.3: an IP address has no domain to share cookies with.
fn domain(reader: &mut Reader<'_>) -> Option<String> {
    let host = |text: &str| {
        let name = text.trim_start_matches('.').to_ascii_lowercase();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        let address = name.parse::<IpAddr>().is_ok();
        (!name.is_empty() && !address && name.bytes().all(plain)).then_some(Some(name))
    };
    let wanted = "write a domain, as in example.org";
    reader.parsed("JWT_COOKIE_DOMAIN", None, wanted, host)
}

fn secure(reader: &mut Reader<'_>, default: bool) -> bool {
    let wanted = "write auto, true or false";
    reader.parsed("JWT_COOKIE_SECURE", default, wanted, |text| {
        let auto = text.eq_ignore_ascii_case("auto").then_some(default);
        auto.or_else(|| parse_bool(text))
    })
}

fn same_site(reader: &mut Reader<'_>, default: Option<SameSite>) -> Option<SameSite> {
    let choices = [
        ("Lax", Some(SameSite::Lax)),
        ("Strict", Some(SameSite::Strict)),
        ("None", Some(SameSite::None)),
    ];
    reader.choice("JWT_COOKIE_SAMESITE", default, &choices)
}

fn prefix(reader: &mut Reader<'_>) -> &'static str {
    let choices = [("none", ""), ("secure", "__Secure-"), ("host", "__Host-")];
    reader.choice(PREFIX, "", &choices)
}

/// RFC 6265bis section 4.1.3: browsers drop a cookie that breaks the promise of its name's prefix.
fn check_prefixes(reader: &mut Reader<'_>, prefix: &str, cookies: &CookiePolicy) {
    for cookie in named(cookies) {
        let own = !prefix.is_empty();
        if own && cookie.name.starts_with("__") {
            let complaint =
                format!("begins with a prefix already; write the bare name, or {PREFIX}=none");
            reader.problem(cookie.setting, complaint);
        } else if let Some(needs) = unkept(&format!("{prefix}{}", cookie.name), &cookie, cookies) {
            let complaint = if own {
                format!("is {prefix}, which needs {needs}: otherwise browsers drop the cookies")
            } else {
                format!(
                    "begins with a prefix that needs {needs}: otherwise browsers drop the cookie"
                )
            };
            reader.problem(if own { PREFIX } else { cookie.setting }, complaint);
            if own {
                return;
            }
        }
    }
}

/// Returns the promise of the name that the cookie breaks. Browsers compare prefixes
/// case-insensitively (section 5.7).
fn unkept(name: &str, cookie: &Named<'_>, cookies: &CookiePolicy) -> Option<&'static str> {
    let begins = |prefix: &str| {
        let start = name.get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let host_only = cookies.domain.is_none() && cookie.path == "/";
    let (host, http) = (
        begins("__Host-"),
        begins("__Http-") || begins("__Host-Http-"),
    );
    if (host || http || begins("__Secure-")) && !cookies.secure {
        return Some("Secure cookies (an https PUBLIC_URL, or JWT_COOKIE_SECURE=true)");
    }
    if host && !host_only {
        return Some("the path / and no JWT_COOKIE_DOMAIN");
    }
    (http && !cookie.http_only)
        .then_some("a cookie that no script reads, but this one is for scripts")
}

fn named(cookies: &CookiePolicy) -> [Named<'_>; 4] {
    let one = |setting, name, path, http_only| Named {
        setting,
        name,
        path,
        http_only,
    };
    [
        one(
            "JWT_ACCESS_COOKIE_NAME",
            &cookies.access_name,
            &cookies.access_path,
            true,
        ),
        one(
            "JWT_REFRESH_COOKIE_NAME",
            &cookies.refresh_name,
            &cookies.refresh_path,
            true,
        ),
        one(
            "JWT_ACCESS_CSRF_COOKIE_NAME",
            &cookies.access_csrf_name,
            &cookies.access_csrf_path,
            false,
        ),
        one(
            "JWT_REFRESH_CSRF_COOKIE_NAME",
            &cookies.refresh_csrf_name,
            &cookies.refresh_csrf_path,
            false,
        ),
    ]
}
