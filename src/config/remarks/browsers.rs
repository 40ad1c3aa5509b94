//! Defines notes on combinations of settings under which browsers would not send or show a cookie.

use url::{Host, Url};

use crate::config::Settings;
use crate::config::urls::{is_loopback, is_under, is_within, serialized_origin};
use tokenpair::web::{Location, SameSite, WebPolicy};

/// Returns notes on origins, each with a fix.
pub(super) fn remarks(settings: &Settings) -> Vec<String> {
    let with_cookies = takes_cookies(settings);
    let mut remarks = Vec::new();
    for origin in settings
        .cors_origins
        .iter()
        .flat_map(|origin| origin.parse())
    {
        remarks.extend(on_plain_http(&origin));
        remarks.extend(on_origin(&origin, settings).filter(|_| with_cookies));
    }
    remarks
}

/// Returns notes on cookie paths for routes behind `prefix`, each with a fix.
pub(in crate::config) fn remarks_on_routes(settings: &Settings, prefix: &str) -> Vec<String> {
    if !takes_cookies(settings) {
        return Vec::new();
    }
    let mut remarks = on_paths(&settings.web, prefix);
    remarks.extend(on_reissue(&settings.web, prefix));
    remarks
}

fn takes_cookies(settings: &Settings) -> bool {
    settings.web.locations.contains(&Location::Cookies)
}

const CORS: &str = "SERVER_CORS_ORIGINS";

fn on_plain_http(origin: &Url) -> Option<String> {
    let shown = serialized_origin(origin)?;
    (origin.scheme() == "http" && !is_loopback(origin)).then(|| {
        format!(
            "{CORS} has {shown}: over plain http anyone on the network path can act for the users of its pages. \
             Serve them by https"
        )
    })
}

fn on_origin(origin: &Url, settings: &Settings) -> Option<String> {
    let (web, shown) = (&settings.web, serialized_origin(origin)?);
    let public = settings.public_url.as_ref();
    if let Some(public) = public.filter(|public| !are_same_site(origin, public)) {
        let mixed =
            is_loopback(origin) && is_loopback(public) && origin.scheme() == public.scheme();
        if mixed && origin.host() != public.host() {
            return Some(on_mixed_names(&shown, origin, public));
        }
        if web.cookies.same_site != Some(SameSite::None) {
            return Some(on_other_site(&shown, public, settings));
        }
    }
    let hidden = web.csrf.protect && web.cookies.csrf && !reads_cookies_of(origin, settings);
    hidden.then(|| {
        format!(
            "pages of {shown} ({CORS}) cannot read the CSRF cookies of this host: \
             set JWT_CSRF_IN_COOKIES=false, or JWT_COOKIE_DOMAIN where both hosts share a domain"
        )
    })
}

/// Returns whether scripts in pages of that origin can read this server's cookies. Ports do not
/// separate cookies.
fn reads_cookies_of(origin: &Url, settings: &Settings) -> bool {
    let host = origin.host_str().unwrap_or_default();
    let own = settings.public_url.as_ref().and_then(Url::host_str);
    let shared = settings.web.cookies.domain.as_deref();
    matches!(origin.scheme(), "http" | "https")
        && (own == Some(host) || shared.is_some_and(|domain| is_within(host, domain)))
}

fn on_mixed_names(shown: &str, origin: &Url, public: &Url) -> String {
    let mut under_one_name = public.clone();
    let renamed = match under_one_name.set_host(origin.host_str()) {
        Ok(()) => serialized_origin(&under_one_name).unwrap_or_default(),
        Err(_) => String::new(),
    };
    let public = serialized_origin(public).unwrap_or_default();
    format!(
        "{CORS} has {shown}, and PUBLIC_URL is {public}: to browsers these names are two sites, and a page of one gets no \
         cookies of the other. Set PUBLIC_URL={renamed} and let the page call that address"
    )
}

fn on_other_site(shown: &str, public: &Url, settings: &Settings) -> String {
    let public = serialized_origin(public).unwrap_or_default();
    let same_site = match settings.web.cookies.same_site {
        Some(SameSite::Strict) => "Strict",
        _ => "Lax",
    };
    format!(
        "{CORS} has {shown}, which is a different site from PUBLIC_URL {public}, and with JWT_COOKIE_SAMESITE={same_site} browsers \
         send no cookies from there. Serve both under one domain; or set JWT_COOKIE_SAMESITE=None and \
         JWT_CSRF_IN_COOKIES=false; or let the page log in with \"tokens\": \"body\" and send the token in a header"
    )
}

/// Returns whether browsers treat both as the same site (RFC 6265bis section 5.2): the same scheme
/// and registrable domain. Without the public suffix list, names that share their last two labels
/// count as the same site, so a note may be missing but is never wrong.
pub(crate) fn are_same_site(one: &Url, other: &Url) -> bool {
    if one.scheme() != other.scheme() {
        return false;
    }
    match (one.host(), other.host()) {
        (Some(Host::Domain(one)), Some(Host::Domain(other))) => {
            one == other || registrable(one).is_some_and(|site| Some(site) == registrable(other))
        }
        (one, other) => one == other,
    }
}

/// Returns the last two labels, or three if the last two are a well-known public suffix such as
/// `co.uk`.
fn registrable(name: &str) -> Option<&str> {
    const SECOND_LEVEL: [&str; 9] = ["ac", "co", "com", "edu", "gov", "ne", "net", "or", "org"];
    let mut ends = name.rmatch_indices('.').map(|(dot, _)| dot);
    let (last, second) = (ends.next()?, ends.next());
    let second_level = name.get(second.map_or(0, |dot| dot + 1)..last)?;
    let country = name.len() - last == 3;
    let start = match second {
        Some(_) if country && SECOND_LEVEL.contains(&second_level) => {
            ends.next().map_or(0, |dot| dot + 1)
        }
        Some(dot) => dot + 1,
        None => 0,
    };
    name.get(start..)
}

/// The paths of routes that take an access token, with a letter for each parameter.
const ACCESS: [&str; 16] = [
    "/account",
    "/account/password",
    "/admin/events",
    "/admin/users",
    "/admin/users/x",
    "/admin/users/x/sessions",
    "/csrf",
    "/forward-auth",
    "/logout",
    "/page/logout",
    "/page/password",
    "/page/sessions",
    "/protected",
    "/session",
    "/sessions",
    "/sessions/x",
];
const REFRESH: [&str; 1] = ["/refresh"];

fn on_paths(web: &WebPolicy, prefix: &str) -> Vec<String> {
    let cookies = &web.cookies;
    let mut remarks = Vec::new();
    for (name, path, routes, cure) in [
        (
            "JWT_ACCESS_COOKIE_PATH",
            &cookies.access_path,
            ACCESS.as_slice(),
            "/".to_owned(),
        ),
        (
            "JWT_REFRESH_COOKIE_PATH",
            &cookies.refresh_path,
            REFRESH.as_slice(),
            format!("/ or {prefix}/refresh"),
        ),
    ] {
        let mut paths = routes.iter().map(|route| format!("{prefix}{route}"));
        if !paths.any(|route| is_under(&route, path)) {
            remarks.push(format!(
                "{name} is {path}, and no route of this server that needs the cookie is under that path, so browsers never \
                 send it: set {name} to {cure}, unless a proxy serves this server under {path}"
            ));
        }
    }
    let covers_routes = ACCESS
        .iter()
        .any(|route| is_under(&format!("{prefix}{route}"), &cookies.access_path));
    if prefix.is_empty() && covers_routes && !is_under("/", &cookies.access_path) {
        let path = &cookies.access_path;
        remarks.push(format!(
            "JWT_ACCESS_COOKIE_PATH is {path}, so browsers do not send the cookie to the built-in page at /, which then never \
             shows who is logged in: set JWT_ACCESS_COOKIE_PATH to /, unless a proxy serves this server under {path}"
        ));
    }
    for (name, path) in [
        ("JWT_ACCESS_CSRF_COOKIE_PATH", &cookies.access_csrf_path),
        ("JWT_REFRESH_CSRF_COOKIE_PATH", &cookies.refresh_csrf_path),
    ] {
        if web.csrf.protect && cookies.csrf && path != "/" {
            remarks.push(format!(
                "{name} is {path}, so only scripts of pages under that path can read the cookie: \
                 set {name} to /, unless all your pages are there"
            ));
        }
    }
    remarks
}

/// Returns a note if a request never carries both cookies, which a reissue needs.
fn on_reissue(web: &WebPolicy, prefix: &str) -> Option<String> {
    let (access, refresh) = (&web.cookies.access_path, &web.cookies.refresh_path);
    (!web.reissue_within.is_zero() && !is_under(access, refresh)).then(|| {
        format!(
            "JWT_REFRESH_COOKIE_PATH is {refresh}, so browsers do not send the refresh cookie to all of {access}, and an \
             access cookie is not reissued without it: set JWT_REFRESH_COOKIE_PATH to {access}, or let pages POST \
             {prefix}/refresh and set JWT_REISSUE_WITHIN=0"
        )
    })
}
