//! Log in, a protected route, refresh and log out with `jsonwebtoken`, as tutorials do it: no rotation, no revocation.

use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::cookie::{Cookie, SameSite};
use actix_web::error::{ErrorInternalServerError, ErrorUnauthorized};
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, get, post, web};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

const SECRET: &[u8] = b"a secret of 32 bytes or more, please";

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
    kind: String,
    csrf: String,
}

fn token(sub: &str, kind: &str, lifetime: u64) -> Result<(String, String), Error> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(ErrorInternalServerError)?;
    let csrf = Uuid::new_v4().to_string();
    let claims = Claims {
        sub: sub.to_owned(),
        exp: now.as_secs() + lifetime,
        kind: kind.to_owned(),
        csrf: csrf.clone(),
    };
    let token = encode(
        &Header::default(),
        &claims,
        &EncodingKey::from_secret(SECRET),
    );
    Ok((token.map_err(ErrorInternalServerError)?, csrf))
}

fn verify(request: &HttpRequest, kind: &str) -> Result<Claims, Error> {
    let cookie = request
        .cookie(kind)
        .ok_or_else(|| ErrorUnauthorized("no token"))?;
    let key = DecodingKey::from_secret(SECRET);
    let token = decode::<Claims>(cookie.value(), &key, &Validation::default());
    let claims = token.map_err(|_| ErrorUnauthorized("bad token"))?.claims;
    let header = request
        .headers()
        .get("X-CSRF-TOKEN")
        .and_then(|value| value.to_str().ok());
    let is_safe = request.method().is_safe() || header == Some(&claims.csrf);
    if claims.kind != kind || !is_safe {
        return Err(ErrorUnauthorized("wrong token or no CSRF value"));
    }
    Ok(claims)
}

fn add(response: &mut HttpResponse, sub: &str, kind: &str, lifetime: u64) -> Result<(), Error> {
    let (token, csrf) = token(sub, kind, lifetime)?;
    for (name, value, hidden) in [
        (kind.to_owned(), token, true),
        (format!("csrf_{kind}"), csrf, false),
    ] {
        let cookie = Cookie::build(name, value)
            .path("/")
            .http_only(hidden)
            .same_site(SameSite::Lax);
        response.add_cookie(&cookie.finish())?;
    }
    Ok(())
}

#[post("/login")]
async fn login(body: web::Json<Credentials>) -> Result<HttpResponse, Error> {
    if (body.username.as_str(), body.password.as_str()) != ("ada", "correct horse") {
        return Err(ErrorUnauthorized("Bad username or password"));
    }
    let mut response = HttpResponse::Ok().json(json!({ "login": true }));
    add(&mut response, &body.username, "access", 15 * 60)?;
    add(&mut response, &body.username, "refresh", 30 * 24 * 3600)?;
    Ok(response)
}

#[get("/protected")]
async fn protected(request: HttpRequest) -> Result<HttpResponse, Error> {
    let claims = verify(&request, "access")?;
    Ok(HttpResponse::Ok().json(json!({ "logged_in_as": claims.sub })))
}

#[post("/refresh")]
async fn refresh(request: HttpRequest) -> Result<HttpResponse, Error> {
    let claims = verify(&request, "refresh")?;
    let mut response = HttpResponse::Ok().json(json!({ "refresh": true }));
    add(&mut response, &claims.sub, "access", 15 * 60)?;
    Ok(response)
}

#[post("/logout")]
async fn logout() -> Result<HttpResponse, Error> {
    let mut response = HttpResponse::Ok().json(json!({ "logout": true }));
    for name in ["access", "refresh", "csrf_access", "csrf_refresh"] {
        response.add_removal_cookie(&Cookie::build(name, "").path("/").finish())?;
    }
    Ok(response)
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let app = || {
        App::new()
            .service(login)
            .service(protected)
            .service(refresh)
            .service(logout)
    };
    HttpServer::new(app).bind(("127.0.0.1", 8080))?.run().await
}
