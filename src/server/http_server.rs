//! Implements the HTTP server: binds the address, accepts connections with or without TLS, and
//! passes them to the app.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol, Request};
use actix_service::{
    IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config,
};
use actix_web::dev::{AppConfig, Server, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{App, Error, web};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::connection::{Connection, ConnectionConfig, Transport};
use super::connection_limit::{ConnectionLimit, RESERVE, SERVER_WARNING};
use super::listener::Listener;
use super::metrics::Recorder;
use super::routes::Pages;
use super::start_error::StartError;
use super::state::AppState;
use super::tls::Certificates;
use super::write_deadline::WriteDeadline;
use super::{cors, file_limit, middleware, routes, stop};
use crate::config::{Bind, Settings};

/// Size of the write buffer in bytes.
const COLLECTED: usize = 16 * 1024;

/// Timeout for closing a connection.
const CLOSING: Duration = Duration::from_secs(1);

/// Binds the address of the settings and starts the app behind it. Returns the server, its
/// listener, and its address, with the port that the system chose for port 0.
pub(super) fn listen(
    settings: &Settings,
    state: &Arc<AppState>,
    certificates: Option<&Arc<Certificates>>,
) -> Result<(Server, Listener, SocketAddr), StartError> {
    let max_connections = file_limit::connections(settings.max_connections);
    let config = certificates.map(|certificates| certificates.config());
    let config = config.transpose()?;
    let acceptor = Acceptor::new(
        config.map(|config| TlsAcceptor::from(Arc::new(config))),
        ConnectionLimit::new(max_connections, SERVER_WARNING),
        ConnectionConfig {
            patience: settings.patience,
            keep_alive: settings.keep_alive,
            edge: state.edge,
        },
    );
    let listening = Listening {
        setting: "SERVER_BIND",
        bind: &settings.bind,
        workers: settings.workers,
    };
    let state = web::Data::from(Arc::clone(state));
    let pages = Pages::of(settings)?;
    let origins = settings.cors_origins.clone();
    let app = move || {
        let metrics = state.metrics.as_ref();
        let recorder = metrics.map(|metrics| Recorder::of_worker(metrics.requests()));
        App::new()
            .app_data(state.clone())
            .app_data(state.auth.clone())
            .configure(|app| routes::configure(&pages, recorder, app))
            .default_service(web::to(routes::not_found))
    };
    let web = settings.web.clone();
    if origins.is_empty() {
        let app = move || app().wrap(from_fn(middleware::all_and_handler));
        serve(&listening, acceptor, app)
    } else {
        // The outermost middleware is wrapped last.
        let app = move || {
            app()
                .wrap(from_fn(middleware::handler))
                .wrap(cors::middleware(&origins, &web))
                .wrap(from_fn(middleware::all))
        };
        serve(&listening, acceptor, app)
    }
}

/// Where to listen, and on how many threads to serve.
pub(super) struct Listening<'a> {
    /// The setting that has the address.
    pub(super) setting: &'static str,
    pub(super) bind: &'a Bind,
    pub(super) workers: usize,
}

/// Binds the address, and serves the app on its connections once the server is awaited.
pub(super) fn serve<A, S>(
    listening: &Listening<'_>,
    acceptor: Acceptor,
    app: impl Fn() -> A + Clone + Send + 'static,
) -> Result<(Server, Listener, SocketAddr), StartError>
where
    A: IntoServiceFactory<S, Request>,
    S: ServiceFactory<
            Request,
            Config = AppConfig,
            Response = ServiceResponse,
            Error = Error,
            InitError = (),
        > + 'static,
{
    let Listening {
        setting,
        bind,
        workers,
    } = *listening;
    let (listeners, handle, address) = Listener::listen(setting, bind)?;
    let ConnectionConfig {
        patience,
        keep_alive,
        ..
    } = acceptor.config;
    let of_each_worker = |connections: usize| connections.div_ceil(workers);
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(of_each_worker(acceptor.limit.size()) + of_each_worker(RESERVE))
        .shutdown_timeout(stop::GRACE.as_secs())
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let factory = move || {
        let stopping = stopping.clone();
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(keep_alive)
            .client_request_timeout(patience.head)
            .client_disconnect_timeout(CLOSING)
            .h1_write_buffer_size(COLLECTED)
            .on_connect_ext(|connection: &Connection, data| {
                data.insert(connection.state());
            })
            .finish(map_config(app(), |()| AppConfig::default()));
        let acceptor = acceptor.clone();
        fn_service(move |socket| {
            let acceptor = acceptor.clone();
            async move { acceptor.accept(socket).await }
        })
        .and_then(http)
    };
    let builder = listeners
        .into_iter()
        .try_fold(builder, |builder, listener| {
            builder.listen("http", listener, factory.clone())
        });
    let builder = builder.map_err(|cause| StartError::Bind {
        setting,
        bind: address,
        cause,
    })?;
    Ok((builder.run(), handle, address))
}

/// Accepts connections.
#[derive(Clone)]
pub(super) struct Acceptor {
    tls: Option<TlsAcceptor>,
    limit: Arc<ConnectionLimit>,
    config: ConnectionConfig,
}

impl Acceptor {
    pub(super) const fn new(
        tls: Option<TlsAcceptor>,
        limit: Arc<ConnectionLimit>,
        config: ConnectionConfig,
    ) -> Self {
        Self { tls, limit, config }
    }

    async fn accept(
        self,
        socket: TcpStream,
    ) -> Result<(Connection, Protocol, Option<SocketAddr>), DispatchError> {
        let slot = self.limit.acquire();
        let peer = socket.peer_addr().ok();
        let patience = self.config.patience;
        let socket = WriteDeadline::new(socket, patience.write);
        let transport: Box<dyn Transport> = match &self.tls {
            None => Box::new(socket),
            Some(tls) => {
                let wait = if slot.is_past_limit() {
                    patience.past_limit
                } else {
                    patience.handshake
                };
                let handshake = tls.accept_with(socket, |tls| {
                    tls.set_buffer_limit(Some(COLLECTED));
                });
                let tls = timeout(wait, handshake).await;
                Box::new(tls.map_err(|_| DispatchError::DisconnectTimeout)??)
            }
        };
        let connection = Connection::new(transport, slot, self.config);
        Ok((connection, Protocol::Http1, peer))
    }
}
