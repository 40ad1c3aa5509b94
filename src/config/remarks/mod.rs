//! Defines notes on settings that work, but may be a mistake.

mod browsers;
mod files;
mod transport;

pub(crate) use self::browsers::are_same_site;
use super::urls::is_loopback;
use super::{Settings, Sources, traces};

pub(super) use self::browsers::remarks_on_routes;

/// Returns the notes that hold wherever the routes are, each with a cure.
pub(super) fn remarks(settings: &Settings, sources: &Sources) -> Vec<String> {
    let mut remarks = Vec::new();
    remarks.extend(old_secrets(settings));
    remarks.extend(transport::remarks(settings));
    remarks.extend(browsers::remarks(settings));
    remarks.extend(files::remarks(sources, settings));
    remarks.extend(public_docs(settings));
    remarks.extend(public_metrics(settings));
    remarks.extend(traces::remark(sources));
    remarks
}

fn public_docs(settings: &Settings) -> Option<String> {
    // The bind address is no sign where a container publishes its port to this machine only.
    let is_public = match &settings.public_url {
        Some(url) => !is_loopback(url),
        None => !settings.bind.is_loopback(),
    };
    (settings.docs && is_public).then(|| {
        "SERVER_DOCS is on, and other machines can reach this server: anyone can open /docs and /demo. \
         Set SERVER_DOCS=off unless you want that"
            .to_owned()
    })
}

fn public_metrics(settings: &Settings) -> Option<String> {
    let bind = settings.metrics.as_ref();
    let bind = bind.filter(|bind| !bind.is_loopback())?;
    Some(format!(
        "METRICS_BIND is {bind}, and metrics are served without a password, over plain http: let a firewall or the container's \
         network admit Prometheus alone, or listen on loopback"
    ))
}

fn old_secrets(settings: &Settings) -> Option<String> {
    let key_pair = settings.algorithm.min_secret_len().is_none();
    let secret = settings.previous.first().filter(|_| key_pair)?;
    let algorithm = secret.key.algorithm().name();
    Some(format!(
        "{algorithm} tokens signed with JWT_PREVIOUS_SECRET_KEYS are still accepted: remove the setting once the last of them \
         has expired, JWT_REFRESH_TOKEN_EXPIRES after the move"
    ))
}
