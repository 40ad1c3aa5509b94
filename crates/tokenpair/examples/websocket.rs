//! A WebSocket for logged-in users: the upgrade is verified, and the connection closes when its
//! token expires.
//!
//!     JWT_TOKEN_LOCATION=cookies JWT_SECRET_KEY=$(openssl rand -base64 48) cargo run --example websocket
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
//! ```
//!
//! To talk, log in on a page of this origin and open `new WebSocket('ws://127.0.0.1:8080/echo')`
//! there. A logout does not close an open connection; keep lifetimes short, or check
//! `Sessions::revocations` now and then.

use std::env;
use std::error::Error;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::ORIGIN;
use actix_web::rt::{self, time::timeout};
use actix_web::web::{self, Data, Path, Payload};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use actix_ws::{CloseCode, Closed, Message, MessageStream, Session};
use tokenpair::config::JwtSettings;
use tokenpair::web::{Auth, Guard, Rejection, TokenCookies};

/// Checks no password: that is up to your app.
async fn login(auth: Auth, name: Path<String>) -> Result<HttpResponse, Rejection> {
    let access = auth.access_token(name.as_str()).sign()?;
    let mut answer = HttpResponse::Ok();
    Ok(answer.set_access_cookies(&auth, &access).body("welcome"))
}

/// An upgrade is a GET, which needs no CSRF value, and browsers send one to another site without a
/// preflight. So the page's origin must be checked.
fn check_origin(request: &HttpRequest, own: &str) -> Result<(), Rejection> {
    let origin = request.headers().get(ORIGIN);
    if origin.is_some_and(|origin| origin.as_bytes() == own.as_bytes()) {
        return Ok(());
    }
    let msg = "This page may not connect here";
    Err(Rejection::new(StatusCode::FORBIDDEN, "wrong_origin", msg))
}

async fn echo(
    auth: Auth,
    own_origin: Data<String>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, actix_web::Error> {
    check_origin(&request, &own_origin)?;
    let token = auth.verify_request(&request, Guard::Access).await?;
    let (answer, mut session, messages) = actix_ws::handle(&request, body)?;
    let end = token.claims.exp;
    let left = end.map_or(Duration::MAX, |end| end.since(auth.now()));
    rt::spawn(async move {
        let talk = talk(&mut session, messages, token.claims.sub());
        let reason = match timeout(left, talk).await {
            Ok(_) => CloseCode::Normal,
            Err(_) => CloseCode::Policy,
        };
        // A disconnected client needs no reason.
        session.close(Some(reason.into())).await.ok();
    });
    Ok(answer)
}

async fn talk(
    session: &mut Session,
    mut messages: MessageStream,
    name: &str,
) -> Result<(), Closed> {
    while let Some(Ok(message)) = messages.recv().await {
        match message {
            Message::Text(text) => session.text(format!("{name}: {text}")).await?,
            Message::Ping(bytes) => session.pong(&bytes).await?,
            Message::Close(_) => break,
            _ => {}
        }
    }
    Ok(())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let auth = JwtSettings::from_env()?.builder().build();
    let port: u16 = env::var("PORT").map_or(Ok(8080), |port| port.parse())?;
    let own_origin = Data::new(format!("http://127.0.0.1:{port}"));
    let app = move || {
        let app = App::new().app_data(auth.clone());
        app.app_data(own_origin.clone())
            .route("/login/{name}", web::post().to(login))
            .route("/echo", web::get().to(echo))
    };
    HttpServer::new(app)
        .bind(("127.0.0.1", port))?
        .run()
        .await?;
    Ok(())
}
