//! Writes a log record as a line of JSON: one object, with names of OpenTelemetry's conventions
//! (docs/logs-and-traces.md), whatever a client has sent.

use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use log::kv::{self, Source, Value, VisitSource, VisitValue};
use log::{Level, Record};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::printable::printable;

/// Returns the line of a record with its end.
pub(super) fn of_record(record: &Record<'_>) -> String {
    let message = record.args().to_string();
    let line = JsonLine {
        level: record.level(),
        target: record.target(),
        message: message.trim_end(),
        fields: record.key_values(),
    };
    line.written()
}

/// Returns the line of a message without further fields.
pub(super) fn of_message(level: Level, target: &str, message: &str) -> String {
    let line = JsonLine {
        level,
        target,
        message,
        fields: &NO_FIELDS,
    };
    line.written()
}

const NO_FIELDS: [(&str, &str); 0] = [];

struct JsonLine<'a> {
    level: Level,
    target: &'a str,
    message: &'a str,
    fields: &'a dyn Source,
}

impl JsonLine<'_> {
    fn written(&self) -> String {
        // A map with texts for names always has a form in JSON.
        let object = serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned());
        // The same escapes as in JSON, so that a terminal shows the line as it is.
        let mut line = printable(&object).into_owned();
        line.push('\n');
        line
    }
}

impl Serialize for JsonLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let now = now();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(
            "timestamp",
            &now.to_rfc3339_opts(SecondsFormat::Millis, true),
        )?;
        map.serialize_entry("level", self.level.as_str())?;
        map.serialize_entry("target", self.target)?;
        map.serialize_entry("message", self.message)?;
        let mut fields = Fields {
            map: &mut map,
            failure: None,
        };
        // Only a failure of the map stops the visit.
        let _stopped = self.fields.visit(&mut fields);
        match fields.failure {
            None => map.end(),
            Some(failure) => Err(failure),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the log tells the real time, in milliseconds, which the clock does not have"
)]
pub(super) fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}

/// Adds the fields of a record to an object.
struct Fields<'a, M: SerializeMap> {
    map: &'a mut M,
    failure: Option<M::Error>,
}

impl<'kvs, M: SerializeMap> VisitSource<'kvs> for Fields<'_, M> {
    fn visit_pair(&mut self, key: kv::Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let mut json = ToJson(serde_json::Value::Null);
        value.visit(&mut json)?;
        let written = self.map.serialize_entry(key.as_str(), &json.0);
        written.map_err(|failure| {
            self.failure = Some(failure);
            kv::Error::msg("the map failed")
        })
    }
}

struct ToJson(serde_json::Value);

impl VisitValue<'_> for ToJson {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), kv::Error> {
        self.0 = value.to_string().into();
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_one_object_with_its_fields_whatever_is_in_them() {
        let hostile = "\"}\n{\"level\":\"ERROR\u{1b}[2J\u{202e}\u{7f}\\";
        let fields = [
            ("text", Value::from(hostile)),
            ("count", Value::from(7_u64)),
            ("share", Value::from(0.25)),
            ("shown", Value::from_display(&hostile)),
        ];
        let fields = fields.as_slice();
        let args = format_args!("{hostile}\n\n");
        let mut record = Record::builder();
        record.level(Level::Warn).target("here").key_values(&fields);
        let line = of_record(&record.args(args).build());
        let (object, end) = line.split_at(line.len() - 1);
        assert_eq!(end, "\n");
        assert!(object.chars().all(|letter| matches!(letter, ' '..='~')));
        let read: serde_json::Value = serde_json::from_str(object).unwrap();
        let at = read["timestamp"].as_str().unwrap();
        assert_eq!((at.len(), &at[19..20], &at[23..]), (24, ".", "Z"), "{at}");
        let wanted = json!({
            "timestamp": at, "level": "WARN", "target": "here", "message": hostile,
            "text": hostile, "count": 7, "share": 0.25, "shown": hostile,
        });
        assert_eq!(read, wanted);
    }
}
