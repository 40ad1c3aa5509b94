//! The members of a payload: checked in PyJWT's order, and taken out one by one as [`Claims`].

use std::time::Duration;

use serde_json::{Map, Value};

use super::TokenPolicy;
use super::claims::{Claims, CsrfValue, TokenKind};
use super::error::TokenError;
use crate::clock::Timestamp;

/// The members of a verified payload, taken out one by one.
pub(super) struct Members(pub(super) Map<String, Value>);

impl Members {
    /// In PyJWT's order, since a token may be wrong in several ways. RFC 7519 sections 4.1.4 to 4.1.6.
    pub(super) fn check_times(&self, now: Timestamp, leeway: Duration) -> Result<(), TokenError> {
        let latest = now + leeway;
        for (name, title) in [
            ("iat", "Issued At claim (iat)"),
            ("nbf", "Not Before claim (nbf)"),
        ] {
            if self.time(name, title)?.is_some_and(|time| time > latest) {
                return Err(TokenError::NotYetValid(name));
            }
        }
        let end = self.time("exp", "Expiration Time claim (exp)")?;
        if end.is_some_and(|end| end <= now - leeway) {
            return Err(TokenError::Expired);
        }
        Ok(())
    }

    /// A NumericDate; fractions are cut off and what no clock will reach is brought into range.
    fn time(
        &self,
        name: &'static str,
        title: &'static str,
    ) -> Result<Option<Timestamp>, TokenError> {
        let seconds = match self.0.get(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => whole(number),
            Some(_) => None,
        };
        seconds
            .map(|seconds| Some(Timestamp::from_unix(seconds)))
            .ok_or(TokenError::NotAnInteger(title))
    }

    pub(super) fn check_parties(&self, policy: &TokenPolicy) -> Result<(), TokenError> {
        if let Some(wanted) = &policy.decode_issuer {
            match self.0.get("iss") {
                None => return Err(TokenError::MissingRegistered("iss")),
                Some(Value::String(issuer)) if issuer == wanted => {}
                Some(Value::String(_)) => return Err(TokenError::WrongIssuer),
                Some(_) => {
                    return Err(TokenError::BadClaim(
                        "Payload Issuer (iss) must be a string",
                    ));
                }
            }
        }
        if policy.decode_audience.is_empty() {
            return Ok(());
        }
        let audience = strings(self.0.get("aud"))
            .ok_or(TokenError::BadClaim("Invalid claim format in token"))?;
        if audience.is_empty() {
            return Err(TokenError::MissingRegistered("aud"));
        }
        let ours = audience
            .iter()
            .any(|one| policy.decode_audience.iter().any(|wanted| wanted == one));
        if ours {
            Ok(())
        } else {
            Err(TokenError::WrongAudience)
        }
    }

    pub(super) fn into_claims(mut self) -> Result<Claims, TokenError> {
        let sub = self.text("sub", "Subject must be a string")?;
        let jti = self.text("jti", "JWT ID must be a string")?;
        let claims = Claims {
            sub: sub.ok_or(TokenError::Missing("sub"))?,
            jti: jti.ok_or(TokenError::Missing("jti"))?,
            iat: self
                .take_time("iat")?
                .ok_or(TokenError::MissingRegistered("iat"))?,
            nbf: self.take_time("nbf")?,
            exp: self
                .take_time("exp")?
                .ok_or(TokenError::MissingRegistered("exp"))?,
            fresh: self
                .0
                .remove("fresh")
                .is_some_and(|fresh| fresh == Value::Bool(true)),
            kind: self.kind()?,
            csrf: self
                .text("csrf", "CSRF claim must be a string")?
                .map(CsrfValue::new),
            aud: strings(self.0.remove("aud").as_ref()).unwrap_or_default(),
            iss: self.text("iss", "Payload Issuer (iss) must be a string")?,
            sid: self.text("sid", "Session ID claim must be a string")?,
            generation: self.count("gen", "Generation claim must be an integer")?,
            username: self.text("username", "Username claim must be a string")?,
            roles: self.roles()?,
            epoch: self.count("epoch", "Epoch claim must be an integer")?,
            extra: Map::new(),
        };
        Ok(Claims {
            extra: self.0,
            ..claims
        })
    }

    fn kind(&mut self) -> Result<TokenKind, TokenError> {
        let kind = self.0.remove("type").ok_or(TokenError::Missing("type"))?;
        serde_json::from_value(kind)
            .map_err(|_| TokenError::BadClaim("Token type must be \"access\" or \"refresh\""))
    }

    fn roles(&mut self) -> Result<Vec<String>, TokenError> {
        const COMPLAINT: &str = "Roles claim must be a list of strings";
        match self.0.remove("roles") {
            None => Ok(Vec::new()),
            Some(Value::String(_)) => Err(TokenError::BadClaim(COMPLAINT)),
            roles => strings(roles.as_ref()).ok_or(TokenError::BadClaim(COMPLAINT)),
        }
    }

    fn text(
        &mut self,
        name: &'static str,
        complaint: &'static str,
    ) -> Result<Option<String>, TokenError> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(TokenError::BadClaim(complaint)),
        }
    }

    fn count(
        &mut self,
        name: &'static str,
        complaint: &'static str,
    ) -> Result<Option<i64>, TokenError> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(value) => value
                .as_i64()
                .map(Some)
                .ok_or(TokenError::BadClaim(complaint)),
        }
    }

    fn take_time(&mut self, name: &'static str) -> Result<Option<Timestamp>, TokenError> {
        let time = self.time(name, name)?;
        self.0.remove(name);
        Ok(time)
    }
}

/// `None` for NaN and infinity, which JSON cannot say anyway.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float cast to an integer saturates, which is what is wanted"
)]
fn whole(number: &serde_json::Number) -> Option<i64> {
    let clamped = || {
        number
            .as_u64()
            .map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX))
    };
    let cut = || {
        number
            .as_f64()
            .filter(|seconds| seconds.is_finite())
            .map(|seconds| seconds as i64)
    };
    number.as_i64().or_else(clamped).or_else(cut)
}

/// One string or a list of strings; none is an empty list.
fn strings(value: Option<&Value>) -> Option<Vec<String>> {
    match value {
        None => Some(Vec::new()),
        Some(Value::String(one)) => Some(vec![one.clone()]),
        Some(Value::Array(many)) => many
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect(),
        Some(_) => None,
    }
}
