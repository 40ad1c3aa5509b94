//! Reads the DER (X.690) that keys are written in, as far as their kind.

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// `[0]`, with another value in it.
const CONTEXT_0: u8 = 0xa0;

/// Values one after the other.
#[derive(Clone, Copy)]
struct Values<'a>(&'a [u8]);

impl<'a> Values<'a> {
    /// Takes the next value off, and returns its content. `None` if its tag is another.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (len, rest) = match *first {
            short @ 0..=0x7f => (usize::from(short), rest),
            // Not 0x80, a length that is not told (X.690 section 10.1). Four bytes suffice for keys.
            long @ 0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
                let len = bytes
                    .iter()
                    .fold(0, |len, byte| len << 8 | usize::from(*byte));
                (len, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        (*found == tag).then_some(content)
    }

    fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

/// Returns the values of the only SEQUENCE in `der`.
fn sequence(der: &[u8]) -> Option<Values<'_>> {
    let mut whole = Values(der);
    let inner = whole.take(SEQUENCE)?;
    whole.is_empty().then_some(Values(inner))
}

/// An AlgorithmIdentifier (RFC 5280 section 4.1.1.2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Algorithm<'a> {
    pub(super) id: &'a [u8],
    /// The curve, for a key on one (RFC 5480 section 2.1.1).
    pub(super) curve: Option<&'a [u8]>,
}

fn algorithm<'a>(values: &mut Values<'a>) -> Option<Algorithm<'a>> {
    let mut values = Values(values.take(SEQUENCE)?);
    let id = values.take(OBJECT_IDENTIFIER)?;
    let curve = values.take(OBJECT_IDENTIFIER);
    Some(Algorithm { id, curve })
}

/// Reads a SubjectPublicKeyInfo (RFC 5280 section 4.1): the algorithm, and the key in its own form.
pub(super) fn subject_public_key(der: &[u8]) -> Option<(Algorithm<'_>, &[u8])> {
    let mut values = sequence(der)?;
    let algorithm = algorithm(&mut values)?;
    // The first byte of the content counts the bits to ignore at its end.
    let key = values.take(BIT_STRING)?.strip_prefix(&[0])?;
    values.is_empty().then_some((algorithm, key))
}

/// Reads PKCS#8, without or with the public key (RFC 5958 section 2): the algorithm, and the
/// private key in its own form.
pub(super) fn pkcs8(der: &[u8]) -> Option<(Algorithm<'_>, &[u8])> {
    let mut values = sequence(der)?;
    let [0 | 1] = values.take(INTEGER)? else {
        return None;
    };
    let algorithm = algorithm(&mut values)?;
    Some((algorithm, values.take(OCTET_STRING)?))
}

/// Returns the curve of an ECPrivateKey (RFC 5915 section 3).
pub(super) fn sec1_curve(der: &[u8]) -> Option<&[u8]> {
    let mut values = sequence(der)?;
    let [1] = values.take(INTEGER)? else {
        return None;
    };
    values.take(OCTET_STRING)?;
    Values(values.take(CONTEXT_0)?).take(OBJECT_IDENTIFIER)
}

/// Returns the modulus of an RSAPublicKey (RFC 8017 appendix A.1.1), without leading zeros.
pub(super) fn pkcs1_public_modulus(der: &[u8]) -> Option<&[u8]> {
    let mut values = sequence(der)?;
    let modulus = values.take(INTEGER)?;
    values.take(INTEGER)?;
    values.is_empty().then_some(without_zeros(modulus))
}

/// Returns the modulus of an RSAPrivateKey of two primes (RFC 8017 appendix A.1.2), without leading
/// zeros.
pub(super) fn pkcs1_private_modulus(der: &[u8]) -> Option<&[u8]> {
    let mut values = sequence(der)?;
    let [0] = values.take(INTEGER)? else {
        return None;
    };
    let modulus = values.take(INTEGER)?;
    for _exponents_primes_and_coefficient in 0..7 {
        values.take(INTEGER)?;
    }
    values.is_empty().then_some(without_zeros(modulus))
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}
