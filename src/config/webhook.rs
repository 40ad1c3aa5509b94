//! Defines the settings of the webhook that alerts are sent to.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretSlice};
use url::Url;

use super::setting::{self, Known, Setting};
use super::urls::is_address;
use tokenpair::config::Reader;

pub(super) const KNOWN: &[Known] = &[URL.known(), SECRET.known(), PREVIOUS_SECRET.known()];

const URL: Setting<Option<Url>> = Setting::new(
    "WEBHOOK_URL",
    "none",
    "Address that alerts are sent to, signed as Standard Webhooks requires.",
    |reader, name| {
        let wanted =
            "write an address of http or https without a user, as in https://example.org/alerts";
        let text = reader.text(name)?;
        let url = Url::parse(&text)
            .ok()
            .filter(|url| is_address(url) && url.fragment().is_none());
        if url.is_none() {
            // Not quoted: receivers tell senders apart by secrets in addresses.
            reader.problem(name, format!("is no usable address; {wanted}"));
        }
        url
    },
)
.shown_by(setting::WITHOUT_PATH);

const SECRET: Setting<Option<SecretSlice<u8>>> = Setting::new(
    "WEBHOOK_SECRET",
    "none",
    "Secret that signs alerts: whsec_ and 24 to 64 bytes in base64. Required with WEBHOOK_URL.",
    secret,
)
.shown_by(setting::SECRET);

const PREVIOUS_SECRET: Setting<Option<SecretSlice<u8>>> = Setting::new(
    "WEBHOOK_PREVIOUS_SECRET",
    "none",
    "Former secret; alerts carry its signature too, until the receiver knows WEBHOOK_SECRET.",
    secret,
)
.shown_by(setting::SECRET);

const CURE: &str = "make one with `echo \"whsec_$(openssl rand -base64 32)\"`";

/// The destination of alerts.
#[derive(Clone)]
pub struct Webhook {
    /// `WEBHOOK_URL`. Its path may be a secret of the receiver.
    pub url: Url,
    /// `WEBHOOK_SECRET`, then `WEBHOOK_PREVIOUS_SECRET`.
    pub secrets: Vec<SecretSlice<u8>>,
}

impl Webhook {
    /// Returns the address without what may be secret.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("origin", &self.origin())
            .finish_non_exhaustive()
    }
}

fn secret(reader: &mut Reader<'_>, name: &'static str) -> Option<SecretSlice<u8>> {
    let text = reader.text(name)?;
    let bytes = text
        .strip_prefix("whsec_")
        .and_then(|encoded| BASE64_STANDARD.decode(encoded).ok());
    let bytes = bytes.filter(|bytes| (24..=64).contains(&bytes.len()));
    if bytes.is_none() {
        let complaint = format!("has to be whsec_ and 24 to 64 bytes in base64; {CURE}");
        reader.problem(name, complaint);
    }
    bytes.map(SecretSlice::from)
}

pub(super) fn webhook(reader: &mut Reader<'_>) -> Option<Webhook> {
    let (url, secret) = (URL.read(reader), SECRET.read(reader));
    let previous = PREVIOUS_SECRET.read(reader);
    let lacks_url = url.is_none() && !reader.has_problem(URL.name());
    let lacks_secret = secret.is_none() && !reader.has_problem(SECRET.name());
    if !lacks_url && lacks_secret {
        let complaint = format!("is needed with {}: receivers check it; {CURE}", URL.name());
        reader.problem(SECRET.name(), complaint);
    }
    let secrets = [
        (&secret, SECRET.name()),
        (&previous, PREVIOUS_SECRET.name()),
    ];
    for (_, name) in secrets
        .iter()
        .filter(|(secret, _)| lacks_url && secret.is_some())
    {
        let url = URL.name();
        reader.problem(
            name,
            format!("signs alerts, and {url} is not set; set {url}, or remove {name}"),
        );
    }
    let (url, secret) = (url?, secret?);
    let is_secret = |previous: &SecretSlice<u8>| previous.expose_secret() == secret.expose_secret();
    if previous.as_ref().is_some_and(is_secret) {
        let complaint = format!("is {}; write the former secret here", SECRET.name());
        reader.problem(PREVIOUS_SECRET.name(), complaint);
    }
    let secrets = [secret].into_iter().chain(previous).collect();
    Some(Webhook { url, secrets })
}
