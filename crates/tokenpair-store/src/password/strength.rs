//! Checks that a new password is long enough, not too long, and not easy to guess. There are no
//! rules on letters and digits (NIST SP 800-63B-4, section 3.1.1.2).

use secrecy::ExposeSecret;
use thiserror::Error;

use super::common::is_common;
use super::plaintext::Password;
use super::policy::PasswordPolicy;

/// The reason a password is rejected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum UnfitPassword {
    /// Fewer characters than the policy requires.
    #[error("a password has at least {0} characters")]
    TooShort(usize),
    /// More characters than [`Password::MAX_CHARS`].
    #[error("a password has at most {} characters", Password::MAX_CHARS)]
    TooLong,
    /// On the list of common passwords, or made of the username or the server's name.
    #[error("this password is too easy to guess")]
    TooCommon,
}

impl PasswordPolicy {
    /// Rejects an unfit password. `context` lists words that an attacker would try here first, such
    /// as the username.
    ///
    /// The minimum applies to the spelling that is hashed, so that no other spelling circumvents
    /// it; the maximum applies to the text as typed.
    ///
    /// ```
    /// use tokenpair_store::password::{Password, PasswordPolicy, UnfitPassword};
    ///
    /// let check = |password: &str| {
    ///     PasswordPolicy::default().check(&Password::new(password.to_owned()), &["adalovelace"])
    /// };
    /// assert_eq!(check("correct horse"), Ok(()));
    /// assert_eq!(check("Football1"), Err(UnfitPassword::TooCommon));
    /// assert_eq!(check("AdaLovelace1815"), Err(UnfitPassword::TooCommon));
    /// assert_eq!(check("horse"), Err(UnfitPassword::TooShort(8)));
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an [`UnfitPassword`] with the reason.
    pub fn check(&self, password: &Password, context: &[&str]) -> Result<(), UnfitPassword> {
        if password.is_too_long() {
            return Err(UnfitPassword::TooLong);
        }
        let prepared = password.prepared();
        let text = prepared.expose_secret();
        if text.chars().count() < self.min_chars {
            return Err(UnfitPassword::TooShort(self.min_chars));
        }
        if is_common(text) || context.iter().any(|word| is_made_of(text, word)) {
            return Err(UnfitPassword::TooCommon);
        }
        Ok(())
    }
}

/// Returns whether a password is a word, forwards or backwards, once or repeated, with any digits
/// and signs around it.
fn is_made_of(text: &str, word: &str) -> bool {
    let (text, word) = (text.to_lowercase(), word.to_lowercase());
    let backwards: String = word.chars().rev().collect();
    [text.as_str(), core(&text)].iter().any(|text| {
        [word.as_str(), core(&word), &backwards, core(&backwards)]
            .iter()
            .any(|word| is_repeated(text, word))
    })
}

fn is_repeated(text: &str, word: &str) -> bool {
    !text.is_empty() && !word.is_empty() && text.replace(word, "").is_empty()
}

/// Removes the digits and signs around a text.
fn core(text: &str) -> &str {
    text.trim_matches(|letter: char| !letter.is_alphabetic())
}
