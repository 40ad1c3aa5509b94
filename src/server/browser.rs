//! Implements rules for browsers: pages for people, and protection from pages of other sites.

use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{ACCEPT, HOST, HeaderMap, HeaderName, ORIGIN, REFERER, SET_COOKIE};
use actix_web::http::uri::Authority;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, web};
use url::{Host, Url};

use super::error_code::ServerErrorCode;
use super::origins::{Origins, Trust};
use super::page::{Address, form_of, is_form, see_other};
use super::sender::{SEC_FETCH_SITE, Sender};
use super::state::AppState;
use crate::config::{is_loopback, is_loopback_host, serialized_origin};
use tokenpair::web::body::{FORM, content_type};
use tokenpair::web::{ErrorCode, Leftovers, Rejection, RejectionKind};

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Headers that mark a prefetch or a preview. `Sec-Purpose` is the standard one (Fetch section
/// 3.7); older browsers and Turbo send the others.
const PURPOSES: [HeaderName; 5] = [
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
    HeaderName::from_static("x-purpose"),
    HeaderName::from_static("x-moz"),
    HeaderName::from_static("x-sec-purpose"),
];

/// Headers of the Next.js router when it fetches the data of a link, prefetched or not.
const ROUTERS: [HeaderName; 2] = [
    HeaderName::from_static("rsc"),
    HeaderName::from_static("next-router-prefetch"),
];

/// Returns whether a browser asks for a page.
pub(super) fn wants_html(request: &HttpRequest) -> bool {
    accepted(request).any(|(kind, weight)| kind == "text/html" && weight > 0.0)
}

/// Returns the media types of `Accept` in lower case, each with its weight (RFC 9110 sections 8.3.1
/// and 12.4.2). Default: 1.
fn accepted(request: &HttpRequest) -> impl Iterator<Item = (String, f32)> {
    let accept = text(request.headers(), &ACCEPT).unwrap_or_default();
    accept.split(',').map(|range| {
        let (kind, parameters) = range.split_once(';').unwrap_or((range, ""));
        let mut parameters = parameters.split(';').map(str::trim);
        let weight = parameters.find_map(|one| one.strip_prefix("q=")?.trim().parse::<f32>().ok());
        (kind.trim().to_ascii_lowercase(), weight.unwrap_or(1.0))
    })
}

/// Returns whether a person will see the response, because a browser follows a link or sends a
/// form. Without Fetch Metadata, `Accept` decides.
pub(super) fn navigates(request: &HttpRequest) -> bool {
    let by_link = matches!(*request.method(), Method::GET | Method::HEAD);
    let by_form = || *request.method() == Method::POST && content_type(request) == FORM;
    let mode = text(request.headers(), &SEC_FETCH_MODE);
    wants_html(request) && mode.is_none_or(|mode| mode == "navigate") && (by_link || by_form())
}

/// Returns whether a browser shows the response as a page of its own.
pub(super) fn opens_a_page(request: &HttpRequest) -> bool {
    let destination = text(request.headers(), &SEC_FETCH_DEST);
    *request.method() == Method::GET
        && navigates(request)
        && destination.is_none_or(|destination| destination == "document")
}

/// Redirects a browser that asked for a page without a valid token to the login form, and one that
/// sent a form with an outdated token to the page, which may restore the login.
pub(super) fn send_to_login(response: ServiceResponse) -> ServiceResponse {
    if response.status().is_success() && response.response().error().is_none() {
        return response;
    }
    let request = response.request();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let address = if is_read && wants_html(request) {
        let is_needed = needs_login(&response);
        is_needed
            .then_some(Address::Start)
            .or_else(|| opened_form(&response))
    } else if needs_login(&response) && is_form(request.path()) && navigates(request) {
        Some(match code(&response) {
            Some(ErrorCode::FreshTokenRequired) => Address::Password,
            _ => Address::Outdated,
        })
    } else {
        None
    };
    match address {
        Some(address) => response.into_response(see_other(address, None)),
        None => response,
    }
}

/// Returns where the form is if a person opened the address that it is sent to, which is the
/// browser's address after a failed attempt.
fn opened_form(response: &ServiceResponse) -> Option<Address> {
    let is_opened = response.status() == StatusCode::METHOD_NOT_ALLOWED;
    form_of(response.request().path()).filter(|_| is_opened)
}

pub(super) fn code(response: &ServiceResponse) -> Option<ErrorCode> {
    let error = response.response().error();
    error?.as_error::<Rejection>()?.error_code()
}

/// Returns whether a login would help: the token is missing or was rejected, with either status. A
/// token that is not yet valid needs only a retry.
pub(super) fn needs_login(response: &ServiceResponse) -> bool {
    let error = response.response().error();
    let rejection = error.and_then(|error| error.as_error::<Rejection>());
    let code = rejection.and_then(Rejection::error_code);
    let invalid = rejection.is_some_and(|found| found.kind() == RejectionKind::InvalidToken);
    let unauthorized = response.status() == StatusCode::UNAUTHORIZED;
    (unauthorized || invalid) && code != Some(ErrorCode::TokenNotYetValid)
}

/// A response extension that marks the response to a login.
pub(super) struct NewSession;

/// Expires old cookies of the same names beside those that a response sets or removes.
pub(super) fn remove_twins(response: &mut ServiceResponse) {
    if !response.headers().contains_key(SET_COOKIE) {
        return;
    }
    let request = response.request().clone();
    let Some(state) = request.app_data::<web::Data<AppState>>() else {
        return;
    };
    let leftovers = Leftovers {
        host: state.origins.host.as_deref(),
        new_session: response.response().extensions().contains::<NewSession>(),
    };
    let cookies = state.auth.cookies();
    cookies.remove_twins(&request, response.headers_mut(), leftovers);
}

/// Rejects unsafe requests (RFC 9110 section 9.2.1) that another site's page made a browser send,
/// with or without a token. A forged login, registration or logout needs no token.
pub(super) fn refuse_foreign_pages(request: &ServiceRequest) -> Result<(), Rejection> {
    if request.method().is_safe() {
        return Ok(());
    }
    match request.app_data::<web::Data<AppState>>() {
        Some(state) => refuse_cross_site(request.request(), &state.origins, Trust::Listed),
        None => Ok(()),
    }
}

/// Rejects requests that another site's page made a browser send. Browsers state the site in
/// `Sec-Fetch-Site`, or else (old ones, and plain http on a network) in `Origin` or `Referer`. A
/// request with no such header comes from a program (curl, Postman), unless it asks for a page as
/// browsers do.
pub(super) fn refuse_cross_site(
    request: &HttpRequest,
    origins: &Origins,
    trust: Trust,
) -> Result<(), Rejection> {
    refuse_wrong_host(request, origins, trust)?;
    let headers = request.headers();
    let origin = text(headers, &ORIGIN);
    let trusted = match text(headers, &SEC_FETCH_SITE) {
        Some("same-origin" | "none") => true,
        // A sibling host is as foreign as any other site.
        Some(_) => origin.is_some_and(|origin| origins.has(origin, trust)),
        None => match origin.or_else(|| text(headers, &REFERER)) {
            Some(page) => is_trusted(page, request, origins, trust),
            None => !wants_html(request),
        },
    };
    if trusted {
        Ok(())
    } else {
        Err(cross_site().caused_by(Sender::of(request)))
    }
}

/// Returns the origin of the page that sent the request, if it is not the server's own.
pub(super) fn foreign_origin<'a>(request: &'a HttpRequest, origins: &Origins) -> Option<&'a str> {
    let origin = text(request.headers(), &ORIGIN)?;
    (!is_trusted(origin, request, origins, Trust::Own)).then_some(origin)
}

/// Rejects requests of browsers whose `Host` is not the server's. In DNS rebinding, an attacker's
/// page makes its own name resolve to this server, and browsers then take the two for one origin.
///
/// IP addresses and loopback names cannot be rebound, so they pass. If the page's origin is
/// trusted, a proxy has changed `Host`. Requests without any header that is typical of browsers
/// come from programs, which no page controls: every browser sends `Origin` with an unsafe request
/// (Fetch section 3.2).
fn refuse_wrong_host(
    request: &HttpRequest,
    origins: &Origins,
    trust: Trust,
) -> Result<(), Rejection> {
    let is_ours = || match host(request).map(parse_host) {
        Some(Some(Host::Domain(name))) => {
            let name = name.strip_suffix('.').unwrap_or(&name);
            Some(name) == origins.host.as_deref() || is_loopback_host(&Host::Domain(name))
        }
        Some(named) => named.is_some(),
        // Only HTTP/1.0 allows this, and no browser speaks it.
        None => true,
    };
    if !origins.only_host || is_ours() || !is_by_browser(request) {
        return Ok(());
    }
    let headers = request.headers();
    let allowed = match text(headers, &ORIGIN).or_else(|| text(headers, &REFERER)) {
        Some(page) => Url::parse(page)
            .ok()
            .and_then(|page| serialized_origin(&page))
            .is_some_and(|origin| origins.has(&origin, trust)),
        // A proxy's header does not outweigh the page's, since a browser on the proxy's host could
        // pass for the proxy.
        None => request
            .app_data::<web::Data<AppState>>()
            .is_some_and(|state| state.auth.policy().trusted_proxies.handed_on(request)),
    };
    if allowed {
        return Ok(());
    }
    Err(wrong_host(origins).caused_by(Sender::of(request)))
}

fn wrong_host(origins: &Origins) -> Rejection {
    let public = origins.public.as_deref().unwrap_or_default();
    Rejection::from(ServerErrorCode::WrongHost)
    .hint(format!(
        "Use {public}, which is PUBLIC_URL, or set PUBLIC_URL to the address that browsers use. A proxy that changes Host \
         belongs in SERVER_TRUSTED_PROXIES."
    ))
}

/// Parses the host of an authority, in lower case. `None` if it is malformed.
fn parse_host(authority: &str) -> Option<Host<String>> {
    let authority: Authority = authority.parse().ok()?;
    Host::parse(authority.host()).ok()
}

/// Returns whether a request has a header that browsers send and programs usually do not. Browsers
/// never send `Sec-Fetch-Mode` without `Sec-Fetch-Site`; Node's `fetch` does.
fn is_by_browser(request: &HttpRequest) -> bool {
    let signs = [ORIGIN, REFERER, SEC_FETCH_SITE];
    signs
        .iter()
        .any(|name| request.headers().contains_key(name))
        || wants_html(request)
}

/// Rejects a GET that is not a navigation: prefetches, and requests of a page or its scripts.
/// Programs that send no such header pass. `logout` is the path that scripts send a POST to.
pub(super) fn refuse_all_but_links(request: &HttpRequest, logout: &str) -> Result<(), Rejection> {
    let headers = request.headers();
    let in_advance = |name| text(headers, &name).is_some_and(is_in_advance);
    if PURPOSES.into_iter().any(in_advance) || ROUTERS.iter().any(|name| headers.contains_key(name))
    {
        return Err(link_required(ServerErrorCode::PrefetchRefused, logout));
    }
    let [site, mode, dest] =
        [SEC_FETCH_SITE, SEC_FETCH_MODE, SEC_FETCH_DEST].map(|name| text(headers, &name));
    let is_a_visit = match (site, mode, dest) {
        (None, None, None) => !prefers_parts_of_pages(request),
        // Chrome sends the destination since version 80.
        (_, mode, dest) => mode == Some("navigate") && matches!(dest, None | Some("document")),
    };
    if is_a_visit {
        return Ok(());
    }
    Err(link_required(ServerErrorCode::LinkRequired, logout))
}

fn is_in_advance(purpose: &str) -> bool {
    ["prefetch", "prerender", "preview"]
        .iter()
        .any(|word| purpose.to_ascii_lowercase().contains(word))
}

fn link_required(code: ServerErrorCode, logout: &str) -> Rejection {
    Rejection::from(code).hint(format!(
        "From a script, log out with POST {logout}, with the CSRF token in the header."
    ))
}

/// Returns whether `Accept` prefers images, media, fonts or styles, as browsers without Fetch
/// Metadata send it for subresources. Of several types with the same weight, the first is
/// preferred.
fn prefers_parts_of_pages(request: &HttpRequest) -> bool {
    let best = accepted(request).reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.is_some_and(|(kind, _)| {
        let parts = ["image/", "video/", "audio/", "font/", "text/css"];
        parts.iter().any(|part| kind.starts_with(part))
    })
}

/// Returns whether a page is trusted. The address of this request is trusted too.
fn is_trusted(page: &str, request: &HttpRequest, origins: &Origins, trust: Trust) -> bool {
    let Ok(url) = Url::parse(page) else {
        return false;
    };
    if serialized_origin(&url).is_some_and(|origin| origins.has(&origin, trust)) {
        return true;
    }
    // The public name with another scheme or port is foreign: over http, anyone on the network path
    // can use it.
    let is_public_name = url.host_str() == origins.host.as_deref() && !is_loopback(&url);
    if origins.only_host && is_public_name {
        return false;
    }
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let authority = url.host_str().map(|name| format!("{name}{port}"));
    authority.is_some() && authority.as_deref() == host(request)
}

/// Returns the host. HTTP/2 has it in the address.
pub(super) fn host(request: &HttpRequest) -> Option<&str> {
    let authority = request.uri().authority().map(Authority::as_str);
    authority.or_else(|| text(request.headers(), &HOST))
}

fn cross_site() -> Rejection {
    Rejection::from(ServerErrorCode::CrossSiteRequest)
    .hint("Send this from a page of the server's own origin, which PUBLIC_URL names, or of one in SERVER_CORS_ORIGINS.")
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
