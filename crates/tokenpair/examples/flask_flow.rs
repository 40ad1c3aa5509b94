//! The flow of a Flask app with Flask-JWT-Extended, on the library alone: the same settings,
//! routes, responses and cookies.
//!
//!     JWT_SECRET_KEY=$(openssl rand -base64 48) PORT=8080 cargo run --example flask_flow
//!
//! Reads every `JWT_*` setting of Flask-JWT-Extended from the environment. A test compares it with
//! the original, request by request.

#![allow(
    clippy::print_stderr,
    reason = "a program that says why it does not start"
)]

use std::env;
use std::error::Error;
use std::io;

use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use serde_json::{Map, Value, json};
use tokenpair::config::JwtSettings;
use tokenpair::token::{Freshness, TokenKind};
use tokenpair::web::{
    Access, AnyToken, Auth, Fresh, Location, MaybeAccess, Refresh, Rejection, TokenCookies, reissue,
};

/// Sets the locations of a typical web app, and the window of Flask-JWT-Extended's recipe;
/// everything else has its default.
fn setting(name: &str) -> Option<String> {
    let given = env::var(name).ok();
    let default = match name {
        "JWT_TOKEN_LOCATION" => "headers,cookies",
        "JWT_REISSUE_WITHIN" => "30m",
        _ => return given,
    };
    let given = given.filter(|text| !text.is_empty());
    given.or_else(|| Some(default.to_owned()))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let auth = JwtSettings::read(setting)?
        .builder()
        .token_in_blocklist(|token| async move {
            Ok::<_, io::Error>(token.claims.jti.as_deref() == Some("blocked-jti"))
        })
        .token_verification(|token| async move {
            let refused = token.claims.extra.get("verify_me") == Some(&json!("no"));
            Ok::<_, io::Error>(!refused)
        })
        .build();
    let port: u16 = env::var("PORT")
        .unwrap_or_else(|_| "5000".to_owned())
        .parse()?;
    HttpServer::new(move || {
        App::new()
            .app_data(auth.clone())
            .wrap(from_fn(reissue))
            .configure(|app| routes(app, &auth))
    })
    .workers(2)
    .bind(("127.0.0.1", port))?
    .run()
    .await?;
    Ok(())
}

fn routes(app: &mut web::ServiceConfig, auth: &Auth) {
    app.route("/login", web::post().to(login))
        .service(
            web::resource("/protected")
                .route(web::method(actix_web::http::Method::OPTIONS).to(options))
                .route(web::get().to(protected))
                .route(web::post().to(protected))
                .route(web::put().to(protected))
                .route(web::patch().to(protected))
                .route(web::delete().to(protected)),
        )
        .service(
            web::resource("/optional")
                .route(web::get().to(optional))
                .route(web::post().to(optional)),
        )
        .service(
            web::resource("/fresh")
                .route(web::get().to(fresh))
                .route(web::post().to(fresh)),
        )
        .service(
            web::resource("/any_type")
                .route(web::get().to(any_type))
                .route(web::post().to(any_type)),
        )
        .service(
            web::resource("/headers_only")
                .app_data(auth.only_from([Location::Headers]))
                .route(web::get().to(protected)),
        )
        .service(
            web::resource("/skip_revocation")
                .app_data(auth.skipping_revocation())
                .route(web::get().to(protected)),
        )
        .route("/refresh", web::post().to(refresh))
        .service(
            web::resource("/logout")
                .route(web::get().to(logout))
                .route(web::post().to(logout)),
        )
        .route("/logout_access", web::post().to(logout_access));
}

/// Returns the object in a JSON body, if it is one.
fn object(request: &HttpRequest, body: &[u8]) -> Option<Map<String, Value>> {
    let kind = request.headers().get("content-type")?.to_str().ok()?;
    let kind = kind.split(';').next()?.trim().to_ascii_lowercase();
    let json =
        kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"));
    let parsed = json.then(|| serde_json::from_slice(body).ok()).flatten()?;
    match parsed {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

fn message(status: StatusCode, text: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({ "msg": text }))
}

async fn login(auth: Auth, request: HttpRequest, body: Bytes) -> Result<HttpResponse, Rejection> {
    let Some(members) = object(&request, &body) else {
        return Ok(message(StatusCode::BAD_REQUEST, "Missing JSON in request"));
    };
    for name in ["username", "password"] {
        let given = members.get(name);
        if given.is_none_or(|value| value.is_null() || *value == json!("")) {
            let text = format!("Missing {name} parameter");
            return Ok(message(StatusCode::BAD_REQUEST, &text));
        }
    }
    let right = ["username", "password"]
        .iter()
        .all(|name| members.get(*name) == Some(&json!("test")));
    if !right {
        return Ok(message(
            StatusCode::UNAUTHORIZED,
            "Bad username or password",
        ));
    }
    let access = auth.access_token("test").fresh(Freshness::Fresh).sign()?;
    let refresh = auth.refresh_token("test").sign()?;
    Ok(HttpResponse::Ok()
        .set_access_cookies(&auth, &access)
        .set_refresh_cookies(&auth, &refresh)
        .json(json!({
            "login": true,
            "access_token": access.token.as_str(),
            "refresh_token": refresh.token.as_str(),
        })))
}

async fn options() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "logged_in_as": null }))
}

async fn protected(user: Access) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "logged_in_as": user.claims().identity }))
}

async fn optional(user: MaybeAccess) -> HttpResponse {
    let user = user.get();
    HttpResponse::Ok().json(json!({
        "logged_in_as": user.map(|user| &user.claims().identity),
        "location": user.map(|user| user.location().word()),
    }))
}

async fn fresh(user: Fresh) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "logged_in_as": user.claims().identity }))
}

async fn any_type(token: AnyToken) -> HttpResponse {
    let kind = match token.claims().kind {
        TokenKind::Access => "access",
        TokenKind::Refresh => "refresh",
    };
    HttpResponse::Ok().json(json!({ "type": kind }))
}

async fn refresh(auth: Auth, token: Refresh) -> Result<HttpResponse, Rejection> {
    let access = auth.access_token(token.claims().identity.clone()).sign()?;
    Ok(HttpResponse::Ok()
        .set_access_cookies(&auth, &access)
        .json(json!({ "refresh": true, "access_token": access.token.as_str() })))
}

async fn logout(auth: Auth) -> HttpResponse {
    HttpResponse::Ok()
        .unset_jwt_cookies(&auth)
        .json(json!({ "msg": "Logout Successful" }))
}

async fn logout_access(auth: Auth) -> HttpResponse {
    HttpResponse::Ok()
        .unset_access_cookies(&auth)
        .json(json!({ "msg": "Logout Successful" }))
}
