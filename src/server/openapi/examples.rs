//! Adds an example for every request and every successful response, from `examples.json`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::openapi::RefOr;
use utoipa::openapi::content::Content;
use utoipa::openapi::example::Example;
use utoipa::openapi::path::Operation;

use super::grants;
use tokenpair::web::{Auth, Location};

const FILE: &str = include_str!("examples.json");

/// The examples of all operations, by operation id.
pub(super) struct Examples(BTreeMap<String, OfOperation>);

/// Examples by name. Those whose names begin with `cookies` or `body` apply where the settings let
/// tokens be there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfOperation {
    #[serde(default)]
    requests: BTreeMap<String, Example>,
    /// Requests of HTML forms.
    #[serde(default)]
    forms: BTreeMap<String, Example>,
    #[serde(default)]
    responses: BTreeMap<String, Example>,
    /// What a response with new tokens confirms.
    grant: Option<Map<String, Value>>,
}

impl Examples {
    pub(super) fn load(auth: &Auth) -> Result<Self, serde_json::Error> {
        let mut operations: BTreeMap<String, OfOperation> = serde_json::from_str(FILE)?;
        for of_operation in operations.values_mut() {
            if let Some(done) = of_operation.grant.take() {
                of_operation.responses = grants::examples(&done, auth);
            }
            let applies = |name: &String, _: &mut Example| {
                (auth.looks_in(Location::Cookies) || !name.starts_with("cookies"))
                    && (auth.looks_in(Location::Headers) || !name.starts_with("body"))
            };
            of_operation.requests.retain(applies);
        }
        Ok(Self(operations))
    }

    /// Adds the examples of this operation to its request and to its successful response.
    pub(super) fn add_to(&self, operation: &mut Operation) {
        let name = operation.operation_id.as_deref().unwrap_or_default();
        let Some(examples) = self.0.get(name) else {
            return;
        };
        if let Some(RefOr::T(body)) = &mut operation.request_body {
            for (kind, content) in &mut body.content {
                let examples = match kind.as_str() {
                    "application/json" => &examples.requests,
                    _ => &examples.forms,
                };
                add(content, examples);
            }
        }
        for status in ["200", "201"] {
            if let Some(RefOr::T(response)) = operation.responses.responses.get_mut(status) {
                let contents = response.content.values_mut();
                contents.for_each(|content| add(content, &examples.responses));
            }
        }
    }
}

fn add(content: &mut RefOr<Content>, examples: &BTreeMap<String, Example>) {
    let RefOr::T(content) = content else { return };
    let examples = examples.iter();
    let examples = examples.map(|(name, example)| (name.clone(), example.clone().into()));
    content.examples.extend(examples);
}
