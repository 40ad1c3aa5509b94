//! An app that is not ours, on tokenpair as a library: its own users, its own store of sessions, its own routes.

mod store;

use std::error::Error;

use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, Json};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use serde::Deserialize;
use serde_json::json;
use tokenpair::clock::Clock;
use tokenpair::keys::{Algorithm, KeyRing};
use tokenpair::session::{Login, RequestContext, SessionPolicy, Sessions};
use tokenpair::token::{TokenPolicy, Tokens};
use tokenpair::web::{
    Access, Auth, CurrentUser, Refresh, Rejection, TokenCookies, WebPolicy, device, reissue,
};

use self::store::{Account, Store};

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

async fn login(
    auth: Auth,
    store: Data<Store>,
    request: HttpRequest,
    given: Json<Credentials>,
) -> Result<HttpResponse, Rejection> {
    let account = store.named(&given.name)?;
    let Some(account) = account.filter(|account| account.password == given.password) else {
        return Err(refuse(StatusCode::UNAUTHORIZED, "wrong_name_or_password"));
    };
    let login = Login {
        device: device(&request),
        ..Login::default()
    };
    let pair = auth.log_in(&account.subject(), login).await?;
    Ok(HttpResponse::Ok().set_pair(&auth, &pair).json(json!({
        "access_token": pair.access.token.as_str(),
        "refresh_token": pair.refresh.token.as_str(),
    })))
}

async fn refresh(
    auth: Auth,
    token: Refresh,
    context: RequestContext,
) -> Result<HttpResponse, Rejection> {
    let pair = auth.refresh(&token, &context).await?;
    Ok(HttpResponse::Ok()
        .set_pair(&auth, &pair)
        .json(json!({ "refreshed": true })))
}

async fn logout(
    auth: Auth,
    request: HttpRequest,
    context: RequestContext,
) -> Result<HttpResponse, Rejection> {
    auth.log_out(&request, &context).await?;
    Ok(HttpResponse::Ok()
        .unset_jwt_cookies(&auth)
        .json(json!({ "logged_out": true })))
}

async fn protected(user: CurrentUser<Account>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "hello": user.name }))
}

/// Admins ban; the roles are those that the token says.
async fn ban(
    auth: Auth,
    admin: Access,
    store: Data<Store>,
    id: web::Path<String>,
) -> Result<HttpResponse, Rejection> {
    if !admin.claims().roles.iter().any(|role| role == "admin") {
        return Err(refuse(StatusCode::FORBIDDEN, "admins_only"));
    }
    let revocation = store.ban(&id, auth.now())?;
    if let (Some(sessions), Some(revocation)) = (auth.sessions(), &revocation) {
        sessions.record_revocation(revocation);
    }
    Ok(HttpResponse::Ok().json(json!({ "banned": revocation.is_some() })))
}

fn refuse(status: StatusCode, code: &'static str) -> Rejection {
    Rejection::new(status, code, "No")
}

fn account(number: u32, name: &str, role: &'static str) -> Account {
    Account {
        number,
        name: name.to_owned(),
        password: format!("{name}'s password"),
        role,
        banned: false,
        version: 0,
    }
}

fn auth(store: &Store) -> Result<Auth, Box<dyn Error>> {
    let secret = std::env::var("STRANGER_SECRET")?;
    let keys = KeyRing::from_secret(Algorithm::Hs256, secret.as_bytes())?;
    let tokens = Tokens::new(keys, TokenPolicy::default());
    let sessions = Sessions::new(store.clone(), tokens, SessionPolicy::default());
    let lookup = store.clone();
    let auth = Auth::new(sessions, WebPolicy::default(), Clock::system()).to_builder();
    let auth = auth.user_lookup(move |token| {
        let account = lookup.numbered(token.claims.sub());
        async move { account }
    });
    Ok(auth.build())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = Store::default();
    store.add(account(1, "ada", "admin"))?;
    store.add(account(2, "bob", "author"))?;
    let auth = auth(&store)?;
    let server = HttpServer::new(move || {
        App::new()
            .app_data(auth.clone())
            .app_data(Data::new(store.clone()))
            .wrap(from_fn(reissue))
            .route("/login", web::post().to(login))
            .route("/refresh", web::post().to(refresh))
            .route("/logout", web::post().to(logout))
            .route("/protected", web::get().to(protected))
            .route("/users/{id}/ban", web::post().to(ban))
    });
    let server = server.workers(1).bind(("127.0.0.1", 0))?;
    for address in server.addrs() {
        println!("listening on {address}");
    }
    server.run().await?;
    Ok(())
}
