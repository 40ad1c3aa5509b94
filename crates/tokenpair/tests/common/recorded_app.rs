//! Builds an `Auth` with a record of sessions in memory and a clock that the test moves, with users
//! ada (7) and a disabled one (8).

use actix_web::body::MessageBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::SET_COOKIE;
use actix_web::test;
use tokenpair::clock::{Clock, Timestamp};
use tokenpair::keys::{Algorithm, KeyRing};
use tokenpair::session::{Login, MemoryStore, Pair, SessionPolicy, Sessions, Subject};
use tokenpair::token::{Claims, Expiry, TokenError, TokenPolicy, Tokens};
use tokenpair::web::{Auth, CookiePolicy, WebPolicy};

pub(crate) struct Fixture {
    pub(crate) store: MemoryStore,
    pub(crate) sessions: Sessions,
    pub(crate) auth: Auth,
    pub(crate) clock: Clock,
    pub(crate) subject: Subject,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let subject = Subject::new("7", "ada").with_role("author");
        let store = MemoryStore::default();
        store.put_subject(subject.clone());
        store.put_subject(Subject {
            id: "8".to_owned(),
            disabled: true,
            ..subject.clone()
        });
        let keys =
            KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that only the server knows").unwrap();
        let sessions = Sessions::new(
            store.clone(),
            Tokens::new(keys, TokenPolicy::default()),
            SessionPolicy::default(),
        );
        let clock = Clock::fixed(Timestamp::from_unix(1_800_000_000));
        let cookies = CookiePolicy {
            secure: false,
            ..CookiePolicy::default()
        };
        let auth = Auth::new(
            sessions.clone(),
            WebPolicy {
                cookies,
                ..WebPolicy::default()
            },
            clock.clone(),
        );
        Self {
            store,
            sessions,
            auth,
            clock,
            subject,
        }
    }

    pub(crate) fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        let tokens = self.sessions.tokens();
        tokens.verify(token, self.auth.now(), Expiry::Enforced)
    }

    pub(crate) async fn log_in(&self) -> Pair {
        let sessions = &self.sessions;
        let login = sessions.login(&self.subject, Login::default(), self.auth.now());
        login.await.unwrap()
    }

    pub(crate) async fn access_token(&self) -> String {
        self.log_in().await.access.token.as_str().to_owned()
    }
}

/// Returns the names and values that a response sets, as a `Cookie` header would send them back.
pub(crate) fn cookies<B>(response: &ServiceResponse<B>) -> String {
    let pairs = response
        .headers()
        .get_all(SET_COOKIE)
        .map(|value| value.to_str().unwrap().split(';').next().unwrap());
    pairs.collect::<Vec<_>>().join("; ")
}

pub(crate) async fn text<B: MessageBody>(response: ServiceResponse<B>) -> String {
    String::from_utf8(test::read_body(response).await.to_vec()).unwrap()
}
