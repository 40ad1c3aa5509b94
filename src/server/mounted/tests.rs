//! Tests what the log says at the start of mounted routes, and when their tasks end.

use std::collections::BTreeMap;

use super::{Place, Tasks, remarks};
use crate::config::{Settings, Sources};

/// Returns what the log says of these settings, with the routes behind `/auth`.
fn remarks_on(settings: &[(&str, &str)]) -> String {
    let secret = ("JWT_SECRET_KEY", "32 bytes that only the tests can know");
    let settings = settings.iter().chain([&secret]);
    let settings = settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let sources = Sources::from_values(BTreeMap::from_iter(settings));
    let place = Place {
        prefix: "/auth".to_owned(),
        ..Place::default()
    };
    let settings = Settings::load(&sources).unwrap();
    assert!(place.check(&settings.web).is_ok());
    remarks(&settings, &place).join("\n")
}

#[test]
fn an_app_without_a_public_url_is_warned_of_its_cookies() {
    let warning = "PUBLIC_URL is not set";
    assert!(remarks_on(&[]).contains(warning));
    for url in ["https://app.example", "http://localhost:8080"] {
        assert!(!remarks_on(&[("PUBLIC_URL", url)]).contains(warning));
    }
    for harmless in [
        ("JWT_COOKIE_SECURE", "true"),
        ("JWT_TOKEN_LOCATION", "headers"),
    ] {
        assert!(!remarks_on(&[harmless]).contains(warning));
    }
}

#[test]
fn cookie_paths_are_compared_with_the_routes_behind_the_prefix() {
    let url = ("PUBLIC_URL", "http://localhost:8080");
    let on = |more: &[(&str, &str)]| remarks_on(&[&[url], more].concat());
    let (access, refresh, never) = (
        ("JWT_ACCESS_COOKIE_PATH", "/auth"),
        ("JWT_REFRESH_COOKIE_PATH", "/auth/refresh"),
        ("JWT_REISSUE_WITHIN", "0"),
    );
    for paths in [
        vec![],
        vec![access],
        vec![access, ("JWT_REFRESH_COOKIE_PATH", "/auth")],
        vec![refresh, never],
        vec![access, refresh, never],
    ] {
        assert_eq!(on(&paths), "", "{paths:?}");
    }
    // True of every prefix, and the route has its own.
    assert_eq!(
        on(&[refresh]),
        "JWT_REFRESH_COOKIE_PATH is /auth/refresh, so browsers do not send the refresh cookie to all of /, and an access \
         cookie is not reissued without it: set JWT_REFRESH_COOKIE_PATH to /, or let pages POST /auth/refresh and set \
         JWT_REISSUE_WITHIN=0"
    );
}

#[actix_web::test]
async fn the_tasks_end_when_their_handle_is_dropped() {
    let (held, ended) = tokio::sync::oneshot::channel::<()>();
    let task = async move {
        let _held = held;
        std::future::pending::<()>().await;
    };
    let tasks = Tasks(vec![tokio::spawn(task)]);
    tokio::task::yield_now().await;
    drop(tasks);
    assert!(ended.await.is_err(), "the task dropped its end");
}
