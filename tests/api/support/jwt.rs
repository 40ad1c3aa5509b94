//! Reads and makes tokens as a client or an attacker does: with jsonwebtoken only, not with this
//! project's code.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Map, Value};

use super::exchange::SECRET;

/// Returns the claims in their order.
pub(crate) fn claims(token: &str) -> Map<String, Value> {
    segment(token, 1)
}

pub(crate) fn header(token: &str) -> Map<String, Value> {
    segment(token, 0)
}

fn segment(token: &str, index: usize) -> Map<String, Value> {
    let segment = token.split('.').nth(index).expect("three segments");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).unwrap()).unwrap()
}

/// Returns the names of the claims in their order.
pub(crate) fn claim_names(token: &str) -> Vec<String> {
    let text = String::from_utf8(
        URL_SAFE_NO_PAD
            .decode(token.split('.').nth(1).unwrap())
            .unwrap(),
    )
    .unwrap();
    let mut names: Vec<(usize, String)> = claims(token)
        .keys()
        .map(|name| (text.find(&format!("\"{name}\":")).unwrap(), name.clone()))
        .collect();
    names.sort();
    names.into_iter().map(|(_, name)| name).collect()
}

/// Returns a token with other claims, signed with the server's secret.
pub(crate) fn signed(claims: &Map<String, Value>) -> String {
    encode(
        &Header::default(),
        claims,
        &EncodingKey::from_secret(SECRET.as_bytes()),
    )
    .unwrap()
}

/// Returns a token with any header and any claims, signed with the server's secret by HS256.
pub(crate) fn signed_with_header(header: &str, claims: &str) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256)
            .unwrap();
    format!("{message}.{signature}")
}
