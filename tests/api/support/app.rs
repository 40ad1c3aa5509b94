//! Starts a server per test: the production build on its own port, with a clock that the test sets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use tokenpair::clock::{Clock, Timestamp};
use tokenpair::session::RequestContext;
use tokenpair_server::config::{Patience, Settings, Sources};
use tokenpair_server::server::Server;
use tokenpair_store::{DieselStore, StorePolicy};

use super::client::{Bearer, Browser};
use super::database::{Backend, Database};
use super::description::Description;
use super::exchange::{ADA, Request, SECRET, check_responses};

/// The time at which every test begins.
pub(crate) const START: Timestamp = Timestamp::from_unix(1_800_000_000);

pub(crate) struct TestApp {
    address: SocketAddr,
    metrics: Option<SocketAddr>,
    clock: Clock,
    settings: Settings,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
    // Dropped after the server has stopped.
    database: Option<Database>,
}

impl Backend {
    /// Starts a server with an empty database and the defaults.
    pub(crate) fn app(self) -> TestApp {
        self.app_with(&[])
    }

    /// Starts a server with an empty database and these settings.
    pub(crate) fn app_with(self, settings: &[(&str, &str)]) -> TestApp {
        self.app_that_waits(settings, |_| {})
    }

    /// Starts a server with an empty database, these settings, and client timeouts that `change`
    /// sets.
    pub(crate) fn app_that_waits(
        self,
        settings: &[(&str, &str)],
        change: impl FnOnce(&mut Patience),
    ) -> TestApp {
        let database = Database::create(self);
        let mut settings = settings_for(&database.url(), settings);
        change(&mut settings.patience);
        let mut app = TestApp::run(settings, Clock::fixed(START));
        app.database = Some(database);
        app
    }
}

impl TestApp {
    /// Starts a server on a database that outlives it, given by its URL.
    pub(crate) fn start(database: &str, settings: &[(&str, &str)], clock: Clock) -> Self {
        Self::run(settings_for(database, settings), clock)
    }

    fn run(settings: Settings, clock: Clock) -> Self {
        let (tell, told) = mpsc::channel();
        let (run_settings, run_clock) = (settings.clone(), clock.clone());
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = Server::build(&run_settings, run_clock)
                    .await
                    .expect("the server starts");
                let addresses = (server.address(), server.metrics_address());
                tell.send((addresses, server.handle())).unwrap();
                server.run(futures_util::stream::pending()).await.unwrap();
            });
        });
        let ((address, metrics), handle) = told.recv().expect("the server starts");
        // The tests' client speaks no TLS.
        if settings.tls.is_none() {
            let description = Description::of(address);
            let check = move |request: &Request, response: &_| description.check(request, response);
            check_responses(address, Some(Arc::new(check)));
        }
        Self {
            address,
            metrics,
            clock,
            settings,
            handle,
            thread: Some(thread),
            database: None,
        }
    }

    /// Starts a server with a registered user who is not logged in.
    pub(crate) fn with_ada(self) -> Self {
        let (username, password) = ADA;
        let registered = self
            .post("/register")
            .json(serde_json::json!({ "username": username, "password": password }));
        assert_eq!(registered.send().status, 201);
        self
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address of the metrics, if they are on.
    pub(crate) fn metrics(&self) -> Option<SocketAddr> {
        self.metrics
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns a request context of the current time, without a user.
    pub(crate) fn context(&self) -> RequestContext {
        RequestContext::at(self.now())
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    pub(crate) fn database(&self) -> &Database {
        self.database.as_ref().unwrap()
    }

    /// Opens the same database again, as a command or another replica does.
    pub(crate) fn other_store(&self) -> DieselStore {
        DieselStore::open(
            &self.settings.database,
            StorePolicy {
                pool: 1,
                ..StorePolicy::default()
            },
        )
        .unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    pub(crate) fn post(&self, path: &str) -> Request {
        self.request("POST", path)
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
    }

    /// Returns Ada in a browser.
    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser::log_in(
            self,
            serde_json::json!({ "username": ADA.0, "password": ADA.1 }),
        )
    }

    /// Returns Ada with a program that keeps tokens.
    pub(crate) fn bearer(&self) -> Bearer<'_> {
        Bearer::log_in(self, ADA)
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        check_responses(self.address, None);
        // The command is sent at once; the future only waits for its end.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server ends in good order");
        }
    }
}

/// Returns the tests' usual settings, with these added.
pub(crate) fn settings_for(database: &str, settings: &[(&str, &str)]) -> Settings {
    let usual = [
        ("SERVER_BIND", "127.0.0.1:0"),
        ("SERVER_WORKERS", "1"),
        ("DATABASE_URL", database),
        ("DATABASE_POOL", "4"),
        ("JWT_SECRET_KEY", SECRET),
    ];
    let values: BTreeMap<String, String> = usual
        .iter()
        .chain(settings)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let mut settings =
        Settings::load(&Sources::from_values(values.clone())).expect("settings that work");
    // The lowest that bcrypt has and the setting refuses: the tests would do little else than hash.
    if !values.contains_key("PASSWORD_BCRYPT_COST") {
        settings.password.cost = 4;
    }
    settings
}

/// Waits for another thread's work on the database.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(work)
}
