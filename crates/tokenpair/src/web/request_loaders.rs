//! Defines the loaders for verified tokens: whether a token was revoked, whether its claims are
//! valid, and its user.

use std::any::Any;
use std::future::Future;
use std::rc::Rc;

use super::builder::AuthBuilder;
use super::loaders::{LoaderError, Loaders};
use super::verified::Verified;

impl AuthBuilder {
    /// Sets a function that returns whether a verified token was revoked:
    /// `token_in_blocklist_loader`. A failure is answered with 503.
    ///
    /// ```
    /// # use actix_web::test::TestRequest;
    /// use std::collections::HashSet;
    /// use std::sync::{Arc, Mutex};
    /// use tokenpair::web::{Auth, Guard};
    ///
    /// # tokenpair::sample::run(async {
    /// # let tokens = tokenpair::sample::tokens()?;
    /// let ended = Arc::new(Mutex::new(HashSet::new())); // in production, a table of a database
    /// let look_up = Arc::clone(&ended);
    /// let auth = Auth::builder(tokens)
    ///     .token_in_blocklist(move |token| {
    ///         let found = look_up.lock().unwrap().contains(&token.claims.jti);
    ///         async move { Ok::<_, std::io::Error>(found) }
    ///     })
    ///     .build();
    /// # let bearer = format!("Bearer {}", auth.access_token("ada").sign()?.token.as_str());
    /// # let request = TestRequest::get().insert_header(("Authorization", bearer)).to_http_request();
    /// let verified = auth.verify_request(&request, Guard::Access).await?;
    /// ended.lock().unwrap().insert(verified.claims.jti.clone());
    /// let refusal = auth.verify_request(&request, Guard::Access).await.unwrap_err();
    /// assert_eq!(refusal.code(), "token_revoked");
    /// # Ok(()) });
    /// ```
    pub fn token_in_blocklist<F, A, E>(mut self, loader: F) -> Self
    where
        F: Fn(Rc<Verified>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<bool, E>> + 'static,
        E: Into<LoaderError>,
    {
        self.0.loaders.blocklist = Some(Loaders::check(loader));
        self
    }

    /// Sets a function that returns whether a verified token's claims are valid:
    /// `token_verification_loader`. If not, the response is 400. A failure is answered with 503.
    ///
    /// ```
    /// # use actix_web::test::TestRequest;
    /// use tokenpair::web::{Auth, Guard};
    ///
    /// # tokenpair::sample::run(async {
    /// # let tokens = tokenpair::sample::tokens()?;
    /// let auth = Auth::builder(tokens)
    ///     .token_verification(|token| async move {
    ///         Ok::<_, std::io::Error>(token.claims.extra.contains_key("tenant"))
    ///     })
    ///     .build();
    /// # let bearer = format!("Bearer {}", auth.access_token("ada").sign()?.token.as_str());
    /// # let request = TestRequest::get().insert_header(("Authorization", bearer)).to_http_request();
    /// // The request's token has no tenant.
    /// let refusal = auth.verify_request(&request, Guard::Access).await.unwrap_err();
    /// assert_eq!(refusal.code(), "claims_refused");
    /// # Ok(()) });
    /// ```
    pub fn token_verification<F, A, E>(mut self, loader: F) -> Self
    where
        F: Fn(Rc<Verified>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<bool, E>> + 'static,
        E: Into<LoaderError>,
    {
        self.0.loaders.verification = Some(Loaders::check(loader));
        self
    }

    /// Sets a function that loads the user of a verified token for
    /// [`CurrentUser`](super::CurrentUser): `user_lookup_loader`. Each guard of a request calls it,
    /// so a handler that takes the user needs no other guard. `None` is answered with 401, a
    /// failure with 503.
    ///
    /// ```
    /// # use actix_web::FromRequest;
    /// # use actix_web::test::TestRequest;
    /// use tokenpair::web::{Auth, CurrentUser};
    ///
    /// #[derive(Debug)]
    /// struct User {
    ///     name: String,
    /// }
    ///
    /// # tokenpair::sample::run(async {
    /// # let tokens = tokenpair::sample::tokens()?;
    /// let auth = Auth::builder(tokens)
    ///     .user_lookup(|token| async move {
    ///         let known = token.claims.sub() == "1";
    ///         Ok::<_, std::io::Error>(known.then(|| User { name: "Ada".to_owned() }))
    ///     })
    ///     .build();
    /// # let request = |id: &str| {
    /// #     let bearer = format!("Bearer {}", auth.access_token(id).sign().unwrap().token.as_str());
    /// #     TestRequest::get().app_data(auth.clone()).insert_header(("Authorization", bearer)).to_http_request()
    /// # };
    /// let user = CurrentUser::<User>::extract(&request("1")).await?;
    /// assert_eq!(user.name, "Ada");
    /// let refusal = CurrentUser::<User>::extract(&request("2")).await.unwrap_err();
    /// assert_eq!(refusal.to_string(), "Error loading the user 2");
    /// # Ok(()) });
    /// ```
    pub fn user_lookup<F, A, U, E>(mut self, loader: F) -> Self
    where
        F: Fn(Rc<Verified>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Option<U>, E>> + 'static,
        U: Any,
        E: Into<LoaderError>,
    {
        self.0.loaders.user = Some(Loaders::lookup(loader));
        self
    }
}
