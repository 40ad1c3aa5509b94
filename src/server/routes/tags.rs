//! Defines the tags of the OpenAPI description, which group its operations.

use utoipa::openapi::tag::{Tag, TagBuilder};

pub(super) const SESSIONS: &str = "sessions";
pub(super) const ACCOUNT: &str = "account";
pub(super) const ADMIN: &str = "admin";
pub(super) const SERVICES: &str = "services";
pub(super) const SERVER: &str = "server";

/// Returns the tags with their descriptions.
pub(super) fn all() -> Vec<Tag> {
    let described = [
        (
            SESSIONS,
            "Log in, refresh tokens, log out, and manage the devices that are logged in.",
        ),
        (
            ACCOUNT,
            "Register, read the account, change the password, delete the account.",
        ),
        (
            ADMIN,
            "Manage users and read the audit trail. Only for users with the role `admin`.",
        ),
        (
            SERVICES,
            "Ask about tokens and revoke them. For services with credentials of their own (`tokenpair client add`), not for browsers.",
        ),
        (
            SERVER,
            "The server's page, public keys, health and description, which need no token, and the check for proxies.",
        ),
    ];
    described
        .into_iter()
        .map(|(name, description)| {
            let tag = TagBuilder::new().name(name);
            tag.description(Some(description)).build()
        })
        .collect()
}
