//! Tests the ring: the choice of a token's key, the rotation of keys, and the public JWKS.

use std::collections::BTreeSet;

use serde_json::Value;
use tokenpair::keys::{Algorithm, KeyError, KeyRing, VerifyError, VerifyingKey};

use super::support::{
    SECRET, asymmetric, decode, der_of, hs256, other_pair, pair, public, ring, sign, sign_by_other,
    signs, verify,
};

const MESSAGE: &[u8] = b"header.payload";
const BEFORE: &[u8] = b"the secret that signed before it was changed for a new one";

fn before() -> KeyRing {
    KeyRing::from_secret(Algorithm::Hs256, BEFORE).unwrap()
}

fn previous() -> VerifyingKey {
    VerifyingKey::from_secret(Algorithm::Hs256, BEFORE).unwrap()
}

#[test]
fn an_old_secret_verifies_until_it_is_removed() {
    let old = before().sign(MESSAGE).unwrap();
    let keys = ring(Algorithm::Hs256).with_verifying(previous()).unwrap();
    assert_eq!(verify(&keys, MESSAGE, &old), Ok(()));
    let new = keys.sign(MESSAGE).unwrap();
    assert_eq!(verify(&ring(Algorithm::Hs256), MESSAGE, &new), Ok(()));
    assert_eq!(
        verify(&ring(Algorithm::Hs256), MESSAGE, &old),
        Err(VerifyError::BadSignature)
    );
}

#[test]
fn an_old_key_pair_verifies_until_it_is_removed() {
    for algorithm in asymmetric() {
        let signature = sign_by_other(algorithm, MESSAGE);
        let old = VerifyingKey::from_pem(algorithm, &other_pair(algorithm).public).unwrap();
        let keys = ring(algorithm).with_verifying(old.clone()).unwrap();
        let name = algorithm.name();
        assert_ne!(public(algorithm).kid(), old.kid());
        assert_eq!(keys.verify(name, old.kid(), MESSAGE, &signature), Ok(()));
        assert_eq!(
            ring(algorithm).verify(name, old.kid(), MESSAGE, &signature),
            Err(VerifyError::KeyNotFound),
            "{algorithm:?}"
        );
    }
}

#[test]
fn a_key_id_chooses_its_key_and_no_other() {
    let algorithm = Algorithm::Es256;
    let old = VerifyingKey::from_pem(algorithm, &other_pair(algorithm).public).unwrap();
    let old_kid = old.kid().unwrap().to_owned();
    let upper = old_kid.to_uppercase();
    let keys = ring(algorithm).with_verifying(old).unwrap();
    let signature = keys.sign(MESSAGE).unwrap();
    let verdict = |kid| keys.verify("ES256", kid, MESSAGE, &signature);
    assert_eq!(verdict(keys.kid()), Ok(()));
    assert_eq!(verdict(Some(&old_kid)), Err(VerifyError::BadSignature));
    for unknown in ["", "unknown", &old_kid[1..], &upper] {
        assert_eq!(verdict(Some(unknown)), Err(VerifyError::KeyNotFound));
    }
    // Flask-JWT-Extended writes no `kid`.
    assert_eq!(verdict(None), Ok(()));
}

#[test]
fn a_token_with_an_unknown_key_id_is_tried_by_keys_without_one() {
    let keys = ring(Algorithm::Hs256);
    let signature = keys.sign(MESSAGE).unwrap();
    assert_eq!(keys.kid(), None);
    let verdict = keys.verify("HS256", Some("unknown"), MESSAGE, &signature);
    assert_eq!(verdict, Ok(()));
    // But not once the `kid` names one of the others.
    let keys = keys.with_verifying(previous().with_kid("old")).unwrap();
    let verdict = |kid| keys.verify("HS256", kid, MESSAGE, &signature);
    assert_eq!(verdict(Some("old")), Err(VerifyError::BadSignature));
    assert_eq!(verdict(Some("unknown")), Ok(()));
    assert_eq!(verdict(None), Ok(()));
    let keys = keys.with_kid("new").unwrap();
    let verdict = |kid| keys.verify("HS256", kid, MESSAGE, &signature);
    assert_eq!(keys.kid(), Some("new"));
    assert_eq!(verdict(Some("new")), Ok(()));
    assert_eq!(verdict(Some("unknown")), Err(VerifyError::KeyNotFound));
}

/// `JWT_DECODE_ALGORITHMS = ["HS256", "HS512"]`, or `["RS256", "PS256"]`.
#[test]
fn one_key_serves_several_algorithms_where_it_was_put_in_for_each() {
    for (one, other) in [
        (Algorithm::Hs256, Algorithm::Hs512),
        (Algorithm::Rs256, Algorithm::Ps256),
    ] {
        let keys = ring(one).with_verifying(public(other)).unwrap();
        for algorithm in [one, other] {
            let signature = sign(algorithm, MESSAGE);
            let kid = public(algorithm).kid().map(str::to_owned);
            let verdict = keys.verify(algorithm.name(), kid.as_deref(), MESSAGE, &signature);
            assert_eq!(verdict, Ok(()), "{algorithm:?}");
        }
        assert_eq!(keys.algorithm(), signs(&one).then_some(one));
        let third = if one == Algorithm::Hs256 {
            "HS384"
        } else {
            "RS512"
        };
        assert!(!keys.allows(third));
        let verdict = keys.verify(third, None, MESSAGE, "");
        assert_eq!(verdict, Err(VerifyError::AlgorithmNotAllowed));
    }
}

/// RFC 8725 section 2.1: the public half of RS256 must not verify HS256 tokens.
#[test]
fn a_public_key_does_not_verify_as_a_secret() {
    let pair = pair(Algorithm::Rs256);
    let jwks = serde_json::to_value(ring(Algorithm::Rs256).jwks()).unwrap();
    let modulus = decode(jwks["keys"][0]["n"].as_str().unwrap());
    let mixed = ring(Algorithm::Rs256)
        .with_verifying(public(Algorithm::Hs256))
        .unwrap();
    let der = der_of(&pair.public);
    for known in [
        pair.public.as_bytes(),
        pair.public.trim().as_bytes(),
        &der,
        &modulus,
        jwks["keys"][0].to_string().as_bytes(),
        b"",
    ] {
        let forged = hs256(known, MESSAGE);
        for kid in [None, mixed.kid()] {
            assert_eq!(
                ring(Algorithm::Rs256).verify("HS256", kid, MESSAGE, &forged),
                Err(VerifyError::AlgorithmNotAllowed)
            );
            assert_eq!(
                mixed.verify("HS256", kid, MESSAGE, &forged),
                Err(VerifyError::BadSignature)
            );
            assert_eq!(
                mixed.verify("RS256", kid, MESSAGE, &forged),
                Err(VerifyError::BadSignature)
            );
        }
    }
}

#[test]
fn two_keys_of_one_algorithm_have_two_key_ids() {
    let again = ring(Algorithm::Es256).with_verifying(public(Algorithm::Es256));
    assert!(matches!(
        again.unwrap_err(),
        KeyError::SameKeyId {
            algorithm: Algorithm::Es256,
            ..
        }
    ));
    let keys = ring(Algorithm::Hs256)
        .with_verifying(previous().with_kid("1"))
        .unwrap();
    let error = keys.clone().with_kid("1").unwrap_err();
    assert_eq!(error.to_string(), "two HS256 keys have the key ID \"1\"");
    assert!(keys.with_kid("2").is_ok());
}

#[test]
fn a_ring_that_only_verifies_has_no_key_id_of_its_own() {
    let keys = KeyRing::verifying(public(Algorithm::EdDsa))
        .with_kid("mine")
        .unwrap();
    assert_eq!((keys.algorithm(), keys.kid()), (None, None));
    let signature = ring(Algorithm::EdDsa).sign(MESSAGE).unwrap();
    let theirs = ring(Algorithm::EdDsa);
    let verdict = keys.verify("EdDSA", theirs.kid(), MESSAGE, &signature);
    assert_eq!(verdict, Ok(()));
}

#[test]
fn the_jwks_shows_public_members_and_nothing_else() {
    for algorithm in asymmetric() {
        let keys = ring(algorithm);
        let jwks = serde_json::to_value(keys.jwks()).unwrap();
        let [key] = jwks["keys"].as_array().unwrap().as_slice() else {
            panic!("{jwks}")
        };
        let members: BTreeSet<&str> = key
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let (kty, own): (&str, &[&str]) = match &algorithm.name()[..2] {
            "ES" => ("EC", &["crv", "x", "y"]),
            "Ed" => ("OKP", &["crv", "x"]),
            _ => ("RSA", &["n", "e"]),
        };
        let common = ["kty", "alg", "use", "kid"];
        let wanted: BTreeSet<&str> = common.iter().chain(own).copied().collect();
        assert_eq!(members, wanted);
        assert_eq!(key["kty"], kty);
        assert_eq!(key["alg"], algorithm.name());
        assert_eq!(key["use"], "sig");
        assert_eq!(key["kid"], public(algorithm).kid().unwrap());
        assert_eq!(keys.jwks().keys()[0].kid(), key["kid"]);
        for name in own.iter().filter(|name| **name != "crv") {
            decode(key[*name].as_str().unwrap());
        }
    }
    let widths = |algorithm| {
        let jwks = serde_json::to_value(ring(algorithm).jwks()).unwrap();
        ["x", "y"].map(|name| decode(jwks["keys"][0][name].as_str().unwrap()).len())
    };
    assert_eq!(widths(Algorithm::Es256), [32, 32]);
    assert_eq!(widths(Algorithm::Es384), [48, 48]);
}

#[test]
fn secrets_are_not_in_the_jwks_and_the_signing_key_is_first() {
    let jwks = |keys: &KeyRing| serde_json::to_string(&keys.jwks()).unwrap();
    assert_eq!(jwks(&ring(Algorithm::Hs256)), r#"{"keys":[]}"#);
    let named = ring(Algorithm::Hs512).with_kid("a").unwrap();
    assert_eq!(jwks(&named), r#"{"keys":[]}"#);
    let keys = ring(Algorithm::EdDsa)
        .with_verifying(public(Algorithm::Hs256))
        .and_then(|keys| keys.with_verifying(public(Algorithm::Es256)))
        .unwrap();
    let published: Value = serde_json::from_str(&jwks(&keys)).unwrap();
    let published = published["keys"].as_array().unwrap();
    let algorithms: Vec<&Value> = published.iter().map(|key| &key["alg"]).collect();
    assert_eq!(algorithms, ["EdDSA", "ES256"]);
    // The member of a secret (RFC 7518 section 6.4.1). A public key's letters are chance.
    assert!(published.iter().all(|key| key.get("k").is_none()));
    assert!(!jwks(&keys).contains(&String::from_utf8_lossy(SECRET)[..9]));
}

#[test]
fn another_library_verifies_with_the_jwks_alone() {
    for algorithm in asymmetric() {
        let keys = ring(algorithm);
        let text = serde_json::to_string(&keys.jwks()).unwrap();
        let theirs: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&text).unwrap();
        let kid = public(algorithm).kid().unwrap().to_owned();
        let jwk = theirs.find(&kid).unwrap();
        assert_eq!(
            jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256)
                .unwrap(),
            kid
        );
        let key = jsonwebtoken::DecodingKey::from_jwk(jwk).unwrap();
        let signature = sign(algorithm, MESSAGE);
        let name = algorithm.name().parse().unwrap();
        assert!(jsonwebtoken::crypto::verify(&signature, MESSAGE, &key, name).unwrap());
    }
}
