//! Implements what the routes of OAuth have in common: how a request names its client and its
//! parameters (RFC 6749 sections 2.3.1 and 3.2), and the members of an error (section 5.2).

use std::collections::BTreeMap;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpRequest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_core::future::LocalBoxFuture;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::clients::{Credentials, denied};
use super::error_code::ServerErrorCode;
use tokenpair::web::Rejection;
use tokenpair::web::body::{FORM, bytes, content_type};
use tokenpair_store::ClientDenied;

/// More than a token of the greatest length and its escapes need.
const LIMIT: usize = 32 * 1024;

/// The paths of the routes.
pub(super) const PATHS: [&str; 2] = ["/introspect", "/revoke"];

/// A request of a client: its credentials, and the parameters of its form. Tokens are among them,
/// so it has no `Debug`.
pub(super) struct ClientRequest {
    parameters: BTreeMap<String, String>,
    authorization: Option<Credentials>,
}

impl FromRequest for ClientRequest {
    type Error = Rejection;
    type Future = LocalBoxFuture<'static, Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            refuse_query(&request)?;
            let authorization = authorization(&request)?;
            let kind = content_type(&request);
            let body = bytes(&request, &mut payload, LIMIT).await?;
            if kind != FORM && !(kind.is_empty() && body.is_empty()) {
                return Err(not_a_form());
            }
            Ok(Self {
                parameters: parameters(&body)?,
                authorization,
            })
        })
    }
}

impl ClientRequest {
    /// Takes the credentials: those of HTTP Basic or those in the body.
    pub(super) fn credentials(&mut self) -> Result<Credentials, Rejection> {
        let [id, secret] = ["client_id", "client_secret"].map(|name| self.parameters.remove(name));
        match (self.authorization.take(), id, secret) {
            (Some(_), _, Some(_)) => Err(bad_request("The client authenticates in two ways")
                .hint("Send the secret by HTTP Basic or in client_secret, not both.")),
            (Some(basic), Some(id), None) if basic.id != id => Err(bad_request(
                "The parameter client_id names another client than the header Authorization",
            )),
            (Some(basic), _, None) => Ok(basic),
            (None, Some(id), Some(secret)) => Ok(Credentials { id, secret }),
            (None, ..) => Err(denied(ClientDenied::NotAuthenticated)),
        }
    }

    /// Takes the token that the request is about.
    pub(super) fn token(&mut self) -> Result<String, Rejection> {
        self.parameters.remove("token").ok_or_else(|| {
            Rejection::from(ServerErrorCode::MissingParameter).msg("Missing token parameter")
        })
    }

    pub(super) fn hint(&self) -> Option<&str> {
        self.parameters.get("token_type_hint").map(String::as_str)
    }
}

/// Addresses are logged by proxies and servers, so nothing secret may be in one.
fn refuse_query(request: &HttpRequest) -> Result<(), Rejection> {
    if request.query_string().is_empty() {
        return Ok(());
    }
    Err(bad_request("The address has a query")
        .hint("Send all parameters in the body. If a token or a secret was in the address, treat it as leaked."))
}

/// Reads the header of HTTP Basic. Another scheme authenticates no client.
fn authorization(request: &HttpRequest) -> Result<Option<Credentials>, Rejection> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let Some(header) = headers.next() else {
        return Ok(None);
    };
    if headers.next().is_some() {
        return Err(bad_request("There are several headers Authorization"));
    }
    let basic = header.to_str().ok().and_then(basic);
    let refused = || denied(ClientDenied::NotAuthenticated);
    basic.map(Some).ok_or_else(refused)
}

/// Reads RFC 7617's form. The id and the secret are form-encoded before they are joined.
fn basic(header: &str) -> Option<Credentials> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let joined = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = joined.split_once(':')?;
    Some(Credentials {
        id: decoded(id)?,
        secret: decoded(secret)?,
    })
}

/// Decodes one form-encoded text.
fn decoded(text: &str) -> Option<String> {
    if text.contains(['&', '=']) {
        return None;
    }
    let mut names = form_urlencoded::parse(text.as_bytes()).map(|(name, _)| name.into_owned());
    names.next()
}

/// The parameters of the routes. Others are ignored (RFC 6749 section 3.2).
const PARAMETERS: [&str; 4] = ["token", "token_type_hint", "client_id", "client_secret"];

/// Reads the form. A parameter without a value counts as absent, and none may be there twice (RFC
/// 6749 section 3.2).
fn parameters(body: &[u8]) -> Result<BTreeMap<String, String>, Rejection> {
    let mut seen = BTreeMap::new();
    let pairs = form_urlencoded::parse(body);
    for (name, value) in pairs.filter(|(name, _)| PARAMETERS.contains(&name.as_ref())) {
        if seen.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(Rejection::from(ServerErrorCode::InvalidParameter)
                .msg("A parameter is there twice")
                .hint("Send each parameter once."));
        }
    }
    seen.retain(|_, value| !value.is_empty());
    Ok(seen)
}

fn bad_request(msg: &'static str) -> Rejection {
    Rejection::from(ServerErrorCode::BadRequest).msg(msg)
}

fn not_a_form() -> Rejection {
    Rejection::from(ServerErrorCode::UnsupportedMediaType)
        .msg("The body is not a form by its Content-Type")
        .hint("Send a form with the header Content-Type: application/x-www-form-urlencoded.")
}

/// Middleware of the routes: adds the members of OAuth's errors to the server's own.
pub(super) async fn with_members(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let response = next.call(request).await?.map_into_boxed_body();
    let error = response.response().error();
    let Some(rejection) = error.and_then(|error| error.as_error::<Rejection>()) else {
        return Ok(response);
    };
    let description = rejection.to_string();
    let error = word(response.status(), rejection.code());
    Ok(response.map_body(|_, body| add_members(body, error, description)))
}

fn add_members(body: BoxBody, error: &str, description: String) -> BoxBody {
    let whole = match body.try_into_bytes() {
        Ok(whole) => whole,
        Err(body) => return body,
    };
    let Ok(mut members) = serde_json::from_slice::<Map<String, Value>>(&whole) else {
        return BoxBody::new(whole);
    };
    members.insert("error".to_owned(), error.into());
    members.insert("error_description".to_owned(), description.into());
    BoxBody::new(Value::Object(members).to_string())
}

/// Returns OAuth's word for an error (RFC 6749 sections 4.1.2.1 and 5.2, RFC 7009 section 2.2.1).
fn word(status: StatusCode, code: &'static str) -> &'static str {
    let own = [
        ServerErrorCode::UnsupportedTokenType,
        ServerErrorCode::UnauthorizedClient,
    ];
    match status {
        StatusCode::UNAUTHORIZED => ServerErrorCode::InvalidClient.as_str(),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            "temporarily_unavailable"
        }
        status if status.is_server_error() => "server_error",
        _ if own.iter().any(|own| own.as_str() == code) => code,
        _ => "invalid_request",
    }
}
