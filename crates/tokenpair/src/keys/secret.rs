//! Rejects secrets that must not sign: too short, published, or really keys.

use super::algorithm::Algorithm;
use super::error::KeyError;
use super::kind;

/// Checks whether the secret may be a key.
pub(super) fn check(algorithm: Algorithm, secret: &[u8]) -> Result<(), KeyError> {
    if algorithm.key_kind().is_some() {
        return Err(KeyError::SecretForKeyPair(algorithm));
    }
    if is_key(secret) {
        return Err(KeyError::KeyAsSecret);
    }
    if is_placeholder(secret) {
        return Err(KeyError::Placeholder);
    }
    let len = secret.len();
    let too_few = |bytes| {
        algorithm
            .min_secret_len()
            .is_some_and(|least| bytes < least)
    };
    if too_few(len) {
        return Err(KeyError::TooShort { algorithm, len });
    }
    if too_few(unit(secret).len()) {
        return Err(KeyError::Repeated);
    }
    Ok(())
}

/// A public key is known to everyone, so as a secret it would let everyone sign (RFC 8725 section
/// 2.1). It comes as PEM, a line of OpenSSH, a JWK, or DER.
fn is_key(secret: &[u8]) -> bool {
    const OPENSSH: [&[u8]; 3] = [b"ssh-", b"ecdsa-sha2-", b"sk-"];
    let text = secret.trim_ascii();
    contains(text, b"-----BEGIN ")
        || OPENSSH.iter().any(|start| text.starts_with(start))
        || (text.starts_with(b"{") && contains(text, b"\"kty\""))
        || is_der(secret)
}

fn is_der(secret: &[u8]) -> bool {
    secret.starts_with(&[0x30])
        && (kind::of_public(secret).is_some() || kind::of_private(secret).is_some())
}

/// Returns the shortest text of which `text` is a repetition, whole or cut off at the end, or
/// `text` itself.
fn unit(text: &[u8]) -> &[u8] {
    let repeats = |period: &usize| {
        text.get(*period..)
            .is_some_and(|rest| text.starts_with(rest))
    };
    let period = (1..text.len()).find(repeats).unwrap_or(text.len());
    // An end that happens to equal the beginning is not a repetition.
    let period = if 2 * period > text.len() {
        text.len()
    } else {
        period
    };
    text.get(..period).unwrap_or(text)
}

/// Secrets printed in documentation, templates and tutorials; an attacker's first guesses.
const PUBLISHED: &[&str] = &[
    "a-string-secret-at-least-256-bits-long",
    "change-this",
    "change-me",
    "changeme",
    "default",
    "dev",
    "jwt-secret",
    "jwt-secret-string",
    "my-secret",
    "mysecret",
    "none",
    "password",
    "placeholder",
    "replace-me",
    "secret",
    "secret-key",
    "super-secret",
    "super-secret-key",
    "supersecret",
    "test",
    "todo",
    "your-256-bit-secret",
    "your-384-bit-secret",
    "your-512-bit-secret",
    "your-secret",
    "your-secret-key",
];

fn is_placeholder(secret: &[u8]) -> bool {
    let plain: Vec<u8> = letters_and_digits(secret);
    let once = unit(&plain);
    let published = PUBLISHED
        .iter()
        .any(|known| letters_and_digits(known.as_bytes()) == once);
    unit(secret).len() <= 1 || published || says_it_is_one(&plain)
}

/// Detects `CHANGE_ME_IN_PRODUCTION_0000...`, `my-super-secret-...` and similar, whatever pads them
/// to length.
fn says_it_is_one(plain: &[u8]) -> bool {
    const MARKS: [&[u8]; 7] = [
        b"changeme",
        b"changethis",
        b"replaceme",
        b"supersecret",
        b"yoursecret",
        b"bitsecret",
        b"bitslong",
    ];
    MARKS.iter().any(|mark| contains(plain, mark))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|here| here == part)
}

fn letters_and_digits(text: &[u8]) -> Vec<u8> {
    text.iter()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .map(u8::to_ascii_lowercase)
        .collect()
}
