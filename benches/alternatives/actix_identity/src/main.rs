//! Log in, a protected route and log out with `actix-identity`: the session is in an encrypted cookie, so a logout does not end
//! copies of it, and there is nothing to refresh.

use actix_identity::{Identity, IdentityMiddleware};
use actix_session::SessionMiddleware;
use actix_session::storage::CookieSessionStore;
use actix_web::cookie::Key;
use actix_web::error::ErrorUnauthorized;
use actix_web::{App, Error, HttpMessage, HttpRequest, HttpResponse, HttpServer, get, post, web};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

#[post("/login")]
async fn login(request: HttpRequest, body: web::Json<Credentials>) -> Result<HttpResponse, Error> {
    if (body.username.as_str(), body.password.as_str()) != ("ada", "correct horse") {
        return Err(ErrorUnauthorized("Bad username or password"));
    }
    Identity::login(&request.extensions(), body.username.clone()).map_err(ErrorUnauthorized)?;
    Ok(HttpResponse::Ok().json(json!({ "login": true })))
}

#[get("/protected")]
async fn protected(user: Identity) -> Result<HttpResponse, Error> {
    let name = user.id().map_err(ErrorUnauthorized)?;
    Ok(HttpResponse::Ok().json(json!({ "logged_in_as": name })))
}

#[post("/logout")]
async fn logout(user: Identity) -> HttpResponse {
    user.logout();
    HttpResponse::Ok().json(json!({ "logout": true }))
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let key = Key::generate();
    let app = move || {
        let session = SessionMiddleware::new(CookieSessionStore::default(), key.clone());
        let app = App::new().wrap(IdentityMiddleware::default()).wrap(session);
        app.service(login).service(protected).service(logout)
    };
    HttpServer::new(app).bind(("127.0.0.1", 8080))?.run().await
}
