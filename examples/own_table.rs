//! The server's accounts beside a table of the app's own, in one database: profiles whose rows
//! belong to the users of tokenpair.
//!
//!     JWT_SECRET_KEY=$(openssl rand -base64 48) DATABASE_URL=sqlite://profiles.db cargo run --example own_table
//!
//! The foreign key removes a profile together with its user.
//!
//! ```sh
//! server=http://127.0.0.1:8080
//! ada='{"username": "ada", "password": "correct horse"}'
//! send() { curl -sw '\n' -b jar -c jar -H 'Content-Type: application/json' -d "$1" "${@:2}"; }
//! csrf() { awk -v name="csrf_$1_token" '$6 == name { print "X-CSRF-TOKEN: " $7 }' jar; }
//! touch jar
//! send "$ada" $server/auth/register
//! #> {"id":"…","username":"ada"}
//! send "$ada" $server/auth/login
//! #> {"login":true,…}
//!
//! # Write a profile, and read it.
//! send '{"city": "London"}' -X PUT -H "$(csrf access)" $server/profile
//! #> {"city":"London"}
//! curl -sw '\n' -b jar $server/profile
//! #> {"city":"London"}
//! curl -sw '\n' $server/profiles/count
//! #> {"profiles":1}
//!
//! # Delete the account: its profile goes too.
//! send '{"password": "correct horse"}' -X DELETE -H "$(csrf access)" $server/auth/account
//! #> {"msg":"Account deleted"}
//! curl -sw '\n' $server/profiles/count
//! #> {"profiles":0}
//! ```

#![allow(missing_docs, reason = "diesel::table! documents nothing")]

use std::env;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Json};
use actix_web::{App, HttpResponse, HttpServer};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokenpair::web::{Access, Rejection};
use tokenpair_server::config::{Settings, Sources};
use tokenpair_server::server::AccountRoutes;
use tokenpair_store::{DatabaseUrl, DieselStore};

/// Waits for the store's writes, and checks foreign keys, which SQLite does not by default.
const SETUP: &str = "PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = ON;";

/// The app's own table. Tokenpair's migrations record themselves in `__diesel_schema_migrations`,
/// so an app that uses Diesel's migrations too keeps them in a table of another name.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS profiles (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    city TEXT NOT NULL
)";

diesel::table! {
    profiles (user_id) {
        user_id -> Text,
        city -> Text,
    }
}

#[derive(Serialize, Deserialize)]
struct Profile {
    city: String,
}

#[derive(Clone)]
struct Profiles(Arc<Mutex<SqliteConnection>>);

impl Profiles {
    fn open(path: &str) -> Result<Self, Box<dyn Error>> {
        let mut conn = SqliteConnection::establish(path)?;
        conn.batch_execute(SETUP)?;
        conn.batch_execute(TABLE)?;
        Ok(Self(Arc::new(Mutex::new(conn))))
    }

    /// Runs a query on another thread, since Diesel's connections block.
    async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, Rejection> {
        let conn = Arc::clone(&self.0);
        let done =
            web::block(move || query(&mut conn.lock().unwrap_or_else(PoisonError::into_inner)));
        done.await
            .map_err(Rejection::unavailable)?
            .map_err(Rejection::unavailable)
    }
}

async fn read(user: Access, profiles: Data<Profiles>) -> Result<HttpResponse, Rejection> {
    let id = user.identity().to_owned();
    let query = move |conn: &mut SqliteConnection| {
        let city = profiles::table.find(id).select(profiles::city);
        city.first(conn).optional()
    };
    let city = profiles.run(query).await?;
    let none = || {
        Rejection::new(
            StatusCode::NOT_FOUND,
            "no_profile",
            "There is no profile yet",
        )
    };
    let city = city.ok_or_else(none)?;
    Ok(HttpResponse::Ok().json(Profile { city }))
}

async fn write(
    user: Access,
    profiles: Data<Profiles>,
    Json(profile): Json<Profile>,
) -> Result<HttpResponse, Rejection> {
    let (id, city) = (user.identity().to_owned(), profile.city.clone());
    let query = move |conn: &mut SqliteConnection| {
        diesel::replace_into(profiles::table)
            .values((profiles::user_id.eq(id), profiles::city.eq(city)))
            .execute(conn)
    };
    profiles.run(query).await?;
    Ok(HttpResponse::Ok().json(profile))
}

async fn count(profiles: Data<Profiles>) -> Result<HttpResponse, Rejection> {
    let count: i64 = profiles
        .run(|conn| profiles::table.count().get_result(conn))
        .await?;
    Ok(HttpResponse::Ok().json(json!({ "profiles": count })))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::load(&Sources::read())?;
    let DatabaseUrl::Sqlite(path) = settings.database.clone() else {
        return Err("this example keeps its table in SQLite: set DATABASE_URL=sqlite://…".into());
    };
    let store = DieselStore::open(&settings.database, settings.store)?;
    // Before the app's own table, which refers to the users.
    store.migrate()?;
    let profiles = Data::new(Profiles::open(&path.to_string_lossy())?);
    let accounts = AccountRoutes::builder(settings)
        .prefix("/auth")
        .store(store)
        .start()
        .await?;
    let port = env::var("PORT").map_or(Ok(8080), |port| port.parse())?;
    let app = move || {
        App::new()
            .app_data(profiles.clone())
            .configure(accounts.routes())
            .route("/profile", web::get().to(read))
            .route("/profile", web::put().to(write))
            .route("/profiles/count", web::get().to(count))
    };
    HttpServer::new(app)
        .bind(("127.0.0.1", port))?
        .run()
        .await?;
    Ok(())
}
