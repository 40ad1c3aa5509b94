//! Tokens in cookies, for browsers: CSRF values, reissue, and a logout that removes them.
//!
//!     JWT_TOKEN_LOCATION=cookies JWT_REISSUE_WITHIN=15m JWT_SECRET_KEY=$(openssl rand -base64 48) cargo run --example cookies
//!
//! Behind TLS add `JWT_COOKIE_SECURE=true`.
//!
//! ```sh
//! server=http://127.0.0.1:8080
//!
//! # A login sets four cookies: two tokens hidden from scripts, and a CSRF value for each.
//! curl -sw '\n' -c jar -X POST $server/login/ada
//! #> {"login":true}
//! curl -sw '\n' -b jar $server/protected
//! #> {"logged_in_as":"ada"}
//!
//! # An unsafe request needs more than a cookie, which another site's page could send too.
//! curl -sw '\n' -b jar -X POST $server/protected
//! #> {"msg":"Missing CSRF token","code":"csrf_missing","hint":"…"}
//! csrf=$(awk '$6 == "csrf_access_token" { print $7 }' jar)
//! curl -sw '\n' -b jar -X POST -H "X-CSRF-TOKEN: $csrf" $server/protected
//! #> {"logged_in_as":"ada"}
//!
//! # A cookie that expires within JWT_REISSUE_WITHIN is replaced after the response. Here that is
//! # each, since access tokens live for 15 min by default. The CSRF value stays.
//! curl -si -b jar -c jar $server/protected | grep -i '^set-cookie: '
//! #> set-cookie: access_token_cookie=…
//! #> set-cookie: csrf_access_token=…
//! test $csrf = $(awk '$6 == "csrf_access_token" { print $7 }' jar)
//!
//! # When the access token has expired, the refresh token, with its own CSRF value, buys the next.
//! csrf=$(awk '$6 == "csrf_refresh_token" { print $7 }' jar)
//! curl -sw '\n' -b jar -c jar -X POST -H "X-CSRF-TOKEN: $csrf" $server/refresh
//! #> {"refresh":true}
//!
//! # A logout removes all four by an expiry in 1970; no reissue restores them.
//! curl -si -b jar -X POST $server/logout | grep -ci '^set-cookie: .*=; .*Expires=Thu, 01 Jan 1970'
//! #> 4
//! curl -sw '\n' $server/protected
//! #> {"msg":"Missing cookie \"access_token_cookie\"","code":"missing_token","hint":"…"}
//! ```

use std::env;
use std::error::Error;

use actix_web::middleware::from_fn;
use actix_web::web::{self, Path};
use actix_web::{App, HttpResponse, HttpServer};
use serde_json::json;
use tokenpair::config::JwtSettings;
use tokenpair::token::Freshness;
use tokenpair::web::{Access, Auth, Refresh, Rejection, TokenCookies, reissue};

/// Checks no password: that is up to your app.
async fn login(auth: Auth, name: Path<String>) -> Result<HttpResponse, Rejection> {
    let access = auth.access_token(name.as_str());
    let access = access.fresh(Freshness::Fresh).sign()?;
    let refresh = auth.refresh_token(name.as_str()).sign()?;
    Ok(HttpResponse::Ok()
        .set_access_cookies(&auth, &access)
        .set_refresh_cookies(&auth, &refresh)
        .json(json!({ "login": true })))
}

async fn protected(user: Access) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "logged_in_as": user.identity() }))
}

/// Issues an access token.
async fn refresh(auth: Auth, token: Refresh) -> Result<HttpResponse, Rejection> {
    let access = auth.access_token(token.identity()).sign()?;
    Ok(HttpResponse::Ok()
        .set_access_cookies(&auth, &access)
        .json(json!({ "refresh": true })))
}

/// Needs no token, so that a client with an expired one can log out. A copy of the tokens works
/// until they expire: to stop it, see `blocklist` and `own_session_store`.
async fn logout(auth: Auth) -> HttpResponse {
    HttpResponse::Ok()
        .unset_jwt_cookies(&auth)
        .json(json!({ "logout": true }))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let auth = JwtSettings::from_env()?.builder().build();
    let port = env::var("PORT").map_or(Ok(8080), |port| port.parse())?;
    let app = move || {
        let app = App::new().app_data(auth.clone()).wrap(from_fn(reissue));
        app.route("/login/{name}", web::post().to(login))
            .route("/refresh", web::post().to(refresh))
            .route("/logout", web::post().to(logout))
            .route("/protected", web::get().to(protected))
            .route("/protected", web::post().to(protected))
    };
    HttpServer::new(app)
        .bind(("127.0.0.1", port))?
        .run()
        .await?;
    Ok(())
}
