//! Defines keys: the algorithms, the key ring that signs and verifies, and public keys as JSON.
//!
//! A [`KeyRing`] is built once at start and rejects unsafe keys, so no later check is needed. Each
//! key serves one algorithm (RFC 8725 section 3.1): a token whose algorithm has no key is rejected
//! before its signature is computed, and a public key never verifies as a secret.
//!
//! | algorithm | key | signature |
//! |---|---|---|
//! | HS256, HS384, HS512 | a secret of 32, 48, 64 bytes or more | exactly the hash's length |
//! | RS256 to RS512, PS256 to PS512 | RSA, from 2048 to 8192 bits | exactly the modulus' length |
//! | ES256, ES384 | on P-256, P-384 | r and s side by side, 64 or 96 bytes (RFC 7518 section 3.4) |
//! | EdDSA | Ed25519 | 64 bytes, with s less than the order (RFC 8032 section 5.1.7) |

mod algorithm;
mod der;
mod error;
mod generate;
mod jwk;
mod kind;
mod pem;
mod private;
mod public;
mod ring;
mod secret;

pub use self::algorithm::Algorithm;
pub use self::error::{KeyError, VerifyError};
pub use self::generate::generate_pem;
pub use self::jwk::{Jwk, Jwks};
pub use self::public::VerifyingKey;
pub use self::ring::KeyRing;
