//! Defines [`Site`], the part of the page that the operator sets: its title and its style sheet.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actix_web::http::header::HeaderValue;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::config::{Registration, Settings, read_style};
use crate::server::reload::ReloadSchedule;
use tokenpair::session::ReusePolicy;
use tokenpair::web::Location;

/// The interval at which the style sheet's file is checked.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The built-in style sheet.
const STYLE: &str = include_str!("style.css");

/// What the settings say of the page.
pub(in crate::server) struct Site {
    pub(super) title: String,
    /// The minimum length of a password, in characters.
    pub(super) min_chars: usize,
    pub(super) registration: Registration,
    /// Whether a browser can log in.
    pub(in crate::server) in_cookies: bool,
    /// Whether the page exchanges a refresh cookie by itself. Not where every reuse of a token ends
    /// its session: any page can make a browser open this one twice, and a response can get lost.
    pub(in crate::server) restores: bool,
    /// The origins that a form may lead to, as the policy has them.
    targets: String,
    /// The file of `SERVER_CSS`.
    file: Option<PathBuf>,
    look: RwLock<Arc<Look>>,
}

/// A style sheet, and the policy that allows it.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) style: String,
    pub(super) policy: HeaderValue,
}

impl Site {
    pub(in crate::server) fn of(settings: &Settings) -> Self {
        let page = &settings.page;
        let style = page.style.as_ref();
        let targets = targets(&settings.cors_origins);
        Self {
            title: page.title.clone(),
            min_chars: settings.password.min_chars,
            registration: settings.registration,
            in_cookies: settings.web.locations.contains(&Location::Cookies),
            restores: settings.sessions.reuse != ReusePolicy::Strict,
            file: style.map(|style| style.file.clone()),
            look: RwLock::new(Look::of(style.map_or(STYLE, |style| &style.text), &targets)),
            targets,
        }
    }

    pub(in crate::server) fn can_register(&self) -> bool {
        self.registration == Registration::Open && self.in_cookies
    }

    pub(super) fn look(&self) -> Arc<Look> {
        Arc::clone(&self.look.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Uses this style sheet from now on. Returns whether it is another one.
    fn restyle(&self, style: &str) -> bool {
        let is_new = self.look().style != style;
        if is_new {
            *self.look.write().unwrap_or_else(PoisonError::into_inner) =
                Look::of(style, &self.targets);
        }
        is_new
    }
}

/// Returns the origins of `SERVER_CORS_ORIGINS` that have pages.
fn targets(origins: &[String]) -> String {
    let pages = origins.iter().filter(|origin| origin.starts_with("http"));
    pages.map(|origin| format!(" {origin}")).collect()
}

impl Look {
    /// Allows no scripts, images or frames, no style except this one, by its hash (CSP Level 3,
    /// section 6.7.3.3), and forms only to this server. Browsers check the redirect after a form too.
    fn of(style: &str, targets: &str) -> Arc<Self> {
        let hash = STANDARD.encode(digest(&SHA256, style.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'{targets}; base-uri 'none'; \
             frame-ancestors 'none'"
        );
        let strictest = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
        Arc::new(Self {
            style: style.to_owned(),
            policy: policy.parse().unwrap_or(strictest),
        })
    }
}

/// Reloads a changed style sheet without a restart. Logs an invalid file once, and each time the
/// operator requests a reload.
pub(in crate::server) async fn follow(site: Arc<Site>, mut schedule: ReloadSchedule) {
    let Some(file) = site.file.clone() else {
        return;
    };
    let mut complained = None;
    loop {
        let requested = schedule.next(LOOK_EVERY).await;
        let path = file.clone();
        // The disk may not respond, and this thread has other work.
        let read = tokio::task::spawn_blocking(move || read_style(&path)).await;
        match read {
            Ok(Ok(style)) => {
                complained = None;
                if site.restyle(&style) || requested {
                    log::info!("reloaded the style sheet");
                }
            }
            Ok(Err(complaint)) if requested || complained.as_ref() != Some(&complaint) => {
                log::error!(
                    "cannot reload the style sheet, so the previous one stays in use: SERVER_CSS {complaint}"
                );
                complained = Some(complaint);
            }
            _ => {}
        }
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("title", &self.title)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}
