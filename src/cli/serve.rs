//! `tokenpair serve`

use std::io::Write;

use super::{Failure, block_on, settings};
use crate::clock::Clock;
use crate::server::Server;
use crate::settings::{Registration, Settings};

pub(super) fn run(out: &mut dyn Write) -> Result<(), Failure> {
    let settings = settings()?;
    block_on(async move {
        let server = Server::build(&settings, Clock::system()).await?;
        greet(&server, &settings, out)?;
        Ok(server.run().await?)
    })
}

fn greet(server: &Server, settings: &Settings, out: &mut dyn Write) -> std::io::Result<()> {
    let address = server.address();
    let url = settings
        .public_url
        .as_ref()
        .map_or_else(|| format!("http://{address}/"), ToString::to_string);
    let route = match settings.registration {
        Registration::Open => "register",
        Registration::Closed => "login",
    };
    writeln!(
        out,
        "tokenpair {} listens on http://{address}",
        env!("CARGO_PKG_VERSION")
    )?;
    writeln!(out, "database: {}", settings.database)?;
    writeln!(
        out,
        "try: curl {url}{route} --json '{{\"username\": \"ada\", \"password\": \"correct horse\"}}'"
    )?;
    out.flush()
}
