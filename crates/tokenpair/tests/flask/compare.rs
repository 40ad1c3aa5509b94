//! Compares two responses, and reports where they differ.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, NaiveDateTime};
use serde_json::{Map, Value, json};

use super::http::Response;

/// Represents a missing field.
pub(crate) const ABSENT: &str = "(absent)";

/// A field in which the responses differ: where, the peer's value, our value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Difference {
    pub(crate) field: String,
    pub(crate) theirs: Value,
    pub(crate) ours: Value,
}

pub(crate) fn differences(theirs: &Response, ours: &Response, now: i64) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut mine = shape(ours, now);
    let peers = shape(theirs, now);
    // Ours may add members to a body, and may name the scheme that a 401 requires.
    leave_out_additions(&mut mine, &peers);
    collect("", &peers, &mine, &mut found);
    found
}

fn leave_out_additions(ours: &mut Value, theirs: &Value) {
    if let (Some(body), Some(known)) = (ours["body"].as_object_mut(), theirs["body"].as_object()) {
        body.retain(|name, _| known.contains_key(name));
    }
    if theirs["www_authenticate"].is_null() {
        ours["www_authenticate"] = Value::Null;
    }
}

fn collect(field: &str, theirs: &Value, ours: &Value, found: &mut Vec<Difference>) {
    if let (Value::Object(one), Value::Object(other)) = (theirs, ours) {
        let mut names: Vec<&String> = one.keys().chain(other.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            let value = |side: &Map<String, Value>| {
                side.get(name).cloned().unwrap_or_else(|| json!(ABSENT))
            };
            let field = format!("{field}/{name}");
            collect(&field, &value(one), &value(other), found);
        }
    } else if theirs != ours {
        found.push(Difference {
            field: field.to_owned(),
            theirs: theirs.clone(),
            ours: ours.clone(),
        });
    }
}

/// Returns a response without the parts that differ each time: times, and random values.
fn shape(response: &Response, now: i64) -> Value {
    let cookies = response.all("set-cookie");
    json!({
        "status": response.status,
        "content_type": response.first("content-type"),
        "www_authenticate": response.first("www-authenticate"),
        "body": body(response, now),
        "cookies": cookies_shape(&cookies, response, now),
    })
}

fn body(response: &Response, now: i64) -> Value {
    match response.json() {
        Some(Value::Object(members)) => members
            .into_iter()
            .map(|(name, value)| {
                let token = value.as_str().and_then(|text| token(text, now));
                (name, token.unwrap_or(value))
            })
            .collect(),
        Some(other) => other,
        None => Value::String(format!("not JSON: {}", response.body)),
    }
}

/// Returns cookies by name, each with its number among all, its value and its attributes.
fn cookies_shape(lines: &[&str], response: &Response, now: i64) -> Value {
    let mut csrf = Value::Null;
    let mut cookies = Map::new();
    for (number, line) in lines.iter().enumerate() {
        let mut parts = line.split(';').map(str::trim);
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).unwrap();
        let mut cookie = Map::new();
        cookie.insert("number".to_owned(), json!(number));
        let shown = match (token(value, now), value) {
            (Some(token), _) => {
                csrf = claims(value).remove("csrf").unwrap_or_default();
                token
            }
            (None, "") => json!(""),
            (None, text) if csrf == text => json!("the csrf of the token before it"),
            (None, text) => json!(text),
        };
        cookie.insert("value".to_owned(), shown);
        for attribute in parts {
            let (name, value) = attribute.split_once('=').unwrap_or((attribute, "given"));
            let value = if name == "Expires" {
                json!(expiry(value, response))
            } else {
                json!(value)
            };
            cookie.insert(name.to_owned(), value);
        }
        cookies.insert(name.to_owned(), Value::Object(cookie));
    }
    if cookies.len() != lines.len() {
        cookies.insert("a cookie came twice".to_owned(), json!(lines));
    }
    Value::Object(cookies)
}

/// Keeps the epoch as it is, and expresses any other time as a distance from the response's, to ten
/// seconds.
fn expiry(text: &str, response: &Response) -> String {
    let Some(at) = http_date(text) else {
        return format!("not a date: {text}");
    };
    if at == 0 {
        return text.to_owned();
    }
    let date = response.first("date").and_then(http_date).unwrap();
    format!("in {} seconds", (at - date + 5) / 10 * 10)
}

fn http_date(text: &str) -> Option<i64> {
    let time = NaiveDateTime::parse_from_str(text, "%a, %d %b %Y %H:%M:%S GMT").ok()?;
    Some(time.and_utc().timestamp())
}

/// Decodes a token's header and claims, with times relative to its `iat` and random values by their
/// type.
fn token(text: &str, now: i64) -> Option<Value> {
    let [header, _payload, signature] = text.split('.').collect::<Vec<_>>().try_into().ok()?;
    let header = part(header)?;
    let mut claims = claims(text);
    let iat = claims.get("iat").and_then(Value::as_i64)?;
    for name in ["exp", "nbf"] {
        if let Some(time) = claims.get_mut(name) {
            let distance = time.as_i64().map(|time| time - iat);
            *time = distance.map_or(json!("not a whole number"), |distance| {
                json!(format!("iat + {distance}"))
            });
        }
    }
    for name in ["jti", "csrf"] {
        if let Some(value) = claims.get_mut(name) {
            let long = value.as_str().is_some_and(|text| text.len() >= 20);
            *value = json!(if long {
                "a random text"
            } else {
                "something else"
            });
        }
    }
    let near = (now - 5..=now + 120).contains(&iat);
    claims.insert(
        "iat".to_owned(),
        if near {
            json!("now")
        } else {
            json!(DateTime::from_timestamp(iat, 0)?.to_string())
        },
    );
    Some(json!({ "header": header, "claims": claims, "signature's length": signature.len() }))
}

pub(crate) fn claims(token: &str) -> Map<String, Value> {
    let payload = token.split('.').nth(1).and_then(part);
    payload
        .and_then(|payload| payload.as_object().cloned())
        .unwrap_or_default()
}

fn part(segment: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).ok()?).ok()
}
