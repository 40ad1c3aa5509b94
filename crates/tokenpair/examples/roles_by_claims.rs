//! Roles in claims: every token has its user's roles, and a guard in the handler's signature requires one.
//!
//!     JWT_SECRET_KEY=$(openssl rand -base64 48) cargo run --example roles_by_claims
//!
//! ```sh
//! server=http://127.0.0.1:8080
//! ada=$(curl -s -X POST $server/login/ada)
//! grace=$(curl -s -X POST $server/login/grace)
//!
//! curl -sw '\n' -H "Authorization: Bearer $ada" $server/roles
//! #> ["admin","editor"]
//! curl -sw '\n' -H "Authorization: Bearer $ada" $server/admin
//! #> hello admin ada
//! curl -sw '\n' -H "Authorization: Bearer $grace" $server/admin
//! #> {"msg":"Only admins may do this","code":"admin_required"}
//! curl -sw '\n' $server/admin
//! #> {"msg":"Missing Authorization Header","code":"missing_token","hint":"…"}
//! ```
//!
//! A claim holds until its token expires: a user who loses a role keeps it for that long. With a
//! record of sessions the roles are read anew at each refresh and reissue, and a new epoch revokes
//! older tokens at once. A role with `SOURCE = RoleSource::Record` is looked up in the record at
//! each request.

use std::env;
use std::error::Error;

use actix_web::web::{self, Json, Path};
use actix_web::{App, HttpServer};
use serde_json::{Map, Value, json};
use tokenpair::config::JwtSettings;
use tokenpair::web::{Access, Auth, Rejection, Role, WithRole};

/// The role that `/admin` requires.
struct Admin;

impl Role for Admin {
    const NAME: &'static str = "admin";
}

/// The claims from your app's table of users.
fn claims_of(identity: &Value) -> Map<String, Value> {
    let all = match identity.as_str() {
        Some("ada") => json!(["admin", "editor"]),
        _ => json!(["editor"]),
    };
    Map::from_iter([("roles".to_owned(), all)])
}

/// Checks no password: that is up to your app.
async fn login(auth: Auth, name: Path<String>) -> Result<String, Rejection> {
    let access = auth.access_token(name.as_str()).sign()?;
    Ok(access.token.as_str().to_owned())
}

/// `roles` has its own field; a claim with another name is in `claims().extra`.
async fn roles(user: Access) -> Json<Vec<String>> {
    Json(user.claims().roles.clone())
}

/// For admins only.
async fn admin(admin: WithRole<Admin>) -> String {
    format!("hello admin {}", admin.identity())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let auth = JwtSettings::from_env()?.builder();
    let auth = auth.additional_claims(claims_of).build();
    let port = env::var("PORT").map_or(Ok(8080), |port| port.parse())?;
    let app = move || {
        let app = App::new().app_data(auth.clone());
        app.route("/login/{name}", web::post().to(login))
            .route("/roles", web::get().to(roles))
            .route("/admin", web::get().to(admin))
    };
    HttpServer::new(app)
        .bind(("127.0.0.1", port))?
        .run()
        .await?;
    Ok(())
}
