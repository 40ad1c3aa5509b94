//! Defines the page at `/docs`: Swagger UI, with a login form of its own.

use std::sync::OnceLock;

use actix_web::web::Bytes;

use super::assets::{File, Site, version};

/// Swagger UI's icons are in its style sheet, and it sets styles by scripts, which needs no
/// exception.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

pub(super) static DOCS: Site = Site::new(
    "/docs",
    include_str!("assets/docs/index.html"),
    POLICY,
    FILES,
    || version(FILES),
);

static BUNDLE: OnceLock<Bytes> = OnceLock::new();
static STYLE: OnceLock<Bytes> = OnceLock::new();

const FILES: &[File] = &[
    File::script("docs.js", include_bytes!("assets/docs/docs.js")),
    File::script(
        "credentials.js",
        include_bytes!("assets/docs/credentials.js"),
    ),
    File::script("csrf.js", include_bytes!("assets/shared/csrf.js")),
    File::script("settings.js", include_bytes!("assets/shared/settings.js")),
    File::style("docs.css", include_bytes!("assets/docs/docs.css")),
    File::icon("icon.svg", include_bytes!("assets/shared/icon.svg")),
    File::script("swagger-ui-bundle.js", b"").compressed(
        include_bytes!("assets/docs/swagger-ui/swagger-ui-bundle.js.gz"),
        &BUNDLE,
    ),
    File::style("swagger-ui.css", b"").compressed(
        include_bytes!("assets/docs/swagger-ui/swagger-ui.css.gz"),
        &STYLE,
    ),
    // The names by which the bundle refers to its licences.
    File::text("LICENSE", include_bytes!("assets/docs/swagger-ui/LICENSE")),
    File::text("NOTICE", include_bytes!("assets/docs/swagger-ui/NOTICE")),
    File::text(
        "swagger-ui-bundle.js.LICENSE.txt",
        include_bytes!("assets/docs/swagger-ui/swagger-ui-bundle.js.LICENSE.txt"),
    ),
];
