//! Tests loaders of keys and claims over HTTP, with and without a record of sessions.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use actix_web::cookie::Cookie;
use actix_web::http::header::AUTHORIZATION;
use actix_web::test::{self, TestRequest};
use actix_web::{App, FromRequest, rt, web};
use serde_json::{Map, Value, json};
use tokenpair::clock::{Clock, Timestamp};
use tokenpair::config::JwtSettings;
use tokenpair::keys::{Algorithm, KeyRing};
use tokenpair::session::{
    Login, MemoryStore, Presented, Reissue, RequestContext, SessionError, StoreError, Subject,
};
use tokenpair::token::{Decoded, IssueError, Issued, TokenPolicy, Tokens};
use tokenpair::web::{Access, Auth, AuthBuilder, Location, Refresh, Rejection};

const SERVER: &[u8] = b"the secret of the server itself!";
const ACME: &[u8] = b"the secret of acme, of 32 letters";
const EMCA: &[u8] = b"the secret of emca, of 32 letters";

fn ring(secret: &[u8]) -> KeyRing {
    KeyRing::from_secret(Algorithm::Hs256, secret).unwrap()
}

fn signing_as(secret: &[u8]) -> AuthBuilder {
    Auth::builder(Tokens::new(ring(secret), TokenPolicy::default()))
}

/// Identities are `tenant/name`; each tenant has its own ring.
fn of_tenant(identity: Option<&Value>) -> Option<Arc<KeyRing>> {
    match identity?.as_str()?.split_once('/')?.0 {
        "acme" => Some(Arc::new(ring(ACME))),
        "emca" => Some(Arc::new(ring(EMCA))),
        _ => None,
    }
}

fn tenants() -> Auth {
    signing_as(SERVER)
        .encode_key(|identity| of_tenant(Some(identity)))
        .decode_key(|_, claims| of_tenant(claims.get("sub")))
        .build()
}

async fn whoami(user: Access) -> String {
    user.identity().to_owned()
}

/// Returns the status and body of a request with that token.
async fn opened(auth: &Auth, issued: &Issued) -> (u16, String) {
    let app = App::new()
        .app_data(auth.clone())
        .route("/whoami", web::get().to(whoami));
    let app = test::init_service(app).await;
    let header = (AUTHORIZATION, format!("Bearer {}", issued.token.as_str()));
    let request = TestRequest::get().uri("/whoami").insert_header(header);
    let response = test::call_service(&app, request.to_request()).await;
    let status = response.status().as_u16();
    let body = test::read_body(response).await;
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn message((status, body): &(u16, String)) -> (u16, Value) {
    let body: Value = serde_json::from_str(body).unwrap();
    (*status, body["msg"].clone())
}

#[actix_web::test]
async fn each_tenant_s_tokens_are_signed_and_verified_with_its_own_key() {
    let auth = tenants();
    let ada = auth.access_token("acme/ada").sign().unwrap();
    assert_eq!(opened(&auth, &ada).await, (200, "acme/ada".to_owned()));
    let acme_alone = signing_as(ACME).build();
    assert_eq!(
        opened(&acme_alone, &ada).await.0,
        200,
        "acme's own key made it"
    );

    for stranger in [SERVER, EMCA] {
        let forged = signing_as(stranger).build().access_token("acme/ada").sign();
        let answer = opened(&auth, &forged.unwrap()).await;
        assert_eq!(
            message(&answer),
            (422, json!("Signature verification failed"))
        );
    }
}

#[actix_web::test]
async fn whom_a_loader_has_no_key_for_gets_no_token_and_is_not_believed() {
    let auth = tenants();
    let refused = auth.access_token("nobody/ada").sign();
    assert!(matches!(refused, Err(IssueError::Key(_))), "{refused:?}");
    let made_elsewhere = signing_as(SERVER).build().access_token("nobody/ada").sign();
    let (status, body) = opened(&auth, &made_elsewhere.unwrap()).await;
    assert_eq!(status, 422, "{body}");
    assert!(body.contains("invalid_"), "{body}");
}

#[actix_web::test]
async fn a_loader_of_keys_is_asked_for_every_token_also_for_one_that_was_good_before() {
    let retired = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&retired);
    let auth = signing_as(ACME)
        .decode_key(move |_, _| (!asked.load(Ordering::SeqCst)).then(|| Arc::new(ring(ACME))))
        .build();
    let own_keys = auth.access_token("ada").sign().unwrap();
    for _ in 0..2 {
        assert_eq!(opened(&auth, &own_keys).await.0, 200);
    }
    retired.store(true, Ordering::SeqCst);
    let answer = opened(&auth, &own_keys).await;
    let no_key = "Unable to find a signing key that matches the key ID";
    assert_eq!(message(&answer), (422, json!(no_key)));
}

fn settings() -> JwtSettings {
    JwtSettings::read(|name| match name {
        "JWT_SECRET_KEY" => Some("a secret of 32 bytes that is not in any book".to_owned()),
        "JWT_REFRESH_TOKEN_EXPIRES" => Some("7d".to_owned()),
        _ => None,
    })
    .unwrap()
}

fn ada() -> Subject {
    Subject::new("7", "ada")
}

fn store() -> MemoryStore {
    let store = MemoryStore::default();
    store.put_subject(ada());
    store
}

fn decoded(auth: &Auth, issued: &Issued) -> Decoded {
    auth.decode(issued.token.as_str()).run().unwrap()
}

fn member(name: &str, value: impl Into<Value>) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value.into())])
}

#[actix_web::test]
async fn the_tokens_of_recorded_sessions_ask_the_loaders_each_time() {
    let plan = Arc::new(AtomicI64::new(1));
    let told = Arc::clone(&plan);
    // In either order of the loader and the record.
    let auth = settings()
        .builder()
        .additional_claims(move |_| member("plan", told.load(Ordering::SeqCst)))
        .additional_headers(|identity| member("of", identity.clone()))
        .sessions(settings().sessions(store()))
        .build();
    let login = auth.log_in(&ada(), Login::default()).await.unwrap();
    for issued in [&login.access, &login.refresh] {
        let token = decoded(&auth, issued);
        assert_eq!(token.claims.extra["plan"], 1);
        assert_eq!(token.header["of"], "7");
        assert_eq!(token.header["alg"], "HS256");
    }

    plan.store(2, Ordering::SeqCst);
    let sessions = auth.sessions().unwrap();
    let presented = Presented {
        access: &decoded(&auth, &login.access).claims,
        refresh: &decoded(&auth, &login.refresh).claims,
        arrived: Some(auth.now()),
    };
    let reissue = sessions
        .reissue(presented, &RequestContext::at(auth.now()))
        .await;
    let Ok(Reissue::Granted(reissued)) = reissue else {
        panic!("{reissue:?}")
    };
    assert_eq!(decoded(&auth, &reissued.access).claims.extra["plan"], 2);
}

#[actix_web::test]
async fn claims_from_a_database_are_in_the_tokens_of_a_login_and_of_a_refresh() {
    let plan = Arc::new(AtomicI64::new(1));
    let asked = Arc::clone(&plan);
    let query = move |identity: Value| {
        let plan = asked.load(Ordering::SeqCst);
        async move {
            rt::task::yield_now().await;
            match plan {
                0 => Err(std::io::Error::other("the database is away")),
                plan => Ok(member("plan", json!([identity, plan]))),
            }
        }
    };
    let auth = settings()
        .recorded_in(store())
        .additional_claims_async(query)
        .build();
    let login = auth.log_in(&ada(), Login::default()).await.unwrap();
    for issued in [&login.access, &login.refresh] {
        assert_eq!(decoded(&auth, issued).claims.extra["plan"], json!(["7", 1]));
    }
    let header = (
        AUTHORIZATION,
        format!("Bearer {}", login.refresh.token.as_str()),
    );
    let request = TestRequest::post().app_data(auth.clone());
    let request = request.insert_header(header).to_http_request();
    let token = Refresh::extract(&request).await.unwrap();
    let context = RequestContext::at(auth.now());

    plan.store(0, Ordering::SeqCst);
    let refused = auth.refresh(&token, &context).await.unwrap_err();
    assert_eq!(refused.code(), "unavailable");
    let cause = "additional_claims_async failed: the database is away";
    assert_eq!(refused.cause().as_deref(), Some(cause));
    let refused = auth.log_in(&ada(), Login::default()).await.unwrap_err();
    assert_eq!(refused.code(), "unavailable");
    let sessions = auth.sessions().unwrap();
    let listed = sessions.list("7", auth.now()).await.unwrap();
    assert_eq!(listed.len(), 1, "a login without its claims is none");

    plan.store(2, Ordering::SeqCst);
    let refreshed = auth.refresh(&token, &context).await.unwrap();
    assert_eq!(
        decoded(&auth, &refreshed.access).claims.extra["plan"],
        json!(["7", 2])
    );
    let alone = auth.access_token("9").sign_async().await.unwrap();
    assert_eq!(decoded(&auth, &alone).claims.extra["plan"], json!(["9", 2]));
}

#[actix_web::test]
async fn no_token_is_issued_without_the_claims_of_an_asynchronous_loader() {
    let auth = settings()
        .recorded_in(store())
        .additional_claims_async(|_| async { Ok::<_, std::io::Error>(Map::new()) })
        .build();
    let refused = auth.access_token("7").sign();
    assert!(matches!(refused, Err(IssueError::ClaimsNotLoaded)));
    let sessions = auth.sessions().unwrap();
    let refused = sessions.login(&ada(), Login::default(), auth.now()).await;
    let not_loaded =
        |error: &SessionError| matches!(error, SessionError::Issue(IssueError::ClaimsNotLoaded));
    assert!(refused.as_ref().is_err_and(not_loaded), "{refused:?}");

    let sync = auth.to_builder().additional_claims(|_| member("plan", 3));
    let issued = sync.build().access_token("7").sign().unwrap();
    assert_eq!(decoded(&auth, &issued).claims.extra["plan"], 3);
}

#[actix_web::test]
async fn a_reissued_cookie_has_the_claims_from_the_database() {
    let plan = Arc::new(AtomicI64::new(1));
    let asked = Arc::clone(&plan);
    let clock = Clock::fixed(Timestamp::from_unix(1_800_000_000));
    let secret = "a secret of 32 bytes that is not in any book";
    let secret = |name: &str| (name == "JWT_SECRET_KEY").then(|| secret.to_owned());
    let auth = JwtSettings::read_for_origin("http://localhost", secret)
        .unwrap()
        .recorded_in(store())
        .clock(clock.clone())
        .additional_claims_async(move |_| {
            let plan = asked.load(Ordering::SeqCst);
            async move { Ok::<_, std::io::Error>(member("plan", plan)) }
        })
        .build();
    let app = App::new().app_data(auth.clone());
    let app = app.wrap(actix_web::middleware::from_fn(tokenpair::web::reissue));
    let app = test::init_service(app.route("/", web::get().to(whoami))).await;
    let login = auth.log_in(&ada(), Login::default()).await.unwrap();
    plan.store(2, Ordering::SeqCst);
    clock.advance(std::time::Duration::from_secs(45 * 60));
    let cookie = |name, token: &Issued| Cookie::new(name, token.token.as_str().to_owned());
    let request = TestRequest::get()
        .cookie(cookie("access_token_cookie", &login.access))
        .cookie(cookie("refresh_token_cookie", &login.refresh));
    let response = test::call_service(&app, request.to_request()).await;
    let reissued = response.response().cookies();
    let mut reissued = reissued.filter(|cookie| cookie.name() == "access_token_cookie");
    let token = reissued.next().unwrap();
    let decoded = auth.decode(token.value()).run().unwrap();
    assert_eq!(decoded.claims.extra["plan"], 2);
}

#[actix_web::test]
async fn no_loader_says_otherwise_than_the_record() {
    for name in [
        "exp", "iat", "jti", "nbf", "fresh", "username", "roles", "epoch", "sub", "type", "csrf",
        "sid", "gen",
    ] {
        let auth = settings().builder().sessions(settings().sessions(store()));
        let auth = auth.additional_claims(move |_| member(name, 1)).build();
        let sessions = auth.sessions().unwrap();
        let refused = sessions.login(&ada(), Login::default(), auth.now()).await;
        let reserved = |error: &SessionError| matches!(error, SessionError::Issue(IssueError::Reserved(what)) if what == name);
        assert!(refused.as_ref().is_err_and(reserved), "{name}: {refused:?}");
    }
}

#[actix_web::test]
async fn an_unused_session_ends_with_its_refresh_token() {
    let sessions = settings().sessions(store());
    let began = Timestamp::from_unix(1_800_000_000);
    let auth = settings()
        .builder()
        .sessions(sessions)
        .clock(Clock::fixed(began))
        .build();
    let login = auth.log_in(&ada(), Login::default()).await.unwrap();
    let sessions = auth.sessions().unwrap();
    let listed = sessions.list("7", began).await.unwrap();
    assert_eq!(Some(sessions.end_of(&listed[0])), login.refresh.expires_at);
    assert_eq!(
        login.refresh.expires_at.unwrap().unix(),
        began.unix() + 7 * 86_400
    );
}

/// Ends the user's other sessions.
async fn stay_alone(
    auth: Auth,
    user: Access,
    context: RequestContext,
) -> Result<String, Rejection> {
    let own = user.claims().sid.as_deref().unwrap_or_default();
    let sessions = auth.sessions().unwrap();
    let ended = sessions.end_others(user.identity(), own, &context).await?;
    Ok(format!("{ended} ended by {}", context.by.unwrap()))
}

/// A guard that waits for a body or a loader has not finished when the extractors after it start.
#[actix_web::test]
async fn an_act_has_the_authority_of_its_token_also_where_the_guard_has_to_wait() {
    let store = store();
    let sessions = || settings().sessions(store.clone());
    let in_body = settings().builder().sessions(sessions()).build();
    let asking = settings().builder().sessions(sessions());
    let asking = asking
        .token_in_blocklist(|_| async {
            rt::task::yield_now().await;
            Ok::<_, StoreError>(false)
        })
        .build();
    for auth in [in_body.only_from([Location::Json]), asking] {
        store.put_subject(ada());
        let _other = auth.log_in(&ada(), Login::default()).await.unwrap();
        let own = auth.log_in(&ada(), Login::default()).await.unwrap();
        let token = own.access.token.as_str();
        let app = App::new().app_data(auth.clone());
        let app = test::init_service(app.route("/", web::post().to(stay_alone))).await;
        let answer = async || {
            let request = TestRequest::post()
                .insert_header((AUTHORIZATION, format!("Bearer {token}")))
                .set_json(json!({ "access_token": token }));
            let response = test::call_service(&app, request.to_request()).await;
            let status = response.status().as_u16();
            let body = test::read_body(response).await;
            (status, String::from_utf8(body.to_vec()).unwrap())
        };
        assert_eq!(answer().await, (200, "1 ended by 7".to_owned()));
        // The guard does not notice, but the store denies it.
        store.put_subject(Subject { epoch: 1, ..ada() });
        let (status, body) = answer().await;
        assert!(status == 401 && body.contains("session_revoked"), "{body}");
        sessions()
            .end_all("7", &RequestContext::at(auth.now()))
            .await
            .unwrap();
    }
}
