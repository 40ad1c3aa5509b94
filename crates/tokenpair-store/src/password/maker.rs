//! Defines [`Maker`], since a bcrypt hash does not say what it was made of.

/// The input that bcrypt was given.
///
/// ```
/// use tokenpair_store::password::{ForeignHash, Maker};
///
/// // The form does not reveal the input: only the maker knows it.
/// let text = "$2b$12$KbQi5Cnn1yVvQ3yYpXqXYe5w8rQyPHGmJn1mX0X2kX8eFZrXo9m6W";
/// assert_eq!(ForeignHash::parse(text, Maker::Plain)?.kind(), "bcrypt");
/// assert_eq!(ForeignHash::parse(text, Maker::Sha256First)?.kind(), "bcrypt of a SHA-256");
/// # Ok::<(), tokenpair_store::password::ForeignHashError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Maker {
    /// The password, of which bcrypt reads 72 bytes, as everywhere.
    Plain,
    /// The password's SHA-256 in hexadecimal digits: Flask-Bcrypt with
    /// `BCRYPT_HANDLE_LONG_PASSWORDS`.
    Sha256First,
    /// The password as this crate prepares it, which is never truncated: a hash that was exported
    /// from here.
    Tokenpair,
}
