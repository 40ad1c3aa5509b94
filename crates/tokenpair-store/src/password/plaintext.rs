//! Defines [`Password`], as typed, and the forms in which it is compared and hashed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::Rules;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha384;
use unicode_normalization::char::is_public_assigned;

/// A password as a person types it. `Debug` does not show it.
///
/// Keyboards and systems encode the same text differently: `é` is one code point or two, and a
/// space may be a no-break space. So the mapping of spaces and the normalization of the
/// OpaqueString profile (RFC 8265, section 4.2.2) are applied before a password is hashed, and all
/// its spellings are one password. Case and width count. The characters that the profile excludes,
/// such as tabs, are allowed.
///
/// A password with code points that Unicode has not assigned yet, or leaves to private use, is
/// hashed as it was typed: the normalization of such text may change with the next version of
/// Unicode.
///
/// ```
/// use tokenpair_store::password::Password;
///
/// let password = Password::new("pässword ".to_owned());
/// assert_eq!(password.chars(), 9); // not bytes, and nothing is trimmed
/// assert!(!format!("{password:?}").contains("pässword"));
/// ```
#[derive(Clone, Debug)]
pub struct Password(SecretString);

impl Password {
    /// The longest password: more than four times the length that NIST SP 800-63B-4 requires, and
    /// short enough that its JSON fits a request's body however it is escaped.
    pub const MAX_CHARS: usize = 1024;

    /// Wraps a password as it was typed. Nothing is trimmed, folded or cut.
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// Returns its length in characters, as it was typed.
    pub fn chars(&self) -> usize {
        self.0.expose_secret().chars().count()
    }

    /// Returns whether it has more than [`Password::MAX_CHARS`]: no account has such a password,
    /// and it is never hashed.
    pub fn is_too_long(&self) -> bool {
        self.chars() > Self::MAX_CHARS
    }

    /// Returns the password as typed.
    pub(super) const fn typed(&self) -> &SecretString {
        &self.0
    }

    /// Returns the spelling that is hashed.
    pub(super) fn prepared(&self) -> SecretString {
        let typed = self.0.expose_secret();
        if !typed.chars().all(is_public_assigned) {
            return self.0.clone();
        }
        // RFC 8265, section 4.2.2, rules 2 and 4; the others change nothing.
        let profile = OpaqueString::new();
        let spaced = profile.additional_mapping_rule(typed);
        let prepared = spaced.and_then(|text| profile.normalization_rule(text));
        prepared.map_or_else(|_| self.0.clone(), |text| text.into_owned().into())
    }
}

/// Returns the input of bcrypt for a spelling. bcrypt reads 72 bytes and does not stop at NUL, so a
/// longer text, or one with a NUL, goes through HMAC-SHA-384 first: 48 bytes, as 64 characters of
/// base64. The key only separates these digests from those of any other service, so that a leaked
/// plain SHA-384 is not a password here.
pub(super) fn for_bcrypt(spelling: &SecretString) -> SecretString {
    let text = spelling.expose_secret();
    if text.len() <= BCRYPT_MAX && !text.contains('\0') {
        return spelling.clone();
    }
    let key = b"tokenpair password v1";
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mac = Hmac::<Sha384>::new_from_slice(key).expect("BUG: HMAC refuses a key");
    let digest = mac.chain_update(text).finalize().into_bytes();
    STANDARD.encode(digest).into()
}

/// bcrypt reads 72 bytes, including the NUL at the end.
pub(super) const BCRYPT_MAX: usize = 71;
