//! Checks responses against the server's OpenAPI description: status, headers, media type, body
//! and error code.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::exchange::{Request, Response};

/// The description of a server.
pub(crate) struct Description {
    root: Value,
    /// The compiled schemas, by the place of the response.
    validators: Mutex<BTreeMap<String, Arc<Validator>>>,
}

/// Headers of every HTTP server, of CORS, and for browsers alone, which the description leaves out.
const UNDESCRIBED: [&str; 14] = [
    "access-control-allow-credentials",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "connection",
    "content-length",
    "content-security-policy",
    "content-type",
    "cross-origin-resource-policy",
    "date",
    "referrer-policy",
    "strict-transport-security",
    "transfer-encoding",
    "vary",
    "x-content-type-options",
];

/// Errors of the transport, which a server can answer to any request.
const OF_TRANSPORT: [&str; 3] = ["bad_request", "head_too_large", "head_too_slow"];

impl Description {
    /// Returns the description of a server. Servers of the same settings share one.
    pub(crate) fn of(server: SocketAddr) -> Arc<Self> {
        static KNOWN: Mutex<BTreeMap<String, Arc<Description>>> = Mutex::new(BTreeMap::new());
        let text = Request::new(server, "GET", "/openapi.json").send().body;
        let mut known = KNOWN.lock().unwrap();
        let described = known.entry(text).or_insert_with_key(|text| {
            Arc::new(Self {
                root: serde_json::from_str(text).unwrap(),
                validators: Mutex::default(),
            })
        });
        Arc::clone(described)
    }

    /// Checks a response. Preflights and routes that do not exist have no description.
    pub(crate) fn check(&self, request: &Request, response: &Response) {
        let Some((place, operation)) = self.operation(request.method(), request.path()) else {
            return;
        };
        // A GET that changes something has no HEAD.
        if request.method() == "HEAD" && response.status == 405 {
            return;
        }
        let html = response
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/html"));
        // A browser gets pages in place of errors.
        if request.accepts_html() && html {
            return;
        }
        let code = (!html && response.status >= 400 && request.method() != "HEAD")
            .then(|| response.json()["code"].as_str().unwrap().to_owned());
        if code
            .as_deref()
            .is_some_and(|code| OF_TRANSPORT.contains(&code))
        {
            return;
        }
        let place = format!("{place} {}", response.status);
        let described = operation["responses"]
            .get(response.status.to_string())
            .unwrap_or_else(|| panic!("{place} is not described: {response:?}"));
        check_headers(described, response, &place);
        if request.method() != "HEAD" {
            self.check_body(described, response, &place);
        }
        if let Some(code) = code {
            let examples = &described["content"]["application/json"]["examples"];
            assert!(
                examples.get(&code).is_some(),
                "{place} does not list the code {code}"
            );
        }
    }

    fn check_body(&self, described: &Value, response: &Response, place: &str) {
        let Some(content) = described["content"].as_object() else {
            assert_eq!(response.body, "", "{place} has no body");
            return;
        };
        let kind = response.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap();
        let content = content
            .get(kind)
            .unwrap_or_else(|| panic!("{place} is not described as {kind}"));
        let body = match kind {
            "application/json" => response.json(),
            _ => json!(response.body),
        };
        let problems = self.problems(&format!("{place} {kind}"), &content["schema"], &body);
        assert_eq!(problems, Vec::<String>::new(), "{place}: {response:?}");
    }

    /// Returns what is wrong with a value, by a schema of the description that is at this place.
    pub(crate) fn problems(&self, place: &str, schema: &Value, value: &Value) -> Vec<String> {
        let mut validators = self.validators.lock().unwrap();
        let validator = validators
            .entry(place.to_owned())
            .or_insert_with(|| Arc::new(self.compiled(schema)));
        let validator = Arc::clone(validator);
        drop(validators);
        let errors = validator.iter_errors(value);
        errors
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect()
    }

    /// Compiles a schema, which may refer to the components.
    fn compiled(&self, schema: &Value) -> Validator {
        let schema = json!({ "allOf": [schema], "components": self.root["components"] });
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        options.build(&schema).unwrap()
    }

    /// Returns the operation that a request is for, with its method and path.
    fn operation(&self, method: &str, path: &str) -> Option<(String, &Value)> {
        let method = match method {
            "HEAD" => "get".to_owned(),
            method => method.to_lowercase(),
        };
        let mut paths = self
            .paths()
            .iter()
            .filter(|(template, _)| fits(template, path));
        let (template, item) = paths.next()?;
        Some((format!("{method} {template}"), item.get(&method)?))
    }

    pub(crate) fn paths(&self) -> &Map<String, Value> {
        self.root["paths"].as_object().unwrap()
    }

    /// Returns the value that `{"$ref": …}` stands for, or the value itself.
    pub(crate) fn resolved<'v>(&'v self, value: &'v Value) -> &'v Value {
        match value["$ref"].as_str() {
            Some(place) => self.root.pointer(place.trim_start_matches('#')).unwrap(),
            None => value,
        }
    }
}

/// Returns whether a path fits a template such as `/sessions/{id}`.
fn fits(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/'), path.split('/'));
    let (template, path): (Vec<_>, Vec<_>) = (template.collect(), path.collect());
    let fits = |(segment, found): (&&str, &&str)| match segment.starts_with('{') {
        true => !found.is_empty(),
        false => segment == found,
    };
    template.len() == path.len() && template.iter().zip(&path).all(fits)
}

fn check_headers(described: &Value, response: &Response, place: &str) {
    for name in response.headers.keys().map(|name| name.as_str()) {
        let mut known = described["headers"].as_object().unwrap().keys();
        assert!(
            UNDESCRIBED.contains(&name) || known.any(|known| known.eq_ignore_ascii_case(name)),
            "{place} has no header {name}: {response:?}"
        );
    }
}
