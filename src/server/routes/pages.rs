//! Implements `GET /docs` and `GET /demo`, pages on which people try the routes, with their files,
//! and `GET /tokenpair.js`. The description of the API leaves them out: they are no part of it, and
//! `SERVER_DOCS` turns the pages off.

use actix_web::{HttpRequest, HttpResponse, web};

use super::endpoint::{Endpoint, GET};
use super::fallback::not_found;
use crate::config::Settings;
use crate::server::assets::Site;
use crate::server::client_script::CLIENT_SCRIPT;
use crate::server::client_settings::ClientSettings;
use crate::server::demo::DEMO;
use crate::server::docs::DOCS;
use tokenpair::web::Rejection;

/// The pages that the settings turn on.
#[derive(Clone)]
pub(in crate::server) struct Pages(Vec<(&'static Site, web::Bytes)>);

impl Pages {
    /// Writes the settings that scripts need into the pages.
    pub(in crate::server) fn of(settings: &Settings) -> Result<Self, serde_json::Error> {
        let sites = if settings.docs {
            vec![&DOCS, &DEMO]
        } else {
            Vec::new()
        };
        let known = serde_json::to_string(&ClientSettings::of(settings))?;
        let pages = sites.into_iter();
        Ok(Self(
            pages.map(|site| (site, site.document(&known))).collect(),
        ))
    }

    pub(super) fn endpoints(&self) -> Vec<Endpoint> {
        let pages = self.0.iter();
        pages
            .flat_map(|(site, document)| [page(site, document), files(site)])
            .chain([client_script()])
            .collect()
    }
}

fn client_script() -> Endpoint {
    let respond = |request: HttpRequest| async move { CLIENT_SCRIPT.response(&request) };
    Endpoint::undescribed(GET, CLIENT_SCRIPT.path, respond)
}

fn page(site: &'static Site, document: &web::Bytes) -> Endpoint {
    let document = document.clone();
    Endpoint::undescribed(GET, site.path, move || {
        let response = site.page(document.clone());
        async move { response }
    })
}

fn files(site: &'static Site) -> Endpoint {
    let path = format!("{}/{{version}}/{{file}}", site.path);
    Endpoint::undescribed(GET, &path, move |request, wanted| {
        file(site, request, wanted)
    })
}

async fn file(
    site: &'static Site,
    request: HttpRequest,
    wanted: web::Path<(String, String)>,
) -> Result<HttpResponse, Rejection> {
    match site.file(&wanted, &request) {
        Some(response) => response,
        None => not_found(request).await,
    }
}
