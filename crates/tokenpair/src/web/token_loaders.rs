//! Defines the loaders of the claims, the header parameters and the keys of tokens, by identity.

use std::future::Future;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::builder::AuthBuilder;
use super::loaders::{LoaderError, Loaders};
use crate::keys::KeyRing;
use crate::token::IssueError;

impl AuthBuilder {
    /// Sets the claims that every token of an identity gets, including those of recorded sessions:
    /// `additional_claims_loader`. Claims given to one token override them. They cannot change the
    /// claims of the record (`exp`, `roles` and the like): such a token is not signed. To query a
    /// database, use [`AuthBuilder::additional_claims_async`]; the later call of the two counts.
    ///
    /// ```
    /// use serde_json::{Map, json};
    /// use tokenpair::web::Auth;
    ///
    /// # let tokens = tokenpair::sample::tokens()?;
    /// let auth = Auth::builder(tokens)
    ///     .additional_claims(|identity| {
    ///         let tier = if identity == "ada" { "gold" } else { "basic" };
    ///         Map::from_iter([("tier".to_owned(), json!(tier))])
    ///     })
    ///     .build();
    /// let issued = auth.access_token("ada").sign()?;
    /// assert_eq!(auth.decode(issued.token.as_str()).run()?.claims.extra["tier"], "gold");
    /// let issued = auth.access_token("ada").claim("tier", "trial").sign()?;
    /// assert_eq!(auth.decode(issued.token.as_str()).run()?.claims.extra["tier"], "trial");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn additional_claims(
        mut self,
        loader: impl Fn(&Value) -> Map<String, Value> + Send + Sync + 'static,
    ) -> Self {
        self.0.loaders.claims = None;
        self.0.loaders.tokens.claims = Some(Arc::new(move |identity| Ok(loader(identity))));
        self
    }

    /// Sets the claims as [`AuthBuilder::additional_claims`] does, by an asynchronous function, which
    /// may query a database. It runs once for each login, refresh and reissue, before anything is
    /// written: if it fails, the response is a 503 whose cause is logged, and the client keeps its
    /// tokens.
    ///
    /// Everything that waits asks it: [`Auth::log_in`](super::Auth::log_in),
    /// [`Auth::refresh`](super::Auth::refresh), [`reissue`](super::reissue) and
    /// [`TokenBuilder::sign_async`](super::TokenBuilder::sign_async). What cannot wait for it
    /// returns [`IssueError::ClaimsNotLoaded`] instead of a token without the claims:
    /// [`TokenBuilder::sign`](super::TokenBuilder::sign) and the methods of
    /// [`Sessions`](crate::session::Sessions) that issue tokens.
    ///
    /// ```
    /// use serde_json::{Map, Value, json};
    /// use tokenpair::config::JwtSettings;
    ///
    /// async fn tier(identity: Value) -> Result<Map<String, Value>, std::io::Error> {
    ///     let tier = if identity == "ada" { "gold" } else { "basic" }; // or a query
    ///     Ok(Map::from_iter([("tier".to_owned(), json!(tier))]))
    /// }
    ///
    /// # tokenpair::sample::run(async {
    /// # let secret = |name: &str| (name == "JWT_SECRET_KEY").then(|| "a secret of 32 bytes that is not in any book".to_owned());
    /// # let settings = JwtSettings::read(secret)?;
    /// let auth = settings.builder().additional_claims_async(tier).build();
    /// let issued = auth.access_token("ada").sign_async().await?;
    /// assert_eq!(auth.decode(issued.token.as_str()).run()?.claims.extra["tier"], "gold");
    /// # Ok(()) });
    /// ```
    pub fn additional_claims_async<F, A, E>(mut self, loader: F) -> Self
    where
        F: Fn(Value) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Map<String, Value>, E>> + Send + 'static,
        E: Into<LoaderError>,
    {
        self.0.loaders.claims = Some(Loaders::claims(loader));
        let not_loaded = |_: &Value| Err(IssueError::ClaimsNotLoaded);
        self.0.loaders.tokens.claims = Some(Arc::new(not_loaded));
        self
    }

    /// Sets the header parameters that every token of an identity gets:
    /// `additional_headers_loader`. `alg`, `kid` and `typ` stay the key's.
    ///
    /// ```
    /// use serde_json::{Map, json};
    /// use tokenpair::web::Auth;
    ///
    /// # let tokens = tokenpair::sample::tokens()?;
    /// let auth = Auth::builder(tokens)
    ///     .additional_headers(|_| Map::from_iter([("region".to_owned(), json!("eu")), ("alg".to_owned(), json!("none"))]))
    ///     .build();
    /// let issued = auth.access_token("ada").sign()?;
    /// let header = auth.decode(issued.token.as_str()).run()?.header;
    /// assert_eq!(header["region"], "eu");
    /// assert_eq!(header["alg"], "HS256");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn additional_headers(
        mut self,
        loader: impl Fn(&Value) -> Map<String, Value> + Send + Sync + 'static,
    ) -> Self {
        self.0.loaders.tokens.headers = Some(Arc::new(loader));
        self
    }

    /// Sets the function that returns the signing keys for an identity: `encode_key_loader`. If it
    /// returns `None`, no token is issued.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use serde_json::Value;
    /// use tokenpair::keys::{Algorithm, KeyRing};
    /// # use tokenpair::web::Auth;
    ///
    /// // Each tenant has its own secret; an identity is `tenant/name`.
    /// let ring = |secret: &[u8]| KeyRing::from_secret(Algorithm::Hs256, secret).map(Arc::new);
    /// let (acme, other) = (ring(b"the secret of acme, of 32 letters")?, ring(b"the secret of others, 32 letters")?);
    /// let of = move |identity: Option<&Value>| {
    ///     let tenant = identity?.as_str()?.split_once('/')?.0;
    ///     Some(Arc::clone(if tenant == "acme" { &acme } else { &other }))
    /// };
    ///
    /// # let tokens = tokenpair::sample::tokens()?;
    /// let signing = of.clone();
    /// let auth = Auth::builder(tokens)
    ///     .encode_key(move |identity| signing(Some(identity)))
    ///     .decode_key(move |_header, claims| of(claims.get("sub")))
    ///     .build();
    /// let issued = auth.access_token("acme/ada").sign()?;
    /// assert_eq!(auth.decode(issued.token.as_str()).run()?.claims.sub(), "acme/ada");
    /// assert!(auth.access_token("nobody").sign().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn encode_key(
        mut self,
        loader: impl Fn(&Value) -> Option<Arc<KeyRing>> + Send + Sync + 'static,
    ) -> Self {
        self.0.loaders.tokens.encode_key = Some(Arc::new(loader));
        self
    }

    /// Sets the function that returns the keys that may have signed a token, by its header and
    /// claims: `decode_key_loader`. Those are unverified: use them only to choose among known keys.
    /// If it returns `None`, the token is rejected (422).
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tokenpair::keys::{Algorithm, KeyRing};
    /// # use tokenpair::token::{TokenPolicy, Tokens};
    /// # use tokenpair::web::Auth;
    ///
    /// # let keys = tokenpair::sample::keys()?;
    /// # let tokens = Tokens::new(keys.clone(), TokenPolicy::default());
    /// # let issued = Auth::builder(tokens.clone()).build().access_token("ada").sign()?;
    /// let ours = Arc::new(keys);
    /// let auth = Auth::builder(tokens)
    ///     .decode_key(move |header, _claims| (header["alg"] == "HS256").then(|| Arc::clone(&ours)))
    ///     .build();
    /// assert!(auth.decode(issued.token.as_str()).run().is_ok());
    ///
    /// let no_keys = auth.to_builder().decode_key(|_, _| None).build();
    /// let refusal = no_keys.decode(issued.token.as_str()).run().unwrap_err();
    /// assert_eq!(refusal.to_string(), "Unable to find a signing key that matches the key ID");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn decode_key(
        mut self,
        loader: impl Fn(&Map<String, Value>, &Map<String, Value>) -> Option<Arc<KeyRing>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.0.loaders.tokens.decode_key = Some(Arc::new(loader));
        self
    }
}
