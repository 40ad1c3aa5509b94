//! A text for a token, or changes to a token that was signed, where keys of three algorithms verify: only what was signed is
//! believed, byte for byte.

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
    let text = changed(input);
    let Ok(text) = std::str::from_utf8(text.as_deref().unwrap_or(input)) else {
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

/// Where an input begins with `@2`: the third of those that were signed, changed by what follows, two bytes a change. The
/// first is a place, counted from the end, or above 127 from the beginning; the second is what to put there. Its highest bit
/// says to put it behind what is there, and zero to remove that.
fn changed(input: &[u8]) -> Option<Vec<u8>> {
    let [b'@', digit, changes @ ..] = input else {
        return None;
    };
    let index = usize::from(digit.checked_sub(b'0')?);
    let mut text = SIGNED.get(index)?.as_bytes().to_vec();
    for change in changes.as_chunks::<2>().0 {
        let behind = match usize::from(change[0]) {
            from_end @ ..128 => text.len().checked_sub(from_end)?,
            from_begin => from_begin - 128,
        };
        if behind > text.len() {
            return None;
        }
        match (change[1], behind.checked_sub(1)) {
            (byte @ 0x80.., _) => text.insert(behind, byte & 0x7f),
            (0, Some(place)) => drop(text.remove(place)),
            (byte, Some(place)) => text[place] = byte,
            (_, None) => return None,
        }
    }
    Some(text)
}
