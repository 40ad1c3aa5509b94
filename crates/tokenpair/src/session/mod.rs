//! Sessions: one login on one device, its row, and the rule by which its refresh token is rotated.
//!
//! [`Sessions`] is the service; [`decide`] is the rule, a pure function; [`SessionStore`] is what a store must do. A
//! store only executes what the rule decided.

mod act;
mod authority;
mod login;
mod many;
mod memory;
mod mint;
mod own;
mod record;
mod reissue;
mod reissue_rule;
mod revocation;
mod rotation;
mod seed;
mod service;
mod store;
mod sync;

/// What stands before `impl SessionStore for`: the trait is made with this version of it.
pub use async_trait::async_trait;

pub use self::act::Act;
pub use self::authority::{Authority, Denied};
pub use self::login::{Delivery, Device, Login};
pub use self::many::{ManySessions, SessionPage, SessionQuery};
pub use self::memory::MemoryStore;
pub use self::mint::Pair;
pub use self::record::{EndReason, Session, SessionRecord, Subject};
pub use self::reissue::{Presented, Reissue, Reissued};
pub use self::reissue_rule::{ReissueDecision, decide_reissue};
pub use self::revocation::{Revocation, Revocations, Revoked};
pub use self::rotation::{Case, Decision, End, ReusePolicy, Rotation, Row, SessionPolicy, decide};
pub use self::seed::Seed;
pub use self::service::{Refreshed, SessionError, Sessions};
pub use self::store::{Advanced, Authorized, Rule, SessionStore, Step, StoreError};
