//! Defines the page at `/demo`, which shows logins, refreshes, races and a stolen token as they
//! happen.

use super::assets::{File, Site, version};

/// Scripts may not even write HTML.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

pub(super) static DEMO: Site = Site::new(
    "/demo",
    include_str!("assets/demo/index.html"),
    POLICY,
    FILES,
    || version(FILES),
);

const FILES: &[File] = &[
    File::script("demo.js", include_bytes!("assets/demo/demo.js")),
    File::script("api.js", include_bytes!("assets/demo/api.js")),
    File::script("dom.js", include_bytes!("assets/demo/dom.js")),
    File::script("exchange.js", include_bytes!("assets/demo/exchange.js")),
    File::script("jar.js", include_bytes!("assets/demo/jar.js")),
    File::script("race.js", include_bytes!("assets/demo/race.js")),
    File::script("tabs.js", include_bytes!("assets/demo/tabs.js")),
    File::script("thief.js", include_bytes!("assets/demo/thief.js")),
    File::script("csrf.js", include_bytes!("assets/shared/csrf.js")),
    File::script("settings.js", include_bytes!("assets/shared/settings.js")),
    File::style("demo.css", include_bytes!("assets/demo/demo.css")),
    File::icon("icon.svg", include_bytes!("assets/shared/icon.svg")),
];
