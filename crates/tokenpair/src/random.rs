//! Implements ids and secrets from the operating system's random number generator.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The number of random bytes in an id or a CSRF value: 128 bits. A UUID has 122 and does not
/// qualify (OWASP ASVS 5.0, 11.5.1).
pub const ID_BYTES: usize = 16;

/// Returns `bytes` random bytes as base64url without padding (RFC 4648 section 5).
///
/// ```
/// let id = tokenpair::random::random_text(tokenpair::random::ID_BYTES);
/// assert_eq!(id.len(), 22);
/// ```
///
/// # Panics
///
/// As [`random_bytes`].
pub fn random_text(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    random_bytes(&mut buffer);
    URL_SAFE_NO_PAD.encode(buffer)
}

/// Fills the buffer with random bytes.
///
/// # Panics
///
/// Panics if the operating system has no randomness, which no program should survive.
#[expect(
    clippy::expect_used,
    reason = "without randomness every token could be guessed"
)]
pub fn random_bytes(buffer: &mut [u8]) {
    getrandom::fill(buffer).expect("BUG: the operating system gives no randomness");
}
