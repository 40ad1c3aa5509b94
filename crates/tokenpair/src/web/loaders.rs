//! Loaders: what an application tells of its tokens, users and answers. Flask-JWT-Extended's, without globals.

use std::any::Any;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use super::rejection::Responder;
use super::verified::Verified;
use crate::token::TokenLoaders;

/// Why a loader could not tell: logged, and answered with 503.
pub type LoaderError = Box<dyn Error + Send + Sync>;

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, LoaderError>>>>;
type Check = Arc<dyn Fn(Rc<Verified>) -> Answer<bool> + Send + Sync>;
type Lookup = Arc<dyn Fn(Rc<Verified>) -> Answer<Option<Rc<dyn Any>>> + Send + Sync>;
#[derive(Clone, Default)]
pub(super) struct Loaders {
    pub(super) blocklist: Option<Check>,
    pub(super) verification: Option<Check>,
    pub(super) user: Option<Lookup>,
    pub(super) tokens: TokenLoaders,
    pub(super) responder: Option<Responder>,
}

/// A user that a loader found for this request.
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

    /// Whether a token has to be asked about, so that a request has to wait.
    pub(super) const fn ask(&self) -> bool {
        self.blocklist.is_some() || self.verification.is_some() || self.user.is_some()
    }
}
