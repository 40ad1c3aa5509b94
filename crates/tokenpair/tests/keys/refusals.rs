//! Tests keys that must be rejected: weak, of the wrong kind, the wrong half of a pair, or not
//! secret at all.

#[cfg(not(feature = "aws-lc-rs"))]
use tokenpair::config::JwtSettings;
use tokenpair::keys::{Algorithm, KeyError, KeyRing, VerifyingKey};

use super::support::{
    ED25519, P521, Pair, RSA_1024, SECP256K1, SECRET, asymmetric, decode, der, der_of, integer,
    openssl, pair, pem, ring, sequence, signing_error, verifying_error,
};

#[test]
fn rsa_keys_of_fewer_than_2048_bits_are_refused() {
    let weak = Pair::new(RSA_1024);
    let older = openssl("rsa -traditional", &weak.private);
    for algorithm in [Algorithm::Rs256, Algorithm::Rs512, Algorithm::Ps384] {
        assert_eq!(signing_error(algorithm, &weak.private), KeyError::RsaSize);
        assert_eq!(signing_error(algorithm, &older), KeyError::RsaSize);
        assert_eq!(verifying_error(algorithm, &weak.public), KeyError::RsaSize);
    }
    // One bit too few, and not a multiple of eight.
    let jwks = serde_json::to_value(ring(Algorithm::Rs256).jwks()).unwrap();
    let mut modulus = decode(jwks["keys"][0]["n"].as_str().unwrap());
    modulus[0] >>= 1;
    let less = sequence(&[integer(&modulus), integer(&[1, 0, 1])]);
    let error = verifying_error(Algorithm::Rs256, &pem("RSA PUBLIC KEY", &less));
    assert_eq!(error, KeyError::RsaSize);
}

#[test]
fn rsa_exponents_that_leave_the_message_in_the_clear_are_refused() {
    let jwks = serde_json::to_value(ring(Algorithm::Rs256).jwks()).unwrap();
    let modulus = decode(jwks["keys"][0]["n"].as_str().unwrap());
    for exponent in [0, 1, 2] {
        let key = sequence(&[integer(&modulus), integer(&[exponent])]);
        let error = verifying_error(Algorithm::Rs256, &pem("RSA PUBLIC KEY", &key));
        assert_eq!(error, KeyError::Unreadable(Algorithm::Rs256), "{exponent}");
    }
}

/// RUSTSEC-2023-0071.
#[cfg(not(feature = "aws-lc-rs"))]
#[test]
fn an_rsa_key_verifies_and_does_not_sign_without_aws_lc() {
    let pair = pair(Algorithm::Rs256);
    for algorithm in asymmetric().filter(|one| !super::support::signs(one)) {
        let refusal = KeyError::RsaSigning(algorithm);
        assert_eq!(signing_error(algorithm, &pair.private), refusal);
        assert_eq!(
            tokenpair::keys::generate_pem(algorithm).unwrap_err(),
            refusal
        );
        assert!(VerifyingKey::from_pem(algorithm, &pair.public).is_ok());
        assert!(VerifyingKey::from_private_pem(algorithm, &pair.private).is_ok());
        let said = refusal.to_string();
        for cure in [algorithm.name(), "ES256", "EdDSA", "`aws-lc-rs`"] {
            assert!(said.contains(cure), "{said}");
        }
    }
    let settings = [
        ("JWT_ALGORITHM", "RS256"),
        ("JWT_PRIVATE_KEY", &pair.private),
        ("JWT_PUBLIC_KEY", &pair.public),
    ];
    let value = |name: &str| settings.iter().find(|(own, _)| *own == name);
    let read = JwtSettings::read(|name: &str| value(name).map(|(_, value)| (*value).to_owned()));
    let error = read.unwrap_err().to_string();
    assert!(
        error.contains("JWT_PRIVATE_KEY") && error.contains("ES256"),
        "{error}"
    );
}

/// Larger ones than AWS-LC's limit, or the smaller one of RustCrypto.
#[test]
fn rsa_keys_that_are_too_large_are_refused_with_the_limit() {
    let limit = if cfg!(feature = "aws-lc-rs") {
        8192
    } else {
        4096
    };
    let modulus = |bits: usize| [&[0xff][..], &vec![0xff; bits / 8 - 1]].concat();
    let key = |bits| sequence(&[integer(&modulus(bits)), integer(&[1, 0, 1])]);
    let read = |bits| VerifyingKey::from_pem(Algorithm::Ps256, &pem("RSA PUBLIC KEY", &key(bits)));
    assert!(read(limit).is_ok());
    let error = read(limit + 8).unwrap_err();
    assert_eq!(error, KeyError::RsaSize);
    assert!(error.to_string().contains(&limit.to_string()), "{error}");
}

/// RFC 4055 section 3.1: such a key may name a hash and a salt other than the algorithm's.
#[test]
fn a_key_for_pss_alone_is_refused_in_both_halves() {
    let pss = Pair::new("-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048");
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256] {
        let unreadable = KeyError::Unreadable(algorithm);
        assert_eq!(signing_error(algorithm, &pss.private), unreadable);
        assert_eq!(verifying_error(algorithm, &pss.public), unreadable);
    }
}

/// A signature of zeros and a one verifies for the neutral point, whatever the message.
#[test]
fn an_ed25519_key_that_anyone_can_sign_for_is_refused() {
    let usual = der_of(&pair(Algorithm::EdDsa).public);
    let head = &usual[..usual.len() - 32];
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let zeros = [0; 32];
    let mut negative = [0; 32];
    negative[31] = 0x80;
    let mut largest = [0xff; 32];
    (largest[0], largest[31]) = (0xec, 0x7f);
    let mut beyond = largest;
    beyond[0] = 0xee;
    let eighth = decode("JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU");
    for point in [&neutral[..], &zeros, &negative, &largest, &beyond, &eighth] {
        let key = pem("PUBLIC KEY", &[head, point].concat());
        assert_eq!(
            verifying_error(Algorithm::EdDsa, &key),
            KeyError::Unreadable(Algorithm::EdDsa)
        );
    }
}

#[test]
fn a_point_off_its_curve_is_refused() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384] {
        let mut key = der_of(&pair(algorithm).public);
        *key.last_mut().unwrap() ^= 1;
        let error = verifying_error(algorithm, &pem("PUBLIC KEY", &key));
        assert_eq!(error, KeyError::Unreadable(algorithm));
    }
}

#[test]
fn a_bare_point_without_its_kind_is_refused() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa] {
        let key = der_of(&pair(algorithm).public);
        let bytes = match algorithm {
            Algorithm::Es256 => 65,
            Algorithm::Es384 => 97,
            _ => 32,
        };
        let bare = &key[key.len() - bytes..];
        let error = verifying_error(algorithm, &pem("PUBLIC KEY", bare));
        assert_eq!(error, KeyError::Unreadable(algorithm));
    }
}

#[test]
fn a_private_key_whose_parts_disagree_is_refused() {
    let private = der_of(&pair(Algorithm::EdDsa).private);
    // RFC 5958's second version, which includes the public key.
    let with = |public: &str| {
        let public = der_of(public);
        let bits = [&[0], &public[public.len() - 32..]].concat();
        let parts = [der(0x02, &[1]), private[5..].to_vec(), der(0x81, &bits)];
        KeyRing::from_pem(Algorithm::EdDsa, &pem("PRIVATE KEY", &sequence(&parts)))
    };
    assert!(with(&pair(Algorithm::EdDsa).public).is_ok());
    assert_eq!(
        with(&Pair::new(ED25519).public).unwrap_err(),
        KeyError::Unreadable(Algorithm::EdDsa)
    );
}

#[test]
fn a_key_of_another_kind_or_curve_is_refused_by_name() {
    let pairs = [
        (pair(Algorithm::Rs256), "an RSA key"),
        (pair(Algorithm::Es256), "a key on the curve P-256"),
        (pair(Algorithm::Es384), "a key on the curve P-384"),
        (&Pair::new(P521), "a key on the curve P-521"),
        (&Pair::new(SECP256K1), "a key on the curve secp256k1"),
        (pair(Algorithm::EdDsa), "an Ed25519 key"),
    ];
    for algorithm in asymmetric() {
        let own = pair(algorithm);
        for (pair, found) in pairs.iter().filter(|(pair, _)| pair.public != own.public) {
            let wrong = KeyError::WrongKind { algorithm, found };
            assert_eq!(signing_error(algorithm, &pair.private), wrong);
            assert_eq!(verifying_error(algorithm, &pair.public), wrong);
        }
    }
    let error = signing_error(Algorithm::Es256, &pair(Algorithm::Es384).private);
    assert_eq!(
        error.to_string(),
        "ES256 takes a key on the curve P-256, but this is a key on the curve P-384"
    );
    let unknown = Pair::new("-algorithm X25519");
    assert_eq!(
        verifying_error(Algorithm::EdDsa, &unknown.public),
        KeyError::Unreadable(Algorithm::EdDsa)
    );
}

#[test]
fn a_private_key_does_not_verify_and_a_public_key_does_not_sign() {
    for algorithm in asymmetric() {
        let pair = pair(algorithm);
        assert_eq!(
            verifying_error(algorithm, &pair.private),
            KeyError::PrivateKeyForVerifying
        );
        assert_eq!(
            signing_error(algorithm, &pair.public),
            KeyError::PublicKeyForSigning
        );
        // Nor if their labels are wrong.
        let lying = pem("PUBLIC KEY", &der_of(&pair.private));
        assert_eq!(
            verifying_error(algorithm, &lying),
            KeyError::Unreadable(algorithm)
        );
        let lying = pem("PRIVATE KEY", &der_of(&pair.public));
        assert_eq!(
            signing_error(algorithm, &lying),
            KeyError::Unreadable(algorithm)
        );
    }
    let rsa = openssl("rsa -traditional", &pair(Algorithm::Rs256).private);
    assert_eq!(
        verifying_error(Algorithm::Rs256, &rsa),
        KeyError::PrivateKeyForVerifying
    );
}

#[test]
fn a_key_is_no_secret_in_any_form() {
    let rsa = pair(Algorithm::Rs256);
    let jwks = serde_json::to_value(ring(Algorithm::EdDsa).jwks()).unwrap();
    let mut forms: Vec<Vec<u8>> = vec![
        rsa.public.clone().into(),
        rsa.private.clone().into(),
        format!("\n  {}", rsa.public).into(),
        openssl("rsa -pubin -RSAPublicKey_out", &rsa.public).into(),
        der_of(&openssl("rsa -pubin -RSAPublicKey_out", &rsa.public)),
        jwks["keys"][0].to_string().into(),
        jwks.to_string().into(),
        format!("ssh-rsa {}", "AAAAB3NzaC1yc2EAAAADAQABAAABgQC7".repeat(4)).into(),
        format!(
            "ecdsa-sha2-nistp256 {}",
            "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAI".repeat(3)
        )
        .into(),
    ];
    for algorithm in asymmetric() {
        forms.push(der_of(&pair(algorithm).public));
        forms.push(der_of(&pair(algorithm).private));
    }
    let certificate = "req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout /dev/null";
    forms.push(openssl(certificate, "").into());
    for form in forms {
        let text = String::from_utf8_lossy(&form);
        for error in [
            KeyRing::from_secret(Algorithm::Hs256, &form).unwrap_err(),
            VerifyingKey::from_secret(Algorithm::Hs256, &form).unwrap_err(),
        ] {
            assert_eq!(error, KeyError::KeyAsSecret, "{text}");
        }
    }
}

/// An attacker's first guesses, even repeated to sufficient length.
#[test]
fn a_published_secret_is_refused_also_where_it_is_repeated_to_length() {
    let published = [
        "secret",
        "super-secret",
        "change-me",
        "Change this!",
        "your-256-bit-secret",
        "a-string-secret-at-least-256-bits-long",
        "my_super_secret_key_for_production_2026",
        "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
    ];
    for text in published {
        for secret in [
            text.to_owned(),
            text.repeat(9),
            text.repeat(12)[..65].to_owned(),
        ] {
            for algorithm in Algorithm::HMAC {
                let error = KeyRing::from_secret(algorithm, secret.as_bytes()).unwrap_err();
                assert_eq!(error, KeyError::Placeholder, "{secret}");
            }
        }
    }
    assert_eq!(
        KeyRing::from_secret(Algorithm::Hs256, &[b'x'; 64]).unwrap_err(),
        KeyError::Placeholder
    );
}

#[test]
fn a_short_text_is_no_stronger_for_being_repeated() {
    for secret in [
        "0123456789abcdef".repeat(4),
        "12345678901234567890123456789012".to_owned(),
        "ab".repeat(40),
        "nobody guesses this".repeat(4),
    ] {
        let error = KeyRing::from_secret(Algorithm::Hs256, secret.as_bytes()).unwrap_err();
        assert_eq!(error, KeyError::Repeated, "{secret}");
    }
    let whole = "32 bytes that nobody else knows!";
    let twice = whole.repeat(2);
    assert!(KeyRing::from_secret(Algorithm::Hs256, twice.as_bytes()).is_ok());
    let error = KeyRing::from_secret(Algorithm::Hs512, twice.as_bytes()).unwrap_err();
    assert_eq!(error, KeyError::Repeated);
    // An end that equals the beginning by chance.
    let chance = "7f3c1c0d9a5e4b8876b1d2f3a4c5e67f";
    assert!(KeyRing::from_secret(Algorithm::Hs256, chance.as_bytes()).is_ok());
}

#[test]
fn a_secret_that_only_begins_as_a_key_does_is_a_secret() {
    for secret in [
        "0123456789abcdefghijklmnopqrstuv",
        "04f1c8d2b7a94e6683d5c0e7f2a1b4c9",
        "{\"a secret\": \"of somebody who likes JSON\"}",
    ] {
        assert!(KeyRing::from_secret(Algorithm::Hs256, secret.as_bytes()).is_ok());
    }
}

#[test]
fn a_secret_and_a_pem_text_go_to_the_algorithms_that_take_them() {
    for algorithm in asymmetric() {
        let error = KeyRing::from_secret(algorithm, SECRET).unwrap_err();
        assert_eq!(error, KeyError::SecretForKeyPair(algorithm));
    }
    for algorithm in Algorithm::HMAC {
        let pair = pair(Algorithm::Rs256);
        let wrong = KeyError::PemForSecret(algorithm);
        assert_eq!(signing_error(algorithm, &pair.private), wrong);
        assert_eq!(verifying_error(algorithm, &pair.public), wrong);
    }
    let error = KeyRing::from_secret(Algorithm::Rs256, SECRET).unwrap_err();
    assert_eq!(error.to_string(), "RS256 takes an RSA key, not a secret");
}

#[test]
fn a_text_without_one_readable_key_is_refused() {
    let pair = pair(Algorithm::Rs256);
    let whole = &pair.private;
    let cut = &whole[..whole.len() / 2];
    let no_base64 = whole.replace('\n', "\n!");
    let other_end = whole.replace("END PRIVATE", "END RSA PRIVATE");
    for text in ["", "key.pem", cut, &no_base64, &other_end, "-----BEGIN "] {
        assert_eq!(signing_error(Algorithm::Rs256, text), KeyError::NotPem);
        assert_eq!(verifying_error(Algorithm::Rs256, text), KeyError::NotPem);
    }
    let both = format!("{}{}", pair.private, pair.public);
    assert_eq!(
        signing_error(Algorithm::Rs256, &both),
        KeyError::SeveralKeys
    );
    let empty = pem("PRIVATE KEY", &[]);
    assert_eq!(
        signing_error(Algorithm::Rs256, &empty),
        KeyError::Unreadable(Algorithm::Rs256)
    );
}

#[test]
fn what_is_encrypted_or_a_certificate_is_refused_with_the_cure() {
    let private = &pair(Algorithm::Rs256).private;
    let encrypted = openssl("pkey -aes256 -passout pass:x", private);
    let older = openssl("rsa -traditional -aes256 -passout pass:x", private);
    assert!(older.contains("Proc-Type: 4,ENCRYPTED"));
    for text in [encrypted, older] {
        assert_eq!(signing_error(Algorithm::Rs256, &text), KeyError::Encrypted);
    }
    let certificate = "req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout /dev/null";
    let certificate = openssl(certificate, "");
    let error = verifying_error(Algorithm::Rs256, &certificate);
    assert_eq!(error, KeyError::Certificate);
    assert!(error.to_string().contains("openssl x509 -pubkey -noout"));
    let key = openssl("x509 -pubkey -noout", &certificate);
    assert!(VerifyingKey::from_pem(Algorithm::Rs256, &key).is_ok());
}

#[test]
fn neither_keys_nor_errors_show_what_they_were_made_of() {
    let private = &pair(Algorithm::Rs256).private;
    let body = private.lines().nth(5).unwrap();
    let secret = String::from_utf8_lossy(SECRET);
    let text = format!(
        "{:?} {:?} {:?} {:?} {}",
        ring(Algorithm::Rs256),
        ring(Algorithm::Hs256),
        VerifyingKey::from_secret(Algorithm::Hs256, SECRET),
        verifying_error(Algorithm::Rs256, private),
        signing_error(Algorithm::Es256, private),
    );
    assert!(
        !text.contains(body) && !text.contains(&secret[..9]),
        "{text}"
    );
    assert!(text.contains("RS256"));
}
