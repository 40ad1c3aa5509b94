//! Implements `tokenpair serve`.

use std::io::{self, Write};
use std::task::Poll;
use std::thread;

use futures_util::stream::{self, Stream, StreamExt};
use tokio::signal::unix::{SignalKind, signal};

use super::greeting::greeting;
use super::{CommandError, block_on};
use crate::config::{LogFormat, Settings, Sources};
#[cfg(feature = "otlp")]
use crate::server::Traces;
use crate::server::{Server, Signal, start_logging};
use tokenpair::clock::Clock;

pub(super) fn run() -> Result<(), CommandError> {
    block_on(async {
        // Before anything else, so that no signal reaches a half-started server.
        let mut signals = signals()?;
        let settings = Settings::load(&Sources::read())?;
        start_logging(&settings, settings.log_format);
        #[cfg(feature = "otlp")]
        let traces = Traces::start(&settings)?;
        // Only here: other commands, such as a health check every few seconds, would repeat them.
        for remark in settings
            .remarks
            .iter()
            .chain(&settings.remarks_on_routes(""))
        {
            log::warn!("{remark}");
        }
        let server = tokio::select! {
            server = Server::build(&settings, Clock::system()) => server?,
            () = stopped(&mut signals) => return Ok(()),
        };
        let has_users = server.has_users().await;
        let metrics = server.metrics_address();
        let greeting = greeting(server.address(), metrics, &settings, has_users);
        match settings.log_format {
            LogFormat::Text => print(greeting)?,
            // A collector that reads both outputs as one stream finds only JSON.
            LogFormat::Json => greeting.lines().for_each(|line| log::info!("{line}")),
        }
        let served = server.run(signals).await;
        #[cfg(feature = "otlp")]
        traces.finish();
        Ok(served?)
    })
}

/// Waits for a signal to stop. A server that is still starting has nothing to reload.
async fn stopped(signals: &mut (impl Stream<Item = Signal> + Unpin)) {
    while signals.next().await == Some(Signal::Reload) {}
}

/// Returns the stream of SIGTERM, Ctrl-C and SIGHUP.
fn signals() -> io::Result<impl Stream<Item = Signal> + Unpin> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    // With a handler, a write past the limit on file sizes fails, instead of ending the process.
    let _handled = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
    Ok(stream::poll_fn(move |context| {
        let kinds = [&mut terminate, &mut interrupt, &mut hang_up];
        match kinds.map(|kind| kind.poll_recv(context).is_ready()) {
            [true, ..] | [_, true, _] => Poll::Ready(Some(Signal::Stop)),
            [.., true] => Poll::Ready(Some(Signal::Reload)),
            _ => Poll::Pending,
        }
    }))
}

/// Prints on a thread, because an unread greeting must not block the server.
fn print(greeting: String) -> io::Result<()> {
    let print = move || {
        let mut out = io::stdout().lock();
        let printed = out.write_all(greeting.as_bytes());
        if let Err(error) = printed.and_then(|()| out.flush()) {
            log::warn!("cannot print the greeting: {error}");
        }
    };
    let thread = thread::Builder::new().name("greeting".to_owned());
    thread.spawn(print).map(drop)
}
