//! Implements the typed view of a token's additional claims.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};
use serde_json::{Map, Value, map};
use thiserror::Error;

use super::claims::Claims;

/// The reason the additional claims are not of the type that was asked for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// The token lacks this claim.
    #[error("the claim {0} is missing")]
    Missing(&'static str),
    /// A claim has a value of another type.
    #[error("the claim {name} has a value of another type")]
    Invalid {
        /// The claim's name.
        name: String,
        /// The cause. It may quote the value.
        source: serde_json::Error,
    },
    /// The claims do not fit together, or one of them is unknown.
    #[error("{0}")]
    Other(String),
}

impl Claims {
    /// Returns [`extra`](Self::extra), the additional claims, as a type of the app.
    ///
    /// ```
    /// # use tokenpair::clock::Timestamp;
    /// # use tokenpair::token::{Claims, TokenKind};
    /// #[derive(serde::Deserialize)]
    /// struct Seat { team: String, number: u8 }
    ///
    /// # let tokens = tokenpair::sample::tokens()?;
    /// # let claims = |extra: serde_json::Value| Claims {
    /// #     extra: extra.as_object().cloned().unwrap_or_default(),
    /// #     ..tokens.claims(TokenKind::Access, "ada", "an id".to_owned(), Timestamp::from_unix(0))
    /// # };
    /// # use serde_json::json;
    /// let seat: Seat = claims(json!({ "team": "blue", "number": 7 })).extra_as()?;
    /// assert_eq!((seat.team.as_str(), seat.number), ("blue", 7));
    ///
    /// let error = |extra| claims(extra).extra_as::<Seat>().err().unwrap().to_string();
    /// assert_eq!(error(json!({ "team": "blue" })), "the claim number is missing");
    /// let text = error(json!({ "team": "blue", "number": "7" }));
    /// assert_eq!(text, "the claim number has a value of another type");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`ClaimError`] that names the claim.
    pub fn extra_as<T: DeserializeOwned>(&self) -> Result<T, ClaimError> {
        T::deserialize(Members(&self.extra))
    }
}

impl Error for ClaimError {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::Other(text.to_string())
    }

    fn missing_field(name: &'static str) -> Self {
        Self::Missing(name)
    }
}

/// Deserializes a map and remembers the member of an error, which serde does not.
struct Members<'a>(&'a Map<String, Value>);

impl<'de> Deserializer<'de> for Members<'de> {
    type Error = ClaimError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ClaimError> {
        visitor.visit_map(Entries {
            rest: self.0.iter(),
            current: None,
        })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

struct Entries<'a> {
    rest: map::Iter<'a>,
    current: Option<Member<'a>>,
}

#[derive(Clone, Copy)]
struct Member<'a> {
    name: &'a str,
    value: &'a Value,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = ClaimError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ClaimError> {
        self.current = self.rest.next().map(|(name, value)| Member { name, value });
        let Some(Member { name, .. }) = self.current else {
            return Ok(None);
        };
        let key: StrDeserializer<'_, ClaimError> = name.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, ClaimError> {
        let Some(Member { name, value }) = self.current else {
            return Err(ClaimError::custom("a value without a name"));
        };
        seed.deserialize(value)
            .map_err(|source| ClaimError::Invalid {
                name: name.to_owned(),
                source,
            })
    }
}
