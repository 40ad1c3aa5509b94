//! Reads the settings of a [`WebPolicy`]: locations, header, cookies and CSRF.

use actix_web::http::header::HeaderName;
use actix_web::http::{Method, StatusCode};

use super::cookies::cookies;
use super::reader::Reader;
use crate::web::{CsrfPolicy, HeaderPolicy, JsonPolicy, Location, QueryPolicy, WebPolicy};

/// Reads a [`WebPolicy`] from its `JWT_*` settings; `default` has the value of every setting that
/// is not set. `JWT_TOKEN_LOCATION` may name the `allowed` locations.
pub fn read_web_policy(
    reader: &mut Reader<'_>,
    default: WebPolicy,
    allowed: &[Location],
) -> WebPolicy {
    let csrf = csrf(reader, default.csrf);
    WebPolicy {
        locations: locations(reader, default.locations, allowed),
        header: header(reader, default.header),
        cookies: cookies(reader, default.cookies, csrf.protect),
        query: query(reader, default.query),
        json: json(reader, default.json),
        csrf,
        message_key: reader.text_or("JWT_ERROR_MESSAGE_KEY", &default.message_key),
        remember: !reader.truth("JWT_SESSION_COOKIE", !default.remember),
        reissue_within: reader.duration("JWT_REISSUE_WITHIN", default.reissue_within),
        accept_foreign: reader.truth("JWT_ACCEPT_FOREIGN", default.accept_foreign),
        trusted_proxies: default.trusted_proxies,
        invalid_token_status: invalid_token_status(reader, default.invalid_token_status),
        refresh_route: default.refresh_route,
    }
}

fn invalid_token_status(reader: &mut Reader<'_>, default: StatusCode) -> StatusCode {
    let known = [StatusCode::UNPROCESSABLE_ENTITY, StatusCode::UNAUTHORIZED];
    let status = |text: &str| known.into_iter().find(|status| status.as_str() == text);
    reader.parsed(
        "JWT_INVALID_TOKEN_STATUS",
        default,
        "write 422 or 401",
        status,
    )
}

fn locations(
    reader: &mut Reader<'_>,
    default: Vec<Location>,
    allowed: &[Location],
) -> Vec<Location> {
    const NAME: &str = "JWT_TOKEN_LOCATION";
    let words: Vec<&str> = allowed.iter().map(|location| location.word()).collect();
    let wanted = match words.as_slice() {
        [one, other] => format!("write {one}, {other}, or both with a comma, each once"),
        words => format!("write some of {}, each once", words.join(", ")),
    };
    let locations = reader.parsed_list(NAME, default, &wanted, |word| {
        allowed
            .iter()
            .copied()
            .find(|location| location.word().eq_ignore_ascii_case(word))
    });
    let mut seen = locations.iter();
    let twice = std::iter::from_fn(|| seen.next().map(|location| (location, seen.clone())))
        .any(|(location, mut rest)| rest.any(|other| other == location));
    if twice {
        reader.problem(NAME, format!("names a location twice; {wanted}"));
    }
    locations
}

fn header(reader: &mut Reader<'_>, default: HeaderPolicy) -> HeaderPolicy {
    let name = header_name(reader, "JWT_HEADER_NAME", default.name);
    let title = reader.text_or("JWT_HEADER_NAME", &default.title);
    // An empty text is a valid value here.
    let scheme = reader.raw("JWT_HEADER_TYPE").unwrap_or(default.scheme);
    let scheme = if scheme.eq_ignore_ascii_case("none") {
        String::new()
    } else {
        scheme
    };
    let is_plain = |letter: char| letter.is_ascii_graphic() && letter != ',';
    if !scheme.chars().all(is_plain) {
        let wanted = "must be one word of ASCII letters, digits and signs, as in Bearer";
        reader.problem("JWT_HEADER_TYPE", wanted);
    }
    HeaderPolicy {
        name,
        title,
        scheme,
        any_case: default.any_case,
    }
}

fn query(reader: &mut Reader<'_>, default: QueryPolicy) -> QueryPolicy {
    QueryPolicy {
        name: reader.text_or("JWT_QUERY_STRING_NAME", &default.name),
        prefix: reader
            .raw("JWT_QUERY_STRING_VALUE_PREFIX")
            .unwrap_or(default.prefix),
    }
}

fn json(reader: &mut Reader<'_>, default: JsonPolicy) -> JsonPolicy {
    JsonPolicy {
        access_key: reader.text("JWT_JSON_KEY").unwrap_or(default.access_key),
        refresh_key: reader
            .text("JWT_REFRESH_JSON_KEY")
            .unwrap_or(default.refresh_key),
    }
}

fn header_name(reader: &mut Reader<'_>, name: &str, default: HeaderName) -> HeaderName {
    let wanted = "write a name that no other header has, as in X-Access-Token";
    reader.parsed(name, default, wanted, |text| {
        let header: HeaderName = text.parse().ok()?;
        let taken = TAKEN.contains(&header.as_str())
            || ["proxy-", "sec-"]
                .iter()
                .any(|start| header.as_str().starts_with(start));
        (!taken).then_some(header)
    })
}

/// Headers that carry something else, beside all that begin with `proxy-` and `sec-`. Proxies write
/// some, browsers send some with a form, and do not let a script set most of them (Fetch section
/// 2.2.2, forbidden request-headers).
const TAKEN: [&str; 35] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "access-control-request-headers",
    "access-control-request-method",
    "cache-control",
    "connection",
    "content-encoding",
    "content-language",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "dnt",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "pragma",
    "priority",
    "range",
    "referer",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "upgrade-insecure-requests",
    "user-agent",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

fn csrf(reader: &mut Reader<'_>, default: CsrfPolicy) -> CsrfPolicy {
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
            let same = |method: &&Method| method.as_str().eq_ignore_ascii_case(word);
            known.iter().find(same).cloned()
        }),
        access_header: header_name(reader, "JWT_ACCESS_CSRF_HEADER_NAME", default.access_header),
        refresh_header: header_name(
            reader,
            "JWT_REFRESH_CSRF_HEADER_NAME",
            default.refresh_header,
        ),
        check_form: reader.truth("JWT_CSRF_CHECK_FORM", default.check_form),
        access_field: reader.text_or("JWT_ACCESS_CSRF_FIELD_NAME", &default.access_field),
        refresh_field: reader.text_or("JWT_REFRESH_CSRF_FIELD_NAME", &default.refresh_field),
    }
}
