//! Defines how the log names the sender of a rejected request.

use std::fmt;

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, ORIGIN, REFERER};
use url::Url;

use super::telemetry;
use crate::config::serialized_origin;

pub(super) const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The sender of a rejected request, for the log: the page's origin and its `Sec-Fetch-Site`. The
/// path and query of a page are dropped, since they may hold secrets.
#[derive(Debug)]
pub(super) struct Sender {
    page: Option<(HeaderName, String)>,
    site: Option<String>,
}

impl Sender {
    pub(super) fn of(request: &HttpRequest) -> Self {
        let headers = request.headers();
        let named = |name: HeaderName| {
            let value = headers.get(&name)?.to_str().unwrap_or_default();
            let url = Url::parse(value).ok();
            let origin = url.as_ref().and_then(serialized_origin);
            let known = origin.or_else(|| (value == "null").then(|| value.to_owned()));
            let shown =
                known.map_or_else(|| "malformed".to_owned(), |known| telemetry::short(&known));
            Some((name, shown))
        };
        let site = headers.get(SEC_FETCH_SITE);
        Self {
            page: named(ORIGIN).or_else(|| named(REFERER)),
            site: site
                .and_then(|site| site.to_str().ok())
                .map(telemetry::short),
        }
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.page {
            Some((name, origin)) => write!(f, "{name}: {origin}")?,
            None => f.write_str("no origin")?,
        }
        match &self.site {
            Some(site) => write!(f, ", {SEC_FETCH_SITE}: {site}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Sender {}
