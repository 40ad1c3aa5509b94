//! Implements [`WithRole`], the guard of routes that only users with a certain role may use.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_core::future::LocalBoxFuture;

use super::auth::Auth;
use super::device::{RequiredRole, context};
use super::extractors::{Access, Fresh, start};
use super::rejection::Rejection;
use super::under_way::UnderWay;
use super::verified::{Guard, Verified};
use crate::session::{Denied, RequestContext};

/// A role that a route requires, as a type: see [`WithRole`].
pub trait Role: 'static {
    /// The name, as users have it in their list of roles.
    const NAME: &'static str;

    /// Where the user's roles are looked up. Default: [`RoleSource::Token`].
    const SOURCE: RoleSource = RoleSource::Token;
}

/// Where [`WithRole`] looks up a user's roles.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RoleSource {
    /// The claim `roles` of the access token. A user who loses the role keeps it until the token expires or is revoked: with a
    /// record of sessions, a store that raises the user's epoch revokes it at once.
    Token,
    /// The record of sessions, whatever the token says. The user is enabled and holds the role now, and the session is
    /// alive. Each request costs a read or two. An [`Auth`] without a record of sessions answers 500.
    Record,
}

/// An access token that a [`WithRole`] guard can ask for: [`Access`] or [`Fresh`].
pub trait AccessGuard: From<Rc<Verified>> + 'static {
    /// What the route asks of the token itself.
    const GUARD: Guard;
}

impl AccessGuard for Access {
    const GUARD: Guard = Guard::Access;
}

impl AccessGuard for Fresh {
    const GUARD: Guard = Guard::Fresh;
}

/// An access token of a user with the role `R`: Flask-JWT-Extended's `admin_required` and the like.
///
/// Everybody else gets 403 `role_required`, or `admin_required` if the role is `admin`. A route that needs a fresh token asks for
/// `WithRole<R, Fresh>`. A [`RequestContext`](crate::session::RequestContext) in the same signature needs the role too, so a store checks it once
/// more as it writes; if a signature has several of these guards, that is the role of the last.
///
/// For a scope whose handlers do not handle tokens, use [`require_role`](super::require_role).
///
/// ```
/// use actix_web::FromRequest;
/// # use actix_web::test::TestRequest;
/// # use tokenpair::keys::{Algorithm, KeyRing};
/// # use tokenpair::token::{TokenPolicy, Tokens};
/// use tokenpair::web::{Auth, ErrorCode, Role, WithRole};
///
/// struct Editor;
///
/// impl Role for Editor {
///     const NAME: &'static str = "editor";
/// }
///
/// async fn publish(editor: WithRole<Editor>) -> String {
///     format!("published by {}", editor.identity())
/// }
///
/// # tokenpair::sample::run(async {
/// # let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that nobody else can know")?;
/// # let auth = Auth::builder(Tokens::new(keys, TokenPolicy::default())).build();
/// # let request = |roles: &[&str]| -> Result<_, Box<dyn std::error::Error>> {
/// #     let issued = auth.access_token("ada").claim("roles", roles).sign()?;
/// #     let bearer = format!("Bearer {}", issued.token.as_str());
/// #     Ok(TestRequest::post().app_data(auth.clone()).insert_header(("Authorization", bearer)).to_http_request())
/// # };
/// // A request whose token has the claim `"roles": ["editor"]`, and one without the role.
/// let editor = WithRole::extract(&request(&["editor"])?).await?;
/// assert_eq!(publish(editor).await, "published by ada");
/// let refusal = WithRole::<Editor>::extract(&request(&["author"])?).await.unwrap_err();
/// assert_eq!(refusal.error_code(), Some(ErrorCode::RoleRequired));
/// # Ok(()) });
/// ```
pub struct WithRole<R, T = Access> {
    token: T,
    role: PhantomData<fn() -> R>,
}

impl<R, T> WithRole<R, T> {
    /// Returns the token.
    pub fn into_inner(self) -> T {
        self.token
    }
}

impl<R, T> Deref for WithRole<R, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.token
    }
}

impl<R, T: fmt::Debug> fmt::Debug for WithRole<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WithRole").field(&self.token).finish()
    }
}

impl<R: Role, T: AccessGuard> FromRequest for WithRole<R, T> {
    type Error = Rejection;
    type Future = LocalBoxFuture<'static, Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        request.extensions_mut().insert(RequiredRole(R::NAME));
        let verifying = start(request, payload, T::GUARD);
        let request = request.clone();
        Box::pin(async move {
            let verified = verifying.await?;
            let _under_way = UnderWay::begin(&request);
            check(&request, &verified, R::NAME, R::SOURCE).await?;
            Ok(Self {
                token: T::from(verified),
                role: PhantomData,
            })
        })
    }
}

/// Rejects a user without the role.
pub(super) async fn check(
    request: &HttpRequest,
    verified: &Rc<Verified>,
    role: &'static str,
    source: RoleSource,
) -> Result<(), Rejection> {
    let auth = Auth::of(request)?;
    let checked = match source {
        RoleSource::Token if verified.claims.has_role(role) => Ok(()),
        RoleSource::Token => Err(Denied::RoleMissing(role).into()),
        RoleSource::Record => holds_now(auth, &context(auth, request).needing(role)).await,
    };
    checked.map_err(|rejection: Rejection| {
        auth.format_error(rejection.of_token(Arc::clone(&verified.decoded)))
    })
}

async fn holds_now(auth: &Auth, context: &RequestContext) -> Result<(), Rejection> {
    Ok(auth.recorded()?.check(context).await?)
}
