//! Tests tokens over each kind of ring: their headers, and which tokens verify.

use serde_json::{Value, json};
use tokenpair::clock::Timestamp;
use tokenpair::keys::{Algorithm, KeyRing, VerifyingKey};
use tokenpair::token::{Expiry, TokenError, TokenKind, TokenPolicy, Tokens};

use super::support::{asymmetric, decode, encode, other_pair, pair, public, ring, signs};

fn tokens(keys: KeyRing) -> Tokens {
    Tokens::new(keys, TokenPolicy::default())
}

fn now() -> Timestamp {
    Timestamp::from_unix(1_700_000_000)
}

fn sign(tokens: &Tokens) -> String {
    let claims = tokens.claims(TokenKind::Access, "1", "a jti".to_owned(), now());
    tokens.sign(&claims).unwrap().token.as_str().to_owned()
}

fn verifies(keys: KeyRing, token: &str) -> Result<String, TokenError> {
    let claims = tokens(keys).verify(token, now(), Expiry::Enforced)?;
    Ok(claims.sub().to_owned())
}

fn header(token: &str) -> Value {
    serde_json::from_slice(&decode(token.split('.').next().unwrap())).unwrap()
}

/// Returns the token with members of its header changed, and its old signature.
fn with_header(token: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut header = header(token);
    change(&mut header);
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", encode(header.to_string().as_bytes()))
}

#[test]
fn the_header_names_the_key_where_it_has_a_name() {
    for algorithm in Algorithm::ALL.into_iter().filter(signs) {
        let keys = ring(algorithm);
        let token = sign(&tokens(keys.clone()));
        let header = header(&token);
        assert_eq!(header["alg"], algorithm.name());
        assert_eq!(header["typ"], "JWT");
        assert_eq!(header.get("kid").and_then(Value::as_str), keys.kid());
        assert_eq!(verifies(keys, &token).as_deref(), Ok("1"));
    }
    let token = sign(&tokens(ring(Algorithm::Hs256)));
    assert!(token.starts_with(&encode(br#"{"alg":"HS256","typ":"JWT"}"#)));
    let quoted = ring(Algorithm::Hs256).with_kid(r#"a "key""#).unwrap();
    let token = sign(&tokens(quoted.clone()));
    assert_eq!(header(&token)["kid"], r#"a "key""#);
    assert!(verifies(quoted, &token).is_ok());
}

#[test]
fn keys_that_are_replaced_are_replaced_for_all_who_share_the_tokens() {
    let (one, other) = (ring(Algorithm::Hs256), ring(Algorithm::EdDsa));
    let server = tokens(one.clone());
    let handler = server.clone();
    let old = sign(&handler);
    let before = handler.keys();
    server.replace_keys(other.clone());
    let new = sign(&handler);
    assert_eq!(header(&new)["kid"].as_str(), other.kid());
    let verdict = |token: &str| handler.verify(token, now(), Expiry::Enforced).map(drop);
    assert_eq!(verdict(&old), Err(TokenError::AlgorithmNotAllowed));
    assert_eq!(verdict(&new), Ok(()));
    assert!(!std::sync::Arc::ptr_eq(&before, &handler.keys()));
    let both = other.with_verifying(public(Algorithm::Hs256)).unwrap();
    server.replace_keys(both);
    assert_eq!((verdict(&old), verdict(&new)), (Ok(()), Ok(())));
}

#[test]
fn a_ring_that_only_verifies_believes_tokens_and_issues_none() {
    let token = sign(&tokens(ring(Algorithm::Es384)));
    let keys = KeyRing::verifying_pem(Algorithm::Es384, &pair(Algorithm::Es384).public).unwrap();
    assert!(verifies(keys.clone(), &token).is_ok());
    let tokens = tokens(keys);
    let claims = tokens.claims(TokenKind::Access, "1", "a jti".to_owned(), now());
    let error = tokens.sign(&claims).unwrap_err();
    assert_eq!(error.to_string(), "there is no signing key");
}

#[test]
fn a_token_of_a_key_that_was_removed_is_refused_by_its_key_id() {
    for algorithm in asymmetric().filter(signs) {
        let old = KeyRing::from_pem(algorithm, &other_pair(algorithm).private).unwrap();
        let token = sign(&tokens(old));
        let retired = VerifyingKey::from_pem(algorithm, &other_pair(algorithm).public).unwrap();
        let both = ring(algorithm).with_verifying(retired).unwrap();
        assert!(verifies(both, &token).is_ok());
        assert_eq!(
            verifies(ring(algorithm), &token),
            Err(TokenError::KeyNotFound)
        );
    }
}

#[test]
fn a_header_that_names_another_key_or_algorithm_is_refused() {
    let keys = ring(Algorithm::Es384)
        .with_verifying(public(Algorithm::Es256))
        .unwrap();
    let token = sign(&tokens(keys.clone()));
    let verdict_of =
        |change: &dyn Fn(&mut Value)| verifies(keys.clone(), &with_header(&token, change));
    for (alg, error) in [
        ("none", TokenError::AlgorithmNotAllowed),
        ("None", TokenError::AlgorithmNotAllowed),
        ("HS256", TokenError::AlgorithmNotAllowed),
        ("PS256", TokenError::AlgorithmNotAllowed),
        ("es384", TokenError::AlgorithmNotAllowed),
        ("ES256", TokenError::KeyNotFound),
    ] {
        let verdict = verdict_of(&|header| header["alg"] = alg.into());
        assert_eq!(verdict, Err(error), "{alg}");
    }
    let verdict = verdict_of(&|header| header["kid"] = 1.into());
    assert_eq!(verdict, Err(TokenError::KeyIdNotAString));
    // A token cannot bring its own key (RFC 8725 section 3.10), and a changed header was not
    // signed.
    let own = serde_json::to_value(keys.jwks()).unwrap()["keys"][0].clone();
    let verdict = verdict_of(&|header| header["jwk"] = own.clone());
    assert_eq!(verdict, Err(TokenError::BadSignature));
}

/// RFC 8725 section 2.1.
#[test]
fn an_hs256_token_signed_with_the_public_key_is_refused() {
    let public_pem = pair(Algorithm::Rs256).public.as_bytes();
    let claims = serde_json::json!({
        "fresh": true, "iat": 1_699_999_999, "jti": "a jti", "type": "access", "sub": "1", "exp": 1_800_000_000,
    });
    let key = jsonwebtoken::EncodingKey::from_secret(public_pem);
    let forged = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    assert_eq!(
        verifies(ring(Algorithm::Rs256), &forged),
        Err(TokenError::AlgorithmNotAllowed)
    );
    let mixed = ring(Algorithm::Rs256)
        .with_verifying(public(Algorithm::Hs256))
        .unwrap();
    assert_eq!(verifies(mixed, &forged), Err(TokenError::BadSignature));
}

#[test]
fn flask_jwt_extended_tokens_without_a_key_id_are_believed() {
    let claims = serde_json::json!({
        "fresh": false, "iat": 1_699_999_999, "jti": "a jti", "type": "access", "sub": "1", "nbf": 1_699_999_999,
        "exp": 1_800_000_000,
    });
    let key = jsonwebtoken::EncodingKey::from_ec_pem(pair(Algorithm::Es256).private.as_bytes());
    let es256 = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
    let token = jsonwebtoken::encode(&es256, &claims, &key.unwrap()).unwrap();
    assert_eq!(header(&token).get("kid"), None);
    assert_eq!(verifies(ring(Algorithm::Es256), &token).as_deref(), Ok("1"));
}

#[test]
fn inspecting_tells_the_signature_from_the_algorithm() {
    let token = sign(&tokens(ring(Algorithm::Es384)));
    let verdict = |keys: KeyRing, what: &str| {
        let inspection = tokens(keys).inspect(&token, now()).unwrap();
        let found = inspection
            .verdicts
            .into_iter()
            .find(|(name, _)| *name == what);
        found.unwrap().1
    };
    assert_eq!(verdict(ring(Algorithm::Es384), "signature"), Ok(()));
    let other = KeyRing::from_pem(Algorithm::Es384, &other_pair(Algorithm::Es384).private).unwrap();
    assert_eq!(verdict(other.clone(), "header"), Ok(()));
    assert_eq!(verdict(other, "signature"), Err(TokenError::KeyNotFound));
    assert_eq!(
        verdict(ring(Algorithm::Es256), "header"),
        Err(TokenError::AlgorithmNotAllowed)
    );
}

#[test]
fn a_number_among_the_claims_is_read_to_its_last_digit_and_stays_in_tokens_made_of_them() {
    let tokens = tokens(ring(Algorithm::Hs256));
    let place = json!([19.090871340766242, -122.41941550000001, 5e-324, f64::MAX]);
    let mut claims = tokens.claims(TokenKind::Access, "1", "a jti".to_owned(), now());
    claims.extra.insert("place".to_owned(), place.clone());
    for _ in 0..3 {
        let issued = tokens.sign(&claims).unwrap();
        claims = tokens
            .verify(issued.token.as_str(), now(), Expiry::Enforced)
            .unwrap();
        assert_eq!(claims.extra["place"], place);
    }
}
