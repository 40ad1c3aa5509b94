//! Log in, a protected route and log out with `jwt-authorizer`, which verifies; `jsonwebtoken` issues. No refresh, no CSRF value.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use jsonwebtoken::{EncodingKey, Header, encode};
use jwt_authorizer::layer::JwtSource;
use jwt_authorizer::{IntoLayer, JwtAuthorizer, JwtClaims};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const SECRET: &str = "a secret of 32 bytes or more, please";

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
}

async fn login(
    jar: CookieJar,
    Json(body): Json<Credentials>,
) -> Result<(CookieJar, Json<Value>), StatusCode> {
    if (body.username.as_str(), body.password.as_str()) != ("ada", "correct horse") {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let claims = Claims {
        sub: body.username,
        exp: now.as_secs() + 15 * 60,
    };
    let token = encode(
        &Header::default(),
        &claims,
        &EncodingKey::from_secret(SECRET.as_bytes()),
    )
    .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let cookie = Cookie::build(("access", token))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax);
    Ok((jar.add(cookie), Json(json!({ "login": true }))))
}

async fn protected(JwtClaims(claims): JwtClaims<Claims>) -> Json<Value> {
    Json(json!({ "logged_in_as": claims.sub }))
}

async fn logout(jar: CookieJar) -> (CookieJar, Json<Value>) {
    (
        jar.remove(Cookie::build("access").path("/")),
        Json(json!({ "logout": true })),
    )
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let authorizer = JwtAuthorizer::<Claims>::from_secret(SECRET)
        .jwt_source(JwtSource::Cookie("access".to_owned()))
        .build()
        .await?;
    let app = Router::new()
        .route("/protected", get(protected))
        .layer(authorizer.into_layer())
        .route("/login", post(login))
        .route("/logout", post(logout));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    Ok(axum::serve(listener, app).await?)
}
