//! Defines [`PasswordHash`], a hash as the database keeps it.

use std::fmt;

/// What a password is verified against: a bcrypt hash of ours, `$2b$...`, or until the next login what an import brought
/// ([`ForeignHash`]). `Debug` does not show it.
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
    /// As a store kept it.
    pub const fn from_text(text: String) -> Self {
        Self(text)
    }

    /// For a store to keep.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}
