//! Implements the sync of revocations: reads those of other replicas from the store, and records
//! again those that the store has lost.

use std::sync::atomic::Ordering;

use super::context::RequestContext;
use super::counted::{CountedRevocations, to_read};
use super::error::SessionError;
use super::revocation::{OVERLAP, lost};
use super::revoked::Revocation;
use super::service::{Inner, NEVER_SYNCED, Sessions};
use crate::clock::Timestamp;

/// The maximum number of lost revocations that one sync restores, so that the next sync is not
/// late.
const AT_ONCE: usize = 100;

/// The end of time.
const END: Timestamp = Timestamp::from_unix(i64::MAX);

impl Sessions {
    /// Adds a revocation that the store has recorded in another way, so that it holds here at once.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::session::Login;
    /// # use tokenpair::token::Expiry;
    /// use tokenpair::session::{Revocation, Revoked};
    ///
    /// # tokenpair::sample::run(async {
    /// # let (ada, sessions) = (tokenpair::sample::ada(), tokenpair::sample::sessions()?);
    /// # let now = Timestamp::from_unix(1_800_000_000);
    /// # let pair = sessions.login(&ada, Login::default(), now).await?;
    /// # let token = sessions.tokens().verify(pair.access.token.as_str(), now, Expiry::Enforced)?;
    /// // Ada changed her password, which revokes her tokens of epoch 0.
    /// let subject = Revoked::User { id: "1".to_owned(), lowest_epoch: 1 };
    /// sessions.record_revocation(&Revocation { subject, at: now });
    /// assert!(sessions.revocations().is_revoked(&token));
    /// # Ok(()) });
    /// ```
    pub fn record_revocation(&self, revocation: &Revocation) {
        self.inner.revocations.add(revocation);
    }

    /// Syncs the revocations of other replicas, and those from before a restart.
    /// [`keep_in_sync`](Self::keep_in_sync) calls it periodically.
    ///
    /// Returns the revocations that the store had lost and now has again
    /// ([`SessionStore::restore`](super::SessionStore::restore)): usually none. A loss of a
    /// revocation recorded in the minute before the last sync is noticed, unless the store
    /// [counts](super::CountedRevocations) and as many others appeared in its second; those others
    /// are then not read. A sync that follows a failed one compares every known revocation, because
    /// a failover looks like an outage first.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::keys::{Algorithm, KeyRing};
    /// # use tokenpair::session::{Login, SessionPolicy, Sessions};
    /// # use tokenpair::token::{Expiry, TokenPolicy, Tokens};
    /// use tokenpair::session::{RequestContext, EndReason};
    ///
    /// # tokenpair::sample::run(async {
    /// # let (ada, store) = tokenpair::sample::user();
    /// # let sessions = tokenpair::sample::sessions_in(&store)?;
    /// # let now = Timestamp::from_unix(1_800_000_000);
    /// # let again = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that only the server knows")?;
    /// # let replica = Sessions::new(store, Tokens::new(again, TokenPolicy::default()), SessionPolicy::default());
    /// # let pair = sessions.login(&ada, Login::default(), now).await?;
    /// # let token = sessions.tokens().verify(pair.access.token.as_str(), now, Expiry::Enforced)?;
    /// // Two programs share a store; a logout on one of them reaches the other.
    /// sessions.end(token.sid.as_deref().unwrap(), EndReason::Logout, &RequestContext::at(now)).await?;
    /// assert!(!replica.revocations().is_revoked(&token));
    /// replica.sync_revocations(now).await?;
    /// assert!(replica.revocations().is_revoked(&token));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`SessionError::Store`] if the store failed. The set is unchanged if reading failed,
    /// and current if only restoring failed.
    pub async fn sync_revocations(&self, now: Timestamp) -> Result<Vec<Revocation>, SessionError> {
        self.inner.sync_revocations(now).await
    }

    /// Returns the time of the last sync, or `None` before the first one.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # tokenpair::sample::run(async {
    /// # let sessions = tokenpair::sample::sessions()?;
    /// # let now = Timestamp::from_unix(1_800_000_000);
    /// assert_eq!(sessions.revocations_synced_at(), None);
    /// sessions.sync_revocations(now).await?;
    /// assert_eq!(sessions.revocations_synced_at(), Some(now));
    /// # Ok(()) });
    /// ```
    pub fn revocations_synced_at(&self) -> Option<Timestamp> {
        let synced_at = self.inner.synced_at();
        (synced_at != NEVER_SYNCED).then_some(synced_at)
    }

    /// Checks that revocations have synced within the
    /// [`SessionPolicy::stale_limit`](super::SessionPolicy::stale_limit).
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::session::{MemoryStore, SessionPolicy, Sessions};
    /// use std::time::Duration;
    ///
    /// # tokenpair::sample::run(async {
    /// let policy = SessionPolicy {
    ///     stale_limit: Some(Duration::from_secs(60)),
    ///     ..SessionPolicy::default()
    /// };
    /// # let tokens = tokenpair::sample::tokens()?;
    /// # let now = Timestamp::from_unix(1_800_000_000);
    /// let sessions = Sessions::new(MemoryStore::default(), tokens, policy);
    /// assert!(sessions.check_revocations_are_current(now).is_err()); // nothing was read yet
    /// sessions.sync_revocations(now).await?;
    /// assert!(sessions.check_revocations_are_current(now + Duration::from_secs(60)).is_ok());
    /// assert!(sessions.check_revocations_are_current(now + Duration::from_secs(61)).is_err());
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`SessionError::Stale`] if they have not.
    pub fn check_revocations_are_current(&self, now: Timestamp) -> Result<(), SessionError> {
        let synced_at = self.inner.synced_at();
        if synced_at == NEVER_SYNCED {
            self.inner.warn_unsynced();
        }
        let age = now.since(synced_at);
        let stale = self
            .inner
            .policy
            .stale_limit
            .is_some_and(|limit| age > limit);
        if stale {
            Err(SessionError::Stale)
        } else {
            Ok(())
        }
    }
}

impl Inner {
    /// Syncs the revocations, as [`Sessions::sync_revocations`] does.
    pub(super) async fn sync_revocations(
        &self,
        now: Timestamp,
    ) -> Result<Vec<Revocation>, SessionError> {
        let synced = self.read_and_restore(now).await;
        if synced.is_err() {
            self.compare_all.store(true, Ordering::Relaxed);
        }
        synced
    }

    async fn read_and_restore(&self, now: Timestamp) -> Result<Vec<Revocation>, SessionError> {
        let revocations = &self.revocations;
        let oldest = revocations.oldest(now);
        let all = self.compare_all.load(Ordering::Relaxed);
        // While the clock was ahead, revocations were forgotten too early, and new ones not read.
        let was_ahead = now < self.synced_at();
        let since = if all || was_ahead {
            oldest
        } else {
            oldest.max(self.synced_at() - OVERLAP)
        };
        let mut lost = match self.store.counted_revocations() {
            Some(counted) => self.read_counted(counted, since, all).await?,
            None => {
                // Taken before the read, which may miss revocations recorded during it.
                let known = revocations.recorded_in(&(since..=END));
                let recorded = self.store.revocations_since(since).await?;
                self.learn(&recorded);
                lost(known, &recorded)
            }
        };
        revocations.forget(now);
        self.synced_at.store(now.unix(), Ordering::Relaxed);
        let compare_all = &self.compare_all;
        compare_all.store(lost.len() > AT_ONCE, Ordering::Relaxed);
        if lost.is_empty() {
            return Ok(lost);
        }
        lost.truncate(AT_ONCE);
        let restored = self.store.restore(&lost, &RequestContext::at(now)).await?;
        self.learn(&restored);
        Ok(restored)
    }

    /// Reads the seconds in which the store has recorded another number of revocations than this
    /// server knows, or `all`. Returns the known ones that it lacks.
    async fn read_counted(
        &self,
        counted: &dyn CountedRevocations,
        since: Timestamp,
        all: bool,
    ) -> Result<Vec<Revocation>, SessionError> {
        let revocations = &self.revocations;
        // Taken before the count, which may miss revocations recorded during it.
        let known = revocations.known_since(since);
        let recorded = counted.count_since(since).await?;
        let mut all_lost = Vec::new();
        for seconds in to_read(&known, &recorded, all) {
            let recorded = counted.between(seconds.clone()).await?;
            let expected: usize = known.range(seconds.clone()).map(|(_, count)| count).sum();
            let found = recorded.iter().filter(|row| revocations.knows(row)).count();
            if found < expected {
                // May include one recorded since, which the store then need not restore.
                all_lost.extend(lost(revocations.recorded_in(&seconds), &recorded));
            }
            self.learn(&recorded);
        }
        Ok(all_lost)
    }

    fn learn(&self, recorded: &[Revocation]) {
        for revocation in recorded {
            self.revocations.add(revocation);
        }
    }

    fn synced_at(&self) -> Timestamp {
        Timestamp::from_unix(self.synced_at.load(Ordering::Relaxed))
    }

    /// Warns once that requests are admitted although no revocation was ever read.
    fn warn_unsynced(&self) {
        let matters = self.store.outlives_the_program();
        if matters && !self.warned_unsynced.swap(true, Ordering::Relaxed) {
            log::warn!(
                "revocations were never synced: access tokens that a logout revoked are valid again \
                 after a restart, and on other replicas; call Sessions::keep_in_sync at start"
            );
        }
    }
}
