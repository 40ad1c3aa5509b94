//! Simulates clients: a browser with a cookie jar, and a program with tokens in memory.

use std::ops::{Deref, DerefMut};

use serde_json::{Value, json};

use super::app::TestApp;
use super::exchange::{Request, Response};
use super::jar::Jar;

/// A browser that keeps cookies, and repeats CSRF values as the page's script would.
#[derive(Clone)]
pub(crate) struct Browser<'a> {
    app: &'a TestApp,
    jar: Jar,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(app: &'a TestApp) -> Self {
        Self {
            app,
            jar: Jar::default(),
        }
    }

    pub(crate) fn log_in(app: &'a TestApp, credentials: Value) -> Self {
        let mut browser = Self::new(app);
        let response = browser.send(app.post("/login").json(credentials));
        assert_eq!(response.status, 200, "{response:?}");
        browser
    }

    /// Returns a request with this browser's cookies. The jar stores the cookies of the response.
    pub(crate) fn send(&mut self, request: Request) -> Response {
        let response = self.fill(request).send();
        self.keep(&response);
        response
    }

    pub(crate) fn get(&mut self, path: &str) -> Response {
        self.send(self.app.get(path))
    }

    /// Returns a script's POST, with the CSRF value of the access token.
    pub(crate) fn post(&mut self, path: &str) -> Response {
        let csrf = self.value("csrf_access_token").to_owned();
        self.send(self.app.post(path).header("X-CSRF-TOKEN", csrf))
    }

    pub(crate) fn refresh(&mut self) -> Response {
        let response = self.refresh_at(self.app.address()).send();
        self.keep(&response);
        response
    }
}

impl Deref for Browser<'_> {
    type Target = Jar;

    fn deref(&self) -> &Jar {
        &self.jar
    }
}

impl DerefMut for Browser<'_> {
    fn deref_mut(&mut self) -> &mut Jar {
        &mut self.jar
    }
}

/// A program that keeps tokens in memory.
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

    /// Returns the program with the tokens of this response.
    pub(crate) fn of(app: &'a TestApp, response: &Response) -> Self {
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

    /// Presents the refresh token without storing the new tokens.
    pub(crate) fn try_refresh(&self) -> Response {
        self.app.post("/refresh").bearer(&self.refresh).send()
    }

    /// Returns the program with the tokens of a refresh.
    #[track_caller]
    pub(crate) fn refreshed(&self) -> Self {
        let response = self.try_refresh();
        assert_eq!(response.status, 200, "{response:?}");
        Self::of(self.app, &response)
    }
}
