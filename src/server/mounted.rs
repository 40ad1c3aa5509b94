//! Implements [`AccountRoutes`], the routes of accounts and sessions in another app.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpRequest, Resource};
use tokio::task::JoinHandle;

use super::assembly::{Assembly, Serving, assemble};
use super::background;
use super::database;
use super::error_responses;
use super::middleware;
use super::mount_path::Place;
use super::openapi::Described;
use super::panics::CatchPanics;
use super::reload::ReloadSchedule;
use super::response_headers::HeaderDefaults;
use super::routes::Selection;
use super::start_error::StartError;
use super::state::AppState;

use crate::config::Settings;
use tokenpair::clock::Clock;
use tokenpair::web::{Auth, Location, Rejection};
use tokenpair_store::DieselStore;

/// The routes of accounts and sessions, for an app of your own. Cheap to clone.
///
/// They are `/register`, `/login`, `/refresh`, `/logout`, `/csrf`, `/session`, `/account`,
/// `/account/password`, `/sessions` and `/sessions/{id}` behind the prefix, and with
/// [`with_admin`](AccountRoutesBuilder::with_admin) those below `/admin`.
/// `docs/reference/routes.md` describes them.
///
/// ```no_run
/// use actix_web::{App, HttpServer, web};
/// use tokenpair::web::Access;
/// use tokenpair_server::config::{Settings, Sources};
/// use tokenpair_server::server::AccountRoutes;
///
/// async fn hello(user: Access) -> String {
///     format!("Hello, {}!", user.identity())
/// }
///
/// #[actix_web::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let settings = Settings::load(&Sources::read())?;
///     let accounts = AccountRoutes::builder(settings).prefix("/auth").start().await?;
///     let app = move || {
///         App::new()
///             .configure(accounts.routes())
///             .route("/hello", web::get().to(hello))
///     };
///     HttpServer::new(app).bind(("127.0.0.1", 8080))?.run().await?;
///     Ok(())
/// }
/// ```
///
/// # What the routes bring with them
///
/// Each of these routes has, whatever the app around it does:
///
/// - errors as JSON with `msg`, `code` and `hint`, also for a panic, a method that the path does
///   not have and a malformed body;
/// - limits on the size of a request body and the time it takes;
/// - the check of CSRF tokens, of the page's origin and of the `Host` (DNS rebinding), and the rate
///   limits of logins;
/// - the headers of responses with tokens: no caching, no sniffing, no framing, no referrer;
/// - the reissue of access cookies that are about to expire, and the removal of old cookies of the
///   same names.
///
/// The app's own routes have the guards of [`tokenpair::web`]: [`routes`](Self::routes) registers
/// the [`Auth`]. Wrap the app in [`reissue`](fn@tokenpair::web::reissue) to reissue cookies there
/// too.
///
/// # What stays with the app
///
/// - The listener, its TLS, timeouts and connection limits: the settings `SERVER_*` have no effect,
///   except `SERVER_CORS_ORIGINS`, whose pages may send requests, `SERVER_TRUSTED_PROXIES`, and
///   `SERVER_BIND`, on which defaults depend. The headers of CORS are the app's, for example by
///   `actix-cors`.
/// - Strict-Transport-Security, the log of requests, and health checks.
/// - Pages. A login by an HTML form and `GET /logout` redirect a browser to
///   [`home`](AccountRoutesBuilder::home).
/// - The public keys: serve `auth.tokens().keys().jwks()` at `/.well-known/jwks.json` if other
///   services verify the tokens.
///
/// # The app's address
///
/// Set `PUBLIC_URL` to the address that browsers use. Unless it is set, these routes take the app for
/// one at `SERVER_BIND`, which is on loopback by default: its cookies are then not `Secure`, and its
/// `Host` is not checked. The log warns of that at start. If the app listens on an address that other
/// machines reach, the routes answer every request with 500 instead, and the log says why. Behind a
/// proxy on the same machine, only the warning tells you.
#[derive(Clone)]
pub struct AccountRoutes(Arc<Mounted>);

struct Mounted {
    state: web::Data<AppState>,
    selection: Selection,
    paths: Vec<String>,
    only_loopback: bool,
    _tasks: Tasks,
}

/// Background tasks, until it is dropped.
struct Tasks(Vec<JoinHandle<()>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl AccountRoutes {
    /// Begins with these settings: those of the environment by [`Settings::load`], with fields
    /// changed as the app needs them.
    #[must_use]
    pub fn builder(settings: Settings) -> AccountRoutesBuilder {
        AccountRoutesBuilder {
            settings,
            selection: Selection::default(),
            home: Place::default().home,
            store: None,
            clock: Clock::system(),
        }
    }

    /// Returns what `App::configure` takes. It adds the routes, and registers the [`Auth`] for the
    /// guards of the app's own routes.
    ///
    /// Call it on the `App`: [`prefix`](AccountRoutesBuilder::prefix) takes the place of a
    /// `web::scope`, because the cookies' paths have to be checked against it. Inside a scope with a
    /// path, these routes answer every request with 500, and the log says why.
    pub fn routes(&self) -> impl FnOnce(&mut ServiceConfig) + use<> {
        let mounted = Arc::clone(&self.0);
        move |app| {
            app.app_data(mounted.state.clone());
            app.app_data(mounted.state.auth.clone());
            let selection = mounted.selection.clone();
            // With the tasks, which run for as long as any app has the routes.
            app.app_data(web::Data::from(mounted));
            selection.configure(mount, app);
        }
    }

    /// Returns the `Auth` that issues and verifies the tokens.
    pub fn auth(&self) -> &Auth {
        &self.0.state.auth
    }

    /// Returns the database of users and sessions.
    pub fn store(&self) -> &DieselStore {
        &self.0.state.store
    }

    /// Returns the OpenAPI description of the routes, as JSON. Its paths are relative to the prefix,
    /// which is in its server's URL.
    pub fn openapi(&self) -> Bytes {
        self.0.state.openapi.clone()
    }
}

impl fmt::Debug for AccountRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountRoutes")
            .field("selection", &self.0.selection)
            .finish_non_exhaustive()
    }
}

/// Builds [`AccountRoutes`].
#[derive(Debug)]
pub struct AccountRoutesBuilder {
    settings: Settings,
    selection: Selection,
    home: String,
    store: Option<DieselStore>,
    clock: Clock,
}

impl AccountRoutesBuilder {
    /// Sets the path in front of each route, such as `/auth`, as clients see it. Default: none.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.selection.prefix = prefix.into();
        self
    }

    /// Sets the path that a login by an HTML form and `GET /logout` redirect a browser to, as clients
    /// see it: the [`prefix`](Self::prefix) is not added. Default: `/`.
    #[must_use]
    pub fn home(mut self, path: impl Into<String>) -> Self {
        self.home = path.into();
        self
    }

    /// Adds the routes below `/admin`, for users with the role `admin`. Default: without them.
    #[must_use]
    pub fn with_admin(mut self) -> Self {
        self.selection.with_admin = true;
        self
    }

    /// Sets a database that is already open and has run [`DieselStore::migrate`], for an app that
    /// keeps tables of its own there. Default: the one of `DATABASE_URL`, migrated as
    /// `DATABASE_MIGRATE` says.
    #[must_use]
    pub fn store(mut self, store: DieselStore) -> Self {
        self.store = Some(store);
        self
    }

    /// Sets the clock, for tests. Default: the system's.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Opens the database unless there is one, creates or reads the keys, and starts the background
    /// tasks: revocation sync, key reload and purge. They need a Tokio runtime, such as that of
    /// `#[actix_web::main]`, and stop when the last clone and the last app with the routes are
    /// dropped.
    ///
    /// # Errors
    ///
    /// [`StartError`], with its causes. [`StartError::Settings`] if the prefix or the home is
    /// malformed, or if the path of a token's cookie (`JWT_ACCESS_COOKIE_PATH`, `JWT_REFRESH_COOKIE_PATH`) keeps it
    /// from the routes behind the prefix.
    pub async fn start(self) -> Result<AccountRoutes, StartError> {
        let Self {
            mut settings,
            selection,
            home,
            store,
            clock,
        } = self;
        let place = Place {
            prefix: selection.prefix.clone(),
            home,
        };
        place.check(&settings.web)?;
        settings.web.refresh_route = place.path("/refresh");
        for remark in remarks(&settings, &place) {
            log::warn!("{remark}");
        }
        let store = match store {
            Some(store) => store,
            None => database::ready_store(&settings).await?,
        };
        let described = Described {
            routes: Box::new({
                let selection = selection.clone();
                move || selection.description()
            }),
            server: server_url(&settings, &selection.prefix),
            by_program: false,
            forward_auth: None,
        };
        let serving = Serving {
            described,
            headers: HeaderDefaults::without_hsts(&settings),
            place,
            metrics: None,
        };
        let Assembly { state, keys } = assemble(&settings, store, &clock, serving).await?;
        let (sessions, store) = (state.sessions.clone(), state.store.clone());
        let tasks = vec![
            tokio::spawn(keys.run(ReloadSchedule::periodic())),
            tokio::spawn(sessions.follow_revocations(background::SYNC_EVERY, clock.clone())),
            tokio::spawn(background::purge_periodically(store, settings.purge, clock)),
        ];
        Ok(AccountRoutes(Arc::new(Mounted {
            state: web::Data::from(state),
            paths: selection.paths(),
            selection,
            only_loopback: sends_cookies_in_the_clear(&settings),
            _tasks: Tasks(tasks),
        })))
    }
}

/// Returns what the log says about settings that work, but may be a mistake.
fn remarks(settings: &Settings, place: &Place) -> Vec<String> {
    let mut remarks = settings.remarks.clone();
    remarks.extend(settings.remarks_on_routes(&place.prefix));
    if sends_cookies_in_the_clear(settings) {
        let remark = "PUBLIC_URL is not set, so the app is taken for one on loopback, and its cookies are sent over plain http \
                      too: set PUBLIC_URL to the address that browsers use";
        remarks.push(remark.to_owned());
    }
    remarks
}

/// Returns whether cookies are not `Secure` only because the app is taken for one on loopback.
fn sends_cookies_in_the_clear(settings: &Settings) -> bool {
    let web = &settings.web;
    !settings.public_url_set && web.locations.contains(&Location::Cookies) && !web.cookies.secure
}

/// Returns the URL that the paths of the description are relative to.
fn server_url(settings: &Settings, prefix: &str) -> Option<String> {
    let public_url = settings.public_url.as_ref();
    let origin = public_url
        .filter(|_| settings.public_url_set)
        .map(|url| url.origin().ascii_serialization());
    let url = origin.unwrap_or_default() + prefix;
    (!url.is_empty()).then_some(url)
}

fn mount(resource: Resource, app: &mut ServiceConfig) {
    let resource = resource.wrap(CatchPanics).wrap(from_fn(serve_in_place));
    app.service(resource);
}

/// Why the routes cannot work where the app has them.
#[derive(Debug, thiserror::Error)]
enum Misplaced {
    #[error(
        "the routes of accounts are in a scope, at {found}, and their prefix is {prefix:?}: configure them on the App instead, \
         and give the scope's path to AccountRoutesBuilder::prefix"
    )]
    InScope { found: String, prefix: String },
    #[error(
        "PUBLIC_URL is not set, so the cookies of the routes of accounts are not Secure, and the app listens on {0}, which other \
         machines reach: set PUBLIC_URL to the address that browsers use"
    )]
    Exposed(SocketAddr),
}

/// Rejects all requests if the routes are where they cannot work. Their start cannot know that,
/// because the app sets its scopes and its listener later.
async fn serve_in_place(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, Error> {
    match misplaced(request.request()) {
        Some(misplaced) => {
            log::error!("{misplaced}");
            let response = request.error_response(Rejection::internal(misplaced));
            Ok(error_responses::seal_in_json(response))
        }
        None => middleware::mounted(request, next).await,
    }
}

fn misplaced(request: &HttpRequest) -> Option<Misplaced> {
    let mounted = request.app_data::<web::Data<Mounted>>()?;
    let found = request.match_pattern()?;
    if !mounted.paths.contains(&found) {
        let prefix = mounted.selection.prefix.clone();
        return Some(Misplaced::InScope { found, prefix });
    }
    let listener = request.app_config().local_addr();
    let exposed = mounted.only_loopback && !listener.ip().is_loopback();
    exposed.then_some(Misplaced::Exposed(listener))
}

#[cfg(test)]
mod tests;
