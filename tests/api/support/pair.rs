//! Provides key pairs for servers, and for forgeries that are signed with the server's key.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};

pub(crate) use super::openssl::Pair;

/// All algorithms with a key pair.
pub(crate) const ALGORITHMS: [&str; 9] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
];

impl Pair {
    /// Returns the pair of that algorithm for all tests. Six algorithms share one RSA pair.
    pub(crate) fn of(algorithm: &str) -> &'static Self {
        static PAIRS: LazyLock<[Pair; 4]> = LazyLock::new(|| {
            [
                "-algorithm RSA -pkeyopt rsa_keygen_bits:2048",
                "-algorithm EC -pkeyopt ec_paramgen_curve:P-256",
                "-algorithm EC -pkeyopt ec_paramgen_curve:P-384",
                "-algorithm ED25519",
            ]
            .map(Pair::new)
        });
        let [rsa, p256, p384, ed25519] = &*PAIRS;
        match algorithm {
            "ES256" => p256,
            "ES384" => p384,
            "EdDSA" => ed25519,
            _ => rsa,
        }
    }

    /// Returns the settings of a server that signs with it.
    pub(crate) fn settings<'a>(&'a self, algorithm: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![
            ("JWT_ALGORITHM", algorithm),
            ("JWT_PRIVATE_KEY", &self.private),
            ("JWT_SECRET_KEY", ""),
        ]
    }

    /// Returns the encodings of the public key that an attacker might use as a secret.
    pub(crate) fn known_forms(&self) -> Vec<Vec<u8>> {
        let body: String = self
            .public
            .lines()
            .filter(|line| !line.starts_with('-'))
            .collect();
        vec![
            self.public.clone().into_bytes(),
            self.public.trim().as_bytes().to_vec(),
            STANDARD.decode(&body).unwrap(),
            body.into_bytes(),
        ]
    }
}

/// Returns the key that signs with that algorithm.
pub(crate) fn signing(algorithm: &str) -> EncodingKey {
    let pem = Pair::of(algorithm).private.as_bytes();
    match algorithm {
        "ES256" | "ES384" => EncodingKey::from_ec_pem(pem),
        "EdDSA" => EncodingKey::from_ed_pem(pem),
        _ => EncodingKey::from_rsa_pem(pem),
    }
    .unwrap()
}

/// Returns the token's claims under another header, signed with that key.
pub(crate) fn resigned(token: &str, header: &str, key: &EncodingKey, with: &str) -> String {
    let claims = token.split('.').nth(1).unwrap();
    let message = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(header));
    let with: Algorithm = with.parse().unwrap();
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, with).unwrap();
    format!("{message}.{signature}")
}
