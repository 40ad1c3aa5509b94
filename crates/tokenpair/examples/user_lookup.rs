//! The user of a token: loaded once per request, for every handler that takes `CurrentUser`.
//!
//!     JWT_SECRET_KEY=$(openssl rand -base64 48) cargo run --example user_lookup
//!
//! ```sh
//! server=http://127.0.0.1:8080
//! ada=$(curl -s -X POST $server/login/1)
//! nobody=$(curl -s -X POST $server/login/9)
//!
//! curl -sw '\n' -H "Authorization: Bearer $ada" $server/who_am_i
//! #> {"id":"1","full_name":"Ada Lovelace"}
//!
//! # The token is valid, but its user does not exist.
//! curl -sw '\n' -H "Authorization: Bearer $nobody" $server/who_am_i
//! #> {"msg":"Error loading the user 9","code":"user_not_loaded"}
//! ```

use std::collections::HashMap;
use std::convert::Infallible;
use std::env;
use std::error::Error;

use actix_web::web::{self, Path};
use actix_web::{App, HttpResponse, HttpServer};
use serde::Serialize;
use tokenpair::config::JwtSettings;
use tokenpair::web::{Auth, CurrentUser, Rejection};

#[derive(Clone, Serialize)]
struct User {
    id: &'static str,
    full_name: &'static str,
}

/// Checks no password: that is up to your app.
async fn login(auth: Auth, id: Path<String>) -> Result<String, Rejection> {
    let access = auth.access_token(id.as_str()).sign()?;
    Ok(access.token.as_str().to_owned())
}

/// `CurrentUser` requires an access token, as `Access` does.
async fn who_am_i(user: CurrentUser<User>) -> HttpResponse {
    HttpResponse::Ok().json(&*user)
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let ada = User {
        id: "1",
        full_name: "Ada Lovelace",
    };
    let users = HashMap::from([(ada.id, ada)]);
    let auth = JwtSettings::from_env()?
        .builder()
        // If users are in a database, query it inside the `async` block: an error is answered with
        // 503.
        .user_lookup(move |token| {
            let user = users.get(token.claims.sub()).cloned();
            async move { Ok::<_, Infallible>(user) }
        })
        .build();
    let port = env::var("PORT").map_or(Ok(8080), |port| port.parse())?;
    let app = move || {
        let app = App::new().app_data(auth.clone());
        app.route("/login/{id}", web::post().to(login))
            .route("/who_am_i", web::get().to(who_am_i))
    };
    HttpServer::new(app)
        .bind(("127.0.0.1", port))?
        .run()
        .await?;
    Ok(())
}
