//! The algorithms: their names, and what the library below calls them.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
};

/// The JWS algorithms a key can have (RFC 7518 section 3.1, RFC 8037 section 3.1). There is no `none`.
///
/// ```
/// use tokenpair::keys::Algorithm;
///
/// assert_eq!(Algorithm::from_name("ES256"), Some(Algorithm::Es256));
/// assert_eq!(Algorithm::from_name("es256"), None);
/// assert_eq!(Algorithm::from_name("none"), None);
/// assert_eq!(Algorithm::default().name(), "HS256");
/// assert_eq!(Algorithm::Hs512.min_secret_len(), Some(64)); // bytes
/// assert_eq!(Algorithm::EdDsa.min_secret_len(), None); // takes a key pair
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Algorithm {
    /// HMAC with SHA-256, the default, as in Flask-JWT-Extended.
    #[default]
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256, and a salt as long as the hash.
    Ps256,
    /// RSASSA-PSS with SHA-384, MGF1 with SHA-384, and a salt as long as the hash.
    Ps384,
    /// RSASSA-PSS with SHA-512, MGF1 with SHA-512, and a salt as long as the hash.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519. Its name is `EdDSA`, which RFC 8037 gives to Ed448 too; that one is not supported.
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// Those whose key is one shared secret.
    pub const HMAC: [Self; 3] = [Self::Hs256, Self::Hs384, Self::Hs512];

    /// The name in a token's `alg`; compared exactly, case included (RFC 7515 section 4.1.1).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of that exact name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }

    /// The shortest secret allowed, in bytes: that of the hash's output (RFC 7518 section 3.2). None where the key is no
    /// secret.
    pub const fn min_secret_len(self) -> Option<usize> {
        match self {
            Self::Hs256 => Some(32),
            Self::Hs384 => Some(48),
            Self::Hs512 => Some(64),
            _ => None,
        }
    }

    /// What kind of key it takes, in words.
    pub(super) const fn wants(self) -> &'static str {
        match self {
            Self::Hs256 | Self::Hs384 | Self::Hs512 => "a secret",
            Self::Es256 => "a key on the curve P-256",
            Self::Es384 => "a key on the curve P-384",
            Self::EdDsa => "an Ed25519 key",
            _ => "an RSA key",
        }
    }

    /// The one that signs and verifies with it.
    pub(super) const fn jws(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::Hs384 => jsonwebtoken::Algorithm::HS384,
            Self::Hs512 => jsonwebtoken::Algorithm::HS512,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Rs384 => jsonwebtoken::Algorithm::RS384,
            Self::Rs512 => jsonwebtoken::Algorithm::RS512,
            Self::Ps256 => jsonwebtoken::Algorithm::PS256,
            Self::Ps384 => jsonwebtoken::Algorithm::PS384,
            Self::Ps512 => jsonwebtoken::Algorithm::PS512,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Es384 => jsonwebtoken::Algorithm::ES384,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }

    pub(super) const fn family(self) -> Family {
        match self {
            Self::Hs256 | Self::Hs384 | Self::Hs512 => Family::Hmac,
            Self::Rs256 => Family::Rsa(&RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Family::Rsa(&RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Family::Rsa(&RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Family::Rsa(&RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Family::Rsa(&RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Family::Rsa(&RSA_PSS_2048_8192_SHA512),
            // FIXED is r and s side by side (RFC 7518 section 3.4); the library's other form is ASN.1.
            Self::Es256 => Family::Ecdsa(&P256),
            Self::Es384 => Family::Ecdsa(&P384),
            Self::EdDsa => Family::Ed25519,
        }
    }
}

/// The kind of key an algorithm takes, with what the library needs to know beside the key.
#[derive(Clone, Copy)]
pub(super) enum Family {
    Hmac,
    Rsa(&'static RsaParameters),
    Ecdsa(&'static Curve),
    Ed25519,
}

pub(super) struct Curve {
    /// As a JWK names it (RFC 7518 section 6.2.1.1).
    pub(super) name: &'static str,
    /// Bytes in a coordinate.
    pub(super) size: usize,
    pub(super) signing: &'static EcdsaSigningAlgorithm,
    pub(super) verifying: &'static EcdsaVerificationAlgorithm,
}

static P256: Curve = Curve {
    name: "P-256",
    size: 32,
    signing: &ECDSA_P256_SHA256_FIXED_SIGNING,
    verifying: &ECDSA_P256_SHA256_FIXED,
};

static P384: Curve = Curve {
    name: "P-384",
    size: 48,
    signing: &ECDSA_P384_SHA384_FIXED_SIGNING,
    verifying: &ECDSA_P384_SHA384_FIXED,
};
