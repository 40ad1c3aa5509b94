//! Tokens in a header: the client keeps them itself, as programs and mobile apps do.
//!
//!     JWT_SECRET_KEY=$(openssl rand -base64 48) cargo run --example header_tokens
//!
//! ```sh
//! server=http://127.0.0.1:8080
//! json='Content-Type: application/json'
//!
//! # A login returns a pair.
//! curl -s $server/login -H "$json" -d '{"username": "ada", "password": "correct horse"}' > pair
//! access=$(sed 's/.*"access_token":"\([^"]*\)".*/\1/' pair)
//! refresh=$(sed 's/.*"refresh_token":"\([^"]*\)".*/\1/' pair)
//!
//! # The access token authorizes requests.
//! curl -sw '\n' -H "Authorization: Bearer $access" $server/protected
//! #> {"logged_in_as":"ada"}
//!
//! # The refresh token buys the next access token, and authorizes nothing else.
//! curl -sw '\n' -X POST -H "Authorization: Bearer $refresh" $server/refresh
//! #> {"access_token":"…"}
//! curl -sw '\n' -H "Authorization: Bearer $refresh" $server/protected
//! #> {"msg":"Only non-refresh tokens are allowed","code":"wrong_token_type","hint":"…"}
//! ```

use std::env;
use std::error::Error;

use actix_web::web::{self, Json};
use actix_web::{App, HttpResponse, HttpServer};
use serde::Deserialize;
use serde_json::json;
use tokenpair::config::JwtSettings;
use tokenpair::token::Freshness;
use tokenpair::web::{Access, Auth, Refresh, Rejection};

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

/// Issues a pair for the right password.
async fn login(auth: Auth, given: Json<Credentials>) -> Result<HttpResponse, Rejection> {
    let Credentials { username, password } = given.into_inner();
    // Your app looks up its users' table, and hashes passwords there.
    if (username.as_str(), password.as_str()) != ("ada", "correct horse") {
        let msg = json!({ "msg": "Bad username or password" });
        return Ok(HttpResponse::Unauthorized().json(msg));
    }
    let access = auth.access_token(username.as_str());
    let access = access.fresh(Freshness::Fresh).sign()?;
    let refresh = auth.refresh_token(username).sign()?;
    Ok(HttpResponse::Ok().json(json!({
        "access_token": access.token.as_str(),
        "refresh_token": refresh.token.as_str(),
    })))
}

/// Requires an access token.
async fn protected(user: Access) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "logged_in_as": user.identity() }))
}

/// Issues an access token.
async fn refresh(auth: Auth, token: Refresh) -> Result<HttpResponse, Rejection> {
    let access = auth.access_token(token.identity()).sign()?;
    Ok(HttpResponse::Ok().json(json!({ "access_token": access.token.as_str() })))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let auth = JwtSettings::from_env()?.builder().build();
    let port = env::var("PORT").map_or(Ok(8080), |port| port.parse())?;
    let app = move || {
        let app = App::new().app_data(auth.clone());
        app.route("/login", web::post().to(login))
            .route("/protected", web::get().to(protected))
            .route("/refresh", web::post().to(refresh))
    };
    HttpServer::new(app)
        .bind(("127.0.0.1", port))?
        .run()
        .await?;
    Ok(())
}
