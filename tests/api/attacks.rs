//! Tests forged tokens from published collections (jwt_tool's playbook, RFC 8725, the CVEs of other
//! libraries), each in a header and in a cookie, against routes of both tokens. Every token is
//! rejected with a documented error.

use std::net::TcpListener;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::support::jwt::{claims, signed_with_header};
use crate::support::{Backend, SECRET, TestApp};

fn encoded(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// Returns a token signed by HS256 with the attacker's key.
fn signed_by(key: &[u8], header: &str, claims: &str) -> String {
    let message = format!("{}.{}", encoded(header), encoded(claims));
    let key = EncodingKey::from_secret(key);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256);
    format!("{message}.{}", signature.unwrap())
}

/// Signs two segments as they are with the server's secret.
fn sealed(head: &str, body: &str) -> String {
    let message = format!("{head}.{body}");
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256);
    format!("{message}.{}", signature.unwrap())
}

/// Returns the same bytes in base64url, with an unused bit set in the last letter.
fn with_an_unused_bit(segment: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = *segment.as_bytes().last().unwrap();
    let at = LETTERS.iter().position(|letter| *letter == last).unwrap();
    format!(
        "{}{}",
        &segment[..segment.len() - 1],
        LETTERS[at ^ 1] as char
    )
}

/// A user's valid token, from which an attacker makes forgeries.
struct Loot {
    token: String,
    head: String,
    body: String,
    signature: String,
    claims: String,
    as_admin: String,
}

impl Loot {
    fn of(token: &str) -> Self {
        let [head, body, signature] = token.split('.').collect::<Vec<_>>()[..] else {
            panic!("three segments")
        };
        let mut wanted = claims(token);
        let claims = serde_json::to_string(&wanted).unwrap();
        wanted.insert("roles".to_owned(), json!(["admin"]));
        Self {
            token: token.to_owned(),
            head: head.to_owned(),
            body: body.to_owned(),
            signature: signature.to_owned(),
            claims,
            as_admin: serde_json::to_string(&wanted).unwrap(),
        }
    }

    /// Returns the attacker's header with the victim's claims and this signature.
    fn under(&self, header: &str, signature: &str) -> String {
        format!("{}.{}.{signature}", encoded(header), self.body)
    }

    fn without_signature(&self) -> Vec<String> {
        let letters = |bits: usize| {
            let shift = |(at, letter): (usize, char)| match bits >> at & 1 {
                1 => letter.to_ascii_uppercase(),
                _ => letter,
            };
            "none".chars().enumerate().map(shift).collect::<String>()
        };
        let mut names: Vec<_> = (0..16).map(letters).collect();
        names.extend(["none ", " none", "none\\u0000", "nonе", ""].map(str::to_owned));
        let headers = names.iter().map(|name| format!(r#"{{"alg":"{name}"}}"#));
        headers
            .flat_map(|header| {
                let (own, bare) = (
                    self.under(&header, &self.signature),
                    self.under(&header, ""),
                );
                let dotless = bare.trim_end_matches('.').to_owned();
                [own, bare, dotless]
            })
            .collect()
    }

    fn with_another_algorithm(&self) -> Vec<String> {
        let zeros = |count: usize| encoded(vec![0; count]);
        let mut tokens: Vec<_> = [
            ("ES256", 64),
            ("ES384", 96),
            ("ES512", 132),
            ("ES256K", 64),
            ("EdDSA", 64),
            ("RS256", 256),
            ("PS256", 256),
            ("HS256", 32),
            ("HS384", 48),
            ("HS512", 64),
        ]
        .into_iter()
        .map(|(name, len)| self.under(&format!(r#"{{"alg":"{name}"}}"#), &zeros(len)))
        .collect();
        let odd = [
            r#""hs256""#,
            r#""HS256 ""#,
            r#"" HS256""#,
            r#""HS-256""#,
            r#""HMAC""#,
            r#""HS256\u0000""#,
            "null",
            "true",
            "256",
            "{}",
            r#"["HS256"]"#,
            r#"{"HS256":1}"#,
        ];
        tokens.extend(
            odd.map(|name| signed_with_header(&format!(r#"{{"alg":{name}}}"#), &self.claims)),
        );
        for (name, algorithm) in [("HS384", Algorithm::HS384), ("HS512", Algorithm::HS512)] {
            let message = format!(
                "{}.{}",
                encoded(format!(r#"{{"alg":"{name}"}}"#)),
                self.body
            );
            let key = EncodingKey::from_secret(SECRET.as_bytes());
            let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm);
            tokens.push(format!("{message}.{}", signature.unwrap()));
        }
        tokens
    }

    fn with_a_changed_signature(&self) -> Vec<String> {
        let Self {
            head,
            body,
            signature,
            ..
        } = self;
        let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let mut tokens: Vec<_> = (0..bytes.len())
            .map(|len| encoded(&bytes[..len]))
            .chain([
                encoded([&bytes[..], &[0]].concat()),
                encoded([&bytes[..], &bytes[..]].concat()),
            ])
            .chain((0..bytes.len() * 8).step_by(37).map(|bit| {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                encoded(flipped)
            }))
            .map(|changed| format!("{head}.{body}.{changed}"))
            .collect();
        tokens.push(format!("{head}.{}.{signature}", encoded(&self.as_admin)));
        tokens.push(format!(
            "{}.{body}.{signature}",
            encoded(r#"{"alg":"HS256"}"#)
        ));
        tokens
    }

    /// Returns other spellings of the same bytes.
    fn spelled_otherwise(&self) -> Vec<String> {
        let Self {
            head,
            body,
            signature,
            token,
            ..
        } = self;
        let padded = |text: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(text).unwrap();
            base64::engine::general_purpose::URL_SAFE.encode(bytes)
        };
        let plain = |text: &str| STANDARD.encode(URL_SAFE_NO_PAD.decode(text).unwrap());
        let mut spellings = vec![
            format!("{head}.{body}.{}", with_an_unused_bit(signature)),
            format!("{head}.{body}.{signature}="),
            format!("{head}.{body}.{}", plain(signature)),
            format!("{head}.{body}.{signature}."),
            format!(".{token}"),
            format!("{head}..{body}.{signature}"),
            token.replacen('.', "%2E", 1),
            token.replacen("ey", "%65y", 1),
            format!("{head}.{body}.{signature}%00"),
            format!("\"{token}\""),
            token.to_uppercase(),
        ];
        for segment in [head, body] {
            for other in [
                padded(segment),
                format!("{segment}="),
                format!("{segment}A"),
                format!("{segment} "),
            ] {
                if other != *segment {
                    spellings.push(token.replacen(segment.as_str(), &other, 1));
                }
            }
        }
        spellings
    }

    /// Returns a header and claims in base64url. Their lengths leave unused bits, and they contain
    /// letters in which base64 and base64url differ.
    fn plainly(&self) -> [String; 2] {
        let claims = self.claims.replacen('{', r#"{"odd":"???>>>~~~","#, 1);
        [r#"{"alg":"HS256","odd":"???>>>~~~"}"#, claims.as_str()].map(|text| {
            // Spaces after an object are valid JSON.
            let spaces = " ".repeat((4 - text.len() % 3) % 3);
            encoded(format!("{text}{spaces}"))
        })
    }

    /// Returns malformed tokens with valid signatures.
    fn written_otherwise_and_signed(&self) -> Vec<String> {
        let [head, body] = &self.plainly();
        let others = |segment: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(segment).unwrap();
            let text = String::from_utf8(bytes.clone()).unwrap();
            let utf_16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            let in_it = text.replace("???", "\u{1}");
            let not_utf_8 = bytes
                .iter()
                .map(|byte| if *byte == b'?' { 0xff } else { *byte });
            let members: Value = serde_json::from_str(&text).unwrap();
            let values: Vec<&Value> = members.as_object().unwrap().values().collect();
            vec![
                with_an_unused_bit(segment),
                format!("{segment}=="),
                format!("{segment}A"),
                format!("{segment} "),
                format!(" {segment}"),
                format!("{segment}\t"),
                format!("\"{segment}\""),
                STANDARD_NO_PAD.encode(&bytes),
                encoded(format!("\u{feff}{text}")),
                encoded(format!("{text}\0")),
                encoded(format!("{text}{text}")),
                encoded(format!("[{text}]")),
                encoded(json!(text).to_string()),
                encoded(json!(values).to_string()),
                encoded(text.trim_end().trim_end_matches('}')),
                encoded(in_it),
                encoded(not_utf_8.collect::<Vec<u8>>()),
                encoded(utf_16),
                String::new(),
            ]
        };
        let heads = others(head).into_iter().map(|other| sealed(&other, body));
        let bodies = others(body).into_iter().map(|other| sealed(head, &other));
        heads.chain(bodies).collect()
    }

    fn with_a_key_of_the_attackers(&self, url: &str) -> Vec<String> {
        let headers = [
            json!({ "alg": "HS256", "kid": "../../../../../../dev/null" }),
            json!({ "alg": "HS256", "kid": "/proc/sys/kernel/randomize_va_space" }),
            json!({ "alg": "HS256", "kid": "x' UNION SELECT 'key';--" }),
            json!({ "alg": "HS256", "kid": "key.crt; sleep 10" }),
            json!({ "alg": "HS256", "kid": "|/usr/bin/uname" }),
            json!({ "alg": "HS256", "kid": "k".repeat(4000) }),
            json!({ "alg": "HS256", "kid": "\u{0}" }),
            json!({ "alg": "HS256", "kid": url }),
            json!({ "alg": "HS256", "jku": url }),
            json!({ "alg": "HS256", "x5u": url }),
            json!({ "alg": "HS256", "x5c": ["MIIB"], "x5t": "AAAA" }),
            json!({ "alg": "HS256", "jwk": { "kty": "oct", "k": encoded("attacker") } }),
            json!({ "alg": "HS256", "typ": "at+jwt", "cty": "JWT" }),
            json!({ "alg": "HS256" }),
        ];
        let keys: [&[u8]; 7] = [
            b"attacker",
            b"",
            b"\0",
            b"secret",
            b"2",
            b"your-256-bit-secret",
            url.as_bytes(),
        ];
        let tokens = headers.iter().flat_map(|header| {
            let forge = |key: &&[u8]| signed_by(key, &header.to_string(), &self.as_admin);
            keys.iter().map(forge).collect::<Vec<_>>()
        });
        tokens.collect()
    }

    fn that_are_no_compact_jws(&self) -> Vec<String> {
        let Self {
            head,
            body,
            signature,
            token,
            ..
        } = self;
        let encrypted = encoded(r#"{"alg":"dir","enc":"A256GCM","zip":"DEF"}"#);
        let costly = encoded(
            r#"{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647,"p2s":"AAAA"}"#,
        );
        let json = json!({ "payload": body, "protected": head, "signature": signature });
        vec![
            format!("{encrypted}..{head}.{body}.{signature}"),
            format!("{costly}.{head}.{head}.{body}.{signature}"),
            format!("{token}.{token}"),
            json.to_string(),
            json!({ "payload": body, "signatures": [{ "protected": head, "signature": signature }] }).to_string(),
            "..".to_owned(), "...".to_owned(), ".".repeat(2000), ".".to_owned(), "a.b.c".to_owned(),
            "A".repeat(8192), "A".repeat(8193), "A".repeat(12_000),
            format!("{}.{}.{}", "A".repeat(2700), "A".repeat(2700), "A".repeat(2700)),
            signed_by(b"attacker", &"[".repeat(3000), "{}"),
            signed_by(b"attacker", r#"{"alg":"HS256"}"#, &r#"{"a":"#.repeat(900)),
            signed_by(b"attacker", "\u{feff}{\"alg\":\"HS256\"}", "{}"),
            format!("{}.{body}.{signature}", encoded([0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00])),
            format!("{}.{body}.{signature}", encoded([0xc3, 0x28])),
        ]
    }

    /// Returns tokens with valid signatures and an unknown extension (RFC 7515 section 4.1.11), or
    /// an invalid header.
    fn with_a_header_that_no_one_may_ignore(&self) -> Vec<String> {
        let headers = [
            r#"{"alg":"HS256","crit":["http://openbanking.org.uk/iat"],"http://openbanking.org.uk/iat":1}"#,
            r#"{"alg":"HS256","crit":["exp"],"exp":1}"#,
            r#"{"alg":"HS256","crit":["alg"]}"#,
            r#"{"alg":"HS256","crit":["absent"]}"#,
            r#"{"alg":"HS256","crit":[]}"#,
            r#"{"alg":"HS256","crit":null}"#,
            r#"{"alg":"HS256","crit":"exp"}"#,
            r#"{"alg":"HS256","crit":{"exp":1}}"#,
            r#"{"alg":"HS256","crit":[7]}"#,
            r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
            r#"{"alg":"HS256","b64":false}"#,
            r#"{"alg":"HS256","b64":0}"#,
            r#"{"alg":"HS256","alg":"HS256"}"#,
            r#"{"alg":"HS256"} "#,
            r#"{"alg":"HS256"}{}"#,
            r#"{"alg":"HS256",}"#,
            r#"{"alg":"HS256","x":NaN}"#,
            r#"{"alg":"HS256","x":"\ud800"}"#,
            r#"["HS256"]"#,
            r#""HS256""#,
            "null",
            "",
        ];
        // A space after the object is valid JSON, so this is not a forgery.
        let refused = headers.iter().filter(|header| !header.ends_with(' '));
        refused
            .map(|header| signed_with_header(header, &self.claims))
            .collect()
    }

    /// Returns tokens with valid signatures and one invalid claim each.
    fn with_impossible_claims(&self) -> Vec<String> {
        let digits = "9".repeat(300);
        let times = ODD_TIMES.iter().copied().chain([digits.as_str()]);
        let times = times.flat_map(|value| [("iat", value), ("nbf", value)]);
        let ends = ODD_ENDS.iter().map(|value| ("exp", *value));
        let odd = times.chain(ends).chain(ODD_VALUES.iter().copied());
        let replaced = odd.map(|(name, value)| self.with_raw_claim(name, value));
        let missing = ["sub", "type", "jti", "sid", "exp", "iat"];
        let missing = missing.iter().map(|name| self.without_claim(name));
        let head = r#"{"alg":"HS256"}"#;
        let payloads = ODD_PAYLOADS
            .iter()
            .map(|payload| signed_with_header(head, payload));
        replaced.chain(missing).chain(payloads).collect()
    }

    /// Returns the token with this text in the place of a claim's value.
    fn with_raw_claim(&self, name: &str, value: &str) -> String {
        let mut claims = self.claims();
        claims.insert(name.to_owned(), json!("PUT HERE"));
        let claims = serde_json::to_string(&claims).unwrap();
        let claims = claims.replace("\"PUT HERE\"", value);
        signed_with_header(r#"{"alg":"HS256"}"#, &claims)
    }

    fn without_claim(&self, name: &str) -> String {
        let mut claims = self.claims();
        claims.remove(name);
        let claims = serde_json::to_string(&claims).unwrap();
        signed_with_header(r#"{"alg":"HS256"}"#, &claims)
    }

    fn claims(&self) -> serde_json::Map<String, Value> {
        serde_json::from_str(&self.claims).unwrap()
    }
}

/// Presents a token everywhere, and asserts that it is rejected as an invalid token.
#[track_caller]
fn is_refused(app: &TestApp, cookie: &str, path: (&str, &str), token: &str) {
    let (method, path) = path;
    let places = [
        app.request(method, path).bearer(token),
        app.request(method, path)
            .cookie(&format!("{cookie}={token}")),
    ];
    for request in places {
        let answer = request.send();
        assert!(matches!(answer.status, 401 | 422), "{token}: {answer:?}");
        assert!(
            answer
                .cookies()
                .iter()
                .all(|cookie| cookie.value.is_empty()),
            "{token}: {answer:?}"
        );
    }
}

fn all_are_refused(on: Backend, forge: impl Fn(&Loot) -> Vec<String>) {
    let app = on.app().with_ada();
    let ada = app.bearer();
    assert_eq!(ada.get("/protected").status, 200, "the server knows it");
    let forged = [
        (&ada.access, "access_token_cookie", ("GET", "/protected")),
        (&ada.refresh, "refresh_token_cookie", ("POST", "/refresh")),
    ];
    for (token, cookie, path) in forged {
        let tokens = forge(&Loot::of(token));
        assert!(!tokens.is_empty());
        for token in tokens {
            is_refused(&app, cookie, path, &token);
        }
    }
    assert_eq!(
        ada.get("/protected").status,
        200,
        "who was attacked goes on"
    );
    assert_eq!(ada.try_refresh().status, 200, "who was attacked goes on");
}

fn t1_no_spelling_of_none_is_an_algorithm(on: Backend) {
    all_are_refused(on, Loot::without_signature);
}

fn t2_a_key_signs_by_one_algorithm_and_by_no_other(on: Backend) {
    all_are_refused(on, Loot::with_another_algorithm);
}

fn t5_a_signature_that_was_cut_extended_doubled_or_changed_is_none(on: Backend) {
    all_are_refused(on, Loot::with_a_changed_signature);
}

fn t6_t7_a_token_has_one_spelling(on: Backend) {
    all_are_refused(on, Loot::spelled_otherwise);
}

fn t6_t9_not_even_a_good_signature_makes_up_for_how_a_token_is_written(on: Backend) {
    let app = on.app().with_ada();
    let [head, body] = Loot::of(&app.bearer().access).plainly();
    let plain = app.get("/protected").bearer(&sealed(&head, &body)).send();
    assert_eq!(
        plain.status, 200,
        "what is refused is not the odd member: {plain:?}"
    );
    all_are_refused(on, Loot::written_otherwise_and_signed);
}

fn t6_t8_t14_what_is_no_compact_jws_is_no_token(on: Backend) {
    all_are_refused(on, Loot::that_are_no_compact_jws);
}

fn t10_what_is_critical_and_unknown_is_refused(on: Backend) {
    all_are_refused(on, Loot::with_a_header_that_no_one_may_ignore);
}

fn t15_t19_a_well_signed_token_with_impossible_claims_is_refused(on: Backend) {
    all_are_refused(on, Loot::with_impossible_claims);
}

fn t11_t12_no_token_brings_its_own_key_and_nobody_is_called(on: Backend) {
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let url = format!("http://{}/jwks.json", trap.local_addr().unwrap());
    all_are_refused(on, |loot| loot.with_a_key_of_the_attackers(&url));
    let called = trap.accept();
    assert!(called.is_err(), "{called:?}");
}

/// An attacker learns nothing about claims by sending them: not whether they are expired, of the
/// right type, or of a user.
fn t9_t22_without_a_signature_every_claim_gets_the_same_answer(on: Backend) {
    let app = on.app().with_ada();
    let loot = Loot::of(&app.bearer().access);
    let mut answers = Vec::new();
    for (name, value) in [
        ("exp", json!(1)),
        ("nbf", json!(4_000_000_000_u64)),
        ("iat", json!("x")),
        ("type", json!("refresh")),
        ("sub", json!(7)),
        ("sid", json!("nobody's")),
        ("epoch", json!(99)),
        ("aud", json!("others")),
    ] {
        let mut claims: Value = serde_json::from_str(&loot.claims).unwrap();
        claims[name] = value;
        let forged = signed_by(b"attacker", r#"{"alg":"HS256"}"#, &claims.to_string());
        let answer = app.get("/protected").bearer(&forged).send();
        answers.push((answer.status, answer.json()));
    }
    let list = signed_by(b"attacker", r#"{"alg":"HS256"}"#, r#"["ada"]"#);
    let answer = app.get("/protected").bearer(&list).send();
    answers.push((answer.status, answer.json()));
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(
        (answers[0].0, &answers[0].1["code"]),
        (422, &json!("invalid_signature"))
    );
}

on_both_databases! {
    t1_no_spelling_of_none_is_an_algorithm,
    t2_a_key_signs_by_one_algorithm_and_by_no_other,
    t5_a_signature_that_was_cut_extended_doubled_or_changed_is_none,
    t6_t7_a_token_has_one_spelling,
    t6_t9_not_even_a_good_signature_makes_up_for_how_a_token_is_written,
    t6_t8_t14_what_is_no_compact_jws_is_no_token,
    t10_what_is_critical_and_unknown_is_refused,
    t15_t19_a_well_signed_token_with_impossible_claims_is_refused,
    t11_t12_no_token_brings_its_own_key_and_nobody_is_called,
    t9_t22_without_a_signature_every_claim_gets_the_same_answer,
}

/// Values of `iat` and `nbf`, in JSON or not.
const ODD_TIMES: &[&str] = &[
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "1e308",
    "1e999",
    "\"1\"",
    "null",
    "true",
    "[]",
    "{}",
    "NaN",
    "-Infinity",
    "\"٣\"",
];

/// Values of `exp`.
const ODD_ENDS: &[&str] = &[
    "\"1\"",
    "null",
    "[]",
    "NaN",
    "Infinity",
    "1e999",
    "-1",
    "0",
    "-9223372036854775808",
    "0.5",
    "-1e308",
];

/// Values of other claims.
const ODD_VALUES: &[(&str, &str)] = &[
    ("sub", "7"),
    ("sub", "null"),
    ("sub", "[]"),
    ("type", "\"REFRESH\""),
    ("type", "null"),
    ("type", "[\"access\"]"),
    ("type", "\"access \""),
    ("type", "\"id\""),
    ("jti", "7"),
    ("jti", "null"),
    ("sid", "7"),
    ("sid", "null"),
    ("csrf", "7"),
    ("epoch", "\"0\""),
];

/// Payloads of tokens.
const ODD_PAYLOADS: &[&str] = &[
    "[]",
    "null",
    "7",
    "\"\"",
    "",
    "{} {}",
    "\u{feff}{}",
    "{\"sub\":\"1\",\"sub\":\"2\"}",
];
