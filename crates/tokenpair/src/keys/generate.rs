//! Implements generating key pairs.

use pem::{EncodeConfig, LineEnding, Pem};
use secrecy::SecretString;

use super::algorithm::Algorithm;
use super::error::KeyError;
use super::private;
use crate::crypto::{Backend, Crypto};

/// Generates a private key in PEM form (`PRIVATE KEY`, PKCS#8). RSA keys have 3072 bits.
///
/// ```
/// use secrecy::ExposeSecret;
/// use tokenpair::keys::{Algorithm, KeyRing, generate_pem};
///
/// let pem = generate_pem(Algorithm::Es256)?;
/// let keys = KeyRing::from_pem(Algorithm::Es256, pem.expose_secret())?;
/// assert_eq!(keys.jwks().keys().len(), 1);
/// # Ok::<(), tokenpair::keys::KeyError>(())
/// ```
///
/// # Errors
///
/// Returns [`KeyError::PemForSecret`] if the algorithm takes a secret, [`KeyError::RsaSigning`] for
/// an RSA key without the feature `aws-lc-rs`, [`KeyError::Generation`] if the cryptographic
/// library fails.
pub fn generate_pem(algorithm: Algorithm) -> Result<SecretString, KeyError> {
    let Some(kind) = algorithm.key_kind() else {
        return Err(KeyError::PemForSecret(algorithm));
    };
    private::may_sign(algorithm)?;
    let der = Crypto::generate(kind).ok_or(KeyError::Generation)?;
    let lines = EncodeConfig::new().set_line_ending(LineEnding::LF);
    let text = pem::encode_config(&Pem::new("PRIVATE KEY", der), lines);
    Ok(text.into())
}
