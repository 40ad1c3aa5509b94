//! Accounts in a database: an app that registers users, verifies their passwords and records their
//! sessions.
//!
//!     JWT_TOKEN_LOCATION=cookies JWT_SECRET_KEY=$(openssl rand -base64 48) cargo run --example accounts
//!
//! The data is in `accounts.db` in the working directory. `DATABASE_URL` names another SQLite file
//! or a PostgreSQL database. This app does not rate-limit failed logins: see
//! `tokenpair_store::rate_limit` for that.
//!
//! ```sh
//! server=http://127.0.0.1:8080
//! ada='{"username": "ada", "password": "correct horse"}'
//! post() { curl -sw '\n' -b jar -c jar -H 'Content-Type: application/json' -d "$1" "${@:2}"; }
//! touch jar
//!
//! # Register. Usernames are case-insensitive, and common passwords are rejected.
//! post "$ada" $server/register
//! #> {"username":"ada"}
//! post '{"username": "ADA", "password": "battery staple"}' $server/register
//! #> {"msg":"the username is taken","code":"username_taken"}
//! post '{"username": "bob", "password": "football"}' $server/register
//! #> {"msg":"this password is too easy to guess","code":"bad_request"}
//!
//! # Log in. An unknown username and a wrong password get the same response after the same time.
//! post '{"username": "ada", "password": "battery staple"}' $server/login
//! #> {"msg":"Bad username or password","code":"bad_credentials"}
//! post "$ada" $server/login
//! #> {"login":true}
//! curl -sw '\n' -b jar $server/protected
//! #> {"logged_in_as":"ada"}
//!
//! # Refresh. This replaces the refresh token; its CSRF token goes into a header.
//! csrf=$(awk '$6 == "csrf_refresh_token" { print $7 }' jar)
//! post '' -H "X-CSRF-TOKEN: $csrf" $server/refresh
//! #> {"refresh":true}
//!
//! # Log out. The session ends in the database, so a copy of its cookies is worthless.
//! cp jar copy
//! csrf=$(awk '$6 == "csrf_access_token" { print $7 }' jar)
//! post '' -H "X-CSRF-TOKEN: $csrf" $server/logout
//! #> {"logout":true}
//! curl -sw '\n' -b copy $server/protected
//! #> {"msg":"Token has been revoked","code":"token_revoked","hint":"…"}
//! ```

#![allow(
    clippy::print_stderr,
    reason = "a program that reports when its database is away"
)]

use std::env;
use std::error::Error;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, Json};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use serde::Deserialize;
use serde_json::json;
use tokenpair::clock::Clock;
use tokenpair::config::JwtSettings;
use tokenpair::session::{Login, RequestContext, SessionPolicy, Sessions};
use tokenpair::token::Tokens;
use tokenpair::web::{Access, Auth, Refresh, Rejection, TokenCookies, device, reissue};
use tokenpair_store::password::{Password, PasswordPolicy, Passwords};
use tokenpair_store::{
    DatabaseUrl, DieselStore, NewUser, PurgePolicy, StorePolicy, UserError, Username,
};

struct Accounts {
    store: DieselStore,
    passwords: Passwords,
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

fn bad_request(error: impl Error) -> Rejection {
    Rejection::new(StatusCode::BAD_REQUEST, "bad_request", error.to_string())
}

async fn register(
    accounts: Data<Accounts>,
    given: Json<Credentials>,
    context: RequestContext,
) -> Result<HttpResponse, Rejection> {
    let Credentials { username, password } = given.into_inner();
    let username = Username::parse(&username).map_err(bad_request)?;
    let password = Password::new(password);
    let policy = accounts.passwords.policy();
    policy
        .check(&password, &[username.key()])
        .map_err(bad_request)?;
    let password_hash = accounts.passwords.hash(password).await;
    let user = NewUser {
        username,
        password_hash: password_hash.map_err(Rejection::unavailable)?,
        roles: vec![],
    };
    match accounts.store.create_user(user, &context).await {
        Ok(user) => Ok(HttpResponse::Created().json(json!({ "username": user.username }))),
        Err(UserError::Store(error)) => Err(error.into()),
        Err(taken) => Err(Rejection::new(
            StatusCode::CONFLICT,
            "username_taken",
            taken.to_string(),
        )),
    }
}

async fn login(
    accounts: Data<Accounts>,
    auth: Auth,
    request: HttpRequest,
    given: Json<Credentials>,
) -> Result<HttpResponse, Rejection> {
    let Credentials { username, password } = given.into_inner();
    let user = match Username::parse(&username) {
        Ok(username) => accounts.store.user_by_name(&username).await?,
        Err(_) => None,
    };
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    // Without a user too, so that the duration does not reveal which usernames exist.
    let verdict = accounts.passwords.verify(Password::new(password), hash);
    let is_right = verdict.await.map_err(Rejection::unavailable)?.is_right();
    let Some(user) = user.filter(|user| is_right && !user.subject.disabled) else {
        let msg = "Bad username or password";
        return Err(Rejection::new(
            StatusCode::UNAUTHORIZED,
            "bad_credentials",
            msg,
        ));
    };
    let login = Login {
        device: device(&request),
        ..Login::default()
    };
    let pair = auth.log_in(&user.subject, login).await?;
    Ok(HttpResponse::Ok()
        .set_pair(&auth, &pair)
        .json(json!({ "login": true })))
}

async fn protected(user: Access) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "logged_in_as": user.claims().username }))
}

async fn refresh(
    auth: Auth,
    token: Refresh,
    context: RequestContext,
) -> Result<HttpResponse, Rejection> {
    let pair = auth.refresh(&token, &context).await?;
    Ok(HttpResponse::Ok()
        .set_pair(&auth, &pair)
        .json(json!({ "refresh": true })))
}

async fn logout(
    auth: Auth,
    request: HttpRequest,
    context: RequestContext,
) -> Result<HttpResponse, Rejection> {
    auth.log_out(&request, &context).await?;
    Ok(HttpResponse::Ok()
        .unset_jwt_cookies(&auth)
        .json(json!({ "logout": true })))
}

/// Deletes expired sessions and old audit events.
async fn purge(store: DieselStore, clock: Clock) {
    loop {
        if let Err(error) = store.purge(clock.now(), PurgePolicy::default()).await {
            eprintln!("nothing was purged: {error}");
        }
        actix_web::rt::time::sleep(Duration::from_secs(3600)).await;
    }
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("DATABASE_URL").unwrap_or_else(|_| "sqlite://accounts.db".to_owned());
    let store = DieselStore::open(&DatabaseUrl::parse(&url)?, StorePolicy::default())?;
    store.migrate()?;
    let accounts = Data::new(Accounts {
        store: store.clone(),
        passwords: Passwords::start(PasswordPolicy::default())?,
    });

    let clock = Clock::system();
    let JwtSettings { keys, tokens, web } = JwtSettings::from_env()?;
    let tokens = Tokens::new(keys, tokens);
    let sessions = Sessions::new(store.clone(), tokens, SessionPolicy::default());
    // Before the first request, so that a restart forgets no logout.
    let every = Duration::from_millis(500);
    sessions.keep_in_sync(every, clock.clone()).await?;
    actix_web::rt::spawn(purge(store, clock.clone()));
    let auth = Auth::new(sessions, web, clock);

    let port = env::var("PORT").map_or(Ok(8080), |port| port.parse())?;
    let app = move || {
        App::new()
            .app_data(accounts.clone())
            .app_data(auth.clone())
            .wrap(from_fn(reissue))
            .route("/register", web::post().to(register))
            .route("/login", web::post().to(login))
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
