//! How tokens travel: locations, header, cookies and CSRF, from texts to [`WebPolicy`].

use actix_web::http::Method;
use actix_web::http::header::HeaderName;
use url::Host;

use super::reader::Reader;
use crate::web::{CookiePolicy, CsrfPolicy, HeaderPolicy, Location, SameSite, WebPolicy};

pub(super) fn web(reader: &mut Reader<'_>, secure_by_default: bool) -> WebPolicy {
    let default = WebPolicy::default();
    let csrf = csrf(reader);
    WebPolicy {
        locations: locations(reader, &default.locations),
        header: header(reader),
        cookies: cookies(reader, secure_by_default, csrf.protect),
        csrf,
        remember: !reader.truth("JWT_SESSION_COOKIE", true),
        reissue_within: reader.duration("JWT_REISSUE_WITHIN", default.reissue_within),
    }
}

fn locations(reader: &mut Reader<'_>, default: &[Location]) -> Vec<Location> {
    let wanted = "write cookies, headers, or both with a comma, each once";
    let locations = reader.parsed_list("JWT_TOKEN_LOCATION", default.to_vec(), wanted, |word| {
        default
            .iter()
            .copied()
            .find(|location| location.word() == word)
    });
    match locations.as_slice() {
        [first, second] if first == second => reader.problem(
            "JWT_TOKEN_LOCATION",
            format!("names a place twice; {wanted}"),
        ),
        [_, _, _, ..] => reader.problem(
            "JWT_TOKEN_LOCATION",
            format!("names a place twice; {wanted}"),
        ),
        _ => {}
    }
    locations
}

fn header(reader: &mut Reader<'_>) -> HeaderPolicy {
    let default = HeaderPolicy::default();
    let name = header_name(reader, "JWT_HEADER_NAME", default.name);
    let title = reader.text_or("JWT_HEADER_NAME", &default.title);
    let scheme = reader.text_or("JWT_HEADER_TYPE", &default.scheme);
    let scheme = if scheme == "none" {
        String::new()
    } else {
        scheme
    };
    if scheme.contains(|letter: char| letter.is_whitespace() || letter == ',') {
        reader.problem("JWT_HEADER_TYPE", "has to be one word, as in Bearer");
    }
    HeaderPolicy {
        name,
        title,
        scheme,
    }
}

fn header_name(reader: &mut Reader<'_>, name: &str, default: HeaderName) -> HeaderName {
    reader.parsed(
        name,
        default,
        "write a header's name, as in X-CSRF-TOKEN",
        |text| text.parse().ok(),
    )
}

fn csrf(reader: &mut Reader<'_>) -> CsrfPolicy {
    let default = CsrfPolicy::default();
    let known = [
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    let wanted = "write methods in capitals with commas, as in POST,PUT,PATCH,DELETE";
    CsrfPolicy {
        protect: reader.truth("JWT_COOKIE_CSRF_PROTECT", default.protect),
        methods: reader.parsed_list("JWT_CSRF_METHODS", default.methods, wanted, |word| {
            known.iter().find(|method| method.as_str() == word).cloned()
        }),
        access_header: header_name(reader, "JWT_ACCESS_CSRF_HEADER_NAME", default.access_header),
        refresh_header: header_name(
            reader,
            "JWT_REFRESH_CSRF_HEADER_NAME",
            default.refresh_header,
        ),
    }
}

fn cookies(reader: &mut Reader<'_>, secure_by_default: bool, csrf: bool) -> CookiePolicy {
    let default = CookiePolicy::default();
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
        secure: secure(reader, secure_by_default),
        same_site: same_site(reader),
        csrf: reader.truth("JWT_CSRF_IN_COOKIES", true) && csrf,
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

/// RFC 6265 section 5.1.3: an address has no domain to share with.
fn domain(reader: &mut Reader<'_>) -> Option<String> {
    let host = |text: &str| match Host::parse(text.trim_start_matches('.')) {
        Ok(Host::Domain(name)) => Some(Some(name)),
        _ => None,
    };
    let wanted = "write a domain, as in example.org";
    reader.parsed("JWT_COOKIE_DOMAIN", None, wanted, host)
}

fn secure(reader: &mut Reader<'_>, default: bool) -> bool {
    reader.parsed(
        "JWT_COOKIE_SECURE",
        default,
        "write auto, true or false",
        |text| match text.to_ascii_lowercase().as_str() {
            "auto" => Some(default),
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        },
    )
}

fn same_site(reader: &mut Reader<'_>) -> Option<SameSite> {
    let default = Some(SameSite::Lax);
    reader.parsed(
        "JWT_COOKIE_SAMESITE",
        default,
        "write Lax, Strict or None",
        |text| match text.to_ascii_lowercase().as_str() {
            "lax" => Some(Some(SameSite::Lax)),
            "strict" => Some(Some(SameSite::Strict)),
            "none" => Some(Some(SameSite::None)),
            _ => None,
        },
    )
}

/// As in Flask-JWT-Extended: tokens carry a CSRF value where they may travel in protected cookies.
pub(super) fn carries_csrf(web: &WebPolicy) -> bool {
    web.csrf.protect && web.locations.contains(&Location::Cookies)
}
