//! Several configurations in one app: each scope has its own `Auth`, with other keys and other
//! locations of tokens.
//!
//!     JWT_SECRET_KEY=$(openssl rand -base64 48) STAFF_JWT_SECRET_KEY=$(openssl rand -base64 48) \
//!         STAFF_JWT_TOKEN_LOCATION=cookies cargo run --example several_configurations
//!
//! ```sh
//! server=http://127.0.0.1:8080
//!
//! # Customers send a header.
//! customer=$(curl -s -X POST $server/shop/login/ada)
//! curl -sw '\n' -H "Authorization: Bearer $customer" $server/shop/me
//! #> ada
//!
//! # The staff has cookies with other names, which browsers send to /staff only.
//! curl -sw '\n' -c jar -X POST $server/staff/login/grace
//! #> welcome
//! curl -sw '\n' -b jar $server/staff/me
//! #> grace
//!
//! # Tokens of one side are invalid on the other.
//! curl -sw '\n' -b "staff_token=$customer" $server/staff/me
//! #> {"msg":"Signature verification failed","code":"invalid_signature","hint":"Log in again: no key of this server verifies this token."}
//! ```

use std::env;
use std::error::Error;

use actix_web::web::{self, Path, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer};
use tokenpair::config::JwtSettings;
use tokenpair::web::{Access, Auth, Location, Rejection, TokenCookies};

/// The same handlers in both scopes: `Auth` is the innermost scope's.
fn routes(scope: &mut ServiceConfig) {
    scope
        .route("/login/{name}", web::post().to(login))
        .route("/me", web::get().to(me));
}

async fn login(auth: Auth, name: Path<String>) -> Result<HttpResponse, Rejection> {
    let access = auth.access_token(name.as_str()).sign()?;
    let mut answer = HttpResponse::Ok();
    Ok(if auth.looks_in(Location::Cookies) {
        answer.set_access_cookies(&auth, &access).body("welcome")
    } else {
        answer.body(access.token.as_str().to_owned())
    })
}

async fn me(user: Access) -> String {
    user.identity().to_owned()
}

fn staff_settings() -> Result<JwtSettings, Box<dyn Error>> {
    let mut settings = JwtSettings::read(|name| env::var(format!("STAFF_{name}")).ok())?;
    settings.web.cookies.access_name = "staff_token".to_owned();
    settings.web.cookies.access_path = "/staff".to_owned();
    Ok(settings)
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let customers = JwtSettings::from_env()?.builder().build();
    let staff = staff_settings()?.builder().build();
    let port = env::var("PORT").map_or(Ok(8080), |port| port.parse())?;
    let app = move || {
        let shop = web::scope("/shop").app_data(customers.clone());
        let office = web::scope("/staff").app_data(staff.clone());
        App::new()
            .service(shop.configure(routes))
            .service(office.configure(routes))
    };
    HttpServer::new(app)
        .bind(("127.0.0.1", port))?
        .run()
        .await?;
    Ok(())
}
