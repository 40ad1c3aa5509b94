//! Forges tokens of every kind, valid and invalid, with the keys that both sides have.

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Map, Value, json};

use super::keys::{Keys, sign};
use super::settings::Setting;

/// The `csrf` claim of every forged token.
pub(crate) const CSRF: &str = "11111111-2222-3333-4444-555555555555";

/// A token and its name.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: &'static str,
    pub(crate) text: String,
}

pub(crate) struct Forge<'a> {
    setting: &'a Setting,
    keys: &'a Keys,
    key: EncodingKey,
    algorithm: Algorithm,
    now: i64,
}

impl<'a> Forge<'a> {
    pub(crate) fn new(setting: &'a Setting, keys: &'a Keys, now: i64) -> Self {
        let algorithm = setting.algorithm();
        Self {
            setting,
            keys,
            key: keys.signing(algorithm),
            algorithm,
            now,
        }
    }

    /// The claims of a valid access token that lives longer than the reissue window.
    fn claims(&self) -> Map<String, Value> {
        let mut claims = Map::new();
        let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        put("fresh", json!(false));
        put("iat", json!(self.now - 60));
        put("nbf", json!(self.now - 60));
        put("exp", json!(self.now + 7200));
        put("jti", json!("a-jti"));
        put("type", json!("access"));
        put(&self.setting.identity_claim(), json!("test"));
        if self.setting.protects_from_csrf() {
            put("csrf", json!(CSRF));
        }
        if let Some(issuer) = self.setting.get("JWT_DECODE_ISSUER") {
            put("iss", json!(issuer));
        }
        if self.setting.get("JWT_DECODE_AUDIENCE").is_some() {
            put(
                "aud",
                json!(self.setting.list("JWT_DECODE_AUDIENCE", "")[0]),
            );
        }
        claims
    }

    fn header(&self) -> String {
        json!({ "alg": self.algorithm, "typ": "JWT" }).to_string()
    }

    fn sealed(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        sign(header.as_ref(), payload.as_ref(), &self.key, self.algorithm)
    }

    /// A valid access token except for these claims.
    pub(crate) fn with(&self, changes: &Value) -> String {
        let mut claims = self.claims();
        claims.extend(changes.as_object().unwrap().clone());
        self.sealed(self.header(), Value::Object(claims).to_string())
    }

    fn without(&self, name: &str) -> String {
        let mut claims = self.claims();
        claims.remove(name);
        self.sealed(self.header(), Value::Object(claims).to_string())
    }

    /// A valid token except for its header.
    fn headed(&self, header: impl AsRef<[u8]>) -> String {
        self.sealed(header, Value::Object(self.claims()).to_string())
    }

    /// A valid token with these members in its header besides `alg` and `typ`.
    fn marked(&self, members: &Value) -> String {
        let mut header = json!({ "alg": self.algorithm, "typ": "JWT" });
        let members = members.as_object().unwrap().clone();
        header.as_object_mut().unwrap().extend(members);
        self.headed(header.to_string())
    }

    /// Valid claims, preceded by these members exactly as written.
    fn written(&self, members: &str) -> String {
        let claims = Value::Object(self.claims()).to_string();
        self.sealed(self.header(), format!("{{{members},{}", &claims[1..]))
    }

    /// Replaces one claim by a text that need not be JSON as `serde_json` writes it.
    fn literally(&self, name: &str, value: &str) -> String {
        let mut claims = self.claims();
        claims.remove(name);
        let claims = Value::Object(claims).to_string();
        let payload = format!("{{\"{name}\":{value},{}", &claims[1..]);
        self.sealed(self.header(), payload)
    }

    pub(crate) fn access(&self) -> String {
        self.with(&json!({}))
    }

    pub(crate) fn refresh(&self) -> String {
        self.with(&json!({ "type": "refresh", "jti": "a-refresh-jti" }))
    }

    pub(crate) fn expired(&self) -> String {
        self.with(&json!({ "exp": self.now - 40 }))
    }

    pub(crate) fn unsigned_well(&self) -> String {
        let token = self.access();
        let (message, signature) = token.rsplit_once('.').unwrap();
        format!("{message}.{}", another(signature))
    }

    pub(crate) fn soon_over(&self) -> String {
        self.with(&json!({ "exp": self.now + 600, "color": "blue" }))
    }

    /// The few tokens that every route is tested with.
    pub(crate) fn main_kinds(&self) -> Vec<Token> {
        kinds([
            ("access", self.access()),
            ("refresh", self.refresh()),
            ("fresh access", self.with(&json!({ "fresh": true }))),
            ("expired", self.expired()),
            ("blocked", self.with(&json!({ "jti": "blocked-jti" }))),
            (
                "blocked refresh",
                self.with(&json!({ "jti": "blocked-jti", "type": "refresh" })),
            ),
            ("not verified", self.with(&json!({ "verify_me": "no" }))),
            ("access, soon over", self.soon_over()),
            (
                "refresh, soon over",
                self.with(&json!({ "type": "refresh", "exp": self.now + 600 })),
            ),
            ("wrong signature", self.unsigned_well()),
        ])
    }

    pub(crate) fn all(&self) -> Vec<Token> {
        let mut all = self.times();
        all.extend(self.signatures());
        all.extend(self.algorithms());
        all.extend(self.identities());
        all.extend(self.types_and_freshness());
        all.extend(self.parties());
        all.extend(self.segments());
        all.extend(self.json_forms());
        all.extend(self.header_members());
        all
    }

    fn times(&self) -> Vec<Token> {
        let now = self.now;
        kinds([
            (
                "expired a moment ago",
                self.with(&json!({ "exp": now - 15 })),
            ),
            ("expired long ago", self.with(&json!({ "exp": 1 }))),
            ("exp negative", self.with(&json!({ "exp": -5 }))),
            ("exp zero", self.with(&json!({ "exp": 0 }))),
            ("exp absent", self.without("exp")),
            ("exp a fraction", self.with(&json!({ "exp": 5e9 + 0.5 }))),
            ("exp a past fraction", self.with(&json!({ "exp": 1.5 }))),
            (
                "exp beyond 64 bits",
                self.literally("exp", "18446744073709551616"),
            ),
            ("exp huge", self.with(&json!({ "exp": 1e300 }))),
            ("exp infinite", self.literally("exp", "1e999")),
            ("exp true", self.with(&json!({ "exp": true }))),
            ("exp null", self.with(&json!({ "exp": null }))),
            ("exp a list", self.with(&json!({ "exp": [now + 600] }))),
            ("exp a word", self.with(&json!({ "exp": "soon" }))),
            (
                "exp a number in quotes",
                self.with(&json!({ "exp": "9999999999" })),
            ),
            ("nbf ahead", self.with(&json!({ "nbf": now + 3600 }))),
            ("nbf a moment ahead", self.with(&json!({ "nbf": now + 20 }))),
            ("nbf absent", self.without("nbf")),
            ("nbf a fraction", self.with(&json!({ "nbf": 1.5 }))),
            ("nbf a word", self.with(&json!({ "nbf": "now" }))),
            ("nbf null", self.with(&json!({ "nbf": null }))),
            ("nbf a number in quotes", self.with(&json!({ "nbf": "1" }))),
            ("nbf huge", self.with(&json!({ "nbf": 1e300 }))),
            ("iat ahead", self.with(&json!({ "iat": now + 3600 }))),
            ("iat a moment ahead", self.with(&json!({ "iat": now + 20 }))),
            ("iat absent", self.without("iat")),
            ("iat a fraction", self.with(&json!({ "iat": 1.5 }))),
            ("iat a word", self.with(&json!({ "iat": "now" }))),
            ("iat an object", self.with(&json!({ "iat": {} }))),
            ("iat a number in quotes", self.with(&json!({ "iat": "1" }))),
            (
                "iat and nbf ahead, and expired",
                self.with(&json!({ "iat": now + 3600, "nbf": now + 3600, "exp": 1 })),
            ),
            (
                "nbf ahead and expired",
                self.with(&json!({ "nbf": now + 3600, "exp": 1 })),
            ),
        ])
    }

    fn signatures(&self) -> Vec<Token> {
        let access = self.access();
        let (message, signature) = access.rsplit_once('.').unwrap();
        let claims = Value::Object(self.claims()).to_string();
        let other = if self.algorithm == Algorithm::HS256 {
            Algorithm::HS512
        } else {
            Algorithm::HS256
        };
        let pair = self.keys.pair(self.algorithm);
        let public = pair.map_or("another secret", |pair| &pair.public);
        let public = EncodingKey::from_secret(public.as_bytes());
        let secret = self.keys.signing(Algorithm::HS256);
        kinds([
            ("wrong signature", self.unsigned_well()),
            ("signature empty", format!("{message}.")),
            (
                "signature cut",
                format!("{message}.{}", &signature[..signature.len() - 8]),
            ),
            ("signature of nothing", format!("{message}.AAAA")),
            ("claims exchanged", {
                let other = self.with(&json!({ "jti": "another" }));
                let message = other.rsplit_once('.').unwrap().0;
                format!("{message}.{signature}")
            }),
            (
                "another algorithm, the secret",
                sign(
                    head(&json!(other)).as_bytes(),
                    claims.as_bytes(),
                    &secret,
                    other,
                ),
            ),
            (
                "HMAC with a public key",
                sign(
                    head(&json!("HS256")).as_bytes(),
                    claims.as_bytes(),
                    &public,
                    Algorithm::HS256,
                ),
            ),
            ("expired and wrong signature", {
                let expired = self.expired();
                let message = expired.rsplit_once('.').unwrap().0;
                format!("{message}.{signature}")
            }),
        ])
    }

    fn algorithms(&self) -> Vec<Token> {
        let own = json!(self.algorithm).as_str().unwrap().to_owned();
        kinds([
            ("alg none", {
                let none = self.headed(head(&json!("none")));
                format!("{}.", none.rsplit_once('.').unwrap().0)
            }),
            ("alg None, signed", self.headed(head(&json!("None")))),
            (
                "alg in other case",
                self.headed(head(&json!(own.to_lowercase()))),
            ),
            (
                "alg with a space",
                self.headed(head(&json!(format!("{own} ")))),
            ),
            ("alg unknown", self.headed(head(&json!("HS257")))),
            ("alg absent", self.headed(r#"{"typ":"JWT"}"#)),
            ("alg null", self.headed(head(&json!(null)))),
            ("alg empty", self.headed(head(&json!("")))),
            ("alg a number", self.headed(head(&json!(256)))),
            ("alg a list", self.headed(head(&json!([own])))),
        ])
    }

    fn identities(&self) -> Vec<Token> {
        let claim = self.setting.identity_claim();
        let named = |value: Value| self.with(&json!({ claim.as_str(): value }));
        kinds([
            ("identity absent", self.without(&claim)),
            ("identity a number", named(json!(7))),
            ("identity null", named(json!(null))),
            ("identity a list", named(json!(["test"]))),
            ("identity an object", named(json!({ "id": 7 }))),
            ("identity true", named(json!(true))),
            ("identity empty", named(json!(""))),
            ("identity not ASCII", named(json!("ţęšt 𝔘 \"\\\u{1}"))),
            ("sub a number", self.with(&json!({ "sub": 7 }))),
            (
                "sub a number and expired",
                self.with(&json!({ "sub": 7, "exp": 1 })),
            ),
            ("no identity and expired", {
                let mut claims = self.claims();
                claims.remove(&claim);
                claims.insert("exp".to_owned(), json!(1));
                self.sealed(self.header(), Value::Object(claims).to_string())
            }),
            ("jti absent", self.without("jti")),
            ("jti a number", self.with(&json!({ "jti": 7 }))),
            ("jti null", self.with(&json!({ "jti": null }))),
            ("jti empty", self.with(&json!({ "jti": "" }))),
            ("blocked and not verified", {
                self.with(&json!({ "jti": "blocked-jti", "verify_me": "no" }))
            }),
            ("verified", self.with(&json!({ "verify_me": "yes" }))),
            ("verify_me null", self.with(&json!({ "verify_me": null }))),
        ])
    }

    fn types_and_freshness(&self) -> Vec<Token> {
        let now = self.now;
        kinds([
            ("type absent", self.without("type")),
            ("type in capitals", self.with(&json!({ "type": "REFRESH" }))),
            ("type unknown", self.with(&json!({ "type": "reset" }))),
            ("type null", self.with(&json!({ "type": null }))),
            ("type a list", self.with(&json!({ "type": ["refresh"] }))),
            ("fresh absent", self.without("fresh")),
            (
                "fresh until later",
                self.with(&json!({ "fresh": now + 600 })),
            ),
            (
                "fresh until a later fraction",
                self.with(&json!({ "fresh": 5e9 + 0.5 })),
            ),
            (
                "fresh until before",
                self.with(&json!({ "fresh": now - 600 })),
            ),
            ("fresh one", self.with(&json!({ "fresh": 1 }))),
            ("fresh zero", self.with(&json!({ "fresh": 0 }))),
            ("fresh a word", self.with(&json!({ "fresh": "true" }))),
            ("fresh null", self.with(&json!({ "fresh": null }))),
            ("fresh a list", self.with(&json!({ "fresh": [] }))),
            (
                "fresh refresh",
                self.with(&json!({ "fresh": true, "type": "refresh" })),
            ),
            (
                "fresh and blocked",
                self.with(&json!({ "fresh": true, "jti": "blocked-jti" })),
            ),
            (
                "fresh and not verified",
                self.with(&json!({ "fresh": true, "verify_me": "no" })),
            ),
            (
                "expired refresh",
                self.with(&json!({ "type": "refresh", "exp": now - 40 })),
            ),
            (
                "expired and blocked",
                self.with(&json!({ "jti": "blocked-jti", "exp": 1 })),
            ),
        ])
    }

    fn parties(&self) -> Vec<Token> {
        let audience = self.setting.list("JWT_DECODE_AUDIENCE", "shop");
        let ours = audience.last().unwrap().as_str();
        let issuer = self.setting.get("JWT_DECODE_ISSUER").unwrap_or("here");
        kinds([
            ("aud absent", self.without("aud")),
            ("aud ours", self.with(&json!({ "aud": ours }))),
            ("aud another", self.with(&json!({ "aud": "others" }))),
            (
                "aud a beginning of ours",
                self.with(&json!({ "aud": &ours[..2] })),
            ),
            (
                "aud several with ours",
                self.with(&json!({ "aud": ["others", ours] })),
            ),
            (
                "aud several without ours",
                self.with(&json!({ "aud": ["others", "more"] })),
            ),
            (
                "aud ours and a number",
                self.with(&json!({ "aud": [ours, 7] })),
            ),
            ("aud a number", self.with(&json!({ "aud": 7 }))),
            ("aud an object", self.with(&json!({ "aud": { "shop": 1 } }))),
            ("aud null", self.with(&json!({ "aud": null }))),
            ("aud an empty list", self.with(&json!({ "aud": [] }))),
            ("aud empty", self.with(&json!({ "aud": "" }))),
            (
                "aud another and expired",
                self.with(&json!({ "aud": "others", "exp": 1 })),
            ),
            ("iss absent", self.without("iss")),
            ("iss ours", self.with(&json!({ "iss": issuer }))),
            ("iss another", self.with(&json!({ "iss": "others" }))),
            (
                "iss in capitals",
                self.with(&json!({ "iss": issuer.to_uppercase() })),
            ),
            ("iss a list", self.with(&json!({ "iss": [issuer] }))),
            ("iss null", self.with(&json!({ "iss": null }))),
            (
                "iss and aud another",
                self.with(&json!({ "iss": "others", "aud": "others" })),
            ),
            (
                "iss another and expired",
                self.with(&json!({ "iss": "others", "exp": 1 })),
            ),
        ])
    }

    /// Texts that are not three segments of base64url.
    fn segments(&self) -> Vec<Token> {
        let access = self.access();
        let parts: Vec<&str> = access.split('.').collect();
        let [header, payload, signature] = parts.try_into().unwrap();
        let pad = |text: &str| format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
        // A payload that does not fill whole groups of three bytes has letters with spare bits.
        let spare = self.with(&json!({ "pad": "a".repeat(self.padding_to_one_over()) }));
        let spare: Vec<&str> = spare.split('.').collect();
        kinds([
            ("garbage", "garbage".to_owned()),
            ("a lone dot", ".".to_owned()),
            ("two dots", "..".to_owned()),
            ("three letters", "a.b.c".to_owned()),
            ("two segments", format!("{header}.{payload}")),
            ("four segments", format!("{access}.AAAA")),
            ("five segments", format!("{access}.AAAA.AAAA")),
            ("header not base64", format!("!!!.{payload}.{signature}")),
            ("payload not base64", format!("{header}.!!!.{signature}")),
            ("signature not base64", format!("{header}.{payload}.!!!")),
            (
                "plus and slash in the signature",
                format!("{header}.{payload}.a+/b"),
            ),
            (
                "a letter too many",
                format!("{header}.{payload}A.{signature}"),
            ),
            ("header of one letter", format!("A.{payload}.{signature}")),
            ("header empty", format!(".{payload}.{signature}")),
            ("payload empty", format!("{header}..{signature}")),
            ("padding", format!("{header}.{payload}.{}", pad(signature))),
            (
                "too much padding",
                format!("{header}.{payload}.{signature}===="),
            ),
            ("bits to spare in the payload", {
                format!("{}.{}.{}", spare[0], respelled(spare[1]), spare[2])
            }),
            ("bits to spare in the signature", {
                format!("{header}.{payload}.{}", respelled(signature))
            }),
            ("letters beyond ASCII", format!("{header}.é.{signature}")),
            (
                "very long",
                self.with(&json!({ "pad": "x".repeat(20_000) })),
            ),
        ])
    }

    fn padding_to_one_over(&self) -> usize {
        let length = |pad: usize| {
            let token = self.with(&json!({ "pad": "a".repeat(pad) }));
            token.split('.').nth(1).unwrap().len()
        };
        (0..4).find(|pad| length(*pad) % 4 == 2).unwrap()
    }

    /// Headers and payloads that are not the expected JSON, all signed correctly.
    fn json_forms(&self) -> Vec<Token> {
        let header = self.header();
        let claims = Value::Object(self.claims()).to_string();
        let sealed = |payload: &[u8]| self.sealed(&header, payload);
        let utf16: Vec<u8> = claims.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        kinds([
            ("header not JSON", self.headed("nonsense")),
            ("header an array", self.headed("[]")),
            ("header a string", self.headed(r#""JWT""#)),
            ("header null", self.headed("null")),
            ("header not UTF-8", self.headed(b"{\"alg\":\"\xff\"}")),
            ("header with an end", self.headed(format!("{header} x"))),
            ("payload not JSON", sealed(b"nonsense")),
            ("payload an array", sealed(b"[1]")),
            ("payload a string", sealed(br#""test""#)),
            ("payload a number", sealed(b"7")),
            ("payload null", sealed(b"null")),
            ("payload an empty object", sealed(b"{}")),
            ("payload not UTF-8", sealed(b"{\"sub\":\"\xff\"}")),
            (
                "payload with an end",
                sealed(format!("{claims} x").as_bytes()),
            ),
            (
                "payload after spaces",
                sealed(format!(" \n{claims}\t").as_bytes()),
            ),
            (
                "payload after a mark of order",
                sealed(format!("\u{feff}{claims}").as_bytes()),
            ),
            ("payload in UTF-16", sealed(&utf16)),
            ("not a number among claims", self.written(r#""x":NaN"#)),
            (
                "half a character among claims",
                self.written(r#""x":"\ud800""#),
            ),
            ("a claim twice", self.written(r#""jti":"blocked-jti""#)),
            ("an unknown claim twice", self.written(r#""x":1,"x":2"#)),
            ("claims deep", self.written(&format!(r#""x":{}"#, deep(50)))),
            (
                "claims very deep",
                self.written(&format!(r#""x":{}"#, deep(1200))),
            ),
            ("wrong signature and payload not JSON", {
                let token = sealed(b"nonsense");
                let (message, signature) = token.rsplit_once('.').unwrap();
                format!("{message}.{}", another(signature))
            }),
        ])
    }

    fn header_members(&self) -> Vec<Token> {
        kinds([
            ("typ absent", {
                self.headed(json!({ "alg": self.algorithm }).to_string())
            }),
            ("typ another", self.marked(&json!({ "typ": "at+jwt" }))),
            ("typ a number", self.marked(&json!({ "typ": 1 }))),
            ("kid", self.marked(&json!({ "kid": "some-key" }))),
            ("kid a number", self.marked(&json!({ "kid": 1 }))),
            ("kid null", self.marked(&json!({ "kid": null }))),
            ("unknown members", {
                self.marked(&json!({ "x": 1, "y": null, "z": [{}], "jku": "http://127.0.0.1/" }))
            }),
            (
                "crit unknown",
                self.marked(&json!({ "crit": ["x"], "x": 1 })),
            ),
            ("crit empty", self.marked(&json!({ "crit": [] }))),
            ("crit not a list", self.marked(&json!({ "crit": "exp" }))),
            ("crit null", self.marked(&json!({ "crit": null }))),
            ("crit with a number", self.marked(&json!({ "crit": [1] }))),
            ("crit absent b64", self.marked(&json!({ "crit": ["b64"] }))),
            (
                "crit b64 true",
                self.marked(&json!({ "crit": ["b64"], "b64": true })),
            ),
            ("b64 false", self.marked(&json!({ "b64": false }))),
            (
                "crit b64 false",
                self.marked(&json!({ "crit": ["b64"], "b64": false })),
            ),
            ("kid a number and crit unknown", {
                self.marked(&json!({ "kid": 1, "crit": ["x"] }))
            }),
            (
                "crit unknown and alg absent",
                self.headed(r#"{"crit":["x"]}"#),
            ),
            ("a header member twice", {
                let header = self.header();
                self.headed(format!("{{\"x\":1,\"x\":2,{}", &header[1..]))
            }),
        ])
    }

    /// Tokens that the reissue after a response must examine.
    pub(crate) fn soon_over_kinds(&self) -> Vec<Token> {
        let soon = self.now + 600;
        let claim = self.setting.identity_claim();
        kinds([
            ("soon over", self.soon_over()),
            (
                "soon over and fresh",
                self.with(&json!({ "exp": soon, "fresh": true })),
            ),
            (
                "soon over, a refresh token",
                self.with(&json!({ "exp": soon, "type": "refresh" })),
            ),
            (
                "soon over, not verified",
                self.with(&json!({ "exp": soon, "verify_me": "no" })),
            ),
            (
                "soon over, blocked",
                self.with(&json!({ "exp": soon, "jti": "blocked-jti" })),
            ),
            ("soon over, another identity", {
                self.with(&json!({ "exp": soon, claim.as_str(): "someone else" }))
            }),
            (
                "over in less than an hour",
                self.with(&json!({ "exp": self.now + 2400 })),
            ),
            ("never over", self.without("exp")),
        ])
    }

    /// Tokens for the CSRF check alone.
    pub(crate) fn csrf_kinds(&self) -> Vec<Token> {
        kinds([
            ("csrf absent", self.without("csrf")),
            ("csrf a number", self.with(&json!({ "csrf": 7 }))),
            ("csrf null", self.with(&json!({ "csrf": null }))),
            ("csrf another", self.with(&json!({ "csrf": "another" }))),
            ("csrf empty", self.with(&json!({ "csrf": "" }))),
            ("csrf another and expired", {
                self.with(&json!({ "csrf": "another", "exp": 1 }))
            }),
            ("csrf another and blocked", {
                self.with(&json!({ "csrf": "another", "jti": "blocked-jti" }))
            }),
            ("csrf another, refresh", {
                self.with(&json!({ "csrf": "another", "type": "refresh" }))
            }),
            ("csrf another, wrong signature", {
                let token = self.with(&json!({ "csrf": "another" }));
                let (message, signature) = token.rsplit_once('.').unwrap();
                format!("{message}.{}", another(signature))
            }),
        ])
    }
}

fn kinds<const N: usize>(tokens: [(&'static str, String); N]) -> Vec<Token> {
    let token = |(kind, text)| Token { kind, text };
    tokens.into_iter().map(token).collect()
}

/// Returns the segment with a letter near its end replaced, which changes its bytes.
fn another(segment: &str) -> String {
    let at = segment.len() - 9;
    let letter = if segment.as_bytes()[at] == b'A' {
        "B"
    } else {
        "A"
    };
    format!("{}{letter}{}", &segment[..at], &segment[at + 1..])
}

/// Returns the segment with the lowest bit of its last letter flipped, which changes no byte unless
/// all the letters' bits are used.
fn respelled(segment: &str) -> String {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = segment.split_at(segment.len() - 1);
    let other = LETTERS.find(last).unwrap() ^ 1;
    format!("{rest}{}", &LETTERS[other..=other])
}

fn head(algorithm: &Value) -> String {
    json!({ "alg": algorithm, "typ": "JWT" }).to_string()
}
