//! Defines [`PasswordHash`], a hash as the database keeps it.

use std::fmt;

/// The hash of a password: our bcrypt, `$2b$...`, or an imported hash ([`ForeignHash`](super::ForeignHash)) until the
/// user's next login. `Debug` does not show it.
///
/// ```
/// use tokenpair_store::password::PasswordHash;
///
/// let hash = PasswordHash::from_text("$2b$12$...".to_owned());
/// assert_eq!(hash.expose(), "$2b$12$...");
/// assert_eq!(format!("{hash:?}"), "PasswordHash(..)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Wraps a hash as a store kept it.
    pub const fn from_text(text: String) -> Self {
        Self(text)
    }

    /// Returns the text for a store to keep.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}
