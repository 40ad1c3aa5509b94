//! Roles in claims: every token of a user says what the user may do, and an extractor of one's own asks for it.
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
//! #> {"msg":"Admins only!","code":"admins_only"}
//! curl -sw '\n' $server/admin
//! #> {"msg":"Missing Authorization Header","code":"missing_token","hint":"…"}
//! ```
//!
//! A claim holds until its token ends: whoever loses a role keeps it for that long. With a record of sessions the roles are
//! read anew at each refresh and reissue, and a moved epoch ends the tokens of before at once.

use std::env;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::{self, Json, Path};
use actix_web::{App, FromRequest, HttpRequest, HttpServer};
use serde_json::{Map, Value, json};
use tokenpair::config::JwtSettings;
use tokenpair::web::{Access, Auth, Rejection};

/// An access token of an admin.
struct Admin(Access);

impl FromRequest for Admin {
    type Error = Rejection;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Rejection>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let access = Access::from_request(request, payload);
        Box::pin(async move {
            let access = access.await?;
            if access.claims().roles.iter().any(|role| role == "admin") {
                Ok(Self(access))
            } else {
                let status = StatusCode::FORBIDDEN;
                Err(Rejection::new(status, "admins_only", "Admins only!"))
            }
        })
    }
}

/// What your app's table of users says.
fn claims_of(identity: &Value) -> Map<String, Value> {
    let all = match identity.as_str() {
        Some("ada") => json!(["admin", "editor"]),
        _ => json!(["editor"]),
    };
    Map::from_iter([("roles".to_owned(), all)])
}

/// No password is asked for: that is your app's own.
async fn login(auth: Auth, name: Path<String>) -> Result<String, Rejection> {
    let access = auth.access_token(name.as_str()).sign()?;
    Ok(access.token.as_str().to_owned())
}

/// `roles` has a field of its own; a claim of another name is in `claims().extra`.
async fn roles(user: Access) -> Json<Vec<String>> {
    Json(user.claims().roles.clone())
}

/// For admins only.
async fn admin(Admin(user): Admin) -> String {
    format!("hello admin {}", user.identity())
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
