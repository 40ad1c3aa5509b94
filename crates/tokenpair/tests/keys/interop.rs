//! Tests that tokens signed with one cryptographic library verify with the other: each build reads
//! what both wrote once.

use std::collections::BTreeSet;

use tokenpair::keys::{Algorithm, KeyRing, VerifyError, VerifyingKey};

use super::support::is_hmac;

/// Lines of `public`, a curve or `RSA`, and a SubjectPublicKeyInfo; and of an algorithm, a library,
/// and a signature of [`MESSAGE`]. The secret of HMAC is [`SECRET`].
const WRITTEN: &str = include_str!("interop.txt");
const MESSAGE: &[u8] = b"eyJhbGciOiJldmVyeSJ9.eyJzdWIiOiIxIn0";
const SECRET: &[u8] = b"sixty-four bytes or more that both libraries knew when they wrote the file";

fn lines() -> impl Iterator<Item = [&'static str; 3]> {
    let fields = WRITTEN.lines().map(|line| line.split(' '));
    fields.map(|fields| fields.collect::<Vec<_>>().try_into().unwrap())
}

fn key(algorithm: Algorithm) -> VerifyingKey {
    if is_hmac(algorithm) {
        return VerifyingKey::from_secret(algorithm, SECRET).unwrap();
    }
    let kind = match algorithm.name() {
        "ES256" => "P-256",
        "ES384" => "P-384",
        "EdDSA" => "Ed25519",
        _ => "RSA",
    };
    let mut keys = lines().filter(|[word, of, _]| (*word, *of) == ("public", kind));
    let [_, _, body] = keys.next().unwrap();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
    VerifyingKey::from_pem(algorithm, &pem).unwrap()
}

#[test]
fn signatures_of_both_libraries_verify_with_either() {
    let mut seen = BTreeSet::new();
    for [name, library, signature] in lines().filter(|[word, ..]| *word != "public") {
        let keys = KeyRing::verifying(key(Algorithm::from_name(name).unwrap()));
        let verdict = |message| keys.verify(name, None, message, signature);
        assert_eq!(verdict(MESSAGE), Ok(()), "{name} {library}");
        assert_eq!(verdict(b"another"), Err(VerifyError::BadSignature));
        seen.insert((name, library));
    }
    let both = ["aws-lc-rs", "rust-crypto"];
    let of_both = |one: Algorithm| both.map(|library| (one.name(), library));
    assert_eq!(
        seen,
        BTreeSet::from_iter(Algorithm::ALL.into_iter().flat_map(of_both))
    );
}
