//! A route behind a JSON Web Token in a cookie, as the documentation of axum and jsonwebtoken shows
//! each part: an extractor that verifies the token of each request. A worker thread for each core.

use std::env;
use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{FromRef, FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::{get, post};
use axum::{Json, Router};
use axum_extra::extract::CookieJar;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

static VALIDATION: LazyLock<Validation> = LazyLock::new(|| Validation::new(Algorithm::HS256));

#[derive(Clone)]
struct Keys(Arc<(EncodingKey, DecodingKey)>);

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
}

/// The user of a request whose token is valid.
struct User(String);

impl<S> FromRequestParts<S> for User
where
    Keys: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = (StatusCode, Json<Value>);

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let unauthorized = || {
            (
                StatusCode::UNAUTHORIZED,
                Json(json!({ "msg": "Unauthorized" })),
            )
        };
        let cookies = CookieJar::from_headers(&parts.headers);
        let cookie = cookies
            .get("access_token_cookie")
            .ok_or_else(unauthorized)?;
        let Keys(keys) = Keys::from_ref(state);
        let token = decode::<Claims>(cookie.value(), &keys.1, &VALIDATION);
        token
            .map(|token| Self(token.claims.sub))
            .map_err(|_| unauthorized())
    }
}

async fn token(State(Keys(keys)): State<Keys>) -> Result<Json<Value>, StatusCode> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let exp = now
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?
        .as_secs()
        + 3600;
    let claims = Claims {
        sub: "ada".to_owned(),
        exp,
    };
    let token = encode(&Header::default(), &claims, &keys.0);
    let token = token.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Json(json!({ "access_token": token })))
}

async fn protected(User(name): User) -> Json<Value> {
    Json(json!({ "logged_in_as": name }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secret = env::var("JWT_SECRET_KEY")?;
    let secret = secret.as_bytes();
    let keys = (
        EncodingKey::from_secret(secret),
        DecodingKey::from_secret(secret),
    );
    let app = Router::new()
        .route("/token", post(token))
        .route("/protected", get(protected))
        .with_state(Keys(Arc::new(keys)));
    let listener = tokio::net::TcpListener::bind(env::var("SERVER_BIND")?).await?;
    Ok(axum::serve(listener, app).await?)
}
