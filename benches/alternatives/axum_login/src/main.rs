//! Log in, a protected route and log out with `axum-login`: the session is in the server's memory, so each request looks it up, and
//! there is nothing to refresh.

use std::convert::Infallible;

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use axum_login::{AuthManagerLayerBuilder, AuthUser, AuthnBackend, UserId, login_required};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_sessions::{MemoryStore, SessionManagerLayer};

#[derive(Clone, Debug)]
struct User(String);

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.0.clone()
    }

    fn session_auth_hash(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[derive(Clone, Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

#[derive(Clone)]
struct Users;

impl AuthnBackend for Users {
    type User = User;
    type Credentials = Credentials;
    type Error = Infallible;

    async fn authenticate(&self, wanted: Credentials) -> Result<Option<User>, Infallible> {
        let is_right =
            (wanted.username.as_str(), wanted.password.as_str()) == ("ada", "correct horse");
        Ok(is_right.then_some(User(wanted.username)))
    }

    async fn get_user(&self, id: &UserId<Self>) -> Result<Option<User>, Infallible> {
        Ok(Some(User(id.clone())))
    }
}

type AuthSession = axum_login::AuthSession<Users>;

async fn login(
    mut auth: AuthSession,
    Json(wanted): Json<Credentials>,
) -> Result<Json<Value>, StatusCode> {
    let failed = |_| StatusCode::INTERNAL_SERVER_ERROR;
    let user = auth
        .authenticate(wanted)
        .await
        .map_err(failed)?
        .ok_or(StatusCode::UNAUTHORIZED)?;
    auth.login(&user).await.map_err(failed)?;
    Ok(Json(json!({ "login": true })))
}

async fn protected(auth: AuthSession) -> Json<Value> {
    Json(json!({ "logged_in_as": auth.user.map(|user| user.0) }))
}

async fn logout(mut auth: AuthSession) -> Result<Json<Value>, StatusCode> {
    auth.logout()
        .await
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Json(json!({ "logout": true })))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sessions = SessionManagerLayer::new(MemoryStore::default()).with_secure(false);
    let auth = AuthManagerLayerBuilder::new(Users, sessions).build();
    let app = Router::new()
        .route("/protected", get(protected))
        .route_layer(login_required!(Users))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .layer(auth);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    Ok(axum::serve(listener, app).await?)
}
