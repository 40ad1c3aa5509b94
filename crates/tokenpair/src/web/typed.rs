//! Defines guards that ask more of an access token: [`FreshWithin`] and [`AccessWith`].

use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_core::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

use super::auth::Auth;
use super::error_code::ErrorCode;
use super::extractors::{Access, Fresh, start};
use super::rejection::Rejection;
use super::verified::{Guard, Verified};

/// An access token from a password login of at most so many seconds ago, for a route that asks for
/// the password again after a while (RFC 9470, `max_age`; OWASP ASVS 5.0, 7.5.1).
///
/// An older login gets 401 `fresh_token_required`, as a token from a refresh does. For a scope, use
/// [`require_fresh_within`](super::require_fresh_within).
///
/// ```
/// use actix_web::FromRequest;
/// # use actix_web::test::TestRequest;
/// use tokenpair::token::Freshness;
/// use tokenpair::web::{ErrorCode, FreshWithin};
///
/// async fn pay(user: FreshWithin<300>) -> String {
///     format!("{} has paid", user.identity())
/// }
///
/// # tokenpair::sample::run(async {
/// # use std::time::Duration;
/// # use tokenpair::clock::{Clock, Timestamp};
/// # let clock = Clock::fixed(Timestamp::from_unix(1_800_000_000));
/// # let auth = tokenpair::web::Auth::builder(tokenpair::sample::tokens()?).clock(clock.clone()).build();
/// # let bearer = format!("Bearer {}", auth.access_token("ada").fresh(Freshness::Fresh).sign()?.token.as_str());
/// # let request = TestRequest::post().app_data(auth).insert_header(("Authorization", bearer)).to_http_request();
/// // A request with the token of Ada's login, five minutes later and a second after that.
/// clock.advance(Duration::from_secs(300));
/// assert_eq!(pay(FreshWithin::extract(&request).await?).await, "ada has paid");
/// clock.advance(Duration::from_secs(1));
/// let refusal = FreshWithin::<300>::extract(&request).await.unwrap_err();
/// assert_eq!(refusal.error_code(), Some(ErrorCode::FreshTokenRequired));
/// # Ok(()) });
/// ```
#[derive(Clone, Debug)]
pub struct FreshWithin<const SECONDS: u64>(Fresh);

impl<const SECONDS: u64> Deref for FreshWithin<SECONDS> {
    type Target = Fresh;

    fn deref(&self) -> &Fresh {
        &self.0
    }
}

impl<const SECONDS: u64> FromRequest for FreshWithin<SECONDS> {
    type Error = Rejection;
    type Future = LocalBoxFuture<'static, Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let verifying = start(request, payload, Guard::Fresh);
        let request = request.clone();
        Box::pin(async move {
            let verified = verifying.await?;
            check_age(&request, &verified, Duration::from_secs(SECONDS))?;
            Ok(Self(Fresh::from(verified)))
        })
    }
}

/// Rejects a token whose login is older than `max_age`. A fresh token is issued at the login, so its
/// `iat` is the time of the authentication; a token without it proves no time.
pub(super) fn check_age(
    request: &HttpRequest,
    verified: &Rc<Verified>,
    max_age: Duration,
) -> Result<(), Rejection> {
    let auth = Auth::of(request)?;
    let is_recent = |issued_at| auth.now() <= issued_at + max_age;
    if verified.claims.iat.is_some_and(is_recent) {
        return Ok(());
    }
    Err(rejected(auth, verified, Rejection::not_fresh()))
}

/// An access token whose additional claims are those of `C`
/// ([`Claims::extra_as`](crate::token::Claims::extra_as)).
///
/// A token whose claims do not fit gets 422 `invalid_token`, whose message names the claim.
///
/// ```
/// use actix_web::FromRequest;
/// # use actix_web::test::TestRequest;
/// use tokenpair::web::{AccessWith, ErrorCode};
///
/// #[derive(Debug, serde::Deserialize)]
/// struct Plan {
///     plan: String,
/// }
///
/// async fn plan(user: AccessWith<Plan>) -> String {
///     format!("{} has the plan {}", user.identity(), user.extra().plan)
/// }
///
/// # tokenpair::sample::run(async {
/// # let auth = tokenpair::sample::auth()?;
/// # let request = |plan: serde_json::Value| -> Result<_, Box<dyn std::error::Error>> {
/// #     let issued = auth.access_token("ada").claim("plan", plan).sign()?;
/// #     let bearer = format!("Bearer {}", issued.token.as_str());
/// #     Ok(TestRequest::get().app_data(auth.clone()).insert_header(("Authorization", bearer)).to_http_request())
/// # };
/// // A token with the claim `"plan": "pro"`, and one with `"plan": 7`.
/// let pro = request("pro".into())?;
/// assert_eq!(plan(AccessWith::extract(&pro).await?).await, "ada has the plan pro");
/// let refusal = AccessWith::<Plan>::extract(&request(7.into())?).await.unwrap_err();
/// assert_eq!(refusal.error_code(), Some(ErrorCode::InvalidToken));
/// assert_eq!(refusal.to_string(), "the claim plan has a value of another type");
/// # Ok(()) });
/// ```
#[derive(Clone, Debug)]
pub struct AccessWith<C> {
    access: Access,
    extra: C,
}

impl<C> AccessWith<C> {
    /// Returns the additional claims.
    pub const fn extra(&self) -> &C {
        &self.extra
    }

    /// Returns the token and the additional claims.
    pub fn into_parts(self) -> (Access, C) {
        (self.access, self.extra)
    }
}

impl<C> Deref for AccessWith<C> {
    type Target = Access;

    fn deref(&self) -> &Access {
        &self.access
    }
}

impl<C: DeserializeOwned + 'static> FromRequest for AccessWith<C> {
    type Error = Rejection;
    type Future = LocalBoxFuture<'static, Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let verifying = start(request, payload, Guard::Access);
        let request = request.clone();
        Box::pin(async move {
            let verified = verifying.await?;
            let extra = verified.claims.extra_as().map_err(|error| {
                let misfit = Rejection::from(ErrorCode::InvalidToken).msg(error.to_string());
                match Auth::of(&request) {
                    Ok(auth) => rejected(auth, &verified, misfit),
                    Err(rejection) => rejection,
                }
            })?;
            let access = Access::from(verified);
            Ok(Self { access, extra })
        })
    }
}

fn rejected(auth: &Auth, verified: &Rc<Verified>, rejection: Rejection) -> Rejection {
    auth.format_error(rejection.of_token(Arc::clone(&verified.decoded)))
}
