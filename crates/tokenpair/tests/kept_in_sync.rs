//! An app whose sessions outlive it: after a restart it knows the logouts from before.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use actix_web::test::TestRequest;
use log::{Level, Log, Metadata, Record};
use tokenpair::clock::{Clock, Timestamp};
use tokenpair::keys::{Algorithm, KeyRing};
use tokenpair::session::{
    Authority, Authorized, EndReason, Login, MemoryStore, RequestContext, Revocation, Session,
    SessionError, SessionPage, SessionPolicy, SessionQuery, SessionRecord, SessionStore, Sessions,
    Step, StoreError, Subject, async_trait,
};
use tokenpair::token::{Expiry, TokenPolicy, Tokens};
use tokenpair::web::{Auth, Guard, WebPolicy};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// The store's own error.
#[derive(Debug, thiserror::Error)]
#[error("the disk is on fire")]
struct Broken(#[from] StoreError);

/// A store that outlives the program, and reports each read of the revocations.
struct Kept {
    rows: MemoryStore,
    reads: UnboundedSender<()>,
}

#[async_trait]
impl SessionStore for Kept {
    type Error = Broken;

    async fn create(&self, session: &Session) -> Result<bool, Broken> {
        Ok(self.rows.create(session).await?)
    }

    async fn load(&self, id: &str) -> Result<Option<SessionRecord>, Broken> {
        Ok(self.rows.load(id).await?)
    }

    async fn subject(&self, user_id: &str) -> Result<Option<Subject>, Broken> {
        if user_id == "in flames" {
            return Err(StoreError::new("too hot"))?;
        }
        Ok(self.rows.subject(user_id).await?)
    }

    async fn rotate(&self, step: &Step) -> Result<bool, Broken> {
        Ok(self.rows.rotate(step).await?)
    }

    async fn revoke(
        &self,
        id: &str,
        reason: EndReason,
        context: &RequestContext,
    ) -> Authorized<bool, Broken> {
        Ok(self.rows.revoke(id, reason, context).await?)
    }

    async fn list(&self, query: &SessionQuery) -> Result<SessionPage, Broken> {
        Ok(self.rows.list(query).await?)
    }

    async fn revocations_since(&self, at: Timestamp) -> Result<Vec<Revocation>, Broken> {
        let found = self.rows.revocations_since(at).await?;
        let _ = self.reads.send(());
        Ok(found)
    }
}

/// A run of the program.
struct Run {
    sessions: Sessions,
    auth: Auth,
    reads: UnboundedReceiver<()>,
}

impl Run {
    fn over(rows: &MemoryStore) -> Self {
        let (sender, reads) = unbounded_channel();
        let store = Kept {
            rows: rows.clone(),
            reads: sender,
        };
        let keys = KeyRing::from_secret(Algorithm::Hs256, b"32 bytes that only the server knows");
        let tokens = Tokens::new(keys.unwrap(), TokenPolicy::default());
        let sessions = Sessions::new(store, tokens, SessionPolicy::default());
        let auth = Auth::new(sessions.clone(), WebPolicy::default(), Clock::fixed(NOW));
        Self {
            sessions,
            auth,
            reads,
        }
    }

    async fn admits(&self, bearer: &str) -> bool {
        let request = TestRequest::get()
            .insert_header(("Authorization", bearer))
            .to_http_request();
        let guarded = self.auth.verify_request(&request, Guard::Access);
        guarded.await.is_ok()
    }
}

/// A login: the value of its header, and its session's id.
async fn login(run: &Run, rows: &MemoryStore) -> (String, String) {
    let ada = Subject::new("1", "ada");
    rows.put_subject(ada.clone());
    let pair = run.sessions.login(&ada, Login::default(), NOW).await;
    let sid = run.sessions.list("1", NOW).await.unwrap().remove(0).id;
    let bearer = format!("Bearer {}", pair.unwrap().access.token.as_str());
    (bearer, sid)
}

#[actix_web::test]
async fn a_logout_holds_after_a_restart() {
    let rows = MemoryStore::default();
    let before = Run::over(&rows);
    let (bearer, sid) = login(&before, &rows).await;
    let context = RequestContext::at(NOW);
    let logout = before.sessions.end(&sid, EndReason::Logout, &context);
    logout.await.unwrap();
    assert!(!before.admits(&bearer).await);

    let after = Run::over(&rows);
    assert!(after.admits(&bearer).await, "nothing was read yet");
    let hourly = Duration::from_secs(3600);
    let kept = after.sessions.keep_in_sync(hourly, Clock::fixed(NOW));
    kept.await.unwrap();
    assert!(!after.admits(&bearer).await);
}

#[actix_web::test]
async fn a_logout_elsewhere_is_read_in_time_until_the_sessions_are_dropped() {
    let rows = MemoryStore::default();
    let here = Run::over(&rows);
    let (bearer, sid) = login(&here, &rows).await;
    let often = Duration::from_millis(1);
    let kept = here.sessions.keep_in_sync(often, Clock::fixed(NOW));
    let task = kept.await.unwrap();
    assert!(here.admits(&bearer).await);

    let context = RequestContext::at(NOW);
    let elsewhere = rows.revoke(&sid, EndReason::Logout, &context).await;
    assert_eq!(elsewhere.unwrap(), Ok(true));
    let Run {
        sessions,
        auth,
        mut reads,
    } = here;
    while reads.try_recv().is_ok() {}
    // A read that was under way may have missed the logout. The third one begins after the second
    // one was added.
    for _ in 0..3 {
        reads.recv().await.unwrap();
    }
    let token = bearer.trim_start_matches("Bearer ");
    let claims = sessions.tokens().verify(token, NOW, Expiry::Enforced);
    assert!(sessions.revocations().is_revoked(&claims.unwrap()));

    drop((sessions, auth));
    task.await.unwrap();
    while reads.recv().await.is_some() {}
}

#[actix_web::test]
async fn an_app_that_never_syncs_is_warned_once() {
    let log = captured_log();
    let warnings = || {
        let lines = log.lines.lock().unwrap_or_else(PoisonError::into_inner);
        // Other tests run on other threads.
        let own = format!("{:?} ", std::thread::current().id());
        let matching =
            |line: &&String| line.starts_with(&own) && line.contains("Sessions::keep_in_sync");
        lines.iter().filter(matching).count()
    };
    let rows = MemoryStore::default();
    let run = Run::over(&rows);
    let (bearer, _) = login(&run, &rows).await;
    let before = warnings();
    assert!(run.admits(&bearer).await && run.admits(&bearer).await);
    assert_eq!(warnings() - before, 1);
}

#[actix_web::test]
async fn the_error_of_a_store_is_the_cause_of_the_session_s_error() {
    let run = Run::over(&MemoryStore::default());
    let failed = run.sessions.subject("in flames").await.unwrap_err();
    assert!(matches!(failed, SessionError::Store(_)), "{failed:?}");
    assert_eq!(failed.to_string(), "the disk is on fire");
}

#[actix_web::test]
async fn a_store_of_the_required_methods_ends_all_other_sessions() {
    let rows = MemoryStore::default();
    let run = Run::over(&rows);
    let (bearer, sid) = login(&run, &rows).await;
    let ada = Subject::new("1", "ada");
    for _ in 0..2 {
        let login = run.sessions.login(&ada, Login::default(), NOW);
        login.await.unwrap();
    }
    let token = bearer.trim_start_matches("Bearer ");
    let claims = run.sessions.tokens().verify(token, NOW, Expiry::Enforced);
    let by_ada = RequestContext {
        authority: Some(Authority::of(&claims.unwrap())),
        ..RequestContext::at(NOW)
    };
    let ended = run.sessions.end_others("1", &sid, &by_ada).await;
    assert_eq!(ended.unwrap(), 2);
    let left = run.sessions.list("1", NOW).await.unwrap();
    assert!(left.len() == 1 && left[0].id == sid);
    assert!(run.admits(&bearer).await);

    // All, the request's own among them; after that, it is not authorized.
    run.sessions
        .login(&ada, Login::default(), NOW)
        .await
        .unwrap();
    let ended = run.sessions.end_others("1", "", &by_ada).await;
    assert_eq!(ended.unwrap(), 2);
    assert!(!run.admits(&bearer).await);
    let denied = run.sessions.end_others("1", "", &by_ada).await;
    assert!(matches!(denied, Err(SessionError::Denied(_))), "{denied:?}");
}

/// By the trait's defaults, in a store that has no more than it must.
#[actix_web::test]
async fn a_login_in_a_browser_ends_the_sessions_of_its_cookies() {
    let rows = MemoryStore::default();
    let run = Run::over(&rows);
    let (ada, first) = login(&run, &rows).await;
    let (_, second) = login(&run, &rows).await;
    let grace = Subject::new("2", "grace");
    rows.put_subject(grace.clone());
    let token = ada.trim_start_matches("Bearer ");
    let log_in = async |subject: &Subject| {
        let cookies = format!("access_token_cookie={token}; refresh_token_cookie=x");
        let request = TestRequest::post().insert_header(("Cookie", cookies));
        let request = request.to_http_request();
        run.auth
            .log_in_again(&request, subject, Login::default())
            .await
    };
    let stale = Subject {
        epoch: 1,
        ..grace.clone()
    };
    assert_eq!(log_in(&stale).await.unwrap_err().code(), "bad_credentials");
    assert!(run.admits(&ada).await);

    let pair = log_in(&grace).await.unwrap();
    let bearer = format!("Bearer {}", pair.access.token.as_str());
    assert!(!run.admits(&ada).await && run.admits(&bearer).await);
    let reason = async |id: &str| {
        let record = rows.load(id).await.unwrap().unwrap();
        record.session.revoked.map(|end| end.reason)
    };
    assert_eq!(reason(&first).await, Some(EndReason::Replaced));
    assert_eq!(reason(&second).await, None);
    // The first session's end was recorded before, and stays as it was.
    log_in(&grace).await.unwrap();
    assert_eq!(rows.revocations_since(NOW).await.unwrap().len(), 1);
}

#[derive(Default)]
struct CapturedLog {
    lines: Mutex<Vec<String>>,
}

impl Log for CapturedLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        let thread = std::thread::current();
        let line = format!("{:?} {}", thread.id(), record.args());
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line);
    }

    fn flush(&self) {}
}

fn captured_log() -> &'static CapturedLog {
    static LOG: OnceLock<CapturedLog> = OnceLock::new();
    let log = LOG.get_or_init(CapturedLog::default);
    if log::set_logger(log).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
    log
}
