//! `tokenpair serve`

use std::io::{self, Write};
use std::task::Poll;

use futures_util::stream::{self, Stream, StreamExt};
use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, block_on, settings};
use crate::server::{Server, Signal};
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
        let mut signals = signals()?;
        let server = tokio::select! {
            server = Server::build(&settings, Clock::system()) => server?,
            Some(Signal::Stop) = signals.next() => return Ok(()),
        };
        // A greeting that nobody reads keeps nobody from being served.
        if let Err(error) = greet(&server, &settings, out) {
            log::warn!("the greeting could not be printed: {error}");
        }
        Ok(server.run(signals).await?)
    })
}

/// SIGTERM and Ctrl-C, each time they come.
fn signals() -> io::Result<impl Stream<Item = Signal> + Unpin> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(stream::poll_fn(move |context| {
        let [first, second] = [&mut terminate, &mut interrupt].map(|kind| kind.poll_recv(context));
        match first.is_ready() || second.is_ready() {
            true => Poll::Ready(Some(Signal::Stop)),
            false => Poll::Pending,
        }
    }))
}

fn greet(server: &Server, settings: &Settings, out: &mut dyn Write) -> io::Result<()> {
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
