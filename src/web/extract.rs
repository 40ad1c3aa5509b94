//! Extractors: a guard in a handler's signature. The type says what the route asks for.
//!
//! ```
//! use actix_web::{HttpResponse, Responder};
//! use tokenpair::web::{Access, MaybeAccess};
//!
//! async fn protected(user: Access) -> impl Responder {
//!     HttpResponse::Ok().body(format!("for {}", user.identity()))
//! }
//!
//! async fn greeting(user: MaybeAccess) -> impl Responder {
//!     match user.get() {
//!         Some(user) => HttpResponse::Ok().body(format!("hello {}", user.identity())),
//!         None => HttpResponse::Ok().body("hello stranger"),
//!     }
//! }
//! # let _ = actix_web::App::new()
//! #     .route("/protected", actix_web::web::get().to(protected))
//! #     .route("/", actix_web::web::get().to(greeting));
//! ```

use std::future::{Ready, ready};
use std::rc::Rc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use super::auth::{Auth, Guard, Verified};
use super::location::Location;
use super::rejection::Rejection;
use crate::token::Claims;

fn verify(request: &HttpRequest, guard: Guard) -> Result<Rc<Verified>, Rejection> {
    Auth::of(request)?.verify_request(request, guard)
}

macro_rules! extractor {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(Rc<Verified>);

        impl $name {
            /// The user's id: the `sub` claim.
            pub fn identity(&self) -> &str {
                &self.0.claims.sub
            }

            /// All that the token says.
            pub fn claims(&self) -> &Claims {
                &self.0.claims
            }

            /// Where the token came.
            pub fn location(&self) -> Location {
                self.0.location
            }
        }

        impl FromRequest for $name {
            type Error = Rejection;
            type Future = Ready<Result<Self, Rejection>>;

            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                ready(verify(request, Guard::$name).map(Self))
            }
        }
    };
}

extractor! {
    /// An access token, fresh or not: `@jwt_required()`.
    Access
}
extractor! {
    /// An access token from a password login: `@jwt_required(fresh=True)`.
    Fresh
}
extractor! {
    /// A refresh token: `@jwt_required(refresh=True)`. Whether its session lives, the session service says.
    Refresh
}

extractor! {
    /// A token of either kind: `@jwt_required(verify_type=False)`.
    AnyToken
}

/// An access token or none: `@jwt_required(optional=True)`.
///
/// None only if no token came. Actix's own `Option<Access>` turns every failure into `None`, so a forged or an expired
/// token would pass as a visitor: do not use it.
#[derive(Clone, Debug)]
pub struct MaybeAccess(Option<Access>);

impl MaybeAccess {
    /// The token, if one came.
    pub const fn get(&self) -> Option<&Access> {
        self.0.as_ref()
    }
}

impl FromRequest for MaybeAccess {
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match verify(request, Guard::Access) {
            Ok(verified) => Ok(Self(Some(Access(verified)))),
            Err(rejection) if rejection.code() == "missing_token" => Ok(Self(None)),
            Err(rejection) => Err(rejection),
        })
    }
}
