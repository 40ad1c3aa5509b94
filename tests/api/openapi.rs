//! Tests `GET /openapi.json`: it describes the existing routes, with the names from the settings.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokenpair_store::ClientPermission;
use url::form_urlencoded::Serializer;

use crate::admin;
use crate::introspection::Service;
use crate::page::navigation;
use crate::support::{Backend, Bearer, Description, Request, TestApp};

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

/// A browser that lacks a token is redirected to the page in place of an error.
fn every_route_that_redirects_a_browser_says_so_and_no_other_does(on: Backend) {
    let app = on.app();
    let description = app.get("/openapi.json").send().json();
    let mut redirecting = BTreeSet::new();
    for (method, path, operation) in operations(&description) {
        let described = operation["responses"].get("303").is_some();
        let answer = match path.as_str() {
            // There the proxy has to ask for it.
            "/forward-auth" => {
                let asked = app.get("/forward-auth?login=redirect");
                navigation(asked.header("X-Forwarded-Method", "GET")).send()
            }
            _ => navigation(app.request(&method, &path)).send(),
        };
        if answer.status == 303 {
            assert!(described, "{method} {path}: {answer:?}");
            redirecting.insert(format!("{method} {path}"));
        } else if described {
            // These redirect after their work is done.
            let of_form = ["POST /login", "GET /"].contains(&format!("{method} {path}").as_str());
            assert!(of_form, "{method} {path}: {answer:?}");
        }
    }
    for route in [
        "GET /protected",
        "GET /sessions",
        "GET /admin/users",
        "GET /csrf",
    ] {
        assert!(redirecting.contains(route), "{route}: {redirecting:?}");
    }
    assert!(!redirecting.contains("GET /session"), "{redirecting:?}");
}

fn tokens_are_presented_as_the_settings_say(on: Backend) {
    let app = on.app_with(&[
        ("JWT_TOKEN_LOCATION", "cookies"),
        ("JWT_ACCESS_COOKIE_NAME", "entry"),
        ("JWT_ACCESS_CSRF_HEADER_NAME", "X-Proof"),
    ]);
    let description = app.get("/openapi.json").send().json();
    let schemes = &description["components"]["securitySchemes"];
    let cookie = &schemes["access_cookie"];
    let kind = ["type", "in", "name"].map(|name| cookie[name].as_str().unwrap());
    assert_eq!(kind, ["apiKey", "cookie", "entry"]);
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

/// Tools take the first way that they can.
fn the_way_that_the_server_looks_at_first_is_described_first(on: Backend) {
    let ways = |app: &TestApp| {
        let description = app.get("/openapi.json").send().json();
        description["paths"]["/sessions"]["delete"]["security"].clone()
    };
    let cookie = json!({ "access_cookie": [], "access_csrf": [] });
    let header = json!({ "access_header": [] });
    assert_eq!(ways(&on.app()), json!([cookie, header]));
    let locations = ("JWT_TOKEN_LOCATION", "headers,cookies");
    assert_eq!(ways(&on.app_with(&[locations])), json!([header, cookie]));
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

fn every_operation_and_response_is_explained(on: Backend) {
    let description = on.app().get("/openapi.json").send().json();
    let tags: BTreeSet<&str> = description["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| {
            assert_ne!(tag["description"], json!(null), "{tag}");
            tag["name"].as_str().unwrap()
        })
        .collect();
    let (mut names, mut used) = (BTreeSet::new(), BTreeSet::new());
    for (method, path, operation) in operations(&description) {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "{name} twice");
        let [tag] = operation["tags"].as_array().unwrap().as_slice() else {
            panic!("{name} has not one tag")
        };
        used.insert(tag.as_str().unwrap());
        for (place, text) in [
            ("summary", &operation["summary"]),
            ("description", &operation["description"]),
        ] {
            assert!(is_text(text), "{method} {path}: {place}");
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(is_text(&response["description"]), "{name} {status}");
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            // The page of a list explains itself.
            let explained = is_text(&parameter["description"]) || parameter["name"] == "page";
            assert!(explained, "{name}: {parameter}");
        }
    }
    assert!(names.contains("listSessions"));
    assert_eq!(used, tags);
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

fn headers_are_described_where_they_are_sent(on: Backend) {
    let description = on.app().get("/openapi.json").send().json();
    for (method, path, operation) in operations(&description) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let place = format!("{method} {path} {status}");
            let has = |name: &str| response["headers"].get(name).is_some();
            assert!(has("X-Request-Id") && has("Cache-Control"), "{place}");
            assert_eq!(has("WWW-Authenticate"), status == "401", "{place}");
            // A proxy learns there where the login page is, and of a token that is not yet valid.
            let for_proxies = path == "/forward-auth" && status == "401";
            assert_eq!(has("Location"), status == "303" || for_proxies, "{place}");
            let again = for_proxies || ["422", "429", "503"].contains(&status.as_str());
            assert_eq!(has("Retry-After"), again, "{place}");
        }
    }
    let sets = |method: &str, path: &str, status: &str| {
        let response = &description["paths"][path][method]["responses"][status];
        response["headers"].get("Set-Cookie").is_some()
    };
    assert!(sets("post", "/login", "200") && sets("post", "/login", "303"));
    assert!(sets("post", "/refresh", "200") && sets("post", "/refresh", "401"));
    assert!(sets("get", "/protected", "200"), "it may be reissued");
    assert!(!sets("post", "/register", "201"));
    assert!(!sets("get", "/health/live", "200"));
}

/// Returns the media types of all requests and responses, with their places.
fn contents(description: &Value) -> Vec<(String, &Value)> {
    let mut contents = Vec::new();
    for (method, path, operation) in operations(description) {
        let responses = operation["responses"].as_object().unwrap().iter();
        let responses = responses.map(|(status, response)| (status.as_str(), response));
        let request = ("request", &operation["requestBody"]);
        for (what, holder) in responses.chain([request]) {
            let of_holder = holder["content"].as_object().into_iter().flatten();
            contents.extend(
                of_holder.map(|(kind, one)| (format!("{method} {path} {what} {kind}"), one)),
            );
        }
    }
    contents
}

fn every_request_and_response_has_examples_that_fit_its_schema(on: Backend) {
    for settings in [
        &[][..],
        &[("JWT_CSRF_IN_COOKIES", "false")],
        &[
            ("JWT_TOKEN_LOCATION", "headers"),
            ("JWT_HEADER_TYPE", "Token"),
        ],
    ] {
        let app = on.app_with(settings);
        let text = app.get("/openapi.json").send().json();
        let description = Description::of(app.address());
        let contents = contents(&text);
        assert!(contents.len() > 100, "{}", contents.len());
        for (place, content) in contents {
            let examples = content["examples"].as_object();
            let examples = examples.unwrap_or_else(|| panic!("{place} has no examples"));
            for (name, example) in examples {
                let example = description.resolved(example);
                assert!(is_text(&example["summary"]), "{place} {name}");
                let value = &example["value"];
                let problems = description.problems(&place, &content["schema"], value);
                assert_eq!(problems, Vec::<String>::new(), "{place} {name}: {value}");
            }
        }
    }
}

/// Sends each example of a request to a server that is ready for it.
fn every_example_of_a_request_is_accepted(on: Backend) {
    let description = on.app().get("/openapi.json").send().json();
    let mut sent = 0;
    for (method, path, operation) in operations(&description) {
        let contents = operation["requestBody"]["content"].as_object();
        for (kind, content) in contents.into_iter().flatten() {
            for (name, example) in content["examples"].as_object().unwrap() {
                let ready = Ready::to_take(on, &description, &path);
                let response = ready
                    .request(&method, &path, kind, &example["value"])
                    .send();
                let accepted = (200..400).contains(&response.status);
                assert!(accepted, "{method} {path} {kind} {name}: {response:?}");
                sent += 1;
            }
        }
    }
    assert_eq!(sent, 13);
}

/// A server on which the user of the examples is logged in, as an admin where a route needs one, or
/// that knows a client where a route needs that.
struct Ready {
    app: TestApp,
    authorization: Option<String>,
    other: String,
}

impl Ready {
    fn to_take(on: Backend, description: &Value, path: &str) -> Self {
        let app = on.app();
        let other = admin::register(&app, "bob");
        if path == "/register" {
            return Self {
                app,
                authorization: None,
                other,
            };
        }
        if ["/introspect", "/revoke"].contains(&path) {
            let client = Service::add(&app, "billing", &ClientPermission::ALL);
            return Self {
                app,
                authorization: Some(client.basic()),
                other,
            };
        }
        let of_register = &description["paths"]["/register"]["post"]["requestBody"];
        let user = &of_register["content"]["application/json"]["examples"]["account"]["value"];
        let registered = app.post("/register").json(user.clone()).send().json();
        if path.starts_with("/admin") {
            admin::promote(&app, registered["id"].as_str().unwrap());
        }
        let text = |name: &str| user[name].as_str().unwrap();
        let access = Bearer::log_in(&app, (text("username"), text("password"))).access;
        Self {
            app,
            authorization: Some(format!("Bearer {access}")),
            other,
        }
    }

    fn request(&self, method: &str, path: &str, kind: &str, value: &Value) -> Request {
        let path = path.replace("{id}", &self.other);
        let mut request = self.app.request(method, &path);
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        if kind == "application/json" {
            return request.json(value.clone());
        }
        let mut form = Serializer::new(String::new());
        for (name, field) in value.as_object().unwrap() {
            let field = field
                .as_str()
                .map_or_else(|| field.to_string(), str::to_owned);
            form.append_pair(name, &field);
        }
        request.form(&form.finish())
    }
}

/// A client that validates tells the two answers apart.
fn the_answer_to_a_login_has_one_of_two_forms_by_where_its_tokens_are(on: Backend) {
    let app = on.app().with_ada();
    let description = app.get("/openapi.json").send().json();
    let grant = &description["components"]["schemas"]["Grant"];
    let forms = json!([
        { "$ref": "#/components/schemas/BodyGrant" },
        { "$ref": "#/components/schemas/CookieGrant" },
    ]);
    assert_eq!(grant["oneOf"], forms);
    let described = Description::of(app.address());
    let problems = |answer: &Value| described.problems("Grant", grant, answer);
    let in_body = app.bearer().try_refresh().json();
    let by_cookie = app.browser().refresh().json();
    assert_eq!(problems(&in_body), Vec::<String>::new());
    assert_eq!(problems(&by_cookie), Vec::<String>::new());
    for name in ["access_token", "refresh_token", "token_type", "expires_in"] {
        let mut less = in_body.clone();
        less.as_object_mut().unwrap().remove(name);
        assert_ne!(problems(&less), Vec::<String>::new(), "without {name}");
    }
    for settings in [
        ("JWT_TOKEN_LOCATION", "cookies"),
        ("JWT_TOKEN_LOCATION", "headers"),
    ] {
        let description = on.app_with(&[settings]).get("/openapi.json").send().json();
        let schemas = &description["components"]["schemas"];
        assert_eq!(schemas["Grant"]["oneOf"].as_array().unwrap().len(), 1);
        let form = if settings.1 == "cookies" {
            "CookieGrant"
        } else {
            "BodyGrant"
        };
        assert_ne!(schemas[form], json!(null), "{form}");
    }
}

on_both_databases! {
    every_route_that_redirects_a_browser_says_so_and_no_other_does,
    every_operation_and_response_is_explained,
    headers_are_described_where_they_are_sent,
    every_request_and_response_has_examples_that_fit_its_schema,
    every_example_of_a_request_is_accepted,
    the_answer_to_a_login_has_one_of_two_forms_by_where_its_tokens_are,
    the_way_that_the_server_looks_at_first_is_described_first,
    the_description_has_the_routes_of_the_reference_and_no_others,
    a_route_that_needs_a_token_refuses_who_has_none,
    tokens_are_presented_as_the_settings_say,
    a_list_has_as_many_entries_a_page_as_described,
    the_reference_has_the_table_of_all_codes_that_the_description_has,
}
