//! Defines the tasks that run beside the requests for as long as the server does: they follow what other replicas revoke,
//! follow the folder of keys, and purge.

use std::time::Duration;

use super::reload::ReloadSchedule;
use super::shared_key::SharedKey;
use super::startup_keys::Followed;
use tokenpair::clock::Clock;
use tokenpair::session::{Revocation, Revoked, Sessions};
use tokenpair::token::Tokens;
use tokenpair_store::{DieselStore, PurgePolicy, Purged};

/// How often what is long over is deleted.
const PURGE_EVERY: Duration = Duration::from_secs(3600);

/// How often other replicas' revocations are read: often enough to reach every replica within a second.
const SYNC_EVERY: Duration = Duration::from_millis(500);

/// How often a folder of keys is looked at: as often, so that a rotation has reached every replica within a second.
const KEYS_EVERY: Duration = SYNC_EVERY;

/// Says so once when the database goes away, and once when it is back.
pub(super) async fn follow_revocations(sessions: Sessions, clock: Clock) {
    let mut away = false;
    loop {
        tokio::time::sleep(SYNC_EVERY).await;
        let synced = sessions.sync_revocations(clock.now()).await;
        if let Ok(restored) = &synced {
            report_restored(restored);
        }
        match synced {
            Ok(_) if away => log::info!("revocations of other replicas are read again"),
            Err(error) if !away => {
                log::error!("revocations of other replicas cannot be read: {error}")
            }
            _ => continue,
        }
        away = !away;
    }
}

/// Reports what the database had lost.
fn report_restored(restored: &[Revocation]) {
    let is_session = |lost: &&Revocation| matches!(lost.subject, Revoked::Session(_));
    let sessions = restored.iter().filter(is_session).count();
    if sessions > 0 {
        log::warn!(
            "the database had lost that sessions ended, as after a failover to a standby without the last commits: {sessions} ended again"
        );
    }
    let users = restored.len() - sessions;
    if users > 0 {
        log::warn!(
            "the database had lost changes of users, as after a failover to a standby without the last commits: the tokens of \
             {users} users ended again; the events change_lost name them, check their passwords, roles and status"
        );
    }
}

/// Where keys may change, they are looked at beside this thread, since a folder may be on a network.
pub(super) async fn follow_keys(
    mut followed: Option<Followed>,
    tokens: Tokens,
    (shared_key, store, clock): (SharedKey, DieselStore, Clock),
    mut looks: ReloadSchedule,
) {
    let mut unsealed = Vec::new();
    while let Some(keys) = followed.take() {
        let asked = looks.next(KEYS_EVERY).await;
        let tokens = tokens.clone();
        followed = tokio::task::spawn_blocking(move || keys.look(&tokens, asked))
            .await
            .ok();
        // A server that starts after the former keys have gone has to open it too.
        unsealed.extend(followed.iter_mut().flat_map(Followed::take_new));
        if unsealed.is_empty() {
            continue;
        }
        match shared_key.seal_under(&store, &unsealed, clock.now()).await {
            Ok(()) => unsealed.clear(),
            Err(error) => {
                log::debug!("the shared key is not stored under the new keys yet: {error}")
            }
        }
    }
}

pub(super) async fn purge_now_and_then(store: DieselStore, policy: PurgePolicy, clock: Clock) {
    loop {
        match store.purge(clock.now(), policy).await {
            Ok(purged) if purged != Purged::default() => {
                log::info!("purged {purged} that are long over");
            }
            Ok(_) => {}
            Err(error) => log::warn!("nothing was purged: {error}"),
        }
        tokio::time::sleep(PURGE_EVERY).await;
    }
}
