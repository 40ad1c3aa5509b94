//! Implements the checks of a payload in PyJWT's order, and converts it to [`Claims`].

use serde_json::{Map, Value};

use super::claims::{Claims, CsrfValue, Freshness, TokenKind};
use super::error::TokenError;
use super::policy::TokenPolicy;
use crate::clock::Timestamp;

/// The members of a verified payload, removed as they are converted.
pub(super) struct Payload(pub(super) Map<String, Value>);

impl Payload {
    /// Checks in PyJWT's order, since a token may be wrong in several ways. RFC 7519 sections 4.1.4
    /// to 4.1.6.
    ///
    /// Expiry is checked separately: Flask-JWT-Extended reports it only if all else is valid.
    pub(super) fn check_times(
        &self,
        now: Timestamp,
        policy: &TokenPolicy,
    ) -> Result<(), TokenError> {
        for (name, title) in [
            ("iat", "Issued At claim (iat)"),
            ("nbf", "Not Before claim (nbf)"),
        ] {
            check_begun(name, self.time(name, title)?, policy.latest_begin(now))?;
        }
        self.end().map(drop)
    }

    fn end(&self) -> Result<Option<Timestamp>, TokenError> {
        self.time("exp", "Expiration Time claim (exp)")
    }

    pub(super) fn check_end(&self, now: Timestamp, policy: &TokenPolicy) -> Result<(), TokenError> {
        check_not_over(self.end()?, policy.latest_expired(now))
    }

    /// Reads a NumericDate. Fractions are dropped, and times beyond any clock are clamped.
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
        // An empty audience counts as missing.
        let audience = self.0.get("aud").filter(|aud| !aud.is_null() && *aud != "");
        let audience =
            strings(audience).ok_or(TokenError::BadClaim("Invalid claim format in token"))?;
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

    /// Converts the members. Claims that the policy does not require may be missing, but must have
    /// the right form. In a token of another issuer, a claim by one of our names in another form is
    /// the application's.
    pub(super) fn into_claims(mut self, policy: &TokenPolicy) -> Result<Claims, TokenError> {
        let identity = self.identity(policy)?;
        let jti = self.text("jti", "JWT ID must be a string")?;
        let (iat, nbf) = (self.take_time("iat")?, self.take_time("nbf")?);
        let exp = self.take_time("exp")?;
        if policy.strict {
            jti.as_ref().ok_or(TokenError::Missing("jti".into()))?;
            iat.ok_or(TokenError::MissingRegistered("iat"))?;
            exp.ok_or(TokenError::MissingRegistered("exp"))?;
        }
        let claims = Claims {
            identity,
            jti,
            iat,
            nbf,
            exp,
            fresh: freshness(self.0.remove("fresh").as_ref()),
            kind: self.kind(policy.strict)?,
            csrf: self
                .own(policy, "csrf", text, "CSRF claim must be a string")?
                .map(CsrfValue::new),
            aud: self.audience(),
            iss: self.own(policy, "iss", text, "Payload Issuer (iss) must be a string")?,
            sid: self.own(policy, "sid", text, "Session ID claim must be a string")?,
            generation: self.own(
                policy,
                "gen",
                Value::as_i64,
                "Generation claim must be an integer",
            )?,
            username: self.own(policy, "username", text, "Username claim must be a string")?,
            roles: self
                .own(
                    policy,
                    "roles",
                    roles,
                    "Roles claim must be a list of strings",
                )?
                .unwrap_or_default(),
            epoch: self.own(
                policy,
                "epoch",
                Value::as_i64,
                "Epoch claim must be an integer",
            )?,
            extra: Map::new(),
        };
        Ok(Claims {
            extra: self.0,
            ..claims
        })
    }

    /// RFC 7519 section 4.1.2: `sub` is a string, whichever claim holds the identity.
    fn identity(&mut self, policy: &TokenPolicy) -> Result<Value, TokenError> {
        let sub = self.0.get("sub");
        if policy.verify_sub && sub.is_some_and(|sub| !sub.is_string()) {
            return Err(TokenError::BadClaim("Subject must be a string"));
        }
        let name = policy.identity_claim.as_str();
        let identity = self.0.remove(name);
        identity.ok_or_else(|| TokenError::Missing(name.to_owned().into()))
    }

    /// Flask-JWT-Extended treats a token without a type as an access token, so that tokens of other
    /// issuers work. An unknown type is rejected.
    fn kind(&mut self, strict: bool) -> Result<TokenKind, TokenError> {
        match self.0.remove("type") {
            None if strict => Err(TokenError::Missing("type".into())),
            None => Ok(TokenKind::Access),
            Some(kind) => serde_json::from_value(kind)
                .map_err(|_| TokenError::BadClaim("Token type must be \"access\" or \"refresh\"")),
        }
    }

    /// Returns the audience. It has been checked if the policy requires one.
    fn audience(&mut self) -> Vec<String> {
        let audience = strings(self.0.get("aud"));
        if audience.is_some() {
            self.0.remove("aud");
        }
        audience.unwrap_or_default()
    }

    /// Returns a claim that tokenpair defines.
    fn own<T>(
        &mut self,
        policy: &TokenPolicy,
        name: &'static str,
        read: impl Fn(&Value) -> Option<T>,
        complaint: &'static str,
    ) -> Result<Option<T>, TokenError> {
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        match read(value) {
            Some(found) => {
                self.0.remove(name);
                Ok(Some(found))
            }
            None if policy.strict => Err(TokenError::BadClaim(complaint)),
            None => Ok(None),
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

    fn take_time(&mut self, name: &'static str) -> Result<Option<Timestamp>, TokenError> {
        let time = self.time(name, name)?;
        self.0.remove(name);
        Ok(time)
    }
}

/// Checks the times of claims that were valid before, by the rule of [`Payload::check_times`] and
/// [`Payload::check_end`].
pub(super) fn check_times_again(
    claims: &Claims,
    now: Timestamp,
    policy: &TokenPolicy,
) -> Result<(), TokenError> {
    let latest = policy.latest_begin(now);
    check_begun("iat", claims.iat, latest)?;
    check_begun("nbf", claims.nbf, latest)?;
    check_not_over(claims.exp, policy.latest_expired(now))
}

fn check_begun(
    name: &'static str,
    begin: Option<Timestamp>,
    latest: Timestamp,
) -> Result<(), TokenError> {
    match begin {
        Some(begin) if begin > latest => Err(TokenError::NotYetValid {
            claim: name,
            wait: begin.since(latest),
        }),
        _ => Ok(()),
    }
}

fn check_not_over(end: Option<Timestamp>, latest_expired: Timestamp) -> Result<(), TokenError> {
    if end.is_some_and(|end| end <= latest_expired) {
        return Err(TokenError::Expired);
    }
    Ok(())
}

/// `None` for NaN and infinity, which JSON cannot express anyway.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float cast to an integer saturates, as intended"
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

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn roles(value: &Value) -> Option<Vec<String>> {
    value.as_array().and_then(|_| strings(Some(value)))
}

fn freshness(value: Option<&Value>) -> Freshness {
    match value {
        Some(Value::Bool(true)) => Freshness::Fresh,
        Some(Value::Number(end)) => whole(end).map_or(Freshness::NotFresh, |end| {
            Freshness::Until(Timestamp::from_unix(end))
        }),
        _ => Freshness::NotFresh,
    }
}

/// Reads one string or a list of strings. A missing value is an empty list.
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
