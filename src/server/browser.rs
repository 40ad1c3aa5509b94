//! Browsers: people who look at a page, and pages of other sites that use a person's browser.

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{ACCEPT, HOST, HeaderMap, HeaderName, LOCATION, ORIGIN, REFERER};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, HttpResponse};
use url::Url;

use crate::web::Rejection;

const SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a person's browser asks for a page.
pub(super) fn wants_html(request: &HttpRequest) -> bool {
    let accept = text(request.headers(), &ACCEPT).unwrap_or_default();
    accept
        .split(',')
        .any(|kind| kind.split(';').next().unwrap_or_default().trim() == "text/html")
}

/// 303: see the page.
pub(super) fn to_page() -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, "/"))
        .finish()
}

/// The middleware that sends a browser which asked for a page, and has no good token, to where one logs in.
pub(super) async fn send_to_login<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    let page =
        matches!(*request.method(), Method::GET | Method::HEAD) && wants_html(request.request());
    let response = next.call(request).await?;
    if page && response.status() == StatusCode::UNAUTHORIZED {
        return Ok(response.into_response(to_page()).map_into_right_body());
    }
    Ok(response.map_into_left_body())
}

/// Refuses what another site's page made a browser send. Browsers say so in Sec-Fetch-Site, and where that is not sent
/// (old ones, and plain http on a network) in Origin or Referer. What says nothing is taken for no browser (curl,
/// Postman), unless it asks for a page as browsers do.
pub(super) fn refuse_cross_site(
    request: &HttpRequest,
    public_origin: Option<&str>,
) -> Result<(), Rejection> {
    let headers = request.headers();
    let own = match text(headers, &SEC_FETCH_SITE) {
        Some(site) => matches!(site, "same-origin" | "none"),
        None => match text(headers, &ORIGIN).or_else(|| text(headers, &REFERER)) {
            Some(origin) => is_ours(origin, text(headers, &HOST), public_origin),
            None => !wants_html(request),
        },
    };
    if own { Ok(()) } else { Err(cross_site()) }
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

/// Ours is the public address, and the one by which this very request came.
fn is_ours(origin: &str, host: Option<&str>, public_origin: Option<&str>) -> bool {
    let Ok(url) = Url::parse(origin) else {
        return false;
    };
    if public_origin == Some(url.origin().ascii_serialization().as_str()) {
        return true;
    }
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let authority = url.host_str().map(|name| format!("{name}{port}"));
    authority.is_some() && authority.as_deref() == host
}

fn cross_site() -> Rejection {
    Rejection::new(
        StatusCode::FORBIDDEN,
        "cross_site_request",
        "Cross-site request refused",
    )
    .hint("Send this from a page of this server's own origin, which PUBLIC_URL names.")
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
