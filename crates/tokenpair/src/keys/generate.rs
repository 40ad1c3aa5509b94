//! Implements generating key pairs.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use pem::{EncodeConfig, LineEnding, Pem};
use secrecy::SecretString;

use super::algorithm::{Algorithm, Family};
use super::error::KeyError;

/// As strong as the other algorithms' keys: 128 bits (NIST SP 800-57 part 1, table 2).
const RSA: KeySize = KeySize::Rsa3072;

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
/// Returns [`KeyError::PemForSecret`] if the algorithm takes a secret, [`KeyError::Generation`] if
/// the cryptographic library fails.
pub fn generate_pem(algorithm: Algorithm) -> Result<SecretString, KeyError> {
    if let Family::Hmac = algorithm.family() {
        return Err(KeyError::PemForSecret(algorithm));
    }
    let der = pkcs8(algorithm).map_err(|_| KeyError::Generation)?;
    let lines = EncodeConfig::new().set_line_ending(LineEnding::LF);
    let text = pem::encode_config(&Pem::new("PRIVATE KEY", der), lines);
    Ok(text.into())
}

fn pkcs8(algorithm: Algorithm) -> Result<Vec<u8>, Unspecified> {
    match algorithm.family() {
        Family::Hmac => Err(Unspecified),
        Family::Rsa(_) => {
            let der: Pkcs8V1Der<'_> = RsaKeyPair::generate(RSA)?.as_der()?;
            Ok(der.as_ref().to_vec())
        }
        Family::Ecdsa(curve) => {
            let der = EcdsaKeyPair::generate(curve.signing)?.to_pkcs8v1()?;
            Ok(der.as_ref().to_vec())
        }
        Family::Ed25519 => Ok(Ed25519KeyPair::generate()?.to_pkcs8v1()?.as_ref().to_vec()),
    }
}
