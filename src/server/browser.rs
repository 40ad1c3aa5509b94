//! Browsers: people who look at a page, and pages of other sites that use a person's browser.

use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{ACCEPT, HOST, HeaderMap, HeaderName, LOCATION, ORIGIN, REFERER};
use actix_web::http::uri::Authority;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use url::Url;

use super::State;
use super::sender::{SEC_FETCH_SITE, Sender};
use crate::settings::{Settings, serialized_origin};
use crate::web::Rejection;
use crate::web::body::{FORM, content_type};

const SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Whether a person's browser asks for a page.
pub(super) fn wants_html(request: &HttpRequest) -> bool {
    let accept = text(request.headers(), &ACCEPT).unwrap_or_default();
    accept
        .split(',')
        .any(|kind| kind.split(';').next().unwrap_or_default().trim() == "text/html")
}

/// Whether a person will see the answer: a browser that follows a link or sends a form. One that does not send Fetch
/// Metadata is taken at its `Accept`.
pub(super) fn navigates(request: &HttpRequest) -> bool {
    let by_link = matches!(*request.method(), Method::GET | Method::HEAD);
    let by_form = || *request.method() == Method::POST && content_type(request) == FORM;
    let mode = text(request.headers(), &SEC_FETCH_MODE);
    wants_html(request) && mode.is_none_or(|mode| mode == "navigate") && (by_link || by_form())
}

/// Whether the answer becomes what a browser shows in a tab of its own.
pub(super) fn opens_a_page(request: &HttpRequest) -> bool {
    let destination = text(request.headers(), &SEC_FETCH_DEST);
    *request.method() == Method::GET
        && navigates(request)
        && destination.is_none_or(|destination| destination == "document")
}

/// 303: see the page.
pub(super) fn to_page() -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, "/"))
        .finish()
}

/// Sends a browser which asked for a page, and has no good token, to where one logs in.
pub(super) fn send_to_login(response: ServiceResponse) -> ServiceResponse {
    let request = response.request();
    if response.status() == StatusCode::UNAUTHORIZED
        && matches!(*request.method(), Method::GET | Method::HEAD)
        && wants_html(request)
    {
        return response.into_response(to_page());
    }
    response
}

/// The origins whose pages may use a person's browser to send something here.
pub(crate) struct Origins {
    /// The one that `PUBLIC_URL` names.
    public: Option<String>,
    /// `SERVER_CORS_ORIGINS`
    listed: Vec<String>,
}

/// Whose pages are trusted with a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// The server's own alone.
    Own,
    /// Those of `SERVER_CORS_ORIGINS` too.
    Listed,
}

impl Origins {
    pub(super) fn of(settings: &Settings) -> Self {
        let public = settings.public_url.as_ref();
        Self {
            public: public.and_then(serialized_origin),
            listed: settings.cors_origins.clone(),
        }
    }

    fn has(&self, origin: &str, trust: Trust) -> bool {
        let listed = || self.listed.iter().any(|listed| listed == origin);
        self.public.as_deref() == Some(origin) || (trust == Trust::Listed && listed())
    }
}

/// Refuses an unsafe request (RFC 9110 section 9.2.1) which another site's page made a browser send, be there a token or
/// not: a forged login, registration or logout needs none.
pub(super) fn refuse_foreign_pages(request: &ServiceRequest) -> Result<(), Rejection> {
    if request.method().is_safe() {
        return Ok(());
    }
    match request.app_data::<web::Data<State>>() {
        Some(state) => refuse_cross_site(request.request(), &state.origins, Trust::Listed),
        None => Ok(()),
    }
}

/// Refuses what another site's page made a browser send. Browsers say so in Sec-Fetch-Site, and where that is not sent
/// (old ones, and plain http on a network) in Origin or Referer. What says nothing is taken for no browser (curl,
/// Postman), unless it asks for a page as browsers do.
pub(super) fn refuse_cross_site(
    request: &HttpRequest,
    origins: &Origins,
    trust: Trust,
) -> Result<(), Rejection> {
    let headers = request.headers();
    let origin = text(headers, &ORIGIN);
    let trusted = match text(headers, &SEC_FETCH_SITE) {
        Some("same-origin" | "none") => true,
        // A sibling host is another's as much as any other site is.
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

/// Refuses what a browser fetches before anyone has clicked it.
pub(super) fn refuse_prefetch(request: &HttpRequest) -> Result<(), Rejection> {
    match text(request.headers(), &SEC_PURPOSE) {
        Some(purpose) if purpose.contains("prefetch") => Err(Rejection::new(
            StatusCode::FORBIDDEN,
            "prefetch_refused",
            "This is not fetched in advance",
        )),
        _ => Ok(()),
    }
}

/// Trusted is also the address by which this very request came.
fn is_trusted(page: &str, request: &HttpRequest, origins: &Origins, trust: Trust) -> bool {
    let Ok(url) = Url::parse(page) else {
        return false;
    };
    if serialized_origin(&url).is_some_and(|origin| origins.has(&origin, trust)) {
        return true;
    }
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let authority = url.host_str().map(|name| format!("{name}{port}"));
    authority.is_some() && authority.as_deref() == host(request)
}

/// HTTP/2 has it in the address.
pub(super) fn host(request: &HttpRequest) -> Option<&str> {
    let authority = request.uri().authority().map(Authority::as_str);
    authority.or_else(|| text(request.headers(), &HOST))
}

fn cross_site() -> Rejection {
    Rejection::new(
        StatusCode::FORBIDDEN,
        "cross_site_request",
        "Cross-site request refused",
    )
    .hint("Send this from a page of the server's own origin, which PUBLIC_URL names, or of one in SERVER_CORS_ORIGINS.")
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
