//! A WebSocket for logged-in users: the upgrade is verified, and the connection closes when its
//! token expires or its session ends.
//!
//!     JWT_SECRET_KEY=$(openssl rand -base64 48) cargo run --example websocket
//!
//! ```sh
//! server=http://127.0.0.1:8080
//! curl -sw '\n' -c jar -X POST $server/login/ada
//! #> welcome
//! upgrade() {
//!     curl -s --max-time 1 -o /dev/null -w '%{http_code}\n' "$@" $server/echo -H 'Connection: Upgrade' -H 'Upgrade: websocket' \
//!         -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' || true
//! }
//!
//! # A browser sends its cookies and the page's origin.
//! upgrade -b jar -H "Origin: $server"
//! #> 101
//! upgrade -b jar -H 'Origin: https://evil.example'
//! #> 403
//! upgrade -H "Origin: $server"
//! #> 401
//!
//! # After a logout, a copy of the cookies opens no connection, and those that are open close.
//! cp jar copy
//! csrf=$(awk '$6 == "csrf_access_token" { print $7 }' jar)
//! curl -sw '\n' -b jar -c jar -X POST -H "X-CSRF-TOKEN: $csrf" $server/logout
//! #> goodbye
//! upgrade -b copy -H "Origin: $server"
//! #> 401
//! ```
//!
//! To talk, log in on a page of this origin and open `new WebSocket('ws://127.0.0.1:8080/echo')`
//! there. The server closes it with the code 4401 and a reason such as `token_expired`. The page then
//! refreshes and connects again, or asks for the password if the refresh fails.

use std::env;
use std::error::Error;

use actix_web::http::StatusCode;
use actix_web::http::header::ORIGIN;
use actix_web::rt;
use actix_web::web::{self, Data, Path, Payload, ServiceConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use actix_ws::{CloseCode, CloseReason, Closed, Message, MessageStream, Session};
use futures_util::future::{Either, select};
use tokenpair::config::JwtSettings;
use tokenpair::session::{Login, MemoryStore, RequestContext, Subject};
use tokenpair::web::{Access, Auth, Rejection, TokenCookies, device};

/// A code for private use (RFC 6455 section 7.4.2), after the status 401.
const TOKEN_ENDED: u16 = 4401;

/// The page's own origin.
struct Origin(String);

/// Checks no password: that is up to your app.
async fn login(
    auth: Auth,
    users: Data<MemoryStore>,
    name: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Rejection> {
    let user = Subject::new(name.as_str(), name.as_str());
    users.put_subject(user.clone());
    let login = Login {
        device: device(&request),
        ..Login::default()
    };
    let pair = auth.log_in(&user, login).await?;
    Ok(HttpResponse::Ok().set_pair(&auth, &pair).body("welcome"))
}

async fn logout(
    auth: Auth,
    request: HttpRequest,
    context: RequestContext,
) -> Result<HttpResponse, Rejection> {
    auth.log_out(&request, &context).await?;
    Ok(HttpResponse::Ok().unset_jwt_cookies(&auth).body("goodbye"))
}

/// An upgrade is a GET, which needs no CSRF value, and browsers send one to another site without a
/// preflight. So the page's origin must be checked.
fn check_origin(request: &HttpRequest, own: &Origin) -> Result<(), Rejection> {
    let origin = request.headers().get(ORIGIN);
    if origin.is_some_and(|origin| origin.as_bytes() == own.0.as_bytes()) {
        return Ok(());
    }
    let msg = "This page may not connect here";
    Err(Rejection::new(StatusCode::FORBIDDEN, "wrong_origin", msg))
}

async fn echo(
    user: Access,
    auth: Auth,
    own_origin: Data<Origin>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, actix_web::Error> {
    check_origin(&request, &own_origin)?;
    let ended = user.ended(&auth);
    let (answer, mut session, messages) = actix_ws::handle(&request, body)?;
    rt::spawn(async move {
        let talk = Box::pin(talk(&mut session, messages, &user));
        let reason = match select(ended, talk).await {
            Either::Left((rejection, _)) => CloseReason {
                code: CloseCode::Other(TOKEN_ENDED),
                description: Some(rejection.code().to_owned()),
            },
            Either::Right(_) => CloseCode::Normal.into(),
        };
        // A disconnected client needs no reason.
        session.close(Some(reason)).await.ok();
    });
    Ok(answer)
}

async fn talk(
    session: &mut Session,
    mut messages: MessageStream,
    user: &Access,
) -> Result<(), Closed> {
    while let Some(Ok(message)) = messages.recv().await {
        match message {
            Message::Text(text) => {
                let line = format!("{}: {text}", user.identity());
                session.text(line).await?;
            }
            Message::Ping(bytes) => session.pong(&bytes).await?,
            Message::Close(_) => break,
            _ => {}
        }
    }
    Ok(())
}

/// Returns what `App::configure` takes.
pub(crate) fn routes(
    auth: Auth,
    users: MemoryStore,
    origin: String,
) -> impl FnOnce(&mut ServiceConfig) {
    move |app| {
        app.app_data(auth)
            .app_data(Data::new(users))
            .app_data(Data::new(Origin(origin)))
            .route("/login/{name}", web::post().to(login))
            .route("/logout", web::post().to(logout))
            .route("/echo", web::get().to(echo));
    }
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = env::var("PORT").map_or(Ok(8080), |port| port.parse())?;
    let origin = format!("http://127.0.0.1:{port}");
    let users = MemoryStore::default();
    let settings = JwtSettings::for_origin(&origin)?;
    let auth = settings.recorded_in(users.clone()).build();
    let app = move || App::new().configure(routes(auth.clone(), users.clone(), origin.clone()));
    HttpServer::new(app)
        .bind(("127.0.0.1", port))?
        .run()
        .await?;
    Ok(())
}
