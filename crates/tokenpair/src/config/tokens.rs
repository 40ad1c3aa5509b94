//! Reads the settings of a [`TokenPolicy`].

use std::time::Duration;

use super::reader::{Reader, parse_bool};
use crate::token::TokenPolicy;

/// Whether tokens may be configured to never expire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Never {
    /// `false` and `0` mean never, as in Flask-JWT-Extended.
    Allowed,
    /// Never is a problem: revocations could not be forgotten if tokens never expired.
    Refused,
}

/// Reads a [`TokenPolicy`] from its `JWT_*` settings; `default` has the value of every setting that
/// is not set.
pub fn read_token_policy(
    reader: &mut Reader<'_>,
    default: TokenPolicy,
    never: Never,
) -> TokenPolicy {
    let (access, refresh) = (default.access_expires, default.refresh_expires);
    TokenPolicy {
        access_expires: lifetime(reader, "JWT_ACCESS_TOKEN_EXPIRES", access, never),
        refresh_expires: lifetime(reader, "JWT_REFRESH_TOKEN_EXPIRES", refresh, never),
        identity_claim: reader
            .text("JWT_IDENTITY_CLAIM")
            .unwrap_or(default.identity_claim),
        verify_sub: reader.truth("JWT_VERIFY_SUB", default.verify_sub),
        encode_issuer: reader.text("JWT_ENCODE_ISSUER"),
        encode_audience: reader.list("JWT_ENCODE_AUDIENCE"),
        decode_issuer: reader.text("JWT_DECODE_ISSUER"),
        decode_audience: reader.list("JWT_DECODE_AUDIENCE"),
        encode_nbf: reader.truth("JWT_ENCODE_NBF", default.encode_nbf),
        leeway: reader.duration("JWT_DECODE_LEEWAY", default.leeway),
        early_leeway: default.early_leeway,
        cache: reader.number("JWT_CACHE", default.cache, 0..=10_000_000),
        encode_csrf: default.encode_csrf,
        strict: default.strict,
    }
}

fn lifetime(
    reader: &mut Reader<'_>,
    name: &str,
    default: Option<Duration>,
    never: Never,
) -> Option<Duration> {
    let off = |text: String| parse_bool(&text) == Some(false);
    if never == Never::Allowed && reader.text(name).is_some_and(off) {
        return None;
    }
    let default = default.unwrap_or_default();
    let lifetime = match never {
        Never::Refused => reader.lifetime(name, default),
        Never::Allowed => reader.duration(name, default),
    };
    Some(lifetime).filter(|lifetime| !lifetime.is_zero())
}
