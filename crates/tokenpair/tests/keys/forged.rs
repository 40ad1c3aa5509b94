//! Tests forged tokens under every algorithm. The kinds are those of Wycheproof's set for JWS, each
//! made from keys and tokens of these tests.

use serde_json::{Value, json};
use tokenpair::clock::Timestamp;
use tokenpair::keys::{Algorithm, KeyRing, VerifyingKey};
use tokenpair::token::{Expiry, TokenKind, TokenPolicy, Tokens};

use super::support::{
    asymmetric, decode, der_of, encode, is_hmac, other_pair, pair, public, sign, sign_by_other,
};

/// A valid token, its parts, and the ring that verifies it.
struct Target {
    algorithm: Algorithm,
    keys: KeyRing,
    tokens: Tokens,
    head: String,
    body: String,
    signature: String,
}

impl Target {
    /// With a key that has a key ID, as in the set.
    fn under(algorithm: Algorithm) -> Self {
        let keys = KeyRing::verifying(public(algorithm).with_kid("the key"));
        let tokens = Tokens::new(keys.clone(), TokenPolicy::default());
        let claims = tokens.claims(TokenKind::Access, "1", "a jti".to_owned(), now());
        let head = json!({ "alg": algorithm.name(), "typ": "JWT", "kid": "the key" });
        let head = encode(head.to_string().as_bytes());
        let body = encode(&serde_json::to_vec(&claims).unwrap());
        let signature = sign(algorithm, format!("{head}.{body}").as_bytes());
        Self {
            algorithm,
            keys,
            tokens,
            head,
            body,
            signature,
        }
    }

    fn whole(&self) -> String {
        format!("{}.{}.{}", self.head, self.body, self.signature)
    }

    /// Signs the parts with the true key, exactly as written.
    fn sealed(&self, head: &str, body: &str) -> String {
        let message = format!("{head}.{body}");
        let signature = sign(self.algorithm, message.as_bytes());
        format!("{message}.{signature}")
    }

    fn header(&self) -> Value {
        json!({ "alg": self.algorithm.name(), "kid": "the key" })
    }

    fn verifies(&self, token: &str) -> bool {
        let verdict = self.tokens.verify(token, now(), Expiry::Enforced);
        verdict.is_ok()
    }

    #[track_caller]
    fn refuses(&self, tokens: impl IntoIterator<Item = String>) {
        assert!(self.verifies(&self.whole()), "the true one is good");
        for token in tokens {
            assert!(!self.verifies(&token), "{:?}: {token}", self.algorithm);
        }
    }
}

fn now() -> Timestamp {
    Timestamp::from_unix(1_700_000_000)
}

fn hs256(secret: &[u8], head: &Value, body: &str) -> String {
    let message = format!("{}.{body}", encode(head.to_string().as_bytes()));
    let signature = super::support::hs256(secret, message.as_bytes());
    format!("{message}.{signature}")
}

fn with_another_first_letter(text: &str) -> String {
    let first = if text.starts_with('A') { 'B' } else { 'A' };
    format!("{first}{}", &text[1..])
}

#[test]
fn a_token_with_a_part_missing_added_or_changed_is_refused() {
    for target in Algorithm::ALL.map(Target::under) {
        let Target {
            head,
            body,
            signature,
            ..
        } = &target;
        let other_claims = with_another_first_letter(&encode(br#"{"sub":"2"}"#));
        let mut other_name = target.header();
        other_name["kid"] = "another key".into();
        let other_head = encode(other_name.to_string().as_bytes());
        let changed = with_another_first_letter(signature);
        target.refuses([
            format!("{head}.{body}.{changed}"),
            format!("{head}.{body}."),
            format!("{head}.{body}"),
            format!("{head}.{other_claims}.{signature}"),
            format!("{head}..{signature}"),
            format!("{head}.{signature}"),
            format!("{other_head}.{body}.{signature}"),
            format!(".{body}.{signature}"),
            format!("{body}.{signature}"),
            format!(".{body}."),
            body.clone(),
            String::new(),
            format!("{head}.{body}.{signature}."),
            format!("{head}.{body}.{signature}.AAAA"),
            target.sealed(head, ""),
            target.sealed("", body),
        ]);
    }
}

#[test]
fn json_serialization_is_no_token() {
    for target in Algorithm::ALL.map(Target::under) {
        let (payload, protected, signature) = (&target.body, &target.head, &target.signature);
        let one =
            json!({ "protected": protected, "header": { "unknown": 1 }, "signature": signature });
        target.refuses([
            json!({ "payload": payload, "signatures": [one] }).to_string(),
            json!({ "payload": payload, "protected": protected, "signature": signature })
                .to_string(),
        ]);
    }
}

#[test]
fn an_unsigned_token_is_refused_whatever_key_it_names() {
    for target in Algorithm::ALL.map(Target::under) {
        let names = ["none", "NONE", "None"];
        let heads = names.iter().flat_map(|alg| {
            [
                json!({ "alg": alg }),
                json!({ "alg": alg, "kid": alg }),
                json!({ "alg": alg, "kid": "the key" }),
            ]
        });
        let forged = heads.flat_map(|head| {
            let head = encode(head.to_string().as_bytes());
            let unsigned = format!("{head}.{}.", target.body);
            let with_the_old = format!("{unsigned}{}", target.signature);
            [unsigned, with_the_old, target.sealed(&head, &target.body)]
        });
        target.refuses(forged);
    }
}

/// RFC 7515 section 2: base64url without padding, blanks or anything else; and only one spelling
/// for each text.
#[test]
fn no_signature_makes_up_for_a_part_that_is_not_base64url() {
    for target in Algorithm::ALL.map(Target::under) {
        let spoiled = |part: &str| {
            let (most, last) = part.split_at(part.len() - 1);
            [" ", "    ", "####", "?", "=", "\n", "+", "/"].map(|dirt| {
                [
                    format!("{part}{dirt}"),
                    format!("{dirt}{part}"),
                    format!("{most}{dirt}{last}"),
                ]
            })
        };
        let heads = spoiled(&target.head).into_iter().flatten();
        let heads = heads.map(|head| target.sealed(&head, &target.body));
        let bodies = spoiled(&target.body).into_iter().flatten();
        let bodies = bodies.map(|body| target.sealed(&target.head, &body));
        let signed = format!("{}.{}", target.head, target.body);
        let signatures = spoiled(&target.signature).into_iter().flatten();
        let signatures = signatures.map(|signature| format!("{signed}.{signature}"));
        target.refuses(heads.chain(bodies).chain(signatures));
    }
}

/// RFC 8259 section 2.
#[test]
fn blanks_in_a_header_that_was_signed_are_json() {
    for target in Algorithm::ALL.map(Target::under) {
        let alg = target.algorithm.name();
        for text in [
            format!(r#"{{ "kid" : "the key" , "alg" : "{alg}" }}"#),
            format!("{{\n\t\"kid\":\t\"the key\",\r\n\t\"alg\": \"{alg}\"\n}}"),
        ] {
            let token = target.sealed(&encode(text.as_bytes()), &target.body);
            assert!(target.verifies(&token), "{alg} {text}");
        }
    }
}

/// RFC 8725 section 2.1: a public key is known to everyone, so it must never serve as a secret, in
/// any form.
#[test]
fn a_public_key_is_no_secret_for_an_hs256_token() {
    for target in asymmetric().map(Target::under) {
        let pem = pair(target.algorithm).public.as_str();
        let der = der_of(pem);
        // A point, or an Ed25519 key, is at its end.
        let ends = [32, 64, 65, 96, 97].map(|len| der[der.len().saturating_sub(len)..].to_vec());
        let of_name = target.algorithm.name().as_bytes().to_vec();
        let jwk = serde_json::to_value(target.keys.jwks()).unwrap()["keys"][0].clone();
        let members = ["n", "x", "y"]
            .iter()
            .filter_map(|name| jwk[*name].as_str());
        let members: Vec<Vec<u8>> = members
            .flat_map(|member| [decode(member), member.as_bytes().to_vec()])
            .collect();
        let secrets = [
            pem.as_bytes().to_vec(),
            pem.trim_end().as_bytes().to_vec(),
            der.clone(),
            of_name,
            Vec::new(),
        ];
        let head = json!({ "alg": "HS256", "kid": "the key" });
        let all = secrets.iter().chain(&ends).chain(&members);
        let forged: Vec<String> = all
            .map(|secret| hs256(secret, &head, &target.body))
            .collect();
        target.refuses(forged.clone());
        // Nor in a ring that also verifies secrets.
        let keys = target.keys.clone().with_verifying(public(Algorithm::Hs256));
        let tokens = Tokens::new(keys.unwrap(), TokenPolicy::default());
        for token in forged {
            let verdict = tokens.verify(&token, now(), Expiry::Enforced);
            assert!(verdict.is_err(), "{token}");
        }
    }
}

/// RFC 8725 section 3.10.
#[test]
fn a_token_does_not_bring_the_key_it_is_believed_by() {
    for target in asymmetric().map(Target::under) {
        let theirs = VerifyingKey::from_pem(target.algorithm, &other_pair(target.algorithm).public);
        let theirs = KeyRing::verifying(theirs.unwrap().with_kid("the key"));
        let jwk = serde_json::to_value(theirs.jwks()).unwrap()["keys"][0].clone();
        let mut head = target.header();
        head["jwk"] = jwk;
        let message = format!("{}.{}", encode(head.to_string().as_bytes()), target.body);
        let signature = sign_by_other(target.algorithm, message.as_bytes());
        target.refuses([format!("{message}.{signature}")]);
    }
}

/// RFC 8725 section 3.1: a key signs with one algorithm, even if it could use others and whatever
/// the header claims.
#[test]
fn what_the_true_key_signed_by_another_algorithm_is_refused() {
    for target in Algorithm::ALL.map(Target::under) {
        let of_the_family = |other: &Algorithm| {
            let same_key = !is_hmac(*other)
                && !is_hmac(target.algorithm)
                && pair(*other).private == pair(target.algorithm).private;
            *other != target.algorithm
                && (same_key || (is_hmac(*other) && is_hmac(target.algorithm)))
        };
        let forged = Algorithm::ALL.into_iter().filter(of_the_family);
        let forged = forged.flat_map(|other| {
            let mut named = target.header();
            named["alg"] = other.name().into();
            [target.header(), named].map(|head| {
                let message = format!("{}.{}", encode(head.to_string().as_bytes()), target.body);
                let signature = sign(other, message.as_bytes());
                format!("{message}.{signature}")
            })
        });
        target.refuses(forged);
    }
}
