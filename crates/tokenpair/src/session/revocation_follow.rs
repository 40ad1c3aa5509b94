//! Implements the task that keeps revocations in sync with the store.

use std::sync::{Arc, Weak};
use std::time::Duration;

use actix_web::rt::task::JoinHandle;

use super::error::SessionError;
use super::revoked::{Revocation, Revoked};
use super::service::{Inner, Sessions};
use crate::clock::Clock;

/// The shortest interval of syncs.
const SHORTEST: Duration = Duration::from_millis(1);

impl Sessions {
    /// Reads the revocations in the store now, and again at this interval, until these sessions are
    /// dropped. Call it at start if sessions outlive the program or several programs share them:
    /// otherwise access tokens that a logout revoked are valid again after a restart. Half a second
    /// is a good interval; a shorter one than a millisecond counts as a millisecond.
    ///
    /// The log says once that the store is unavailable, and once that it is back. Aborting the
    /// returned task stops the sync earlier.
    ///
    /// ```
    /// # use tokenpair::session::{MemoryStore, SessionPolicy, Sessions};
    /// # use tokenpair::token::{TokenPolicy, Tokens};
    /// use std::time::Duration;
    /// use tokenpair::clock::Clock;
    ///
    /// # tokenpair::sample::run(async {
    /// # let keys = tokenpair::sample::keys()?;
    /// # let (store, tokens) = (MemoryStore::default(), Tokens::new(keys, TokenPolicy::default()));
    /// let sessions = Sessions::new(store, tokens, SessionPolicy::default());
    /// sessions.keep_in_sync(Duration::from_millis(500), Clock::system()).await?;
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`SessionError::Store`] if the first sync failed. No task is started then.
    ///
    /// # Panics
    ///
    /// Panics outside a Tokio runtime. `#[actix_web::main]` and `#[tokio::main]` start one.
    pub async fn keep_in_sync(
        &self,
        every: Duration,
        clock: Clock,
    ) -> Result<JoinHandle<()>, SessionError> {
        report_restored(&self.sync_revocations(clock.now()).await?);
        Ok(tokio::spawn(self.follow_revocations(every, clock)))
    }

    /// Returns the task of [`keep_in_sync`](Self::keep_in_sync), for an app that has synced once
    /// and runs its tasks itself. The first sync is after the interval.
    pub fn follow_revocations(
        &self,
        every: Duration,
        clock: Clock,
    ) -> impl Future<Output = ()> + Send + use<> {
        // The task must not keep the store open.
        follow(Arc::downgrade(&self.inner), every.max(SHORTEST), clock)
    }
}

async fn follow(sessions: Weak<Inner>, every: Duration, clock: Clock) {
    let mut away = false;
    loop {
        tokio::time::sleep(every).await;
        let Some(inner) = sessions.upgrade() else {
            return;
        };
        match inner.sync_revocations(clock.now()).await {
            Ok(restored) => {
                report_restored(&restored);
                if away {
                    log::info!("revocations of other replicas can be read again");
                }
                away = false;
            }
            Err(error) => {
                if !away {
                    log::error!("cannot read revocations of other replicas: {error}");
                }
                away = true;
            }
        }
    }
}

/// Reports revocations that the store had lost.
fn report_restored(restored: &[Revocation]) {
    let is_session = |lost: &&Revocation| matches!(lost.subject, Revoked::Session(_));
    let sessions = restored.iter().filter(is_session).count();
    if sessions > 0 {
        log::warn!(
            "the database had lost the end of sessions, as after a failover to a standby without the last commits: {sessions} \
             sessions were ended again"
        );
    }
    let users = restored.len() - sessions;
    if users > 0 {
        log::warn!(
            "the database had lost changes of users, as after a failover to a standby without the last commits: the tokens \
             of users ({users}) were revoked again; check the passwords, roles and status of the users in the events \
             change_lost"
        );
    }
}
