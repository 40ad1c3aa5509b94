//! Implements `tokenpair webhook`.

use std::io::Write;

use clap::Subcommand;

use super::{CommandError, settings};
use crate::server::{Delivery, WebhookSender};
use tokenpair::clock::Clock;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Send a message of type webhook_test, and print the status of the answer
    Test,
}

pub(super) fn run(command: &Command, out: &mut dyn Write) -> Result<(), CommandError> {
    match command {
        Command::Test => test(out),
    }
}

fn test(out: &mut dyn Write) -> Result<(), CommandError> {
    let webhook = settings()?.webhook.ok_or(
        "WEBHOOK_URL is not set: set it to the receiver's address, and WEBHOOK_SECRET to the secret that you share with it",
    )?;
    let origin = webhook.origin();
    let delivery = WebhookSender::new(webhook).test(Clock::system().now());
    match delivery {
        Delivery::Delivered { .. } => Ok(writeln!(out, "delivered: {delivery}")?),
        Delivery::Gone => Err(format!(
            "cannot deliver to {origin}: {delivery}; correct WEBHOOK_URL, or remove it"
        )
        .into()),
        failure => Err(format!("cannot deliver to {origin}: {failure}").into()),
    }
}
