//! Implements PBKDF2 (RFC 8018 section 5.2) with the cryptographic library that the features choose.
//!
//! The other hashes here are computed once for a password, and always by RustCrypto, which scrypt
//! brings along. PBKDF2 is a million of them, and AWS-LC's does not become slow in a debug build.

use std::num::NonZero;

/// The pseudorandom function: HMAC with this hash.
#[derive(Clone, Copy)]
pub(super) enum Prf {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Prf {
    /// Fills `key`.
    #[cfg(feature = "aws-lc-rs")]
    pub(super) fn derive(
        self,
        password: &[u8],
        salt: &[u8],
        iterations: NonZero<u32>,
        key: &mut [u8],
    ) {
        use aws_lc_rs::pbkdf2;
        let algorithm = match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha384 => pbkdf2::PBKDF2_HMAC_SHA384,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        pbkdf2::derive(algorithm, iterations, salt, password, key);
    }

    /// Fills `key`.
    #[cfg(not(feature = "aws-lc-rs"))]
    pub(super) fn derive(
        self,
        password: &[u8],
        salt: &[u8],
        iterations: NonZero<u32>,
        key: &mut [u8],
    ) {
        use pbkdf2::pbkdf2_hmac;
        let derive = match self {
            Self::Sha1 => pbkdf2_hmac::<sha1::Sha1>,
            Self::Sha256 => pbkdf2_hmac::<sha2::Sha256>,
            Self::Sha384 => pbkdf2_hmac::<sha2::Sha384>,
            Self::Sha512 => pbkdf2_hmac::<sha2::Sha512>,
        };
        derive(password, salt, iterations.get(), key);
    }
}
