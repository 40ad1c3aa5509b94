//! Defines loaders: the application's callbacks about tokens, users and responses. They are
//! Flask-JWT-Extended's, without globals.

use std::any::Any;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Map, Value};
use thiserror::Error as ThisError;

use super::rejection::{Rejection, Responder};
use super::verified::Verified;
use crate::token::TokenLoaders;

/// The failure of a loader, which is logged and answered with 503.
pub type LoaderError = Box<dyn Error + Send + Sync>;

/// The cause of a 503: the loader that failed, by its method of
/// [`AuthBuilder`](super::AuthBuilder), and why.
#[derive(Debug, ThisError)]
#[error("{loader} failed")]
struct LoaderFailed {
    loader: &'static str,
    #[source]
    error: LoaderError,
}

/// Returns the response to a request for which the loader failed.
pub(super) fn failed(loader: &'static str, error: LoaderError) -> Rejection {
    Rejection::unavailable(LoaderFailed { loader, error })
}

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, LoaderError>>>>;
type Check = Arc<dyn Fn(Rc<Verified>) -> Answer<bool> + Send + Sync>;
type Lookup = Arc<dyn Fn(Rc<Verified>) -> Answer<Option<Rc<dyn Any>>> + Send + Sync>;
/// Sendable, unlike the others, so that the futures of a login and a refresh are.
type LoadingClaims = Pin<Box<dyn Future<Output = Result<Map<String, Value>, LoaderError>> + Send>>;
type LoadClaims = Arc<dyn Fn(Value) -> LoadingClaims + Send + Sync>;

#[derive(Clone, Default)]
pub(super) struct Loaders {
    pub(super) claims: Option<LoadClaims>,
    pub(super) blocklist: Option<Check>,
    pub(super) verification: Option<Check>,
    pub(super) user: Option<Lookup>,
    pub(super) tokens: TokenLoaders,
    pub(super) responder: Option<Responder>,
}

/// The user that a loader found for this request.
#[derive(Clone)]
pub(super) struct LoadedUser(pub(super) Rc<dyn Any>);

impl Loaders {
    pub(super) fn check<F, A, E>(loader: F) -> Check
    where
        F: Fn(Rc<Verified>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<bool, E>> + 'static,
        E: Into<LoaderError>,
    {
        Arc::new(move |verified| {
            let answer = loader(verified);
            Box::pin(async move { answer.await.map_err(Into::into) })
        })
    }

    pub(super) fn claims<F, A, E>(loader: F) -> LoadClaims
    where
        F: Fn(Value) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Map<String, Value>, E>> + Send + 'static,
        E: Into<LoaderError>,
    {
        Arc::new(move |identity| {
            let answer = loader(identity);
            Box::pin(async move { answer.await.map_err(Into::into) })
        })
    }

    pub(super) fn lookup<F, A, U, E>(loader: F) -> Lookup
    where
        F: Fn(Rc<Verified>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Option<U>, E>> + 'static,
        U: Any,
        E: Into<LoaderError>,
    {
        Arc::new(move |verified| {
            let answer = loader(verified);
            Box::pin(async move {
                let user = answer.await.map_err(Into::into)?;
                Ok(user.map(|user| Rc::new(user) as Rc<dyn Any>))
            })
        })
    }

    /// Returns whether a loader must be asked about a token, so that the request waits.
    pub(super) const fn ask(&self) -> bool {
        self.blocklist.is_some() || self.verification.is_some() || self.user.is_some()
    }
}
