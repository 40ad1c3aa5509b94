//! Defines the requests for one set of settings: every route, every kind of token, every location.

use serde_json::{Value, json};

use super::http::{Request, percent_encoded};
use super::keys::Keys;
use super::places::{self, Place};
use super::settings::{Setting, Topic};
use super::tokens::{Forge, Token};

/// One request, and the word by which intended differences refer to it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) kind: &'static str,
    pub(crate) request: Request,
}

impl Case {
    pub(crate) fn new(kind: &'static str, request: Request) -> Self {
        Self { kind, request }
    }
}

/// Of the requests outside a set's topics, one in this many is sent.
const SOME: usize = 9;

/// Every route by every method it has.
const ROUTES: [(&str, &str); 19] = [
    ("GET", "/protected"),
    ("POST", "/protected"),
    ("PUT", "/protected"),
    ("PATCH", "/protected"),
    ("DELETE", "/protected"),
    ("OPTIONS", "/protected"),
    ("GET", "/optional"),
    ("POST", "/optional"),
    ("GET", "/fresh"),
    ("POST", "/fresh"),
    ("GET", "/any_type"),
    ("POST", "/any_type"),
    ("GET", "/headers_only"),
    ("GET", "/skip_revocation"),
    ("POST", "/refresh"),
    ("GET", "/logout"),
    ("POST", "/logout"),
    ("POST", "/logout_access"),
    ("POST", "/login"),
];

pub(crate) struct Cases<'a> {
    setting: &'a Setting,
    forge: Forge<'a>,
    /// Shifts the combinations of kinds and places, so that sets of settings differ in them.
    turn: usize,
}

impl<'a> Cases<'a> {
    pub(crate) fn new(setting: &'a Setting, keys: &'a Keys, now: i64, turn: usize) -> Self {
        Self {
            setting,
            forge: Forge::new(setting, keys, now),
            turn,
        }
    }

    /// Returns the requests of the set's topics, and some of the others.
    pub(crate) fn all(&self) -> Vec<Case> {
        let topics = [
            (Topic::Login, self.logins()),
            (Topic::Routes, self.routes()),
            (Topic::Kinds, self.kinds()),
            (Topic::Headers, self.headers()),
            (Topic::Cookies, self.cookies()),
            (Topic::Csrf, self.csrf()),
            (Topic::SoonOver, self.soon_over()),
            (Topic::Queries, self.queries()),
            (Topic::JsonBodies, self.json_bodies()),
            (Topic::Precedence, self.precedence()),
        ];
        let mut all = Vec::new();
        for (topic, cases) in topics {
            let step = if self.setting.topics.contains(&topic) {
                1
            } else {
                SOME
            };
            all.extend(cases.into_iter().skip(self.turn % step).step_by(step));
        }
        all
    }

    fn looks_in(&self, location: &str) -> bool {
        self.setting.looks_in(location)
    }

    fn place(&self, number: usize) -> Place<'a> {
        let locations = self.setting.locations();
        let location = &locations[number % locations.len()];
        places::place(self.setting, location)
    }

    fn logins(&self) -> Vec<Case> {
        let post = || Request::new("POST", "/login");
        let good = json!({ "username": "test", "password": "test" });
        let bodies = [
            json!({}),
            json!([]),
            json!(["username"]),
            json!("test"),
            json!(null),
            json!({ "password": "test" }),
            json!({ "username": null, "password": "test" }),
            json!({ "username": "", "password": "test" }),
            json!({ "username": "test" }),
            json!({ "username": "test", "password": "" }),
            json!({ "username": "test", "password": "wrong" }),
            json!({ "username": "Test", "password": "test" }),
            json!({ "username": "test", "password": "test", "more": [1, { "x": null }] }),
        ];
        let types = [
            "application/json; charset=utf-8",
            "Application/JSON",
            "application/vnd.login+json",
            "text/json",
            "text/plain",
            "application/x-www-form-urlencoded",
        ];
        let mut requests = vec![
            post(),
            post().json(&good),
            post().body("application/json", ""),
            post().body("application/json", "{\"username\":"),
            post().body("application/json", "{\"username\":\"\u{fffd}"),
        ];
        requests.extend(bodies.iter().map(|body| post().json(body)));
        requests.extend(types.map(|kind| post().body(kind, good.to_string())));
        requests
            .into_iter()
            .map(|request| Case::new("login", request))
            .collect()
    }

    /// Every route with the most important tokens, in every place, and without a token.
    fn routes(&self) -> Vec<Case> {
        let tokens = self.forge.main_kinds();
        let mut all = Vec::new();
        for (number, (method, path)) in ROUTES.into_iter().enumerate() {
            all.push(Case::new("no token", Request::new(method, path)));
            for (kind, token) in tokens.iter().enumerate() {
                let place = self.place(self.turn + number + kind);
                all.push(place(Request::new(method, path), token));
            }
        }
        all
    }

    /// Every kind of token on one route, each in some place; kinds of freshness and type on routes
    /// that require them.
    fn kinds(&self) -> Vec<Case> {
        let mut all = Vec::new();
        for (number, token) in self.forge.all().iter().enumerate() {
            let place = self.place(self.turn + number);
            all.push(place(Request::new("GET", "/protected"), token));
            if token.kind.starts_with("fresh") {
                all.push(place(Request::new("GET", "/fresh"), token));
            }
            if token.kind.starts_with("type") {
                all.push(place(Request::new("POST", "/refresh"), token));
                all.push(place(Request::new("GET", "/any_type"), token));
            }
            if number % 6 == self.turn % 6 {
                all.push(place(Request::new("POST", "/optional"), token));
            }
        }
        all
    }

    /// Possible contents of the header, whether it may carry tokens or not.
    fn headers(&self) -> Vec<Case> {
        let token = self.forge.access();
        let name = self.setting.header_name();
        let scheme = self.setting.scheme();
        let word = scheme.trim();
        let values = [
            String::new(),
            " ".to_owned(),
            ",".to_owned(),
            word.to_owned(),
            format!("{word} "),
            format!("{word},"),
            format!("{scheme}{token}"),
            format!("{word}   {token}"),
            format!("{word}\t{token}"),
            format!("  {scheme}{token}  "),
            format!(",{scheme}{token},,"),
            format!("{} {token}", word.to_lowercase()),
            format!("{} {token}", word.to_uppercase()),
            format!("{word}{token}"),
            format!("{word}: {token}"),
            token.clone(),
            format!("Basic {token}"),
            "Basic dGVzdDp0ZXN0".to_owned(),
            format!("{scheme}{token} more"),
            format!("{scheme}{token} , Basic x"),
            format!("{scheme}{token}, {scheme}{token}"),
            format!("{scheme}{token},{scheme}garbage"),
            format!("Basic x, {scheme}{token}"),
            format!("Basic x,,  {scheme}{token}"),
            format!("{scheme}{token}, Basic x,"),
            format!("{scheme}\"{token}\""),
            format!("{scheme}é"),
        ];
        let mut all = Vec::new();
        for (number, value) in values.iter().enumerate() {
            let path = ["/protected", "/headers_only", "/optional"][(number + self.turn) % 3];
            let request = Request::new("GET", path).header(&name, value);
            all.push(Case::new("header form", request));
        }
        let line = format!("{scheme}{token}");
        let twice = Request::new("GET", "/headers_only").header(&name, &line);
        all.push(Case::new("header form", twice.clone().header(&name, &line)));
        all.push(Case::new("header form", twice.header(&name, "Basic x")));
        let blank = format!(" , , {line}");
        let blank = Request::new("GET", "/headers_only").header(&name, blank);
        all.push(Case::new("a blank among header values", blank));
        let other = Request::new("GET", "/headers_only").header("X-Other", &line);
        all.push(Case::new("header form", other));
        all
    }

    fn cookies(&self) -> Vec<Case> {
        if !self.looks_in("cookies") {
            return Vec::new();
        }
        let token = self.forge.access();
        let bad = self.forge.unsigned_well();
        let name = self.setting.cookie_name(false);
        let encoded = name.replacen('_', "%5F", 1).replacen('c', "%63", 1);
        let get = || self.with_csrf(Request::new("GET", "/protected"), false);
        let texts = [
            format!("{name}="),
            name.clone(),
            format!("{name}={token}; {name}={bad}"),
            format!("{name}={bad}; {name}={token}"),
            format!("{name}=; {name}={token}"),
            format!("other=1; {name}={token}; more=2"),
            format!("other;{name}={token}"),
            format!("; {name}={token};"),
            format!("other=\"a; b\"; {name}={token}"),
            format!("{}={token}", name.to_uppercase()),
            format!("{encoded}={token}"),
            format!("x{name}={token}"),
            format!("{name}={}", percent_encoded(&token).replace('.', "%2E")),
        ];
        let mut all: Vec<Case> = texts
            .iter()
            .map(|text| Case::new("cookie form", get().header("Cookie", text)))
            .collect();
        let quoted = get().cookie(&name, &format!("\"{token}\""));
        all.push(Case::new("a cookie in quotes", quoted));
        let blank = get().cookie(&name, &format!("Bearer {token}"));
        all.push(Case::new("a blank in a cookie", blank));
        let spaced = get().header("Cookie", format!("{name} = {token}"));
        all.push(Case::new("spaces in a cookie", spaced));
        let sibling = format!("other=\u{e9}; {name}={token}");
        all.push(Case::new(
            "a sibling beyond ASCII",
            get().header("Cookie", sibling),
        ));
        let mut bytes = b"other=\xff; ".to_vec();
        bytes.extend_from_slice(format!("{name}={token}").as_bytes());
        all.push(Case::new(
            "a sibling not UTF-8",
            get().header("Cookie", bytes),
        ));
        all
    }

    /// Cases in which the reissue may or may not add to the response.
    fn soon_over(&self) -> Vec<Case> {
        if !self.looks_in("cookies") {
            return Vec::new();
        }
        let name = self.setting.cookie_name(false);
        let header = self.setting.header_name();
        let scheme = self.setting.scheme();
        let mut all = Vec::new();
        for token in self.forge.soon_over_kinds() {
            for (method, path) in ROUTES {
                let request = Request::new(method, path).cookie(&name, &token.text);
                let request = self.with_csrf(request, false);
                all.push(Case::new(token.kind, request.clone()));
                if path == "/optional" {
                    let line = format!("{scheme}{}", token.text);
                    all.push(Case::new(token.kind, request.header(&header, line)));
                }
            }
        }
        all
    }

    fn with_csrf(&self, request: Request, refresh: bool) -> Request {
        places::with_csrf(self.setting, request, refresh)
    }

    fn csrf(&self) -> Vec<Case> {
        if !self.looks_in("cookies") {
            return Vec::new();
        }
        let mut all = Vec::new();
        for (method, path) in [
            ("POST", "/protected"),
            ("POST", "/refresh"),
            ("GET", "/fresh"),
        ] {
            let refresh = path == "/refresh";
            let token = match path {
                "/refresh" => self.forge.refresh(),
                "/fresh" => self.forge.with(&json!({ "fresh": true })),
                _ => self.forge.access(),
            };
            let cookie = self.setting.cookie_name(refresh);
            let request = Request::new(method, path).cookie(&cookie, &token);
            all.extend(self.csrf_of(&request, refresh));
            // The other token's header and field.
            let other = places::with_csrf(self.setting, request, !refresh);
            all.push(Case::new("csrf form", other));
        }
        all.extend(self.csrf_on_methods());
        all.extend(self.csrf_and_tokens());
        all
    }

    fn csrf_of(&self, request: &Request, refresh: bool) -> Vec<Case> {
        let right = super::tokens::CSRF;
        let header = self.setting.csrf_header(refresh);
        let field = self.setting.csrf_field(refresh);
        let form = "application/x-www-form-urlencoded";
        let with = |value: &str| request.clone().header(&header, value);
        let requests = [
            with(right),
            with("wrong"),
            with(""),
            with("  "),
            with(&format!("{right}x")),
            with(&right[1..]),
            with(&format!(" {right} ")),
            with(right).header(&header, right),
            with(&format!("{right}, {right}")),
            request.clone(),
            request.clone().cookie("csrf_access_token", right),
            request.clone().body(form, format!("{field}={right}")),
            request
                .clone()
                .body(form, format!("a=b&{field}={right}&c=d")),
            request.clone().body(form, format!("{field}=wrong")),
            request
                .clone()
                .body(form, format!("{field}=wrong&{field}={right}")),
            request.clone().body(form, format!("{field}=")),
            request.clone().body(form, format!("csrf_token={right}")),
            request
                .clone()
                .body(form, format!("{field}={}", right.replace('-', "%2D"))),
            request
                .clone()
                .body("Application/X-WWW-Form-Urlencoded; charset=utf-8", {
                    format!("{field}={right}")
                }),
            request
                .clone()
                .body("text/plain", format!("{field}={right}")),
            request.clone().json(&json!({ field.as_str(): right })),
            request.clone().query(&field, right),
            with("wrong").body(form, format!("{field}={right}")),
            with("").body(form, format!("{field}={right}")),
            with(right).body(form, format!("{field}=wrong")),
        ];
        let mut all: Vec<Case> = requests
            .map(|request| Case::new("csrf form", request))
            .into();
        for value in [right, "wrong"] {
            let parts = multipart(&field, value);
            let request = request
                .clone()
                .body("multipart/form-data; boundary=edge", parts);
            all.push(Case::new("csrf in a form of many parts", request));
        }
        all.push(Case::new("csrf beyond ASCII", with("é")));
        all
    }

    fn csrf_on_methods(&self) -> Vec<Case> {
        let name = self.setting.cookie_name(false);
        let token = self.forge.access();
        let mut all = Vec::new();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let request = Request::new(method, "/protected").cookie(&name, &token);
            let wrong = request
                .clone()
                .header(&self.setting.csrf_header(false), "wrong");
            all.push(Case::new("csrf by method", request.clone()));
            all.push(Case::new("csrf by method", wrong));
            all.push(Case::new("csrf by method", self.with_csrf(request, false)));
        }
        for (path, text) in [
            ("/optional", &token),
            ("/optional", &"garbage".to_owned()),
            ("/protected", &"garbage".to_owned()),
            ("/any_type", &token),
            ("/fresh", &token),
        ] {
            let request = Request::new("POST", path).cookie(&name, text);
            all.push(Case::new("csrf by method", request));
        }
        all
    }

    fn csrf_and_tokens(&self) -> Vec<Case> {
        let name = self.setting.cookie_name(false);
        let mut all = Vec::new();
        for token in self.forge.csrf_kinds() {
            for method in ["GET", "POST"] {
                let request = Request::new(method, "/protected").cookie(&name, &token.text);
                all.push(Case::new(token.kind, self.with_csrf(request, false)));
            }
        }
        all
    }

    fn queries(&self) -> Vec<Case> {
        if !self.looks_in("query_string") {
            return Vec::new();
        }
        let token = self.forge.access();
        let name = self.setting.query_name();
        let prefix = self.setting.query_prefix();
        let good = percent_encoded(&format!("{prefix}{token}"));
        let targets = [
            format!("/protected?{name}={good}"),
            format!("/protected?{name}="),
            format!("/protected?{name}"),
            format!("/protected?{}={good}", name.to_uppercase()),
            format!("/protected?{name}={}", percent_encoded(&token)),
            format!("/protected?{name}={}", percent_encoded(&prefix)),
            format!("/protected?{name}={}", percent_encoded(prefix.trim())),
            format!(
                "/protected?{name}={}",
                percent_encoded(&format!("{prefix} {token}"))
            ),
            format!(
                "/protected?{name}={}",
                percent_encoded(&format!("{}{token}", prefix.to_lowercase()))
            ),
            format!("/protected?{name}={good}&{name}=garbage"),
            format!("/protected?{name}=garbage&{name}={good}"),
            format!("/protected?a=b&{name}={good}&c"),
            format!("/protected?{name}={}", good.replace("%20", "+")),
            format!("/protected?{name}={}", good.replace('.', "%2E")),
            format!("/protected?{}={good}", name.replacen('t', "%74", 1)),
            format!("/optional?{name}="),
            format!("/optional?{name}=garbage"),
            format!("/optional?{name}={good}"),
            format!("/headers_only?{name}={good}"),
        ];
        let request = |target: &String| Case::new("query form", Request::new("GET", target));
        let mut all: Vec<Case> = targets.iter().map(request).collect();
        let request = Request::new("POST", "/protected");
        let form = request.body(
            "application/x-www-form-urlencoded",
            format!("{name}={good}"),
        );
        all.push(Case::new("query form", form));
        all
    }

    fn json_bodies(&self) -> Vec<Case> {
        if !self.looks_in("json") {
            return Vec::new();
        }
        let mut all = Vec::new();
        for (method, path) in [
            ("POST", "/protected"),
            ("POST", "/refresh"),
            ("GET", "/optional"),
        ] {
            let refresh = path == "/refresh";
            let (token, other) = if refresh {
                (self.forge.refresh(), self.forge.access())
            } else {
                (self.forge.access(), self.forge.refresh())
            };
            let key = self.setting.json_key(refresh);
            let other_key = self.setting.json_key(!refresh);
            let request = || Request::new(method, path);
            let good = json!({ key.as_str(): token });
            let bodies = json_bodies_with(&token, &key, &other, &other_key);
            all.extend(bodies.map(|body| Case::new("json form", request().json(&body))));
            let types = [
                "application/json;charset=utf-8",
                "APPLICATION/JSON",
                "application/jwt+json",
                "text/json",
                "application/jsonx",
                "text/plain",
                "application/x-www-form-urlencoded",
                "",
            ];
            all.extend(
                types.map(|kind| Case::new("json form", request().body(kind, good.to_string()))),
            );
            let texts = ["", "{", "nonsense", "{\"access_token\":}"];
            all.extend(
                texts.map(|text| Case::new("json form", request().body("application/json", text))),
            );
            let not_objects = [
                json!([1]),
                json!([token]),
                json!("text"),
                json!(7),
                json!(true),
            ];
            all.extend(
                not_objects.map(|body: Value| {
                    Case::new("JSON that is not an object", request().json(&body))
                }),
            );
        }
        all
    }

    /// Tokens in two places at once: good, bad, expired, and of the wrong form.
    fn precedence(&self) -> Vec<Case> {
        let good = Token {
            kind: "in two places",
            text: self.forge.access(),
        };
        let other = Token {
            kind: "in two places",
            text: self.forge.with(&json!({ "jti": "other" })),
        };
        let bad = Token {
            kind: "in two places",
            text: self.forge.unsigned_well(),
        };
        let late = Token {
            kind: "in two places",
            text: self.forge.expired(),
        };
        let refresh = Token {
            kind: "in two places",
            text: self.forge.refresh(),
        };
        let mut all = Vec::new();
        let locations = self.setting.locations();
        for first in &locations {
            for second in locations.iter().filter(|second| *second != first) {
                for (one, two) in [
                    (&good, &other),
                    (&bad, &good),
                    (&late, &good),
                    (&refresh, &good),
                ] {
                    let place_one = places::place(self.setting, first);
                    let place_two = places::place(self.setting, second);
                    let request = Request::new("POST", "/optional");
                    let request = place_two(place_one(request, one).request, two).request;
                    all.push(Case::new("in two places", request));
                }
            }
        }
        if self.setting.looks_in("cookies") {
            all.extend(self.cookie_and_header(&good));
        }
        all
    }

    fn cookie_and_header(&self, good: &Token) -> Vec<Case> {
        let header = self.setting.header_name();
        let scheme = self.setting.scheme();
        let cookie = self.setting.cookie_name(false);
        let mut all = Vec::new();
        let words = [
            format!("{scheme}{}", good.text),
            scheme.clone(),
            "Basic x".to_owned(),
            format!("{scheme}garbage"),
        ];
        for word in words {
            for method in ["GET", "POST"] {
                let request = Request::new(method, "/protected")
                    .header(&header, &word)
                    .cookie(&cookie, &good.text);
                all.push(Case::new("header and cookie", request.clone()));
                all.push(Case::new(
                    "header and cookie",
                    self.with_csrf(request, false),
                ));
            }
        }
        all
    }
}

fn multipart(field: &str, value: &str) -> String {
    format!(
        "--edge\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n--edge--\r\n"
    )
}

/// Returns bodies with a token under the right key, under a wrong one, and odd values instead.
fn json_bodies_with(token: &str, key: &str, other: &str, other_key: &str) -> [Value; 22] {
    [
        json!({ key: token, other_key: other, "more": { "x": [1] } }),
        json!({ other_key: token }),
        json!({ key: other }),
        json!({ key.to_uppercase(): token }),
        json!({ key: null }),
        json!({ key: "" }),
        json!({ key: 0 }),
        json!({ key: false }),
        json!({ key: [] }),
        json!({ key: {} }),
        json!({ key: 5 }),
        json!({ key: true }),
        json!({ key: [token] }),
        json!({ key: { "token": token } }),
        json!({ key: format!("Bearer {token}") }),
        json!({ key: "gärbage" }),
        json!({}),
        json!([]),
        json!(null),
        json!(false),
        json!(0),
        json!(""),
    ]
}
