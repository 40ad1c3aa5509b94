//! Listens: binds the address, lets connections in, speaks TLS with them, and hands them to the app.

use std::io;
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

use super::connection::{Connection, Manner, Transport};
use super::connection_limit::{ConnectionLimit, RESERVE};
use super::listener::Listener;
use super::start_error::StartError;
use super::state::AppState;
use super::tls::Certificates;
use super::write_deadline::WriteDeadline;
use super::{cors, middleware, routes, stop};
use crate::settings::Settings;

/// How many bytes of answers are collected before they are sent.
const COLLECTED: usize = 16 * 1024;

/// How long the end of a connection may take.
const CLOSING: Duration = Duration::from_secs(1);

/// Binds the address of the settings and puts the app behind it. Returns the server, its gate, and the address it has: with port 0 in
/// the settings, the port it was given.
pub(super) fn listen(
    settings: &Settings,
    state: &Arc<AppState>,
    certificates: Option<&Arc<Certificates>>,
) -> Result<(Server, Listener, SocketAddr), StartError> {
    let acceptor = certificates.map(|certificates| certificates.config());
    let acceptor = acceptor.transpose()?;
    let door = Door {
        acceptor: acceptor.map(|config| TlsAcceptor::from(Arc::new(config))),
        crowd: ConnectionLimit::new(settings.max_connections),
        manner: Manner {
            patience: settings.patience,
            keep_alive: settings.keep_alive,
            edge: state.edge,
        },
    };
    let state = web::Data::from(Arc::clone(state));
    let origins = settings.cors_origins.clone();
    let app = move || {
        App::new()
            .app_data(state.clone())
            .app_data(state.auth.clone())
            .configure(routes::configure)
            .default_service(web::to(routes::not_found))
    };
    let web = settings.web.clone();
    let served = if origins.is_empty() {
        let app = move || app().wrap(from_fn(middleware::all_and_handler));
        serve(settings, door, app)
    } else {
        // The last wrapped is the first to see a request and the last to see its response.
        let app = move || {
            app()
                .wrap(from_fn(middleware::handler))
                .wrap(cors::middleware(&origins, &web))
                .wrap(from_fn(middleware::all))
        };
        serve(settings, door, app)
    };
    served.map_err(|cause| StartError::Bind {
        bind: settings.bind,
        cause,
    })
}

fn serve<A, S>(
    settings: &Settings,
    door: Door,
    app: impl Fn() -> A + Clone + Send + 'static,
) -> io::Result<(Server, Listener, SocketAddr)>
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
    let (listener, gate) = Listener::listen(settings.bind)?;
    let address = listener.local_addr()?;
    let Settings {
        workers,
        keep_alive,
        patience,
        ..
    } = *settings;
    let of_each_worker = |connections: usize| connections.div_ceil(workers);
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(
            of_each_worker(settings.max_connections) + of_each_worker(RESERVE),
        )
        .shutdown_timeout(stop::GRACE.as_secs())
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let builder = builder.listen("http", listener, move || {
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
                data.insert(connection.flow());
            })
            .finish(map_config(app(), |()| AppConfig::default()));
        let door = door.clone();
        fn_service(move |socket| {
            let door = door.clone();
            async move { door.let_in(socket).await }
        })
        .and_then(http)
    })?;
    Ok((builder.run(), gate, address))
}

/// What every connection comes through.
#[derive(Clone)]
struct Door {
    acceptor: Option<TlsAcceptor>,
    crowd: Arc<ConnectionLimit>,
    manner: Manner,
}

impl Door {
    async fn let_in(
        self,
        socket: TcpStream,
    ) -> Result<(Connection, Protocol, Option<SocketAddr>), DispatchError> {
        let place = self.crowd.enter();
        let peer = socket.peer_addr().ok();
        let patience = self.manner.patience;
        let socket = WriteDeadline::new(socket, patience.write);
        let transport: Box<dyn Transport> = match &self.acceptor {
            None => Box::new(socket),
            Some(acceptor) => {
                let patience = match place.is_past_limit() {
                    true => patience.past_limit,
                    false => patience.handshake,
                };
                let handshake = acceptor.accept_with(socket, |tls| {
                    tls.set_buffer_limit(Some(COLLECTED));
                });
                let tls = timeout(patience, handshake).await;
                Box::new(tls.map_err(|_| DispatchError::DisconnectTimeout)??)
            }
        };
        let connection = Connection::new(transport, place, self.manner);
        Ok((connection, Protocol::Http1, peer))
    }
}
