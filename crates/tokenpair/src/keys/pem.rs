//! Reads the one key in a PEM text (RFC 7468), and whether its label says private or public.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::KeyError;

/// The form of key that the label announces.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `PRIVATE KEY` (RFC 5208) or `EC PRIVATE KEY` (RFC 5915).
    Private,
    /// `RSA PRIVATE KEY` (RFC 8017 appendix A.1.2).
    RsaPrivate,
    /// `PUBLIC KEY` (RFC 5280 section 4.1) or `RSA PUBLIC KEY` (RFC 8017 appendix A.1.1).
    Public,
}

/// Returns the only key in the text, in DER, and its form. Text around it is ignored (RFC 7468
/// section 2).
pub(super) fn key(text: &str) -> Result<(Form, Vec<u8>), KeyError> {
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some((block, after)) = next_block(rest)? {
        if block.label != "EC PARAMETERS" {
            keys.push(block);
        }
        rest = after;
    }
    match keys.as_slice() {
        [] => Err(KeyError::NotPem),
        [block] => block.key(),
        _ => Err(KeyError::SeveralKeys),
    }
}

struct Block<'a> {
    label: &'a str,
    body: &'a str,
}

/// Returns the next block, and the text after it.
fn next_block(text: &str) -> Result<Option<(Block<'_>, &str)>, KeyError> {
    let Some((_, text)) = text.split_once("-----BEGIN ") else {
        return Ok(None);
    };
    let (label, text) = text.split_once("-----").ok_or(KeyError::NotPem)?;
    let (body, rest) = text.split_once("-----END ").ok_or(KeyError::NotPem)?;
    let rest = rest
        .strip_prefix(label)
        .and_then(|rest| rest.strip_prefix("-----"));
    let rest = rest.ok_or(KeyError::NotPem)?;
    Ok(Some((Block { label, body }, rest)))
}

impl Block<'_> {
    fn key(&self) -> Result<(Form, Vec<u8>), KeyError> {
        let form = match self.label {
            "PRIVATE KEY" | "EC PRIVATE KEY" => Form::Private,
            "RSA PRIVATE KEY" => Form::RsaPrivate,
            "PUBLIC KEY" | "RSA PUBLIC KEY" => Form::Public,
            "ENCRYPTED PRIVATE KEY" => return Err(KeyError::Encrypted),
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => {
                return Err(KeyError::Certificate);
            }
            _ => return Err(KeyError::NotPem),
        };
        // OpenSSL's older encryption puts headers within the block (RFC 1421 section 4.6).
        if self.body.contains("ENCRYPTED") {
            return Err(KeyError::Encrypted);
        }
        let base64: Vec<u8> = self
            .body
            .bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        let der = STANDARD.decode(base64).map_err(|_| KeyError::NotPem)?;
        Ok((form, der))
    }
}
