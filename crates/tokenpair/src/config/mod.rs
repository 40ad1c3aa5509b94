//! Implements Flask-JWT-Extended's settings: all its `JWT_*` names, from texts to the policies of
//! the library. One error message reports all invalid settings.
//!
//! ```
//! use tokenpair::config::JwtSettings;
//!
//! let settings = JwtSettings::read(|name| match name {
//!     "JWT_SECRET_KEY" => Some("a secret of 32 bytes that is not in any book".to_owned()),
//!     "JWT_TOKEN_LOCATION" => Some("headers,cookies".to_owned()),
//!     _ => None,
//! })?;
//! let auth = settings.builder().build();
//! # Ok::<(), tokenpair::config::Problems>(())
//! ```

mod cookies;
mod origin;
mod reader;
mod tokens;
mod web;

use std::time::Duration;

pub use self::reader::{Problem, Problems, Reader, parse_algorithm, parse_bool, parse_duration};
pub use self::tokens::{Never, read_token_policy};
pub use self::web::read_web_policy;
use crate::keys::{Algorithm, KeyError, KeyRing, VerifyingKey};
use crate::session::{SessionPolicy, SessionStore, Sessions};
use crate::token::{TokenPolicy, Tokens};
use crate::web::{Auth, AuthBuilder, CookiePolicy, HeaderPolicy, Location, WebPolicy};

/// All settings that Flask-JWT-Extended reads from an app's configuration, with its defaults.
///
/// ```
/// use std::time::Duration;
/// use tokenpair::config::JwtSettings;
/// use tokenpair::web::Location;
///
/// let mut settings = JwtSettings::read(|name| match name {
///     "JWT_SECRET_KEY" => Some("a secret of 32 bytes that is not in any book".to_owned()),
///     "JWT_REFRESH_TOKEN_EXPIRES" => Some("false".to_owned()),
///     _ => None,
/// })?;
/// assert_eq!(settings.tokens.access_expires, Some(Duration::from_secs(15 * 60)));
/// assert_eq!(settings.tokens.refresh_expires, None);
/// assert_eq!(settings.web.locations, [Location::Headers]);
/// settings.web.message_key = "error".to_owned(); // settings can be changed in Rust too
/// # let _ = settings.builder().build();
/// # Ok::<(), tokenpair::config::Problems>(())
/// ```
#[derive(Clone, Debug)]
pub struct JwtSettings {
    /// The keys, from `JWT_ALGORITHM`, `JWT_DECODE_ALGORITHMS` and the key settings.
    pub keys: KeyRing,
    /// The claims and lifetimes of tokens.
    pub tokens: TokenPolicy,
    /// The transport of tokens.
    pub web: WebPolicy,
}

impl JwtSettings {
    /// Reads the settings from the environment.
    ///
    /// # Errors
    ///
    /// Returns [`Problems`]: every invalid setting.
    pub fn from_env() -> Result<Self, Problems> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads the settings from a function that returns texts by name: comma-separated lists, `true`
    /// and `false`, times in seconds or as `15m` and `30d`, `false` for never, and keys in PEM.
    /// `NAME_FILE` may hold the path of a file with a key.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tokenpair::config::JwtSettings;
    ///
    /// let read = |lifetime: &str| {
    ///     JwtSettings::read(|name| match name {
    ///         "JWT_SECRET_KEY" => Some("a secret of 32 bytes that is not in any book".to_owned()),
    ///         "JWT_ACCESS_TOKEN_EXPIRES" => Some(lifetime.to_owned()),
    ///         _ => None,
    ///     })
    /// };
    /// assert_eq!(read("90")?.tokens.access_expires, Some(Duration::from_secs(90)));
    /// assert_eq!(read("2h")?.tokens.access_expires, Some(Duration::from_secs(7200)));
    /// assert!(read("soon").is_err());
    /// # Ok::<(), tokenpair::config::Problems>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`Problems`]: every invalid setting.
    pub fn read(source: impl Fn(&str) -> Option<String>) -> Result<Self, Problems> {
        let reader = Reader::new(|name: &str| Ok(source(name)), Vec::new());
        Self::read_with(reader, flask_tokens(), flask_web())
    }

    /// Reads the settings; `tokens` and `web` have the values of those that are not set.
    fn read_with(
        mut reader: Reader<'_>,
        tokens: TokenPolicy,
        web: WebPolicy,
    ) -> Result<Self, Problems> {
        let tokens = read_token_policy(&mut reader, tokens, Never::Allowed);
        let web = WebPolicy {
            reissue_within: reissue_within(web.reissue_within, &tokens),
            ..web
        };
        let web = read_web_policy(&mut reader, web, &Location::ALL);
        let tokens = TokenPolicy {
            encode_csrf: web.csrf.protect,
            ..tokens
        };
        match keys(&mut reader) {
            Some(keys) => reader.finish(Self { keys, tokens, web }),
            None => Err(reader.into_problems()),
        }
    }

    /// Returns the record of sessions in `store` under these settings. A session that is not used
    /// expires with its refresh token (`JWT_REFRESH_TOKEN_EXPIRES`), or with `false` after
    /// [`SessionPolicy::max_age`].
    ///
    /// ```
    /// use tokenpair::config::JwtSettings;
    /// use tokenpair::session::MemoryStore;
    ///
    /// let settings = JwtSettings::read(|name| match name {
    ///     "JWT_SECRET_KEY" => Some("a secret of 32 bytes that is not in any book".to_owned()),
    ///     "JWT_REFRESH_TOKEN_EXPIRES" => Some("7d".to_owned()),
    ///     _ => None,
    /// })?;
    /// let sessions = settings.sessions(MemoryStore::default());
    /// let auth = settings.builder().sessions(sessions).build();
    /// # Ok::<(), tokenpair::config::Problems>(())
    /// ```
    pub fn sessions(&self, store: impl SessionStore + 'static) -> Sessions {
        let default = SessionPolicy::default();
        let policy = SessionPolicy {
            idle: self.tokens.refresh_expires.unwrap_or(default.max_age),
            ..default
        };
        let tokens = Tokens::new(self.keys.clone(), self.tokens.clone());
        Sessions::new(store, tokens, policy)
    }

    /// Returns a builder of an [`Auth`] that records sessions in `store`, under these settings:
    /// [`JwtSettings::builder`] with [`JwtSettings::sessions`].
    ///
    /// ```
    /// use tokenpair::config::JwtSettings;
    /// use tokenpair::session::MemoryStore;
    ///
    /// # let secret = |name: &str| (name == "JWT_SECRET_KEY").then(|| "a secret of 32 bytes that is not in any book".to_owned());
    /// # let settings = JwtSettings::read(secret)?;
    /// let auth = settings.recorded_in(MemoryStore::default()).build();
    /// assert!(auth.sessions().is_some());
    /// # Ok::<(), tokenpair::config::Problems>(())
    /// ```
    pub fn recorded_in(self, store: impl SessionStore + 'static) -> AuthBuilder {
        let sessions = self.sessions(store);
        self.builder().sessions(sessions)
    }

    /// Returns a builder of an [`Auth`] under these settings, to which loaders can be added.
    ///
    /// ```
    /// use tokenpair::config::JwtSettings;
    ///
    /// # let secret = |name: &str| (name == "JWT_SECRET_KEY").then(|| "a secret of 32 bytes that is not in any book".to_owned());
    /// # let settings = JwtSettings::read(secret)?;
    /// let auth = settings
    ///     .builder()
    ///     .token_in_blocklist(|token| async move { Ok::<_, std::io::Error>(token.claims.jti.is_none()) })
    ///     .build();
    /// let issued = auth.access_token("ada").sign()?;
    /// assert_eq!(auth.decode(issued.token.as_str()).run()?.claims.sub(), "ada");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(self) -> AuthBuilder {
        Auth::builder(Tokens::new(self.keys, self.tokens)).policy(self.web)
    }
}

/// Cookies and schemes follow Flask-JWT-Extended: only the first of several cookies with one name
/// counts ([`CookiePolicy::first_that_verifies`]), and `bearer` does not match `Bearer`
/// ([`HeaderPolicy::any_case`]).
fn flask_web() -> WebPolicy {
    WebPolicy {
        locations: vec![Location::Headers],
        cookies: CookiePolicy {
            secure: false,
            same_site: None,
            first_that_verifies: false,
            ..CookiePolicy::default()
        },
        header: HeaderPolicy {
            any_case: false,
            ..HeaderPolicy::default()
        },
        ..WebPolicy::default()
    }
}

/// Returns the default of `JWT_REISSUE_WITHIN`: at most half an access token's lifetime, or every
/// response would reissue a short-lived token. Flask-JWT-Extended has no such setting; its recipe
/// uses 30 minutes, twice its lifetime.
pub fn reissue_within(recipe: Duration, tokens: &TokenPolicy) -> Duration {
    let half = tokens.access_expires.map(|lifetime| lifetime / 2);
    half.map_or(recipe, |half| half.min(recipe))
}

fn flask_tokens() -> TokenPolicy {
    TokenPolicy {
        access_expires: Some(Duration::from_secs(15 * 60)),
        strict: false,
        ..TokenPolicy::default()
    }
}

/// Returns the signing key, and the same key for every other algorithm accepted.
fn keys(reader: &mut Reader<'_>) -> Option<KeyRing> {
    let names = Algorithm::ALL.map(Algorithm::name).join(", ");
    let wanted = &format!("write one of {names}");
    let algorithm = reader.parsed(
        "JWT_ALGORITHM",
        Algorithm::default(),
        wanted,
        parse_algorithm,
    );
    let others = reader.parsed_list("JWT_DECODE_ALGORITHMS", Vec::new(), wanted, parse_algorithm);
    let others = others.into_iter().filter(|other| *other != algorithm);
    if algorithm.min_secret_len().is_some() {
        symmetric(reader, algorithm, others)
    } else {
        asymmetric(reader, algorithm, others)
    }
}

fn symmetric(
    reader: &mut Reader<'_>,
    algorithm: Algorithm,
    mut others: impl Iterator<Item = Algorithm>,
) -> Option<KeyRing> {
    let secret = key_text(reader, "JWT_SECRET_KEY")?;
    let signing = KeyRing::from_secret(algorithm, secret.as_bytes());
    let signing = taken(reader, "JWT_SECRET_KEY", signing)?;
    let ring = others.try_fold(signing, |ring, other| {
        ring.with_verifying(VerifyingKey::from_secret(other, secret.as_bytes())?)
    });
    taken(reader, "JWT_SECRET_KEY", ring)
}

fn asymmetric(
    reader: &mut Reader<'_>,
    algorithm: Algorithm,
    mut others: impl Iterator<Item = Algorithm>,
) -> Option<KeyRing> {
    let private = key_text(reader, "JWT_PRIVATE_KEY")?;
    let public = key_text(reader, "JWT_PUBLIC_KEY")?;
    let signing = taken(
        reader,
        "JWT_PRIVATE_KEY",
        KeyRing::from_pem(algorithm, &private),
    )?;
    let ring = others.try_fold(signing, |ring, other| {
        ring.with_verifying(VerifyingKey::from_pem(other, &public)?)
    });
    taken(reader, "JWT_PUBLIC_KEY", ring).map(KeyRing::without_kids)
}

fn taken(reader: &mut Reader<'_>, name: &str, ring: Result<KeyRing, KeyError>) -> Option<KeyRing> {
    ring.map_err(|error| reader.problem(name, format!("cannot be used: {error}")))
        .ok()
}

fn key_text(reader: &mut Reader<'_>, name: &str) -> Option<String> {
    if let Some(text) = reader.text(name) {
        return Some(text);
    }
    let file = format!("{name}_FILE");
    let Some(path) = reader.text(&file) else {
        reader.problem(
            name,
            format!("is required, or {file} with the path of a file that holds it"),
        );
        return None;
    };
    std::fs::read_to_string(path)
        .map_err(|error| reader.problem(&file, format!("cannot be read: {error}")))
        .ok()
}
