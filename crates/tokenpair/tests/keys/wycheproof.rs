//! Tests Wycheproof's vectors for the algorithms under JWS: edge cases of signatures, each of which
//! is either valid or invalid.

use tokenpair::keys::{Algorithm, KeyRing, VerifyingKey};
use wycheproof::TestResult;

use super::support::encode;

struct Vector {
    keys: KeyRing,
    about: String,
    message: Vec<u8>,
    signature: Vec<u8>,
    result: TestResult,
}

impl Vector {
    fn is_good(&self, algorithm: Algorithm) -> bool {
        let signature = encode(&self.signature);
        let verdict = self
            .keys
            .verify(algorithm.name(), None, &self.message, &signature);
        verdict.is_ok()
    }
}

/// The modules are alike, but their types differ.
macro_rules! vectors {
    ($algorithm:expr, $module:ident, $name:ident) => {{
        use wycheproof::$module::{TestName, TestSet};
        let set = TestSet::load(TestName::$name).unwrap();
        let groups = set.test_groups.into_iter().flat_map(|group| {
            let keys = VerifyingKey::from_pem($algorithm, &group.pem).unwrap();
            let keys = KeyRing::verifying(keys);
            group.tests.into_iter().map(move |test| Vector {
                keys: keys.clone(),
                about: format!("{} {}: {}", stringify!($name), test.tc_id, test.comment),
                message: test.msg.to_vec(),
                signature: test.sig.to_vec(),
                result: test.result,
            })
        });
        ($algorithm, groups.collect::<Vec<_>>())
    }};
}

/// Valid and invalid signatures must be recognized; acceptable ones must be rejected.
fn judge((algorithm, vectors): (Algorithm, Vec<Vector>)) {
    assert!(vectors.len() > 50, "{algorithm:?}: {}", vectors.len());
    for vector in &vectors {
        let good = vector.result == TestResult::Valid;
        assert_eq!(
            vector.is_good(algorithm),
            good,
            "{algorithm:?} {}",
            vector.about
        );
    }
    let any = |result| vectors.iter().any(|vector| vector.result == result);
    assert!(any(TestResult::Valid) && any(TestResult::Invalid));
}

#[test]
fn ecdsa_signatures_at_the_edges_are_good_or_refused() {
    judge(vectors!(Algorithm::Es256, ecdsa, EcdsaSecp256r1Sha256P1363));
    judge(vectors!(Algorithm::Es384, ecdsa, EcdsaSecp384r1Sha384P1363));
}

#[test]
fn ed25519_signatures_at_the_edges_are_good_or_refused() {
    judge(vectors!(Algorithm::EdDsa, eddsa, Ed25519));
}

#[test]
fn rsa_signatures_at_the_edges_are_good_or_refused() {
    judge(vectors!(Algorithm::Rs256, rsa_pkcs1_verify, Rsa2048Sha256));
    judge(vectors!(Algorithm::Rs384, rsa_pkcs1_verify, Rsa3072Sha384));
    judge(vectors!(Algorithm::Rs512, rsa_pkcs1_verify, Rsa4096Sha512));
}

#[test]
fn rsa_pss_signatures_at_the_edges_are_good_or_refused() {
    judge(vectors!(
        Algorithm::Ps256,
        rsa_pss_verify,
        RsaPss2048Sha256Mgf1SaltLen32
    ));
    judge(vectors!(
        Algorithm::Ps384,
        rsa_pss_verify,
        RsaPss2048Sha384Mgf1SaltLen48
    ));
    judge(vectors!(
        Algorithm::Ps512,
        rsa_pss_verify,
        RsaPss4096Sha512Mgf1SaltLen64
    ));
}

/// RFC 7518 section 3.5: the salt is as long as the hash, and the mask is made with the same hash.
#[test]
fn rsa_pss_signatures_of_other_parameters_are_refused() {
    let (salted, vectors) = vectors!(
        Algorithm::Ps256,
        rsa_pss_verify,
        RsaPss2048Sha256Mgf1SaltLen0
    );
    let (masked, others) = vectors!(
        Algorithm::Ps256,
        rsa_pss_verify,
        RsaPss2048Sha256Mgf1Sha1_20
    );
    assert_eq!(salted, masked);
    // Some of the others are valid with the usual parameters.
    let of_their_own = vectors
        .iter()
        .chain(&others)
        .filter(|vector| vector.result == TestResult::Valid);
    let refused = of_their_own.map(|vector| assert!(!vector.is_good(salted), "{}", vector.about));
    assert!(refused.count() > 50);
}

/// Secrets must be long enough; only the whole tag counts.
#[test]
fn hmac_tags_at_the_edges_are_good_or_refused() {
    use wycheproof::mac::{TestName, TestSet};
    for (algorithm, name) in [
        (Algorithm::Hs256, TestName::HmacSha256),
        (Algorithm::Hs384, TestName::HmacSha384),
        (Algorithm::Hs512, TestName::HmacSha512),
    ] {
        let bytes = algorithm.min_secret_len().unwrap();
        let (mut good, mut refused) = (0, 0);
        for group in TestSet::load(name).unwrap().test_groups {
            let whole = group.tag_size == bytes * 8;
            for test in group.tests {
                let Ok(keys) = KeyRing::from_secret(algorithm, &test.key) else {
                    assert!(test.key.len() < bytes, "{algorithm:?} {test:?}");
                    continue;
                };
                let tag = encode(&test.tag);
                let verdict = keys.verify(algorithm.name(), None, &test.msg, &tag);
                let wanted = whole && test.result == TestResult::Valid;
                assert_eq!(verdict.is_ok(), wanted, "{algorithm:?} {test:?}");
                *if wanted { &mut good } else { &mut refused } += 1;
            }
        }
        assert!(good > 20 && refused > 40, "{algorithm:?} {good} {refused}");
    }
}
