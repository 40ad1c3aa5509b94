//! Defines the cryptography that the library needs, apart from its two implementations.
//!
//! The feature `aws-lc-rs` chooses AWS-LC, which is C and assembly; `rust-crypto` chooses the
//! crates of RustCrypto. Features add up over a program's dependencies, so AWS-LC wins if both are
//! on. No other module names either library.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
mod backend;
#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
mod rust_crypto;

#[cfg(feature = "aws-lc-rs")]
pub(crate) use self::aws_lc::AwsLc as Crypto;
#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
pub(crate) use self::rust_crypto::RustCrypto as Crypto;

pub(crate) use self::backend::{Backend, KeyKind, KeyPair, PublicKey};

use std::ops::RangeInclusive;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::CryptoProvider;
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};

/// The sizes of RSA keys, in bits. RFC 7518 section 3.3 requires 2048; a larger key is slower.
pub(crate) const RSA_BITS: RangeInclusive<usize> = 2048..=Crypto::RSA_MAX_BITS;

/// Signs, and returns the signature in base64url. `None` if the library fails.
pub(crate) fn sign(algorithm: Algorithm, key: &EncodingKey, message: &[u8]) -> Option<String> {
    let signer = (Crypto::PROVIDER.signer_factory)(&algorithm, key).ok()?;
    let signature = signer.try_sign(message).ok()?;
    Some(URL_SAFE_NO_PAD.encode(signature))
}

/// Returns whether the key made this signature (base64url). MACs are compared in constant time.
pub(crate) fn verifies(
    algorithm: Algorithm,
    key: &DecodingKey,
    message: &[u8],
    signature: &str,
) -> bool {
    let verifier = (Crypto::PROVIDER.verifier_factory)(&algorithm, key);
    let signature = URL_SAFE_NO_PAD.decode(signature);
    let (Ok(verifier), Ok(signature)) = (verifier, signature) else {
        return false;
    };
    is_in_range(key, &signature) && verifier.verify(message, &signature).is_ok()
}

/// RFC 8017 section 8.2.2: an RSA signature is as long as the modulus, and less than it. RustCrypto's
/// PSS takes the sum of both too, so a signature would have a second spelling.
fn is_in_range(key: &DecodingKey, signature: &[u8]) -> bool {
    match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, .. } => {
            signature.len() == n.len() && signature < n.as_slice()
        }
        DecodingKeyKind::SecretOrDer(_) => true,
    }
}

/// Chooses our provider for the rest of the program too. The library passes its own to each call,
/// but an app that calls `jsonwebtoken` itself would get a panic if both of its backends are on and
/// none is chosen. The first choice stands, so an error only means that the app has chosen already.
pub(crate) fn choose_provider() {
    let _already_chosen = CryptoProvider::install_default(Crypto::PROVIDER);
}
