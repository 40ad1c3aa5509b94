//! A record of sessions in a custom store: a refresh replaces the refresh token, and a logout ends
//! both tokens.
//!
//!     JWT_SECRET_KEY=$(openssl rand -base64 48) cargo run --example own_session_store
//!
//! ```sh
//! server=http://127.0.0.1:8080
//! curl -s -X POST $server/login > pair
//! access=$(sed 's/.*"access_token":"\([^"]*\)".*/\1/' pair)
//! refresh=$(sed 's/.*"refresh_token":"\([^"]*\)".*/\1/' pair)
//! curl -sw '\n' -H "Authorization: Bearer $access" $server/protected
//! #> hello ada
//!
//! # A refresh returns a new pair. Repeated within a minute, it returns the same refresh token.
//! curl -s -X POST -H "Authorization: Bearer $refresh" $server/refresh | sed 's/.*refresh_token/refresh_token/' > one
//! curl -s -X POST -H "Authorization: Bearer $refresh" $server/refresh | sed 's/.*refresh_token/refresh_token/' > other
//! cmp one other
//!
//! # A logout ends the session and all its tokens.
//! curl -sw '\n' -X POST -H "Authorization: Bearer $access" $server/logout
//! #> bye
//! curl -sw '\n' -H "Authorization: Bearer $access" $server/protected
//! #> {"msg":"Token has been revoked","code":"token_revoked","hint":"…"}
//! curl -sw '\n' -X POST -H "Authorization: Bearer $refresh" $server/refresh
//! #> {"msg":"Token has been revoked","code":"session_revoked","hint":"…"}
//! ```

mod store;

use std::env;
use std::error::Error;
use std::time::Duration;

use actix_web::web;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use serde_json::json;
use tokenpair::clock::Clock;
use tokenpair::config::JwtSettings;
use tokenpair::session::{Login, Pair, RequestContext, SessionPolicy, Sessions};
use tokenpair::token::Tokens;
use tokenpair::web::{Access, Auth, Refresh, Rejection, device};

use self::store::Store;

fn answer(pair: &Pair) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "access_token": pair.access.token.as_str(),
        "refresh_token": pair.refresh.token.as_str(),
    }))
}

/// Checks no password: that is up to your app.
async fn login(auth: Auth, request: HttpRequest) -> Result<HttpResponse, Rejection> {
    let Some(user) = store::user("7") else {
        return Ok(HttpResponse::Unauthorized().finish());
    };
    let device = device(&request);
    let login = Login {
        device,
        ..Login::default()
    };
    Ok(answer(&auth.log_in(&user, login).await?))
}

async fn protected(user: Access) -> String {
    let name = user.claims().username.as_deref();
    format!("hello {}", name.unwrap_or("you"))
}

async fn refresh(
    auth: Auth,
    token: Refresh,
    context: RequestContext,
) -> Result<HttpResponse, Rejection> {
    Ok(answer(&auth.refresh(&token, &context).await?))
}

async fn logout(
    auth: Auth,
    request: HttpRequest,
    context: RequestContext,
) -> Result<&'static str, Rejection> {
    auth.log_out(&request, &context).await?;
    Ok("bye")
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let JwtSettings { keys, tokens, web } = JwtSettings::from_env()?;
    let tokens = Tokens::new(keys, tokens);
    let sessions = Sessions::new(Store::default(), tokens, SessionPolicy::default());
    // So that logouts hold after a restart, and those of other programs hold here.
    let every = Duration::from_millis(500);
    sessions.keep_in_sync(every, Clock::system()).await?;
    let auth = Auth::new(sessions, web, Clock::system());
    let port = env::var("PORT").map_or(Ok(8080), |port| port.parse())?;
    let app = move || {
        let app = App::new().app_data(auth.clone());
        app.route("/login", web::post().to(login))
            .route("/protected", web::get().to(protected))
            .route("/refresh", web::post().to(refresh))
            .route("/logout", web::post().to(logout))
    };
    HttpServer::new(app)
        .bind(("127.0.0.1", port))?
        .run()
        .await?;
    Ok(())
}
