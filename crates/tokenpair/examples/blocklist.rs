//! A blocklist: revokes tokens without a record by their ids.
//!
//!     JWT_SECRET_KEY=$(openssl rand -base64 48) cargo run --example blocklist
//!
//! ```sh
//! server=http://127.0.0.1:8080
//! access=$(curl -s -X POST $server/login/ada)
//! curl -sw '\n' -H "Authorization: Bearer $access" $server/protected
//! #> hello ada
//! curl -sw '\n' -X DELETE -H "Authorization: Bearer $access" $server/logout
//! #> access token revoked
//! curl -sw '\n' -H "Authorization: Bearer $access" $server/protected
//! #> {"msg":"Token has been revoked","code":"token_revoked","hint":"…"}
//! ```
//!
//! A client that has a refresh token too sends `DELETE /logout` once with each. This list is lost
//! at a restart, so a real one is a table. With a record of sessions (`own_session_store`) one
//! logout ends both tokens, and no list is needed.

use std::collections::HashMap;
use std::convert::Infallible;
use std::env;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::web::{self, Data, Path};
use actix_web::{App, HttpServer};
use tokenpair::clock::Timestamp;
use tokenpair::config::JwtSettings;
use tokenpair::token::{Claims, TokenKind};
use tokenpair::web::{Access, AnyToken, Auth, Rejection};

/// The ids of revoked tokens, each kept until its token expires; `None` for a token that never
/// does.
#[derive(Clone, Default)]
struct Blocklist(Arc<Mutex<HashMap<String, Option<Timestamp>>>>);

impl Blocklist {
    fn entries(&self) -> MutexGuard<'_, HashMap<String, Option<Timestamp>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, claims: &Claims, now: Timestamp) {
        let mut entries = self.entries();
        entries.retain(|_, end| end.is_none_or(|end| now < end));
        if let Some(id) = &claims.jti {
            entries.insert(id.clone(), claims.exp);
        }
    }

    /// A token without an id could not be listed, so it is denied.
    fn holds(&self, claims: &Claims) -> bool {
        let entries = self.entries();
        let id = claims.jti.as_ref();
        id.is_none_or(|id| entries.contains_key(id))
    }
}

/// Checks no password: that is up to your app.
async fn login(auth: Auth, name: Path<String>) -> Result<String, Rejection> {
    let access = auth.access_token(name.as_str()).sign()?;
    Ok(access.token.as_str().to_owned())
}

/// Requires an access token.
async fn protected(user: Access) -> String {
    format!("hello {}", user.identity())
}

/// Revokes the token it receives.
async fn logout(auth: Auth, token: AnyToken, blocklist: Data<Blocklist>) -> &'static str {
    blocklist.add(token.claims(), auth.now());
    match token.claims().kind {
        TokenKind::Access => "access token revoked",
        TokenKind::Refresh => "refresh token revoked",
    }
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let blocklist = Blocklist::default();
    let asked = blocklist.clone();
    let auth = JwtSettings::from_env()?
        .builder()
        // If the list is in a database, query it inside the `async` block: an error is answered
        // with 503.
        .token_in_blocklist(move |token| {
            let blocked = asked.holds(&token.claims);
            async move { Ok::<_, Infallible>(blocked) }
        })
        .build();
    let port = env::var("PORT").map_or(Ok(8080), |port| port.parse())?;
    let app = move || {
        let app = App::new().app_data(auth.clone());
        let app = app.app_data(Data::new(blocklist.clone()));
        app.route("/login/{name}", web::post().to(login))
            .route("/protected", web::get().to(protected))
            .route("/logout", web::delete().to(logout))
    };
    HttpServer::new(app)
        .bind(("127.0.0.1", port))?
        .run()
        .await?;
    Ok(())
}
