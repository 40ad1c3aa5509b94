//! Implements the settings of an app whose pages and routes share one origin, with the defaults of
//! this crate instead of Flask-JWT-Extended's.

use actix_web::http::Uri;

use super::JwtSettings;
use super::reader::{Problem, Problems, Reader};
use crate::token::TokenPolicy;
use crate::web::{CookiePolicy, WebPolicy};

impl JwtSettings {
    /// Reads the settings from the environment, as [`JwtSettings::from_env`] does, but a setting
    /// that is not set has this crate's default: the tokens are in cookies or in the header, and
    /// cookies are `SameSite=Lax` ([`WebPolicy::default`], [`TokenPolicy::default`]).
    ///
    /// `origin` is what browsers show in the address bar, such as `https://shop.example`, even if a
    /// proxy in front of the app ends TLS. Under `https` cookies are `Secure`. Under `http` they
    /// cannot be, so only this machine (`localhost`, `127.0.0.1`, `[::1]`) is accepted: on any
    /// other host, everybody on the way could read the tokens.
    ///
    /// # Errors
    ///
    /// Returns [`Problems`]: every invalid setting, and an origin that is not safe. Its `Debug`
    /// prints sentences, so that `main` can return it.
    pub fn for_origin(origin: &str) -> Result<Self, Problems> {
        Self::read_for_origin(origin, |name| std::env::var(name).ok())
    }

    /// Reads the settings of [`JwtSettings::for_origin`] from a function that returns texts by name.
    ///
    /// ```
    /// use tokenpair::config::JwtSettings;
    ///
    /// let secret = |name: &str| (name == "JWT_SECRET_KEY").then(|| "a secret of 32 bytes that is not in any book".to_owned());
    /// assert!(JwtSettings::read_for_origin("https://shop.example", secret)?.web.cookies.secure);
    /// assert!(!JwtSettings::read_for_origin("http://127.0.0.1:8080", secret)?.web.cookies.secure);
    /// let problems = JwtSettings::read_for_origin("http://shop.example", |_| None).unwrap_err();
    /// assert_eq!(
    ///     problems.to_string(),
    ///     "2 settings cannot work:
    ///   the origin is \"http://shop.example\"; write https://shop.example, since cookies are safe only over HTTPS
    ///   JWT_SECRET_KEY is required, or JWT_SECRET_KEY_FILE with the path of a file that holds it"
    /// );
    /// # Ok::<(), tokenpair::config::Problems>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`JwtSettings::for_origin`].
    pub fn read_for_origin(
        origin: &str,
        source: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Problems> {
        let (secure, problems) = match is_secure(origin) {
            Ok(secure) => (secure, Vec::new()),
            Err(problem) => (true, vec![problem]),
        };
        let web = WebPolicy {
            cookies: CookiePolicy {
                secure,
                ..CookiePolicy::default()
            },
            ..WebPolicy::default()
        };
        let reader = Reader::new(|name: &str| Ok(source(name)), problems);
        Self::read_with(reader, TokenPolicy::default(), web)
    }
}

/// Returns whether browsers reach the origin over HTTPS.
fn is_secure(origin: &str) -> Result<bool, Problem> {
    let uri = origin.parse::<Uri>().ok();
    let scheme = uri.as_ref().and_then(Uri::scheme_str);
    let host = uri.as_ref().and_then(Uri::host);
    let wanted = match (scheme, host) {
        (Some("https"), Some(_)) => return Ok(true),
        (Some("http"), Some(host)) if is_this_machine(host) => return Ok(false),
        (Some("http"), Some(host)) => {
            format!("write https://{host}, since cookies are safe only over HTTPS")
        }
        _ => "write the address of the app in a browser, such as https://shop.example".to_owned(),
    };
    Err(Problem::new(
        "the origin",
        format!("is {origin:?}; {wanted}"),
    ))
}

/// Returns whether a host is this machine (RFC 6761 section 6.3, RFC 1122 section 3.2.1.3), to which
/// nothing is sent over a network.
fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address = address.parse::<std::net::IpAddr>();
    host == "localhost"
        || host.ends_with(".localhost")
        || address.is_ok_and(|address| address.is_loopback())
}
