//! Simulates a browser's cookies, and several tabs that share them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;

use serde_json::json;

use super::exchange::{ADA, Request, Response};

/// A cookie jar that repeats CSRF values as the page's script would.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Jar(BTreeMap<String, String>);

impl Jar {
    /// Returns a request with these cookies.
    pub(crate) fn fill(&self, request: Request) -> Request {
        match self.cookie_header().as_str() {
            "" => request,
            cookies => request.cookie(cookies),
        }
    }

    pub(crate) fn keep(&mut self, response: &Response) {
        for cookie in response.cookies() {
            if cookie
                .attributes
                .iter()
                .any(|attribute| attribute.starts_with("Expires=Thu, 01 Jan 1970"))
            {
                self.0.remove(&cookie.name);
            } else {
                self.0.insert(cookie.name, cookie.value);
            }
        }
    }

    /// Returns a script's refresh request, not yet sent.
    pub(crate) fn refresh_at(&self, server: SocketAddr) -> Request {
        let csrf = self.value("csrf_refresh_token");
        self.fill(Request::new(server, "POST", "/refresh").header("X-CSRF-TOKEN", csrf))
    }

    #[track_caller]
    pub(crate) fn value(&self, name: &str) -> &str {
        self.0
            .get(name)
            .unwrap_or_else(|| panic!("the jar has no {name}"))
    }

    /// Removes a cookie, as a browser does once it has expired.
    #[allow(dead_code, reason = "shared with other tests, which do not need it")]
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// Returns the cookies except the device cookie, which identifies the browser and outlives the
    /// tokens.
    pub(crate) fn token_names(&self) -> Vec<&str> {
        let mut names = self.names();
        names.retain(|name| !name.ends_with("device_cookie"));
        names
    }

    pub(crate) fn cookie_header(&self) -> String {
        self.0
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("; ")
    }
}

/// A browser with several tabs. Each sends the jar's current cookies and stores the cookies of its
/// response.
pub(crate) struct Tabs(Mutex<Jar>);

impl Tabs {
    /// Returns the tabs of Ada, who has an account on this server.
    pub(crate) fn log_in(server: SocketAddr) -> Self {
        let credentials = json!({ "username": ADA.0, "password": ADA.1 });
        let login = Request::new(server, "POST", "/login").json(credentials);
        let response = login.send();
        assert_eq!(response.status, 200, "{response:?}");
        let tabs = Self(Mutex::default());
        tabs.keep(&response);
        tabs
    }

    /// Returns the current jar.
    pub(crate) fn jar(&self) -> Jar {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn keep(&self, response: &Response) {
        self.0.lock().unwrap().keep(response);
    }

    pub(crate) fn refresh(&self, server: SocketAddr) -> Result<Response, ureq::Error> {
        let response = self.jar().refresh_at(server).try_send()?;
        self.keep(&response);
        Ok(response)
    }

    pub(crate) fn protected(&self, server: SocketAddr) -> Result<Response, ureq::Error> {
        let request = Request::new(server, "GET", "/protected");
        let response = self.jar().fill(request).try_send()?;
        self.keep(&response);
        Ok(response)
    }
}
