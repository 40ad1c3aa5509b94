//! Implements strict parsing of JSON from clients (a token's header and claims, a request's body):
//! one object, in UTF-8, without a duplicate member at any depth (RFC 7519 section 4, RFC 8725
//! section 3.7). `serde_json::Value` would silently keep the last duplicate.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use thiserror::Error;

/// The reason a text is not a JSON object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum JsonError {
    /// The text is not JSON, or an object in it has a duplicate member.
    #[error("the text is not JSON, or has a member twice")]
    Malformed,
    /// The text is JSON, but an array, a string, a number, `true`, `false` or `null`.
    #[error("the text is JSON, but not an object")]
    NotAnObject,
}

/// Parses one JSON object.
///
/// ```
/// use tokenpair::json::{self, JsonError};
///
/// assert_eq!(json::object(br#"{"sub": "ada"}"#).unwrap()["sub"], "ada");
/// assert_eq!(json::object(br#"{"sub": "ada", "sub": "eve"}"#), Err(JsonError::Malformed));
/// assert_eq!(json::object(b"[]"), Err(JsonError::NotAnObject));
/// ```
///
/// # Errors
///
/// Returns a [`JsonError`] if the text is not a JSON object without duplicates.
pub fn object(text: &[u8]) -> Result<Map<String, Value>, JsonError> {
    match serde_json::from_slice::<Strict>(text) {
        Ok(Strict(Value::Object(members))) => Ok(members),
        Ok(_) => Err(JsonError::NotAnObject),
        Err(_) => Err(JsonError::Malformed),
    }
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without a member twice")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(Value::Object(object))
    }
}
