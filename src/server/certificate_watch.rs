//! Records an audit event when the server's certificate is about to expire.

use std::sync::Arc;
use std::time::Duration;

use super::tls::Certificates;
use tokenpair::clock::Clock;
use tokenpair_store::DieselStore;

/// The interval of checks. A certificate may also be replaced while the server runs.
const CHECK_EVERY: Duration = Duration::from_secs(3600);

/// The interval after a check that could not be recorded.
const RETRY_AFTER: Duration = Duration::from_secs(30);

pub(super) async fn follow(
    certificates: Option<Arc<Certificates>>,
    store: DieselStore,
    clock: Clock,
) {
    let Some(certificates) = certificates else {
        return;
    };
    loop {
        let pause = match check(&certificates, &store, &clock).await {
            Ok(()) => CHECK_EVERY,
            Err(error) => {
                log::debug!("cannot record when the certificate expires: {error}");
                RETRY_AFTER
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn check(
    certificates: &Certificates,
    store: &DieselStore,
    clock: &Clock,
) -> Result<(), tokenpair::session::StoreError> {
    let Some(life) = certificates.life() else {
        return Ok(());
    };
    if store.record_certificate_expiry(&life, clock.now()).await? {
        let expires = life.expires;
        log::warn!("the certificate (SERVER_TLS_CERT) expires at {expires}: renew it");
    }
    Ok(())
}
