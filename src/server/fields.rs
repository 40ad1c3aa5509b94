//! Defines how the members of a request's body and the parameters of a query become structs that
//! derive `Deserialize`.
//!
//! An error names the field, in the words of Flask-JWT-Extended's examples, and never quotes the
//! value: it may be a password.

use std::fmt::Display;
use std::slice;

use serde::de::value::{StrDeserializer, StringDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, Expected, IntoDeserializer,
    MapAccess, Unexpected, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::{Map, Value};
use thiserror::Error;

use super::error_code::ServerErrorCode;
use tokenpair::web::Rejection;
use tokenpair_store::password::Password;

/// The values of one request, by their names. Passwords are among them, so it has no `Debug`.
pub(super) struct Fields {
    values: Map<String, Value>,
    source: Source,
}

/// What a request's fields are written in, which decides how a value is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Json,
    /// A checkbox sends `on`, or nothing.
    Form,
    /// An empty text is a value like others.
    Query,
}

impl Fields {
    /// Takes the members of a JSON object.
    pub(super) const fn of_json(values: Map<String, Value>) -> Self {
        let source = Source::Json;
        Self { values, source }
    }

    /// Reads the fields of an HTML form. Of two with one name, the last counts.
    pub(super) fn of_form(text: &[u8]) -> Self {
        Self::url_encoded(text, Source::Form)
    }

    /// Reads the parameters of a query. Of two with one name, the last counts.
    pub(super) fn of_query(text: &str) -> Self {
        Self::url_encoded(text.as_bytes(), Source::Query)
    }

    fn url_encoded(text: &[u8], source: Source) -> Self {
        let pairs = url::form_urlencoded::parse(text);
        let values = pairs
            .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
            .collect();
        Self { values, source }
    }

    /// Returns whether an HTML form sent them.
    pub(super) fn are_of_form(&self) -> bool {
        self.source == Source::Form
    }

    /// Returns the text of a field that is shown again, or compared. Not for passwords.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.as_str()
    }

    /// Reads the fields of a struct, in the order in which it declares them, and ignores all
    /// others.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, FieldError> {
        T::deserialize(self)
    }
}

/// Why a field is refused. The text is the `msg` of the answer.
#[derive(Debug, Error)]
pub(super) enum FieldError {
    /// The field is absent, null or empty.
    #[error("Missing {0} parameter")]
    Missing(&'static str),
    /// The field has a value that it cannot have.
    #[error("The parameter {field} {problem}")]
    Invalid {
        field: &'static str,
        problem: String,
    },
}

impl FieldError {
    fn not(expected: &dyn Expected) -> Self {
        Self::Invalid {
            field: "",
            problem: format!("has to be {expected}"),
        }
    }

    fn of(self, field: &'static str) -> Self {
        match self {
            Self::Missing(_) => Self::Missing(field),
            Self::Invalid { problem, .. } => Self::Invalid { field, problem },
        }
    }
}

/// What serde is given of the value (`Unexpected`) is left out on purpose.
impl serde::de::Error for FieldError {
    fn custom<T: Display>(problem: T) -> Self {
        Self::Invalid {
            field: "",
            problem: format!("is wrong: {problem}"),
        }
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::not(expected)
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::not(expected)
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        let choices = format!("one of {}", expected.join(", "));
        Self::not(&choices.as_str())
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
}

impl From<FieldError> for Rejection {
    fn from(error: FieldError) -> Self {
        let code = match error {
            FieldError::Missing("username") => ServerErrorCode::MissingUsername,
            FieldError::Missing("password") => ServerErrorCode::MissingPassword,
            FieldError::Missing(_) => ServerErrorCode::MissingParameter,
            FieldError::Invalid { .. } => ServerErrorCode::InvalidParameter,
        };
        Self::from(code).msg(error.to_string())
    }
}

impl<'de> Deserializer<'de> for Fields {
    type Error = FieldError;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        visitor.visit_map(Declared {
            fields: self,
            names: names.iter(),
            name: "",
        })
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, FieldError> {
        Err(FieldError::custom("only a struct has fields"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// The fields that a struct declares, present or not, so that of several faults the first declared
/// is reported.
struct Declared {
    fields: Fields,
    names: slice::Iter<'static, &'static str>,
    name: &'static str,
}

impl<'de> MapAccess<'de> for Declared {
    type Error = FieldError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, FieldError> {
        let Some(name) = self.names.next() else {
            return Ok(None);
        };
        self.name = name;
        let key: StrDeserializer<'_, FieldError> = name.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, FieldError> {
        let field = Field {
            value: self.fields.values.remove(self.name).unwrap_or_default(),
            source: self.fields.source,
        };
        seed.deserialize(field).map_err(|error| error.of(self.name))
    }
}

/// The value of one field; null where it is absent.
struct Field {
    value: Value,
    source: Source,
}

impl Field {
    fn text(self) -> Result<String, FieldError> {
        match self.value {
            Value::Null => Err(FieldError::Missing("")),
            Value::String(text) if text.is_empty() && self.source != Source::Query => {
                Err(FieldError::Missing(""))
            }
            Value::String(text) => Ok(text),
            _ => Err(FieldError::not(&"a string")),
        }
    }
}

impl<'de> Deserializer<'de> for Field {
    type Error = FieldError;

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_string(self.text()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        self.deserialize_string(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        let variant: StringDeserializer<FieldError> = self.text()?.into_deserializer();
        visitor.visit_enum(variant)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        match self.value {
            Value::Null => Err(FieldError::Missing("")),
            Value::Bool(truth) => visitor.visit_bool(truth),
            Value::String(text) if self.source == Source::Form => {
                visitor.visit_bool(matches!(text.as_str(), "on" | "true" | "1"))
            }
            _ => Err(FieldError::not(&"true or false")),
        }
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        self.value
            .deserialize_any(visitor)
            .map_err(FieldError::custom)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct newtype_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// Reads a password that has to be there.
pub(super) fn password<'de, D: Deserializer<'de>>(field: D) -> Result<Password, D::Error> {
    String::deserialize(field).map(Password::new)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::Fields;

    #[derive(Deserialize)]
    struct Sample {
        username: String,
        #[serde(rename = "new_password")]
        new: String,
        remember: Option<bool>,
        nick: Option<String>,
    }

    fn read(json: Value) -> String {
        let Value::Object(values) = json else {
            panic!("not an object: {json}")
        };
        match Fields::of_json(values).read::<Sample>() {
            Ok(sample) => format!(
                "{} {} {:?} {:?}",
                sample.username, sample.new, sample.remember, sample.nick
            ),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_first_declared_of_several_faults_is_named_and_no_value_is_quoted() {
        for (json, told) in [
            (json!({}), "Missing username parameter"),
            (json!({ "new_password": 7 }), "Missing username parameter"),
            (json!({ "username": "" }), "Missing username parameter"),
            (
                json!({ "username": "a", "new_password": ["secret"] }),
                "The parameter new_password has to be a string",
            ),
            (
                json!({ "username": "a", "new_password": null }),
                "Missing new_password parameter",
            ),
            (
                json!({ "username": "a", "new_password": "b", "remember": "on" }),
                "The parameter remember has to be true or false",
            ),
            (
                json!({ "username": "a", "new_password": "b", "nick": "" }),
                "Missing nick parameter",
            ),
            (
                json!({ "username": "a", "new_password": "b", "remember": null, "more": [{}] }),
                "a b None None",
            ),
            (
                json!({ "username": "a", "new_password": "b", "remember": false, "nick": "c" }),
                "a b Some(false) Some(\"c\")",
            ),
        ] {
            assert_eq!(read(json.clone()), told, "{json}");
        }
    }

    #[test]
    fn a_form_s_checkbox_is_on_or_absent() {
        for (text, remember) in [
            ("remember=on", Some(true)),
            ("remember=1", Some(true)),
            ("remember=off", Some(false)),
            ("remember=off&remember=on", Some(true)),
            ("", None),
        ] {
            let form = format!("username=a&new_password=b&{text}");
            let sample: Sample = Fields::of_form(form.as_bytes()).read().unwrap();
            assert_eq!(sample.remember, remember, "{text}");
        }
    }
}
