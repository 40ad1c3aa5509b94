//! Tests `GET /openapi.json`: it describes the existing routes, with the names from the settings.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::Backend;

const METHODS: [&str; 4] = ["get", "post", "patch", "delete"];

fn routes_of_the_reference() -> BTreeSet<String> {
    let page = include_str!("../../docs/reference/routes.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split('|').next());
    let routes = cells.flat_map(|cell| cell.split(','));
    let named = routes.map(|route| route.trim().trim_matches('`').to_owned());
    named
        .filter(|route| {
            METHODS
                .iter()
                .any(|method| route.starts_with(&method.to_uppercase()))
        })
        .collect()
}

fn operations(description: &Value) -> Vec<(String, String, &Value)> {
    let paths = description["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| {
        let of_path = METHODS
            .iter()
            .filter_map(move |method| Some((*method, item.get(method)?)));
        of_path.map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
    });
    all.collect()
}

fn the_description_has_the_routes_of_the_reference_and_no_others(on: Backend) {
    let app = on.app();
    let answer = app.get("/openapi.json").send();
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let description = answer.json();
    assert_eq!(description["openapi"], "3.1.0");
    let described: BTreeSet<_> = operations(&description)
        .into_iter()
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    assert_eq!(described, routes_of_the_reference());
    assert_eq!(operations(&description).len(), described.len());
}

/// Described routes exist, and those that need a token say so.
fn a_route_that_needs_a_token_refuses_who_has_none(on: Backend) {
    let app = on.app();
    let description = app.get("/openapi.json").send().json();
    for (method, path, operation) in operations(&description) {
        let open = operation["security"]
            .as_array()
            .unwrap()
            .contains(&json!({}));
        let answer = app.request(&method, &path).send();
        assert_eq!(answer.status == 401, !open, "{method} {path}: {answer:?}");
        let described = operation["responses"].get(answer.status.to_string());
        assert!(described.is_some(), "{method} {path}: {answer:?}");
    }
}

fn tokens_are_presented_as_the_settings_say(on: Backend) {
    let app = on.app_with(&[
        ("JWT_TOKEN_LOCATION", "cookies"),
        ("JWT_ACCESS_COOKIE_NAME", "entry"),
        ("JWT_ACCESS_CSRF_HEADER_NAME", "X-Proof"),
    ]);
    let description = app.get("/openapi.json").send().json();
    let schemes = &description["components"]["securitySchemes"];
    assert_eq!(
        schemes["access_cookie"],
        json!({ "type": "apiKey", "in": "cookie", "name": "entry" })
    );
    assert_eq!(schemes["access_csrf"]["name"], "x-proof");
    assert_eq!(schemes.get("access_header"), None);
    let paths = &description["paths"];
    assert_eq!(
        paths["/protected"]["get"]["security"],
        json!([{ "access_cookie": [] }])
    );
    let proved = json!([{ "access_cookie": [], "access_csrf": [] }]);
    assert_eq!(paths["/sessions"]["delete"]["security"], proved);
}

/// A query's default and bounds are described as the route has them.
fn a_list_has_as_many_entries_a_page_as_described(on: Backend) {
    let app = on.app().with_ada();
    let ada = app.bearer();
    let description = app.get("/openapi.json").send().json();
    let parameters = &description["paths"]["/sessions"]["get"]["parameters"];
    let described = |name: &str| {
        let mut all = parameters.as_array().unwrap().iter();
        all.find(|parameter| parameter["name"] == name).unwrap()["schema"].clone()
    };
    let page = ada.get("/sessions").json();
    for name in ["page", "per_page"] {
        let schema = described(name);
        assert_eq!(page[name], schema["default"], "{name}");
        let most = schema["maximum"].as_i64().unwrap();
        let at = |number: i64| ada.get(&format!("/sessions?{name}={number}")).status;
        assert_eq!((at(most), at(most + 1)), (200, 400), "{name}");
        assert_eq!((at(1), at(0)), (200, 400), "{name}");
    }
}

/// Both come from the codes' own documentation.
fn the_reference_has_the_table_of_all_codes_that_the_description_has(on: Backend) {
    let description = on.app().get("/openapi.json").send().json();
    let code = &description["components"]["schemas"]["Problem"]["properties"]["code"];
    let told = code["description"].as_str().unwrap();
    let (_, table) = told.split_once("\n\n").unwrap();
    let page = include_str!("../../docs/reference/errors.md");
    assert!(
        page.contains(&format!("\n\n{table}\n")),
        "the table in docs/reference/errors.md should be\n{table}"
    );
    let rows = table.lines().skip(2);
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let listed = cells.flat_map(|cell| cell.split(','));
    let listed: Vec<&str> = listed.map(|code| code.trim().trim_matches('`')).collect();
    let known: BTreeSet<&str> = code["enum"]
        .as_array()
        .unwrap()
        .iter()
        .map(|code| code.as_str().unwrap())
        .collect();
    assert_eq!(listed.len(), known.len(), "each has one row");
    assert_eq!(BTreeSet::from_iter(listed), known);
}

fn every_response_is_described_and_every_operation_has_a_name_of_its_own(on: Backend) {
    let description = on.app().get("/openapi.json").send().json();
    let mut names = BTreeSet::new();
    for (method, path, operation) in operations(&description) {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "{name} twice");
        for (status, response) in operation["responses"].as_object().unwrap() {
            let told = response["description"].as_str().unwrap();
            assert!(!told.is_empty(), "{method} {path} {status}");
        }
    }
    assert!(names.contains("listSessions"));
}

on_both_databases! {
    every_response_is_described_and_every_operation_has_a_name_of_its_own,
    the_description_has_the_routes_of_the_reference_and_no_others,
    a_route_that_needs_a_token_refuses_who_has_none,
    tokens_are_presented_as_the_settings_say,
    a_list_has_as_many_entries_a_page_as_described,
    the_reference_has_the_table_of_all_codes_that_the_description_has,
}
