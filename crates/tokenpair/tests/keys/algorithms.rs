//! Tests each algorithm: it signs and verifies, another library agrees, and near misses are
//! rejected.

use std::fs;

use jsonwebtoken::{DecodingKey, EncodingKey, crypto};
use secrecy::ExposeSecret;
use tokenpair::keys::{Algorithm, KeyError, KeyRing, VerifyError, VerifyingKey, generate_pem};

use super::support::{
    SECRET, asymmetric, decode, der, encode, integer, is_hmac, openssl, pair, public, ring,
    sequence, sign, sign_by_other, signs, verify,
};

const MESSAGE: &[u8] = b"eyJhbGciOiJub3QgbG9va2VkIGF0In0.e30";

/// Returns jsonwebtoken's counterparts.
fn foreign(algorithm: Algorithm) -> (jsonwebtoken::Algorithm, EncodingKey, DecodingKey) {
    let name = algorithm.name().parse().unwrap();
    if is_hmac(algorithm) {
        let (signing, verifying) = (
            EncodingKey::from_secret(SECRET),
            DecodingKey::from_secret(SECRET),
        );
        return (name, signing, verifying);
    }
    let (private, public) = (
        pair(algorithm).private.as_bytes(),
        pair(algorithm).public.as_bytes(),
    );
    let (signing, verifying) = match &algorithm.name()[..2] {
        "ES" => (
            EncodingKey::from_ec_pem(private),
            DecodingKey::from_ec_pem(public),
        ),
        "Ed" => (
            EncodingKey::from_ed_pem(private),
            DecodingKey::from_ed_pem(public),
        ),
        _ => (
            EncodingKey::from_rsa_pem(private),
            DecodingKey::from_rsa_pem(public),
        ),
    };
    (name, signing.unwrap(), verifying.unwrap())
}

#[test]
fn each_algorithm_signs_and_verifies_and_another_library_agrees() {
    for algorithm in Algorithm::ALL {
        let keys = ring(algorithm);
        let ours = sign(algorithm, MESSAGE);
        assert_eq!(verify(&keys, MESSAGE, &ours), Ok(()), "{algorithm:?}");
        let (name, signing, verifying) = foreign(algorithm);
        assert!(
            crypto::verify(&ours, MESSAGE, &verifying, name).unwrap(),
            "{algorithm:?}"
        );
        let theirs = crypto::sign(MESSAGE, &signing, name).unwrap();
        assert_eq!(verify(&keys, MESSAGE, &theirs), Ok(()), "{algorithm:?}");
    }
}

#[test]
fn the_public_half_alone_verifies_and_cannot_sign() {
    for algorithm in asymmetric() {
        let signature = sign(algorithm, MESSAGE);
        let keys = KeyRing::verifying_pem(algorithm, &pair(algorithm).public).unwrap();
        let verdict = keys.verify(algorithm.name(), None, MESSAGE, &signature);
        assert_eq!(verdict, Ok(()), "{algorithm:?}");
        assert_eq!(keys.algorithm(), None);
        assert_eq!(
            keys.sign(MESSAGE).unwrap_err().to_string(),
            "there is no signing key"
        );
    }
}

#[test]
fn each_algorithm_has_its_exact_name_and_there_is_no_none() {
    for algorithm in Algorithm::ALL {
        assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
    }
    let names = Algorithm::ALL.map(Algorithm::name).join(" ");
    assert_eq!(
        names,
        "HS256 HS384 HS512 RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 EdDSA"
    );
    for name in [
        "none", "None", "NONE", "nOnE", "", "hs256", "HS256 ", "ES512", "ES256K", "Ed25519",
    ] {
        assert_eq!(Algorithm::from_name(name), None, "{name:?}");
        let verdict = ring(Algorithm::Hs256).verify(name, None, MESSAGE, "");
        assert_eq!(verdict, Err(VerifyError::AlgorithmNotAllowed), "{name:?}");
    }
}

#[test]
fn another_message_another_key_or_a_changed_signature_is_refused() {
    for algorithm in Algorithm::ALL {
        let keys = ring(algorithm);
        let signature = sign(algorithm, MESSAGE);
        let refused = |message: &[u8], signature: &[u8], why: &str| {
            let verdict = verify(&keys, message, &encode(signature));
            assert_eq!(
                verdict,
                Err(VerifyError::BadSignature),
                "{algorithm:?}: {why}"
            );
        };
        let bytes = decode(&signature);
        refused(b"another message", &bytes, "another message");
        for place in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            refused(MESSAGE, &changed, "changed");
        }
        refused(MESSAGE, &[], "empty");
        refused(MESSAGE, &bytes[..bytes.len() - 1], "cut at the end");
        refused(MESSAGE, &bytes[1..], "cut at the start");
        refused(MESSAGE, &[&bytes[..], &[0]].concat(), "longer at the end");
        refused(MESSAGE, &[&[0], &bytes[..]].concat(), "longer at the start");
        refused(MESSAGE, &[&bytes[..], &bytes[..]].concat(), "twice");
        refused(MESSAGE, &vec![0; bytes.len()], "zeros");
        let theirs = if is_hmac(algorithm) {
            let theirs = KeyRing::from_secret(algorithm, &[SECRET, b"!"].concat());
            theirs.unwrap().sign(MESSAGE).unwrap()
        } else {
            sign_by_other(algorithm, MESSAGE)
        };
        refused(MESSAGE, &decode(&theirs), "another key");
    }
}

#[test]
fn a_signature_has_one_spelling() {
    for algorithm in Algorithm::ALL {
        let keys = ring(algorithm);
        let signature = sign(algorithm, MESSAGE);
        for other in [format!("{signature}="), format!("{signature}\n")] {
            let verdict = verify(&keys, MESSAGE, &other);
            assert_eq!(verdict, Err(VerifyError::BadSignature), "{algorithm:?}");
        }
    }
    // 32 bytes leave two bits of the last of 43 letters unused.
    let keys = ring(Algorithm::Hs256);
    let mut signature = keys.sign(MESSAGE).unwrap();
    let last = signature.pop().unwrap();
    signature.push(char::from(last as u8 + 1));
    assert_eq!(
        verify(&keys, MESSAGE, &signature),
        Err(VerifyError::BadSignature)
    );
}

#[test]
fn a_key_serves_its_own_algorithm_alone() {
    for algorithm in Algorithm::ALL {
        let signature = sign(algorithm, MESSAGE);
        for other in Algorithm::ALL.into_iter().filter(|one| *one != algorithm) {
            let keys = ring(algorithm);
            let verdict = keys.verify(other.name(), keys.kid(), MESSAGE, &signature);
            assert_eq!(
                verdict,
                Err(VerifyError::AlgorithmNotAllowed),
                "{algorithm:?} as {other:?}"
            );
            // The other way round: a ring of the other algorithm, and its name in the header.
            let keys = KeyRing::verifying(public(other));
            let verdict = keys.verify(other.name(), None, MESSAGE, &signature);
            assert_eq!(
                verdict,
                Err(VerifyError::BadSignature),
                "{algorithm:?} by {other:?}"
            );
        }
    }
}

#[test]
fn every_form_of_a_private_key_is_the_same_key() {
    let rsa = &pair(Algorithm::Rs256).private;
    let elliptic = &pair(Algorithm::Es384).private;
    for (algorithm, pkcs8, older) in [
        (Algorithm::Rs256, rsa, openssl("rsa -traditional", rsa)),
        (Algorithm::Ps512, rsa, openssl("rsa -traditional", rsa)),
        (Algorithm::Es384, elliptic, openssl("ec", elliptic)),
    ] {
        assert!(older.starts_with("-----BEGIN RSA P") || older.starts_with("-----BEGIN EC P"));
        let same = VerifyingKey::from_private_pem(algorithm, &older).unwrap();
        let key = VerifyingKey::from_private_pem(algorithm, pkcs8).unwrap();
        assert_eq!(same.kid(), key.kid());
        if signs(&algorithm) {
            let same = KeyRing::from_pem(algorithm, &older).unwrap();
            let signature = same.sign(MESSAGE).unwrap();
            assert_eq!(verify(&ring(algorithm), MESSAGE, &signature), Ok(()));
        }
    }
    // openssl ecparam writes the curve's name before the key, and others write remarks.
    let parameters = openssl("ecparam -name prime256v1 -genkey", "");
    assert!(parameters.contains("BEGIN EC PARAMETERS"));
    let remarks = format!("made today\r\n{}", parameters.replace('\n', "\r\n"));
    assert!(KeyRing::from_pem(Algorithm::Es256, &remarks).is_ok());
}

#[test]
fn every_form_of_a_public_key_is_the_same_key() {
    let rsa = &pair(Algorithm::Rs256).public;
    let elliptic = &pair(Algorithm::Es256).public;
    for (algorithm, usual, other) in [
        (
            Algorithm::Rs256,
            rsa,
            openssl("rsa -pubin -RSAPublicKey_out", rsa),
        ),
        (
            Algorithm::Es256,
            elliptic,
            openssl("ec -pubin -pubout -conv_form compressed", elliptic),
        ),
    ] {
        assert_ne!(usual, &other);
        let same = KeyRing::verifying_pem(algorithm, &other).unwrap();
        let keys = KeyRing::verifying_pem(algorithm, usual).unwrap();
        assert_eq!(same.jwks(), keys.jwks());
        let signature = sign(algorithm, MESSAGE);
        let verdict = same.verify(algorithm.name(), None, MESSAGE, &signature);
        assert_eq!(verdict, Ok(()));
    }
}

/// Returns the sum of two big-endian numbers of equal length, and whether it grew longer.
fn sum(one: &[u8], other: &[u8]) -> (Vec<u8>, bool) {
    let mut carry = 0;
    let mut digits = Vec::new();
    for (one, other) in one.iter().rev().zip(other.iter().rev()) {
        let digit = u16::from(*one) + u16::from(*other) + carry;
        digits.push(digit as u8);
        carry = digit >> 8;
    }
    digits.reverse();
    (digits, carry > 0)
}

/// RFC 8017 section 8.2.2: as long as the modulus, and less than it.
#[test]
fn an_rsa_signature_is_as_long_as_the_modulus_and_less_than_it() {
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256] {
        let keys = ring(algorithm);
        let jwks = serde_json::to_value(keys.jwks()).unwrap();
        let modulus = decode(jwks["keys"][0]["n"].as_str().unwrap());
        let (mut short, mut large) = (false, false);
        for number in 0_u32.. {
            let message = number.to_be_bytes();
            let signature = decode(&sign(algorithm, &message));
            assert_eq!(signature.len(), modulus.len());
            if !short && signature[0] == 0 {
                let verdict = verify(&keys, &message, &encode(&signature[1..]));
                assert_eq!(verdict, Err(VerifyError::BadSignature));
                short = true;
            }
            let (same, longer) = sum(&signature, &modulus);
            if !large && !longer {
                let verdict = verify(&keys, &message, &encode(&same));
                assert_eq!(verdict, Err(VerifyError::BadSignature));
                large = true;
            }
            if short && large {
                break;
            }
        }
    }
}

/// The private operation alone on a block that is padded by hand.
fn bare_rsa(block: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (key, padded, signature) = (path("key"), path("padded"), path("signature"));
    fs::write(&key, &pair(Algorithm::Rs256).private).unwrap();
    fs::write(&padded, block).unwrap();
    let options = "-pkeyopt rsa_padding_mode:none";
    openssl(
        &format!("pkeyutl -decrypt -inkey {key} -in {padded} -out {signature} {options}"),
        "",
    );
    encode(&fs::read(&signature).unwrap())
}

/// RFC 8017 section 8.2.2: the padding is rebuilt and compared, not parsed (RFC 8725 section 2.2).
#[test]
fn an_rs256_signature_with_other_padding_is_refused() {
    let keys = ring(Algorithm::Rs256);
    let hash = decode("jBxR5l-uyge99z9ds2qC8POiCNgVZ-bxAKmVLH7YjHw");
    let sha256 = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
    let sha384 = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02];
    let info = |oid: &[u8], null: &[u8]| {
        let algorithm = sequence(&[der(0x06, oid), null.to_vec()]);
        sequence(&[algorithm, der(0x04, &hash)])
    };
    let block = |kind: u8, padding: usize, info: &[u8], rest: usize| {
        let rest = vec![0; rest];
        let block = [&[0, kind], &vec![0xff; padding][..], &[0], info, &rest].concat();
        assert_eq!(block.len(), 256);
        bare_rsa(&block)
    };
    let right = info(&sha256, &[5, 0]);
    let full = 253 - right.len();
    assert_eq!(
        verify(&keys, MESSAGE, &block(1, full, &right, 0)),
        Ok(()),
        "the correct padding, to show that the rest is rejected only for its padding"
    );
    let no_null = info(&sha256, &[]);
    for (signature, what) in [
        (block(2, full, &right, 0), "another kind of block"),
        (block(0, full, &right, 0), "no kind of block"),
        (block(1, 8, &right, full - 8), "garbage after the hash"),
        (block(1, full - 1, &right, 1), "a byte after the hash"),
        (block(1, full + 2, &no_null, 0), "no NULL"),
        (block(1, full, &info(&sha384, &[5, 0]), 0), "another hash"),
        (block(1, 253 - 32, &hash, 0), "the hash alone"),
    ] {
        let verdict = verify(&keys, MESSAGE, &signature);
        assert_eq!(verdict, Err(VerifyError::BadSignature), "{what}");
    }
}

/// RFC 7518 section 3.4: r and s side by side, each as long as the curve's order; FIPS 186-5
/// section 6.4.2: neither zero nor as large as the order (CVE-2022-21449).
#[test]
fn an_ecdsa_signature_is_two_numbers_below_the_order_and_not_asn_1() {
    let keys = ring(Algorithm::Es256);
    let signature = decode(&keys.sign(MESSAGE).unwrap());
    assert_eq!(signature.len(), 64);
    let order: Vec<u8> = [
        0xffff_ffff_0000_0000_ffff_ffff_ffff_ffff_u128,
        0xbce6_faad_a717_9e84_f3b9_cac2_fc63_2551,
    ]
    .iter()
    .flat_map(|half| half.to_be_bytes())
    .collect();
    let (r, s) = signature.split_at(32);
    let zero = &[0; 32][..];
    let ones = &[0xff; 32][..];
    for (r, s) in [
        (zero, zero),
        (zero, s),
        (r, zero),
        (&order, s),
        (r, &order),
        (&order, &order),
        (ones, ones),
        (s, r),
    ] {
        let verdict = verify(&keys, MESSAGE, &encode(&[r, s].concat()));
        assert_eq!(verdict, Err(VerifyError::BadSignature));
    }
    let asn1 = sequence(&[integer(r), integer(s)]);
    let verdict = verify(&keys, MESSAGE, &encode(&asn1));
    assert_eq!(verdict, Err(VerifyError::BadSignature));
    // r and s with a leading zero each are the same numbers.
    let padded = [&[0], r, &[0], s].concat();
    let verdict = verify(&keys, MESSAGE, &encode(&padded));
    assert_eq!(verdict, Err(VerifyError::BadSignature));
    assert_eq!(
        decode(&ring(Algorithm::Es384).sign(MESSAGE).unwrap()).len(),
        96
    );
}

/// RFC 8032 section 5.1.7: S is less than the order, or each signature would have a second form.
#[test]
fn an_ed25519_signature_has_an_s_below_the_order() {
    let keys = ring(Algorithm::EdDsa);
    let signature = decode(&keys.sign(MESSAGE).unwrap());
    let (r, s) = signature.split_at(32);
    let order: Vec<u8> = [
        0x1000_0000_0000_0000_0000_0000_0000_0000_u128,
        0x14de_f9de_a2f7_9cd6_5812_631a_5cf5_d3ed,
    ]
    .iter()
    .flat_map(|half| half.to_be_bytes())
    .collect();
    let big_end_first: Vec<u8> = s.iter().rev().copied().collect();
    let (mut same, _) = sum(&big_end_first, &order);
    same.reverse();
    let verdict = verify(&keys, MESSAGE, &encode(&[r, &same].concat()));
    assert_eq!(verdict, Err(VerifyError::BadSignature));
}

#[test]
fn a_generated_key_is_one_of_its_own_that_openssl_reads() {
    let kinds = [
        Algorithm::Ps256,
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::EdDsa,
    ];
    for algorithm in kinds.into_iter().filter(signs) {
        let pem = generate_pem(algorithm).unwrap();
        let other = generate_pem(algorithm).unwrap();
        let keys = KeyRing::from_pem(algorithm, pem.expose_secret()).unwrap();
        let public = openssl("pkey -pubout", pem.expose_secret());
        let public = VerifyingKey::from_pem(algorithm, &public).unwrap();
        assert_eq!(keys.kid(), public.kid(), "{algorithm:?}");
        let text = openssl("pkey -noout -text", pem.expose_secret());
        assert_eq!(text.contains("3072 bit"), algorithm == Algorithm::Ps256);
        let half = VerifyingKey::from_private_pem(algorithm, pem.expose_secret()).unwrap();
        assert_eq!(half.kid(), public.kid());
        let other = KeyRing::from_pem(algorithm, other.expose_secret()).unwrap();
        assert_ne!(keys.kid(), other.kid());
        assert!(!format!("{pem:?}").contains("BEGIN"));
    }
    assert_eq!(
        generate_pem(Algorithm::Hs256).unwrap_err(),
        KeyError::PemForSecret(Algorithm::Hs256)
    );
}
