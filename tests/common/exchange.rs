//! Sends requests over HTTP, and checks each response for the properties of all responses.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};

use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderMap, HeaderValue, Request as HttpRequest};

/// The signing secret of the tests' servers.
pub(crate) const SECRET: &str = "the secret of the tests: 64 bytes that no other server signs with";

/// A username and password that every test server knows.
pub(crate) const ADA: (&str, &str) = ("ada", "correct horse battery");

/// A check of each response of a server, beside the properties that all of them have.
pub(crate) type Check = Arc<dyn Fn(&Request, &Response) + Send + Sync>;

static CHECKS: Mutex<BTreeMap<SocketAddr, Check>> = Mutex::new(BTreeMap::new());

/// Checks each response of the server at this address from now on. `None` ends it: another server
/// may get the port.
#[allow(dead_code, reason = "shared with other tests, which do not need it")]
pub(crate) fn check_responses(server: SocketAddr, check: Option<Check>) {
    let mut checks = CHECKS.lock().unwrap();
    match check {
        Some(check) => checks.insert(server, check),
        None => checks.remove(&server),
    };
}

/// A request under construction.
#[must_use]
pub(crate) struct Request {
    server: SocketAddr,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

impl Request {
    pub(crate) fn new(server: SocketAddr, method: &str, path: &str) -> Self {
        Self {
            server,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    #[allow(dead_code, reason = "shared with other tests, which do not need it")]
    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    /// Returns the path without the query.
    #[allow(dead_code, reason = "shared with other tests, which do not need it")]
    pub(crate) fn path(&self) -> &str {
        self.path.split('?').next().unwrap()
    }

    /// Returns whether it asks for a page, as browsers do.
    #[allow(dead_code, reason = "shared with other tests, which do not need it")]
    pub(crate) fn accepts_html(&self) -> bool {
        let mut headers = self.headers.iter();
        headers.any(|(name, value)| {
            name.eq_ignore_ascii_case("accept") && value.to_lowercase().contains("text/html")
        })
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

    /// Sends it on a new connection.
    pub(crate) fn send(self) -> Response {
        let said = format!("{} {}", self.method, self.path);
        self.try_send()
            .unwrap_or_else(|error| panic!("{said}: {error}"))
    }

    /// Sends it on a new connection, which may break before the whole response has arrived.
    pub(crate) fn try_send(self) -> Result<Response, ureq::Error> {
        let url = format!("http://{}{}", self.server, self.path);
        let mut request = HttpRequest::builder()
            .method(self.method.as_str())
            .uri(url)
            .header("Connection", "close");
        for (name, value) in &self.headers {
            request = request.header(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let mut answer = match &self.body {
            Some(body) => AGENT.run(request.body(body.as_str()).unwrap()),
            None => AGENT.run(request.body(()).unwrap()),
        }?;
        let response = Response {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: answer.body_mut().read_to_string()?,
        };
        response.check(&self.method);
        let check = CHECKS.lock().unwrap().get(&self.server).cloned();
        if let Some(check) = check {
            check(&self, &response);
        }
        Ok(response)
    }
}

static AGENT: LazyLock<Agent> = LazyLock::new(|| {
    let config = Agent::config_builder();
    config
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .allow_non_standard_methods(true)
        // Each connection fills a buffer with zeros, which costs more than a request in an
        // unoptimized build.
        .input_buffer_size(16_384)
        .output_buffer_size(16_384)
        .build()
        .new_agent()
});

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Response {
    /// Checks the properties of every response of this server.
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
        if self.header("cache-control") != Some("no-store") {
            assert!(self.may_be_kept(), "{self:?}");
        }
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
        assert_eq!(
            self.header("cross-origin-resource-policy"),
            Some("same-origin"),
            "{self:?}"
        );
        let policy = self.header("content-security-policy").unwrap_or_default();
        assert!(policy.contains("default-src 'none'"), "{self:?}");
        if self.status == 401 && error {
            let asked = self.header("www-authenticate").unwrap_or_default();
            // A page does not contain the code that decides the challenge.
            match html {
                true => assert!(asked.starts_with("Bearer"), "{self:?}"),
                false => assert_eq!(asked, self.challenge()),
            }
        }
        let all = format!("{self:?}");
        for secret in [SECRET, ADA.1, "$2b$", "panicked", "src/"] {
            assert!(!all.contains(secret), "{all}");
        }
        for cookie in self.cookies() {
            let hidden = cookie.has("HttpOnly");
            assert_eq!(hidden, !cookie.name.contains("csrf_"), "{self:?}");
        }
    }

    /// Checks the challenge of a 401, which has an error only if a token was sent.
    fn challenge(&self) -> &'static str {
        match self.json()["code"].as_str().unwrap() {
            "missing_token" | "csrf_missing" | "csrf_mismatch" | "bad_credentials" => "Bearer",
            "fresh_token_required" => "Bearer error=\"insufficient_user_authentication\"",
            "invalid_client" => "Basic realm=\"tokenpair\"",
            _ => "Bearer error=\"invalid_token\"",
        }
    }

    /// Returns whether any cache may store it: only the public keys, which concern no user.
    fn may_be_kept(&self) -> bool {
        let nobody = self.cookies().is_empty() && !self.body.contains("eyJ");
        let keys = self.body.is_empty() || self.json()["keys"].is_array();
        self.status == 200 && nobody && keys
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// Asserts everything by which a client can identify an error.
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
    /// Returns the cookies sorted, so that two responses can be compared.
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
