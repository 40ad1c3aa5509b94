//! The server's accounts in an app with routes of its own: notes that only their author can read.
//!
//!     JWT_SECRET_KEY=$(openssl rand -base64 48) DATABASE_URL=sqlite://notes.db cargo run --example own_routes
//!
//! Register, login, refresh, sessions and account are below `/auth`. The notes are kept in memory.
//!
//! ```sh
//! server=http://127.0.0.1:8080
//! ada='{"username": "ada", "password": "correct horse"}'
//! post() { curl -sw '\n' -b jar -c jar -H 'Content-Type: application/json' -d "$1" "${@:2}"; }
//! csrf() { awk -v name="csrf_$1_token" '$6 == name { print "X-CSRF-TOKEN: " $7 }' jar; }
//! touch jar
//!
//! # The app's own route has a guard of the library.
//! curl -sw '\n' $server/notes
//! #> {"msg":"Missing …","code":"missing_token"…}
//!
//! # The server's routes: register and log in.
//! post "$ada" $server/auth/register
//! #> {"id":"…","username":"ada"}
//! post "$ada" $server/auth/login
//! #> {"login":true,…}
//!
//! # Both accept the same cookies.
//! post 'Buy milk' -H "$(csrf access)" $server/notes
//! #> {"notes":["Buy milk"]}
//! curl -sw '\n' -b jar $server/auth/account
//! #> {"id":"…","username":"ada","roles":[],…}
//!
//! # Refresh, then log out. A copy of the cookies is worthless on both.
//! post '' -H "$(csrf refresh)" $server/auth/refresh
//! #> {"refresh":true,…}
//! cp jar copy
//! post '' -H "$(csrf access)" $server/auth/logout
//! #> {"msg":"Logout Successful"}
//! curl -sw '\n' -b copy $server/notes
//! #> {"msg":"Token has been revoked","code":"token_revoked","hint":"…"}
//! curl -sw '\n' -b copy $server/auth/account
//! #> {"msg":"Token has been revoked","code":"token_revoked","hint":"…"}
//! ```

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::sync::{Mutex, PoisonError};

use actix_web::http::header::ContentType;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, HttpServer};
use serde_json::json;
use tokenpair::web::{Access, reissue};
use tokenpair_server::config::{Settings, Sources};
use tokenpair_server::server::AccountRoutes;

/// Notes by the id of their author.
type Notes = Mutex<HashMap<String, Vec<String>>>;

async fn list(user: Access, notes: Data<Notes>) -> HttpResponse {
    let notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    HttpResponse::Ok().json(json!({ "notes": notes.get(user.identity()) }))
}

async fn add(user: Access, notes: Data<Notes>, note: String) -> HttpResponse {
    let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    let own = notes.entry(user.identity().to_owned()).or_default();
    own.push(note);
    HttpResponse::Ok().json(json!({ "notes": own }))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::load(&Sources::read())?;
    let accounts = AccountRoutes::builder(settings)
        .prefix("/auth")
        .start()
        .await?;
    let openapi = accounts.openapi();
    let notes = Data::new(Notes::default());
    let port = env::var("PORT").map_or(Ok(8080), |port| port.parse())?;
    let app = move || {
        let openapi = openapi.clone();
        let describe = move || {
            let json = HttpResponse::Ok()
                .insert_header(ContentType::json())
                .body(openapi.clone());
            async move { json }
        };
        App::new()
            .app_data(notes.clone())
            .wrap(from_fn(reissue))
            .configure(accounts.routes())
            .route("/auth/openapi.json", web::get().to(describe))
            .route("/notes", web::get().to(list))
            .route("/notes", web::post().to(add))
    };
    HttpServer::new(app)
        .bind(("127.0.0.1", port))?
        .run()
        .await?;
    Ok(())
}
