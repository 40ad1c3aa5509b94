//! Implements the background tasks: revocation sync, key reload and purge.

use std::time::Duration;

use super::reload::ReloadSchedule;
use super::shared_key::SharedKey;
use super::startup_keys::Followed;
use tokenpair::clock::Clock;
use tokenpair::token::Tokens;
use tokenpair_store::{DieselStore, PurgePolicy, Purged};

/// The interval of purges.
const PURGE_EVERY: Duration = Duration::from_secs(3600);

/// The interval of revocation sync, so short that a revocation reaches every replica within a
/// second.
pub(super) const SYNC_EVERY: Duration = Duration::from_millis(250);

/// The interval at which a key folder is checked, so that a rotation reaches every replica within a
/// second.
const KEYS_EVERY: Duration = Duration::from_millis(500);

/// The reload of keys where they may change.
pub(super) struct KeyReload {
    pub(super) followed: Option<Followed>,
    pub(super) tokens: Tokens,
    pub(super) shared_key: SharedKey,
    pub(super) store: DieselStore,
    pub(super) clock: Clock,
}

impl KeyReload {
    /// Reloads keys until there are none to follow. Reads the folder on another thread, since it may
    /// be on a network.
    pub(super) async fn run(mut self, mut schedule: ReloadSchedule) {
        let mut unsealed = Vec::new();
        while let Some(keys) = self.followed.take() {
            let requested = schedule.next(KEYS_EVERY).await;
            let tokens = self.tokens.clone();
            self.followed = tokio::task::spawn_blocking(move || keys.reload(&tokens, requested))
                .await
                .ok();
            // A server that starts after the former keys were deleted must open the shared key too.
            unsealed.extend(self.followed.iter_mut().flat_map(Followed::take_new));
            if unsealed.is_empty() {
                continue;
            }
            let now = self.clock.now();
            match self
                .shared_key
                .seal_under(&self.store, &unsealed, now)
                .await
            {
                Ok(()) => unsealed.clear(),
                Err(error) => {
                    log::debug!("the shared key is not stored under the new keys yet: {error}")
                }
            }
        }
    }
}

pub(super) async fn purge_periodically(store: DieselStore, policy: PurgePolicy, clock: Clock) {
    loop {
        match store.purge(clock.now(), policy).await {
            Ok(purged) if purged != Purged::default() => {
                log::info!("purged {purged} past their retention");
            }
            Ok(_) => {}
            Err(error) => log::warn!("cannot purge: {error}"),
        }
        tokio::time::sleep(PURGE_EVERY).await;
    }
}
