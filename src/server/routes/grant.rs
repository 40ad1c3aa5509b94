//! Defines how a new pair of tokens is delivered: in cookies, in the response body, or in cookies
//! and with a redirect.

use std::borrow::Cow;

use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::openapi::{Object, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::server::openapi::GRANT;
use crate::server::state::AppState;
use crate::server::{browser, page};
use tokenpair::session::{Delivery, Pair};
use tokenpair::token::{CsrfValue, Issued};
use tokenpair::web::Location;

/// How a response delivers a pair of tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// Cookies, and no token where a script could read it.
    Cookies,
    /// The tokens in the JSON, and no cookie.
    Body,
    /// Cookies, and a redirect to the page.
    Page,
}

/// Answers the way the token came, so that a script on a compromised page cannot turn an HttpOnly
/// cookie into text.
impl From<Location> for Answer {
    fn from(location: Location) -> Self {
        match location {
            Location::Cookies => Self::Cookies,
            Location::Headers | Location::QueryString | Location::Json => Self::Body,
        }
    }
}

impl From<Answer> for Delivery {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Cookies | Answer::Page => Self::Cookies,
            Answer::Body => Self::Body,
        }
    }
}

/// What the pair was issued for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Done {
    Login,
    Refresh,
    Password,
}

/// Stands for [`Granted`] in the description, where it depends on the settings: see
/// `openapi/grants.rs`.
pub(super) struct Grant;

impl PartialSchema for Grant {
    fn schema() -> RefOr<Schema> {
        Object::new().into()
    }
}

impl ToSchema for Grant {
    fn name() -> Cow<'static, str> {
        GRANT.into()
    }
}

/// Confirms a login, a refresh or a new password.
#[derive(Serialize)]
struct Granted<'a> {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    login: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    refresh: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    msg: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_expires_in: Option<u64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    tokens: Option<TokensInBody<'a>>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    csrf: Option<CsrfInBody<'a>>,
}

#[derive(Serialize)]
struct TokensInBody<'a> {
    token_type: &'a str,
    access_token: &'a str,
    refresh_token: &'a str,
}

/// CSRF values by the names of their default cookies, for front ends of servers that set
/// `JWT_CSRF_IN_COOKIES=false`.
#[derive(Serialize, ToSchema)]
pub(super) struct CsrfInBody<'a> {
    #[schema(required = true)]
    csrf_access_token: Option<&'a str>,
    #[schema(required = true)]
    csrf_refresh_token: Option<&'a str>,
}

impl<'a> CsrfInBody<'a> {
    pub(super) fn of(access: Option<&'a CsrfValue>, refresh: Option<&'a CsrfValue>) -> Self {
        Self {
            csrf_access_token: access.map(CsrfValue::as_str),
            csrf_refresh_token: refresh.map(CsrfValue::as_str),
        }
    }
}

/// Returns the response that delivers a new pair of tokens.
pub(super) fn granted(state: &AppState, pair: &Pair, done: Done, answer: Answer) -> HttpResponse {
    let auth = &state.auth;
    let in_body = answer == Answer::Body;
    let left = |issued: &Issued| {
        issued
            .expires_at
            .map(|end| end.since(pair.issued_at).as_secs())
    };
    let body = Granted {
        login: done == Done::Login,
        refresh: done == Done::Refresh,
        msg: (done == Done::Password).then_some("Password changed"),
        expires_in: left(&pair.access),
        refresh_expires_in: left(&pair.refresh),
        tokens: in_body.then(|| TokensInBody {
            token_type: &auth.policy().header.scheme,
            access_token: pair.access.token.as_str(),
            refresh_token: pair.refresh.token.as_str(),
        }),
        csrf: (!in_body && !auth.cookies().csrf)
            .then(|| CsrfInBody::of(pair.access.csrf.as_ref(), pair.refresh.csrf.as_ref())),
    };
    let mut response = match answer {
        Answer::Page => page::to_path(&state.place.home),
        Answer::Cookies | Answer::Body => HttpResponse::Ok().json(body),
    };
    if !in_body {
        auth.cookies().set_pair(response.headers_mut(), pair);
    }
    if done == Done::Login {
        response.extensions_mut().insert(browser::NewSession);
    }
    response
}
