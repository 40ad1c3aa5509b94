//! Sends alerts to a webhook in the format of Standard Webhooks, version 1:
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretSlice};
use serde::Serialize;
use ureq::Agent;
use ureq::http::StatusCode;

use super::metrics::{Metrics, WebhookOutcome};
use crate::authorities::trusting_machine;
use crate::config::Webhook;
use crate::no_answer::Asked;
use tokenpair::clock::{Clock, Timestamp};
use tokenpair_store::{Alert, DieselStore};

/// The interval at which the database is asked for alerts.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a receiver may take to answer. Less than the first wait of
/// [`tokenpair_store::RETRIES`], so that no two
/// attempts overlap.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The age at which an alert that was never sent is no news any more: a webhook that is set up later
/// must not receive all alerts of the audit trail.
const STALE_AFTER: Duration = Duration::from_secs(3 * 86_400);

/// A message in the format of Standard Webhooks. Its id, time and signature are in headers.
#[derive(Serialize)]
struct Message<'a> {
    r#type: &'a str,
    timestamp: String,
    data: Data<'a>,
}

/// The event. It names nothing that the audit trail does not show, and no secret.
#[derive(Default, Serialize)]
struct Data<'a> {
    user_id: Option<&'a str>,
    username: Option<&'a str>,
    session_id: Option<&'a str>,
    actor_id: Option<&'a str>,
    ip: Option<&'a str>,
    detail: Option<&'a str>,
}

impl<'a> Message<'a> {
    fn of(alert: &'a Alert) -> Self {
        let event = &alert.event;
        Self {
            r#type: &event.kind,
            timestamp: event.at.to_string(),
            data: Data {
                user_id: event.user_id.as_deref(),
                username: alert.username.as_deref(),
                session_id: event.session_id.as_deref(),
                actor_id: event.actor_id.as_deref(),
                ip: event.ip.as_deref(),
                detail: event.detail.as_deref(),
            },
        }
    }
}

/// The result of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Delivery {
    /// The receiver answered with a 2xx.
    Delivered { status: StatusCode, took: Duration },
    /// The receiver wants no more messages (410).
    Gone,
    /// The receiver answered with another status.
    Refused(StatusCode),
    /// There was no answer.
    Failed(String),
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivered { status, took } => {
                write!(
                    f,
                    "the receiver answered {status} after {} ms",
                    took.as_millis()
                )
            }
            Self::Gone => f.write_str("the receiver answered 410 Gone: it wants no more messages"),
            Self::Refused(status) => {
                write!(f, "the receiver answered {status}{}", refusal_cure(*status))
            }
            Self::Failed(why) => f.write_str(why),
        }
    }
}

fn refusal_cure(status: StatusCode) -> &'static str {
    match status.as_u16() {
        300..=399 => {
            ", and redirects are not followed; write the address that it redirects to in WEBHOOK_URL"
        }
        400 | 401 | 403 => "; give the receiver the secret in WEBHOOK_SECRET, and read its log",
        404 | 405 => "; correct the path in WEBHOOK_URL",
        429 => "; raise the receiver's rate limit",
        _ => "; read the receiver's log",
    }
}

/// A client that signs and sends messages.
#[derive(Clone)]
pub(crate) struct Sender {
    webhook: Webhook,
    agent: Agent,
}

impl Sender {
    /// Returns a sender that trusts the certificate authorities of this machine.
    pub(crate) fn new(webhook: Webhook) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            // The signature is for one receiver.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("tokenpair/", env!("CARGO_PKG_VERSION")))
            .tls_config(trusting_machine(webhook.url.scheme()))
            .build()
            .new_agent();
        Self { webhook, agent }
    }

    /// Sends a message that tells nothing.
    pub(crate) fn test(&self, now: Timestamp) -> Delivery {
        let message = Message {
            r#type: "webhook_test",
            timestamp: now.to_string(),
            data: Data::default(),
        };
        self.send(&format!("test_{}", uuid::Uuid::now_v7()), &message, now)
    }

    fn send(&self, id: &str, message: &Message<'_>, now: Timestamp) -> Delivery {
        let body = match serde_json::to_string(message) {
            Ok(body) => body,
            Err(error) => return Delivery::Failed(error.to_string()),
        };
        let at = now.unix().to_string();
        let content = format!("{id}.{at}.{body}");
        let signatures = self.webhook.secrets.iter();
        let signatures: Vec<String> = signatures
            .map(|secret| signature(secret, &content))
            .collect();
        let started = Instant::now();
        let answer = self
            .agent
            .post(self.webhook.url.as_str())
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", &at)
            .header("webhook-signature", signatures.join(" "))
            .send(body.as_str());
        match answer.map(|answer| answer.status()) {
            Ok(status) if status.is_success() => Delivery::Delivered {
                status,
                took: started.elapsed(),
            },
            Ok(StatusCode::GONE) => Delivery::Gone,
            Ok(status) => Delivery::Refused(status),
            Err(error) => Delivery::Failed(self.no_answer(&error)),
        }
    }

    /// Returns the error's text. The path of the address may be a secret.
    fn no_answer(&self, error: &ureq::Error) -> String {
        let url = &self.webhook.url;
        let asked = Asked {
            url,
            program: "the receiver",
            named_in: "WEBHOOK_URL",
        };
        let text = asked.no_answer(error);
        let text = text.replace(url.as_str(), &self.webhook.origin());
        match url.path() {
            "/" => text,
            path => text.replace(path, "/********"),
        }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender").field(&self.webhook).finish()
    }
}

/// Returns the symmetric signature, "Signature scheme" in the specification.
fn signature(secret: &SecretSlice<u8>, content: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret());
    let tag = hmac::sign(&key, content.as_bytes());
    format!("v1,{}", BASE64_STANDARD.encode(tag.as_ref()))
}

/// Sends alerts as they come, if there is a webhook. Of several servers on a database, one sends
/// each alert.
pub(super) async fn deliver(
    webhook: Option<Webhook>,
    store: DieselStore,
    clock: Clock,
    metrics: Option<Arc<Metrics>>,
) {
    let Some(webhook) = webhook else {
        return;
    };
    // Reading all certificate authorities takes a while.
    let made = tokio::task::spawn_blocking(move || Sender::new(webhook)).await;
    let Ok(sender) = made else {
        return;
    };
    loop {
        match store.take_alert(clock.now()).await {
            Ok(Some(alert)) if is_stale(&alert, clock.now()) => {
                let (kind, id) = (&alert.event.kind, &alert.event.id);
                log::warn!("the alert {kind} {id} is more than three days old, so it is not sent");
                settle(&store, &alert).await;
            }
            Ok(Some(alert)) => {
                let outcome = deliver_one(&sender, &store, &alert, clock.now()).await;
                if let Some(metrics) = &metrics {
                    metrics.webhook(outcome);
                }
                if outcome == WebhookOutcome::Gone {
                    return;
                }
            }
            Ok(None) => tokio::time::sleep(LOOK_EVERY).await,
            Err(error) => {
                log::debug!("cannot look for alerts: {error}");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }
}

fn is_stale(alert: &Alert, now: Timestamp) -> bool {
    alert.attempt == 1 && alert.event.at + STALE_AFTER < now
}

async fn deliver_one(
    sender: &Sender,
    store: &DieselStore,
    alert: &Alert,
    now: Timestamp,
) -> WebhookOutcome {
    let (kind, id) = (&alert.event.kind, &alert.event.id);
    let send = {
        let (sender, alert) = (sender.clone(), alert.clone());
        move || sender.send(&alert.event.id, &Message::of(&alert), now)
    };
    let sent = tokio::task::spawn_blocking(send).await;
    match sent.unwrap_or_else(|error| Delivery::Failed(error.to_string())) {
        delivery @ Delivery::Delivered { .. } => {
            log::info!("sent the alert {kind} {id} to the webhook: {delivery}");
            settle(store, alert).await;
            WebhookOutcome::Delivered
        }
        delivery @ Delivery::Gone => {
            log::error!(
                "cannot send the alert {kind} {id}: {delivery}. Correct WEBHOOK_URL, or remove it; until a restart no alert is sent"
            );
            WebhookOutcome::Gone
        }
        failure => match alert.retry_after {
            None => {
                log::error!(
                    "gave up the alert {kind} {id} after {} attempts: {failure}",
                    alert.attempt
                );
                WebhookOutcome::GivenUp
            }
            Some(wait) => {
                log::warn!(
                    "cannot send the alert {kind} {id}: {failure}. Next attempt in {} s",
                    wait.as_secs()
                );
                WebhookOutcome::Failed
            }
        },
    }
}

async fn settle(store: &DieselStore, alert: &Alert) {
    let id = &alert.event.id;
    if let Err(error) = store.settle_alert(id).await {
        log::debug!("the alert {id} will be sent again: {error}");
    }
}
