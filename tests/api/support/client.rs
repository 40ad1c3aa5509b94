//! Actors: an anonymous request, a browser with a cookie jar, and a program with tokens in its memory. Every response is
//! checked for what is true of all of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::{HeaderMap, HeaderValue, Request as HttpRequest};

use super::app::{ADA, SECRET, TestApp};

/// A request that is being written.
#[must_use]
pub(crate) struct Request<'a> {
    app: &'a TestApp,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

impl<'a> Request<'a> {
    pub(super) fn new(app: &'a TestApp, method: &str, path: &str) -> Self {
        Self {
            app,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    pub(crate) fn cookie(self, cookies: &str) -> Self {
        self.header("Cookie", cookies)
    }

    pub(crate) fn body(mut self, content_type: &str, body: impl Into<String>) -> Self {
        self.body = Some(body.into());
        self.header("Content-Type", content_type)
    }

    #[expect(clippy::needless_pass_by_value, reason = "reads better with json!")]
    pub(crate) fn json(self, body: Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub(crate) fn form(self, body: &str) -> Self {
        self.body("application/x-www-form-urlencoded", body)
    }

    /// Sends it, on a connection of its own.
    pub(crate) fn send(self) -> Response {
        let url = format!("http://{}{}", self.app.address(), self.path);
        let mut request = HttpRequest::builder().method(self.method.as_str()).uri(url);
        for (name, value) in &self.headers {
            request = request.header(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let answer = match self.body {
            Some(body) => agent().run(request.body(body).unwrap()),
            None => agent().run(request.body(()).unwrap()),
        };
        let mut answer =
            answer.unwrap_or_else(|error| panic!("{} {}: {error}", self.method, self.path));
        let response = Response {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: answer.body_mut().read_to_string().unwrap(),
        };
        response.check(&self.method);
        response
    }
}

fn agent() -> Agent {
    let config = Agent::config_builder();
    config
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .allow_non_standard_methods(true)
        .build()
        .new_agent()
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Response {
    /// What is true of every answer of this server.
    fn check(&self, method: &str) {
        let error = self.status >= 400 && method != "HEAD";
        let html = self
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/html"));
        if error && !html {
            assert_eq!(
                self.header("content-type"),
                Some("application/json"),
                "{self:?}"
            );
            assert!(
                self.json()["msg"].is_string() && self.json()["code"].is_string(),
                "{self:?}"
            );
        }
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        assert_eq!(
            self.header("x-content-type-options"),
            Some("nosniff"),
            "{self:?}"
        );
        assert!(
            self.header("x-request-id").is_some_and(|id| !id.is_empty()),
            "{self:?}"
        );
        assert_eq!(self.header("server"), None, "{self:?}");
        assert!(self.header("referrer-policy").is_some(), "{self:?}");
        let policy = self.header("content-security-policy").unwrap_or_default();
        assert!(policy.contains("default-src 'none'"), "{self:?}");
        if self.status == 401 && !html {
            assert_eq!(self.header("www-authenticate"), Some("Bearer"), "{self:?}");
        }
        for secret in [SECRET, ADA.1, "$2b$", "panicked", "src/"] {
            assert!(!format!("{self:?}").contains(secret), "{self:?}");
        }
        for cookie in self.cookies() {
            let hidden = cookie.has("HttpOnly");
            assert_eq!(hidden, !cookie.name.starts_with("csrf_"), "{self:?}");
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// Asserts the whole of what a client can tell an error by.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str, msg: &str) {
        assert_eq!(
            (
                self.status,
                self.json()["code"].as_str(),
                self.json()["msg"].as_str()
            ),
            (status, Some(code), Some(msg))
        );
    }

    pub(crate) fn cookies(&self) -> Vec<SetCookie> {
        self.headers
            .get_all("set-cookie")
            .iter()
            .map(|value| SetCookie::parse(value.to_str().unwrap()))
            .collect()
    }

    #[track_caller]
    pub(crate) fn cookie(&self, name: &str) -> SetCookie {
        self.cookies()
            .into_iter()
            .find(|cookie| cookie.name == name)
            .unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }

    pub(crate) fn cookie_names(&self) -> Vec<String> {
        self.cookies()
            .into_iter()
            .map(|cookie| cookie.name)
            .collect()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct SetCookie {
    pub(crate) name: String,
    pub(crate) value: String,
    /// Sorted, so that two can be compared.
    pub(crate) attributes: Vec<String>,
}

impl SetCookie {
    fn parse(text: &str) -> Self {
        let mut parts = text.split("; ");
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        let mut attributes: Vec<String> = parts.map(str::to_owned).collect();
        attributes.sort();
        Self {
            name: name.to_owned(),
            value: value.to_owned(),
            attributes,
        }
    }

    pub(crate) fn has(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|found| found == attribute)
    }
}

/// A person's browser: keeps cookies, and repeats CSRF values as the page's script would.
#[derive(Clone)]
pub(crate) struct Browser<'a> {
    app: &'a TestApp,
    jar: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(app: &'a TestApp) -> Self {
        Self {
            app,
            jar: BTreeMap::new(),
        }
    }

    pub(crate) fn log_in(app: &'a TestApp, credentials: Value) -> Self {
        let mut browser = Self::new(app);
        let response = browser.send(app.post("/login").json(credentials));
        assert_eq!(response.status, 200, "{response:?}");
        browser
    }

    /// A request with this browser's cookies; what the response sets, the jar keeps.
    pub(crate) fn send(&mut self, request: Request<'_>) -> Response {
        let cookies = self.cookie_header();
        let request = if cookies.is_empty() {
            request
        } else {
            request.cookie(&cookies)
        };
        let response = request.send();
        self.keep(&response);
        response
    }

    pub(crate) fn keep(&mut self, response: &Response) {
        for cookie in response.cookies() {
            if cookie
                .attributes
                .iter()
                .any(|attribute| attribute.starts_with("Expires=Thu, 01 Jan 1970"))
            {
                self.jar.remove(&cookie.name);
            } else {
                self.jar.insert(cookie.name, cookie.value);
            }
        }
    }

    pub(crate) fn get(&mut self, path: &str) -> Response {
        self.send(self.app.get(path))
    }

    /// A script's POST, with the CSRF value of the access token.
    pub(crate) fn post(&mut self, path: &str) -> Response {
        let csrf = self.value("csrf_access_token").to_owned();
        self.send(self.app.post(path).header("X-CSRF-TOKEN", csrf))
    }

    pub(crate) fn refresh(&mut self) -> Response {
        let csrf = self.value("csrf_refresh_token").to_owned();
        self.send(self.app.post("/refresh").header("X-CSRF-TOKEN", csrf))
    }

    #[track_caller]
    pub(crate) fn value(&self, name: &str) -> &str {
        self.jar
            .get(name)
            .unwrap_or_else(|| panic!("the jar has no {name}"))
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.jar.keys().map(String::as_str).collect()
    }

    pub(crate) fn cookie_header(&self) -> String {
        self.jar
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("; ")
    }
}

/// A program that keeps tokens in its memory.
#[derive(Clone)]
pub(crate) struct Bearer<'a> {
    app: &'a TestApp,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl<'a> Bearer<'a> {
    pub(crate) fn log_in(app: &'a TestApp, (username, password): (&str, &str)) -> Self {
        let login = json!({ "username": username, "password": password, "tokens": "body" });
        let response = app.post("/login").json(login).send();
        assert_eq!(response.status, 200, "{response:?}");
        Self::of(app, &response)
    }

    fn of(app: &'a TestApp, response: &Response) -> Self {
        let token = |name: &str| response.json()[name].as_str().unwrap().to_owned();
        Self {
            app,
            access: token("access_token"),
            refresh: token("refresh_token"),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.app.get(path).bearer(&self.access).send()
    }

    /// Presents the refresh token, and only looks at the answer.
    pub(crate) fn try_refresh(&self) -> Response {
        self.app.post("/refresh").bearer(&self.refresh).send()
    }

    /// What it holds after a refresh.
    #[track_caller]
    pub(crate) fn refreshed(&self) -> Self {
        let response = self.try_refresh();
        assert_eq!(response.status, 200, "{response:?}");
        Self::of(self.app, &response)
    }
}
