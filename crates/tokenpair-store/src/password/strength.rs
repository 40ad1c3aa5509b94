//! Checks that a new password is long enough, not too long, and not easy to guess. There are no
//! rules on letters and digits (NIST SP 800-63B-4, section 3.1.1.2).

use passwords::analyzer::is_common_password;
use secrecy::ExposeSecret;
use thiserror::Error;

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
    /// Rejects an unfit password, except for common ones, which
    /// [`Passwords::hash_new`](super::Passwords::hash_new) rejects, since that takes longer.
    /// `context` lists words that an attacker would try here first, such as the username.
    ///
    /// The minimum applies to the spelling that is hashed, so that no other spelling circumvents
    /// it; the maximum applies to the text as typed.
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
        if context.iter().any(|word| is_made_of(text, word)) {
            return Err(UnfitPassword::TooCommon);
        }
        Ok(())
    }
}

/// Returns whether a password is on the list. The list has passwords as people wrote them, nearly
/// all in lower case, so these spellings are looked up. That takes milliseconds if the list is one
/// text (see `Cargo.toml`).
pub(super) fn is_common(password: &Password) -> bool {
    let prepared = password.prepared();
    let text = prepared.expose_secret();
    let small = text.to_lowercase();
    let mut letters = small.chars();
    let titled: String = letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default();
    let mut ways = vec![small, titled, text.to_uppercase(), text.to_owned()];
    ways.sort_unstable();
    ways.dedup();
    ways.iter().any(is_common_password)
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
