//! `tokenpair serve`

use std::io::Write;

use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, block_on, settings};
use crate::server::Server;
use crate::settings::{Registration, Settings};
use tokenpair::clock::Clock;

pub(super) fn run(out: &mut dyn Write) -> Result<(), Failure> {
    let settings = settings()?;
    // Once, and not by each command: a health check runs every few seconds.
    for remark in &settings.remarks {
        log::warn!("{remark}");
    }
    block_on(async move {
        // Caught before anything listens, so that no signal finds the server half ready.
        let mut stop = Box::pin(stop_signal()?);
        let server = tokio::select! {
            server = Server::build(&settings, Clock::system()) => server?,
            () = &mut stop => return Ok(()),
        };
        // A greeting that nobody reads keeps nobody from being served.
        if let Err(error) = greet(&server, &settings, out) {
            log::warn!("the greeting could not be printed: {error}");
        }
        Ok(server.run(stop).await?)
    })
}

/// Over at SIGTERM or Ctrl-C.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn greet(server: &Server, settings: &Settings, out: &mut dyn Write) -> std::io::Result<()> {
    let address = server.address();
    // Port 0 lets the system choose, and only then is the port known.
    let chosen = settings.bind.port() != 0;
    let url = settings.public_url.as_ref().filter(|_| chosen);
    let scheme = settings.tls.as_ref().map_or("http", |_| "https");
    let url = url.map_or_else(|| format!("{scheme}://{address}/"), ToString::to_string);
    let route = match settings.registration {
        Registration::Open => "register",
        Registration::Closed => "login",
    };
    let body = r#"{"username": "ada", "password": "correct horse"}"#;
    writeln!(
        out,
        "tokenpair {} listens on {scheme}://{address}",
        env!("CARGO_PKG_VERSION")
    )?;
    writeln!(out, "database: {}", settings.database)?;
    writeln!(
        out,
        "try: curl {url}{route} -H 'Content-Type: application/json' -d '{body}'"
    )?;
    out.flush()
}
