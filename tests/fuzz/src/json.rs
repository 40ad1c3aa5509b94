//! The strict reading of JSON, said once more in another way: whatever serde_json takes, if it is one object, and no member
//! was lost when it was put into maps.

use serde_json::{Map, Value};

/// The other reader.
#[derive(Debug)]
pub struct Strict;

impl Strict {
    /// The object, if that is what stands there.
    pub fn read(text: &[u8]) -> Option<Map<String, Value>> {
        let value: Value = serde_json::from_slice(text).ok()?;
        let whole = written(text) == kept(&value);
        match value {
            Value::Object(members) if whole => Some(members),
            _ => None,
        }
    }
}

/// How many members are written in this JSON: each has one colon behind its name, and all others stand in texts.
fn written(json: &[u8]) -> usize {
    let (mut colons, mut in_text, mut escaped) = (0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_text = !in_text,
            b':' if !in_text => colons += 1,
            _ => {}
        }
    }
    colons
}

/// How many members are in this value.
fn kept(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(kept).sum(),
        Value::Object(members) => members.len() + members.values().map(kept).sum::<usize>(),
        _ => 0,
    }
}
