//! Defines the extractors: guards in a handler's signature, whose types state the route's
//! requirements.

use std::any::{Any, type_name};
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use serde_json::{Map, Value};
use thiserror::Error;

use super::auth::Auth;
use super::error_code::ErrorCode;
use super::future::Verifying;
use super::loaders::LoadedUser;
use super::location::Location;
use super::rejection::Rejection;
use super::verified::{Guard, Verified};
use crate::token::{Claims, Decoded};

pub(super) fn start(request: &HttpRequest, payload: &mut Payload, guard: Guard) -> Verifying {
    match Auth::of(request) {
        Ok(auth) => auth.start(request, payload, guard),
        Err(rejection) => Verifying::done(Err(rejection)),
    }
}

/// An extractor's future.
#[expect(missing_debug_implementations, reason = "a future has nothing to show")]
pub struct Extracting<T> {
    verifying: Verifying,
    finish: fn(Result<Rc<Verified>, Rejection>) -> Result<T, Rejection>,
}

impl<T> Future for Extracting<T> {
    type Output = Result<T, Rejection>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let verified = Pin::new(&mut self.verifying).poll(cx);
        verified.map(self.finish)
    }
}

macro_rules! extractor {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Do not make it an `Option`: Actix turns every failure into `None`, so a forged, expired or
        /// revoked token passes as a visitor, and the compiler cannot forbid it. [`MaybeAccess`] is
        /// the guard for routes that also serve visitors.
        #[derive(Clone, Debug)]
        pub struct $name(pub(super) Rc<Verified>);

        impl $name {
            /// Returns the user's id: the claim `sub`, or the claim that `JWT_IDENTITY_CLAIM`
            /// names. Empty if it is not a string; [`Claims::identity`] then has it.
            pub fn identity(&self) -> &str {
                self.0.claims.sub()
            }

            /// Returns the token's header.
            pub fn header(&self) -> &Map<String, Value> {
                &self.0.header
            }

            /// Returns the token's claims.
            pub fn claims(&self) -> &Claims {
                &self.0.claims
            }

            /// Returns the location that the token came in.
            pub fn location(&self) -> Location {
                self.0.location
            }
        }

        impl From<Rc<Verified>> for $name {
            fn from(verified: Rc<Verified>) -> Self {
                Self(verified)
            }
        }

        impl FromRequest for $name {
            type Error = Rejection;
            type Future = Extracting<Self>;

            fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
                Extracting {
                    verifying: start(request, payload, Guard::$name),
                    finish: |verified| verified.map(Self),
                }
            }
        }
    };
}

extractor! {
    /// An access token, fresh or not: `@jwt_required()`.
    ///
    /// ```
    /// use actix_web::FromRequest;
    /// # use actix_web::test::TestRequest;
    /// use tokenpair::web::{Access, Auth};
    ///
    /// async fn protected(user: Access) -> String {
    ///     format!("for {}", user.identity())
    /// }
    ///
    /// # tokenpair::sample::run(async {
    /// # let auth = tokenpair::sample::auth()?;
    /// # let bearer = format!("Bearer {}", auth.access_token("ada").sign()?.token.as_str());
    /// # let request = TestRequest::get().app_data(auth).insert_header(("Authorization", bearer)).to_http_request();
    /// // Actix does this with a request that has Ada's token:
    /// assert_eq!(protected(Access::extract(&request).await?).await, "for ada");
    /// let refusal = Access::extract(&TestRequest::get().to_http_request()).await.unwrap_err();
    /// assert_eq!(refusal.code(), "internal_error"); // this request has no `Auth` in `app_data`
    /// # Ok(()) });
    /// ```
    Access
}
extractor! {
    /// An access token from a password login: `@jwt_required(fresh=True)`.
    ///
    /// ```
    /// use actix_web::FromRequest;
    /// # use actix_web::test::TestRequest;
    /// use tokenpair::web::{Auth, Fresh};
    ///
    /// async fn pay(user: Fresh) -> String {
    ///     format!("{} has paid", user.identity())
    /// }
    ///
    /// # tokenpair::sample::run(async {
    /// # let _ = actix_web::web::post().to(pay);
    /// # let auth = tokenpair::sample::auth()?;
    /// # let bearer = format!("Bearer {}", auth.access_token("ada").sign()?.token.as_str());
    /// # let request = TestRequest::get().app_data(auth).insert_header(("Authorization", bearer)).to_http_request();
    /// // A request with a token that is not from a login.
    /// let refusal = Fresh::extract(&request).await.unwrap_err();
    /// assert_eq!(refusal.to_string(), "Fresh token required");
    /// # Ok(()) });
    /// ```
    Fresh
}
extractor! {
    /// A refresh token: `@jwt_required(refresh=True)`. Its session is not looked up, since
    /// [`Auth::refresh`] does that; a handler that uses it otherwise must call
    /// [`Auth::check_refresh_token`].
    ///
    /// ```
    /// use actix_web::FromRequest;
    /// # use actix_web::test::TestRequest;
    /// use tokenpair::web::{Access, Auth, Refresh, Rejection};
    ///
    /// async fn refresh(auth: Auth, token: Refresh) -> Result<String, Rejection> {
    ///     let issued = auth.access_token(token.identity()).sign()?;
    ///     Ok(issued.token.as_str().to_owned())
    /// }
    ///
    /// # tokenpair::sample::run(async {
    /// # let _ = actix_web::web::post().to(refresh);
    /// # let auth = tokenpair::sample::auth()?;
    /// # let bearer = format!("Bearer {}", auth.refresh_token("ada").sign()?.token.as_str());
    /// # let request = TestRequest::get().app_data(auth).insert_header(("Authorization", bearer)).to_http_request();
    /// // A request with a refresh token.
    /// assert_eq!(Refresh::extract(&request).await?.identity(), "ada");
    /// let refusal = Access::extract(&request).await.unwrap_err();
    /// assert_eq!(refusal.to_string(), "Only non-refresh tokens are allowed");
    /// # Ok(()) });
    /// ```
    Refresh
}

impl Refresh {
    /// Returns the verified refresh tokens of other sessions that came in cookies of the same name.
    pub(super) fn others(&self) -> &[Arc<Decoded>] {
        &self.0.others
    }
}

extractor! {
    /// A token of either kind: `@jwt_required(verify_type=False)`. In cookies and JSON bodies only
    /// an access token is accepted. With recorded sessions, a refresh token is admitted only if
    /// [`Auth::refresh`] would accept it now: its session is live and its generation is not
    /// outdated (otherwise 401, and nothing is written).
    ///
    /// ```
    /// use actix_web::FromRequest;
    /// # use actix_web::test::TestRequest;
    /// use tokenpair::web::{Auth, AnyToken};
    ///
    /// async fn kind(token: AnyToken) -> String {
    ///     format!("{:?}", token.claims().kind)
    /// }
    ///
    /// # tokenpair::sample::run(async {
    /// # let auth = tokenpair::sample::auth()?;
    /// # let bearer = format!("Bearer {}", auth.refresh_token("ada").sign()?.token.as_str());
    /// # let request = TestRequest::get().app_data(auth).insert_header(("Authorization", bearer)).to_http_request();
    /// // A request with a refresh token.
    /// assert_eq!(kind(AnyToken::extract(&request).await?).await, "Refresh");
    /// # Ok(()) });
    /// ```
    AnyToken
}

/// An optional access token: `@jwt_required(optional=True)`.
///
/// `None` only if the request has no token. Do not use Actix's own `Option<Access>`: it turns every
/// failure into `None`, so a forged, an expired or a revoked token would pass as a visitor, and so
/// would everybody while revocations cannot be read. It compiles, because Actix makes an extractor of
/// every `Option`. [`reissue`](fn@super::reissue) warns once in the log when such a handler has served
/// a rejected token. To handle rejections yourself, write `Result<MaybeAccess, Rejection>`.
///
/// ```
/// use actix_web::FromRequest;
/// # use actix_web::test::TestRequest;
/// use tokenpair::web::{Auth, MaybeAccess};
///
/// async fn greet(user: MaybeAccess) -> String {
///     match user.get() {
///         Some(user) => format!("hello {}", user.identity()),
///         None => "hello stranger".to_owned(),
///     }
/// }
///
/// # tokenpair::sample::run(async {
/// # let auth = tokenpair::sample::auth()?;
/// # let bearer = format!("Bearer {}", auth.access_token("ada").sign()?.token.as_str());
/// # let request = TestRequest::get().app_data(auth.clone()).insert_header(("Authorization", bearer)).to_http_request();
/// // A request with a token, one without, and one with a forged token.
/// assert_eq!(greet(MaybeAccess::extract(&request).await?).await, "hello ada");
/// # let request = |header| TestRequest::get().app_data(auth.clone()).insert_header(header).to_http_request();
/// let visitor = request(("Accept", "*/*"));
/// assert_eq!(greet(MaybeAccess::extract(&visitor).await?).await, "hello stranger");
/// let forger = request(("Authorization", "Bearer e30.e30.e30"));
/// assert!(MaybeAccess::extract(&forger).await.is_err());
/// # Ok(()) });
/// ```
#[derive(Clone, Debug)]
pub struct MaybeAccess(Option<Access>);

impl MaybeAccess {
    /// Returns the token, if the request has one.
    pub const fn get(&self) -> Option<&Access> {
        self.0.as_ref()
    }
}

impl FromRequest for MaybeAccess {
    type Error = Rejection;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        Extracting {
            verifying: start(request, payload, Guard::Access),
            finish: |verified| match verified {
                Ok(verified) => Ok(Self(Some(Access(verified)))),
                Err(rejection) if rejection.error_code() == Some(ErrorCode::MissingToken) => {
                    Ok(Self(None))
                }
                Err(rejection) => Err(rejection),
            },
        }
    }
}

/// The user that [`AuthBuilder::user_lookup`](super::AuthBuilder::user_lookup) found for an access
/// token: Flask-JWT-Extended's `current_user`.
///
/// ```
/// use tokenpair::web::CurrentUser;
///
/// struct User {
///     name: String,
/// }
///
/// async fn greet(user: CurrentUser<User>) -> String {
///     format!("hello {}", user.name)
/// }
/// # let _ = actix_web::App::new().route("/", actix_web::web::get().to(greet));
/// ```
#[derive(Clone, Debug)]
pub struct CurrentUser<U>(Rc<U>);

impl<U> Deref for CurrentUser<U> {
    type Target = U;

    fn deref(&self) -> &U {
        &self.0
    }
}

#[derive(Debug, Error)]
#[error(
    "AuthBuilder::user_lookup is missing, or loads another type than {0}, which CurrentUser requests"
)]
struct NoUser(&'static str);

impl<U: Any> FromRequest for CurrentUser<U> {
    type Error = Rejection;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Rejection>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        // A guard around the scope may have loaded the user already.
        let verifying = match loaded_user(request) {
            Some(_) => None,
            None => Some(start(request, payload, Guard::Access)),
        };
        let request = request.clone();
        Box::pin(async move {
            if let Some(verifying) = verifying {
                verifying.await?;
            }
            let user = loaded_user(&request).and_then(|user| user.0.downcast().ok());
            user.map(Self)
                .ok_or_else(|| Rejection::internal(NoUser(type_name::<U>())))
        })
    }
}

fn loaded_user(request: &HttpRequest) -> Option<LoadedUser> {
    request.extensions().get::<LoadedUser>().cloned()
}
