//! Reads the private half of a key pair, which signs.

use super::algorithm::Algorithm;
use super::error::KeyError;
use super::kind;
use super::pem::{self, Form};
use crate::crypto::{Backend, Crypto, KeyKind, KeyPair};

/// Returns the key pair, checked.
pub(super) fn from_pem(algorithm: Algorithm, text: &str) -> Result<KeyPair, KeyError> {
    let Some(kind) = algorithm.key_kind() else {
        return Err(KeyError::PemForSecret(algorithm));
    };
    let (form, der) = pem::key(text)?;
    if form == Form::Public {
        return Err(KeyError::PublicKeyForSigning);
    }
    // Before the key is parsed, since SEC 1 allows a key whose number would fit several curves.
    match kind::of_private(&der) {
        Some(found) if found != algorithm.wants() => {
            return Err(KeyError::WrongKind { algorithm, found });
        }
        _ => {}
    }
    let pair = match kind {
        KeyKind::Rsa => kind::rsa_private(&der)?.and_then(|der| Crypto::key_pair(kind, der)),
        _ => Crypto::key_pair(kind, &der),
    };
    pair.ok_or(KeyError::Unreadable(algorithm))
}

/// Refuses RSA keys if the cryptographic library must not sign with them.
pub(super) fn may_sign(algorithm: Algorithm) -> Result<(), KeyError> {
    if algorithm.key_kind() == Some(KeyKind::Rsa) && !Crypto::SIGNS_WITH_RSA {
        return Err(KeyError::RsaSigning(algorithm));
    }
    Ok(())
}
