//! Defines the client of the login walk: its cookies, or its tokens if they came in the body.

use serde_json::Value;

use super::checks::Look;
use super::exchange::{Request, Response};
use super::set_cookie::SetCookie;

/// The token that a request needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Access,
    Refresh,
}

/// A logged-in client. It holds secrets, so it has no `Debug`.
#[derive(Default)]
pub(super) struct Client {
    cookies: Vec<SetCookie>,
    /// The access token and the refresh token.
    tokens: [Option<String>; 2],
    /// The CSRF values of both.
    csrf: [Option<String>; 2],
    by_body: bool,
}

impl Client {
    /// Stores the cookies of a response, or the tokens in its body.
    pub(super) fn keep(&mut self, response: &Response, names: Option<&[String; 2]>) {
        for cookie in response.all("Set-Cookie").filter_map(SetCookie::parse) {
            let position =
                names.and_then(|names| names.iter().position(|name| *name == cookie.name));
            if cookie.is_removal {
                continue;
            }
            if let Some(token) = position.and_then(|position| self.tokens.get_mut(position)) {
                *token = Some(cookie.value.clone());
            }
            self.cookies.retain(|kept| kept.name != cookie.name);
            self.cookies.push(cookie);
        }
        self.read_csrf(response);
        let body = response.json().unwrap_or_default();
        for (token, name) in self
            .tokens
            .iter_mut()
            .zip(["access_token", "refresh_token"])
        {
            if let Some(text) = body.get(name).and_then(Value::as_str) {
                *token = Some(text.to_owned());
                self.by_body = true;
            }
        }
    }

    /// Reads the CSRF values in a body.
    pub(super) fn read_csrf(&mut self, response: &Response) {
        let body = response.json().unwrap_or_default();
        for (csrf, name) in self
            .csrf
            .iter_mut()
            .zip(["csrf_access_token", "csrf_refresh_token"])
        {
            if let Some(text) = body.get(name).and_then(Value::as_str) {
                *csrf = Some(text.to_owned());
            }
        }
    }

    pub(super) const fn is_by_body(&self) -> bool {
        self.by_body
    }

    pub(super) fn cookies(&self) -> impl Iterator<Item = &SetCookie> {
        self.cookies.iter()
    }

    pub(super) fn access(&self) -> Option<&str> {
        let [access, _] = &self.tokens;
        access.as_deref()
    }

    /// Returns everything that must not be printed.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        let values = self.cookies.iter().map(|cookie| cookie.value.as_str());
        let others = self.tokens.iter().chain(&self.csrf).flatten();
        values.chain(others.map(String::as_str))
    }

    /// Returns the request of a page, with the token and its CSRF value.
    pub(super) fn request(
        &self,
        look: &Look<'_>,
        method: &'static str,
        route: &'static str,
        kind: Kind,
    ) -> Request {
        let of_kind = |[access, refresh]: &[Option<String>; 2]| match kind {
            Kind::Access => access.clone(),
            Kind::Refresh => refresh.clone(),
        };
        let request = self.without_csrf(look, method, route);
        if self.by_body {
            let token = of_kind(&self.tokens).unwrap_or_default();
            return request.header("Authorization", format!("Bearer {token}"));
        }
        let [access, refresh] = &look.described.csrf_headers;
        let header = if kind == Kind::Access {
            access
        } else {
            refresh
        };
        match of_kind(&self.csrf) {
            Some(csrf) => request.header(header, csrf),
            None => request,
        }
    }

    /// Returns the request of a page with all its cookies.
    pub(super) fn without_csrf(
        &self,
        look: &Look<'_>,
        method: &'static str,
        route: &'static str,
    ) -> Request {
        let target = &look.probe.target;
        let request = Request::new(method, route).header("Origin", target.origin());
        let path = target.path(route);
        let sent = self.cookies().filter(|cookie| cookie.is_sent_to(&path));
        let sent: Vec<String> = sent
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        if sent.is_empty() {
            return request;
        }
        request.header("Cookie", sent.join("; "))
    }
}
