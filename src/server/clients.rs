//! Authenticates the services that ask about tokens, by their credentials (RFC 6749 section 2.3.1).

use std::sync::Arc;

use tokenpair::session::RequestContext;
use tokenpair::web::Rejection;
use tokenpair_store::{
    ClientDenied, ClientPermission, DieselStore, EventKind, Refusal, SecretDigest,
};

use super::account_error::{AccountError, counted};
use super::error_code::ServerErrorCode;
use super::login_limiter::LoginLimiter;
use super::metrics::{Metrics, Throttled};

/// The id and the secret that a request has, in plain text. It has no `Debug`.
pub(super) struct Credentials {
    pub(super) id: String,
    pub(super) secret: String,
}

/// A client whose secret was right, and the digest of that secret.
pub(super) struct AuthenticatedClient {
    pub(super) id: String,
    pub(super) digest: SecretDigest,
}

/// The clients of a store.
pub(crate) struct ServiceClients {
    store: DieselStore,
    limiter: LoginLimiter,
    metrics: Option<Arc<Metrics>>,
}

impl ServiceClients {
    pub(super) const fn new(
        store: DieselStore,
        limiter: LoginLimiter,
        metrics: Option<Arc<Metrics>>,
    ) -> Self {
        Self {
            store,
            limiter,
            metrics,
        }
    }

    /// Returns the client, if the secret is right and the client has the permission.
    ///
    /// Only failures are counted, and a right secret is accepted however many there were: nobody
    /// guesses 256 random bits, so a limit would only let others shut a service out.
    pub(super) async fn authenticate(
        &self,
        credentials: Credentials,
        permission: ClientPermission,
        context: &RequestContext,
    ) -> Result<AuthenticatedClient, Rejection> {
        let digest = SecretDigest::of(&credentials.secret);
        let found = if is_id(&credentials.id) {
            self.store.client(&credentials.id).await?
        } else {
            None
        };
        let detail = match found {
            Some(client) if client.accepts(&digest) => {
                if !client.may(permission) {
                    return Err(denied(ClientDenied::NotPermitted(permission)));
                }
                return Ok(AuthenticatedClient {
                    id: client.id,
                    digest,
                });
            }
            Some(_) => "wrong secret",
            None => "unknown client",
        };
        self.count_failure(detail, context).await?;
        Err(denied(ClientDenied::NotAuthenticated))
    }

    async fn count_failure(
        &self,
        detail: &'static str,
        context: &RequestContext,
    ) -> Result<(), AccountError> {
        let admitted = self.limiter.client(context).await;
        let attempt = counted(
            self.metrics.as_deref(),
            Throttled::Client,
            admitted.map_err(AccountError::from),
        )?;
        let refusal = Refusal {
            kind: EventKind::ClientAuthenticationFailed,
            user_id: None,
            detail,
        };
        Ok(attempt.failed(&self.store, refusal, context).await?)
    }
}

/// Returns whether a text has the form of a client's id. Others are not looked up: PostgreSQL takes
/// no NUL in a text.
fn is_id(text: &str) -> bool {
    let of_uuid = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    text.len() == 36 && text.bytes().all(of_uuid)
}

/// Returns the response to a client that is not authenticated or lacks a permission. It says
/// nothing of whether the id exists.
pub(super) fn denied(denied: ClientDenied) -> Rejection {
    match denied {
        ClientDenied::NotAuthenticated => Rejection::from(ServerErrorCode::InvalidClient).hint(
            "Send the client's id and secret by HTTP Basic, as `tokenpair client add` printed them.",
        ),
        ClientDenied::NotPermitted(permission) => {
            Rejection::from(ServerErrorCode::UnauthorizedClient)
                .msg(format!("This client lacks the permission {permission}"))
                .hint(format!(
                    "For the operator: tokenpair client permissions NAME --add {permission}"
                ))
        }
    }
}
