//! Puts a token into a location, as a client that knows the settings does.

use serde_json::json;

use super::cases::Case;
use super::http::Request;
use super::settings::Setting;
use super::tokens::{CSRF, Token};

/// Puts a token into a request.
pub(crate) type Place<'a> = Box<dyn Fn(Request, &Token) -> Case + 'a>;

pub(crate) fn place<'a>(setting: &'a Setting, location: &str) -> Place<'a> {
    match location {
        "headers" => Box::new(|request, token| {
            let value = format!("{}{}", setting.scheme(), token.text);
            Case::new(token.kind, request.header(&setting.header_name(), value))
        }),
        "cookies" => Box::new(|request, token| {
            let refresh = is_refresh(&request);
            let request = request.cookie(&setting.cookie_name(refresh), &token.text);
            Case::new(token.kind, with_csrf(setting, request, refresh))
        }),
        "query_string" => Box::new(|request, token| {
            let value = format!("{}{}", setting.query_prefix(), token.text);
            Case::new(token.kind, request.query(&setting.query_name(), &value))
        }),
        _ => Box::new(|request, token| {
            let key = setting.json_key(is_refresh(&request));
            Case::new(token.kind, request.json(&json!({ key: token.text })))
        }),
    }
}

pub(crate) fn with_csrf(setting: &Setting, request: Request, refresh: bool) -> Request {
    request.header(&setting.csrf_header(refresh), CSRF)
}

fn is_refresh(request: &Request) -> bool {
    request.target.starts_with("/refresh")
}
