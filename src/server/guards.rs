//! Defines the guards of the server's own routes.

use tokenpair::web::{Access, Role, RoleSource, WithRole};
use tokenpair_store::ADMIN;

/// The role of admins. The database is authoritative, whatever a token says.
pub(super) struct AdminRole;

impl Role for AdminRole {
    const NAME: &'static str = ADMIN;
    const SOURCE: RoleSource = RoleSource::Record;
}

/// An access token of a user who is an admin now. A [`RequestContext`](tokenpair::session::RequestContext) beside it needs the role too, so each write
/// checks it again in its own transaction.
pub(super) type Admin = WithRole<AdminRole, Access>;
