//! Implements a store over another one, whose errors it wraps in [`StoreError`].

use async_trait::async_trait;

use super::advance::{Advanced, RotationRule, Step};
use super::context::RequestContext;
use super::counted::CountedRevocations;
use super::many::{ManySessions, SessionPage, SessionQuery};
use super::record::{EndReason, Session, SessionRecord, Subject};
use super::revoked::Revocation;
use super::store::{Authorized, SessionStore};
use super::store_error::StoreError;
use crate::clock::Timestamp;

/// A store of any error type, as [`Sessions`](super::Sessions) keeps it.
pub(super) struct AnyStore<S>(pub(super) S);

#[async_trait]
impl<S: SessionStore> SessionStore for AnyStore<S> {
    type Error = StoreError;

    async fn create(&self, session: &Session) -> Result<bool, StoreError> {
        self.0.create(session).await.map_err(StoreError::of)
    }

    async fn create_in_place_of(
        &self,
        session: &Session,
        replaced: &[String],
    ) -> Result<Option<Vec<String>>, StoreError> {
        let revoked = self.0.create_in_place_of(session, replaced).await;
        revoked.map_err(StoreError::of)
    }

    async fn load(&self, id: &str) -> Result<Option<SessionRecord>, StoreError> {
        self.0.load(id).await.map_err(StoreError::of)
    }

    async fn subject(&self, user_id: &str) -> Result<Option<Subject>, StoreError> {
        self.0.subject(user_id).await.map_err(StoreError::of)
    }

    async fn rotate(&self, step: &Step) -> Result<bool, StoreError> {
        self.0.rotate(step).await.map_err(StoreError::of)
    }

    fn outlives_the_program(&self) -> bool {
        self.0.outlives_the_program()
    }

    async fn check(&self, context: &RequestContext) -> Authorized<()> {
        self.0.check(context).await.map_err(StoreError::of)
    }

    async fn advance(&self, id: &str, rule: RotationRule) -> Result<Option<Advanced>, StoreError> {
        self.0.advance(id, rule).await.map_err(StoreError::of)
    }

    async fn revoke(
        &self,
        id: &str,
        reason: EndReason,
        context: &RequestContext,
    ) -> Authorized<bool> {
        let revoked = self.0.revoke(id, reason, context).await;
        revoked.map_err(StoreError::of)
    }

    async fn list(&self, query: &SessionQuery) -> Result<SessionPage, StoreError> {
        self.0.list(query).await.map_err(StoreError::of)
    }

    async fn revoke_many(&self, many: &ManySessions) -> Authorized<usize> {
        self.0.revoke_many(many).await.map_err(StoreError::of)
    }

    async fn revocations_since(&self, at: Timestamp) -> Result<Vec<Revocation>, StoreError> {
        let found = self.0.revocations_since(at).await;
        found.map_err(StoreError::of)
    }

    fn counted_revocations(&self) -> Option<&dyn CountedRevocations> {
        self.0.counted_revocations()
    }

    async fn restore(
        &self,
        lost: &[Revocation],
        context: &RequestContext,
    ) -> Result<Vec<Revocation>, StoreError> {
        let restored = self.0.restore(lost, context).await;
        restored.map_err(StoreError::of)
    }
}
