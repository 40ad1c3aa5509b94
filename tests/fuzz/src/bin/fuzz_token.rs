//! A text for a token, where keys of three algorithms verify: only what was signed is believed, byte for byte.

#![no_main]

use std::sync::LazyLock;

use fuzz::{NOW, SECRET, refused};
use libfuzzer_sys::{Corpus, fuzz_target};
use tokenpair::keys::{Algorithm, KeyRing, VerifyingKey};
use tokenpair::token::{Expiry, TokenPolicy, Tokens};
use tokenpair::web::Rejection;

/// What the keys below have signed, the private ones of which nobody has any more.
const SIGNED: [&str; 4] = [
    include_str!("../../seeds/token/hs256"),
    include_str!("../../seeds/token/es256"),
    include_str!("../../seeds/token/eddsa"),
    include_str!("../../seeds/token/expired"),
];

const ES256: &str = include_str!("../../seeds/es256.pem");
const EDDSA: &str = include_str!("../../seeds/eddsa.pem");

static TOKENS: LazyLock<Tokens> = LazyLock::new(|| {
    let public = |algorithm, pem| VerifyingKey::from_pem(algorithm, pem).expect("the key is good");
    let keys = KeyRing::from_secret(Algorithm::Hs256, SECRET).expect("the secret is good");
    let keys = keys
        .with_verifying(public(Algorithm::Es256, ES256))
        .and_then(|keys| keys.with_verifying(public(Algorithm::EdDsa, EDDSA)));
    Tokens::new(keys.expect("the keys go together"), TokenPolicy::default())
});

fuzz_target!(|input: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(input) else {
        return Corpus::Reject;
    };
    let signed = SIGNED.contains(&text);
    let timeless = TOKENS.decode(text, NOW, Expiry::Ignored);
    assert_eq!(timeless.is_ok(), signed, "{timeless:?}");
    let decoded = TOKENS.decode(text, NOW, Expiry::Enforced);
    assert_eq!(decoded.is_ok(), signed && text != SIGNED[3], "{decoded:?}");

    // Who debugs is told the same; what cannot even be taken apart is never believed.
    match TOKENS.inspect(text, NOW) {
        Ok(inspection) => {
            let mut verdicts = inspection.verdicts.iter();
            let good = verdicts.all(|(_, verdict)| verdict.is_ok());
            assert_eq!(good, decoded.is_ok());
        }
        Err(_) => assert!(decoded.is_err()),
    }
    if let Err(error) = decoded {
        let (status, code) = refused(&Rejection::from(error));
        assert_eq!(status == 401, signed, "{code}");
    }
    Corpus::Keep
});
