//! Randomness: the operating system's, as text.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// How many random bytes an id or a CSRF value has: 128 bits. A UUID has 122 and does not qualify (OWASP ASVS 5.0,
/// 11.5.1).
pub(crate) const ID_BYTES: usize = 16;

/// That many random bytes, as base64url.
///
/// # Panics
///
/// As [`random_bytes`].
pub(crate) fn random_text(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    random_bytes(&mut buffer);
    URL_SAFE_NO_PAD.encode(buffer)
}

/// Fills it with random bytes.
///
/// # Panics
///
/// If the operating system has no randomness to give, which no program should survive.
#[expect(
    clippy::expect_used,
    reason = "without randomness every token could be guessed"
)]
pub(crate) fn random_bytes(buffer: &mut [u8]) {
    getrandom::fill(buffer).expect("BUG: the operating system gives no randomness");
}
