//! Reads lists of names and values, as in `name=value,other=value`.

/// Parses W3C baggage without properties, as the specification wants it for these settings.
pub(super) fn parse_pairs(text: &str) -> Option<Vec<(String, String)>> {
    let parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let pair = |part: &str| {
        let (name, value) = part.split_once('=')?;
        let (name, value) = (decoded(name.trim())?, decoded(value.trim())?);
        (!name.is_empty()).then_some((name, value))
    };
    parts.map(pair).collect()
}

/// Decodes a percent-encoded text. `None` if an escape is incomplete or it is not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            let digits = digits.map(|digit| char::from(digit).to_digit(16));
            let [Some(high), Some(low)] = digits else {
                return None;
            };
            decoded.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_pairs_are_percent_decoded_and_incomplete_ones_refused() {
        let pairs = parse_pairs("a=b%20c, x.y = 1=2 ,").unwrap();
        let wanted = [("a", "b c"), ("x.y", "1=2")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(pairs, wanted);
        for wrong in ["a", "=b", "a=%2", "a=%zz", "a=%ff", "a=b,c"] {
            assert_eq!(parse_pairs(wrong), None, "{wrong}");
        }
    }
}
