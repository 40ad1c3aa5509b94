//! Defines sessions: one login on one device, its row, and the rule that rotates its refresh token.
//!
//! [`Sessions`] is the service; [`decide`] is the rule, a pure function; [`SessionStore`] is the
//! interface of stores. A store only executes the rule's decision.

mod advance;
mod any_store;
mod authority;
mod context;
mod counted;
mod ended_sessions;
mod error;
mod issue;
mod known_rows;
mod login;
mod many;
mod memory;
mod observer;
mod quiet;
mod record;
mod refresh;
mod reissue;
mod reissue_rule;
mod revocation;
mod revocation_follow;
mod revocation_sync;
mod revoked;
mod rotation;
mod secret;
mod service;
mod sharded_map;
mod store;
mod store_error;
mod user_sessions;

/// Precedes `impl SessionStore for`: the trait uses this version of it.
pub use async_trait::async_trait;

pub use self::advance::{Advanced, RotationRule, Step};
pub use self::authority::{Authority, Denied};
pub use self::context::RequestContext;
pub use self::counted::CountedRevocations;
pub use self::error::SessionError;
pub use self::issue::Pair;
pub use self::login::{Delivery, Device, Login};
pub use self::many::{ManySessions, SessionPage, SessionQuery};
pub use self::memory::MemoryStore;
pub use self::observer::SessionObserver;
pub use self::quiet::QuietRotation;
pub use self::record::{EndReason, Session, SessionEnd, SessionRecord, SessionView, Subject};
pub use self::refresh::Refreshed;
pub use self::reissue::{Presented, Reissue, Reissued};
pub use self::reissue_rule::{ReissueDecision, decide_reissue};
pub use self::revocation::Revocations;
pub use self::revoked::{Revocation, Revoked};
pub use self::rotation::{
    End, ReusePolicy, Rotation, RotationCase, RotationDecision, Row, SessionPolicy, decide,
};
pub use self::secret::SessionSecret;
pub use self::service::Sessions;
pub use self::store::{Authorized, SessionStore};
pub use self::store_error::StoreError;
