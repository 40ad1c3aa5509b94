//! A stranger's app, in a package of its own, with its own users and its own store of sessions: built and talked to.
//!
//! It is built into the target directory of these tests, under the versions of our own lock file, so that most of what it
//! depends on is there already.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Request;

static PROGRAM: LazyLock<PathBuf> = LazyLock::new(build);

fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let stranger = root.join("tests/stranger");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    fs::copy(root.join("Cargo.lock"), stranger.join("Cargo.lock")).unwrap();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--offline", "--target-dir"])
        .arg(target)
        .current_dir(&stranger)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}");
    assert!(!said.contains("warning"), "{said}");
    target.join("debug/stranger")
}

/// The stranger's server, until it is dropped.
struct Stranger {
    process: Child,
    address: String,
}

impl Stranger {
    fn start() -> Self {
        let mut process = Command::new(PROGRAM.as_path())
            .env("STRANGER_SECRET", "32 bytes that nobody else can know")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().to_owned();
        Self { process, address }
    }

    fn send(&self, method: &str, path: &str, client: &Client, body: Option<Value>) -> Answer {
        let url = format!("http://{}{path}", self.address);
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in client.headers(path) {
            request = request.header(name, value);
        }
        let config = Agent::config_builder().http_status_as_error(false);
        let agent = config.proxy(None).build().new_agent();
        let answer = match body {
            Some(body) => agent.run(
                request
                    .header("Content-Type", "application/json")
                    .body(body.to_string())
                    .unwrap(),
            ),
            None => agent.run(request.body(()).unwrap()),
        };
        let mut answer = answer.unwrap();
        let set = answer.headers().get_all("set-cookie").iter();
        let cookies = set.map(|value| value.to_str().unwrap().to_owned());
        Answer {
            status: answer.status().as_u16(),
            cookies: cookies.collect(),
            body: serde_json::from_reader(answer.body_mut().as_reader()).unwrap_or_default(),
        }
    }

    fn log_in(&self, name: &str) -> Answer {
        let body = json!({ "name": name, "password": format!("{name}'s password") });
        self.send("POST", "/login", &Client::default(), Some(body))
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    cookies: Vec<String>,
    body: Value,
}

impl Answer {
    fn code(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }
}

/// What sends tokens: a browser, or a program with a token of its own.
#[derive(Clone, Default)]
struct Client {
    cookies: BTreeMap<String, String>,
    bearer: Option<String>,
}

impl Client {
    fn browser(login: &Answer) -> Self {
        let mut browser = Self::default();
        browser.keep(login);
        browser
    }

    fn program(login: &Answer, token: &str) -> Self {
        Self {
            bearer: login.body[token].as_str().map(str::to_owned),
            ..Self::default()
        }
    }

    fn keep(&mut self, answer: &Answer) {
        for cookie in &answer.cookies {
            let (name, rest) = cookie.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    fn headers(&self, path: &str) -> Vec<(&str, String)> {
        let pairs = self.cookies.iter();
        let pairs: Vec<String> = pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let csrf = if path == "/refresh" {
            "csrf_refresh_token"
        } else {
            "csrf_access_token"
        };
        let csrf = self.cookies.get(csrf);
        let bearer = self.bearer.as_ref();
        [
            (!pairs.is_empty()).then(|| ("Cookie", pairs.join("; "))),
            csrf.map(|csrf| ("X-CSRF-TOKEN", csrf.clone())),
            bearer.map(|token| ("Authorization", format!("Bearer {token}"))),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

#[test]
fn a_stranger_s_users_log_in_refresh_and_log_out() {
    let app = Stranger::start();
    let login = app.log_in("bob");
    assert_eq!((login.status, login.cookies.len()), (200, 4), "{login:?}");
    let mut browser = Client::browser(&login);
    let hello = app.send("GET", "/protected", &browser, None);
    assert_eq!((hello.status, hello.body), (200, json!({ "hello": "bob" })));

    let before = browser.clone();
    let refreshed = app.send("POST", "/refresh", &browser, None);
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    browser.keep(&refreshed);
    assert_ne!(before.cookies, browser.cookies);
    let again = app.send("POST", "/refresh", &before, None);
    assert_eq!(again.status, 200, "another tab: {again:?}");
    let again = app.send("POST", "/refresh", &browser, None);
    assert_eq!(again.cookies.len(), 2, "it is the current one: {again:?}");

    let copy = browser.clone();
    let logout = app.send("POST", "/logout", &browser, None);
    assert_eq!(logout.status, 200, "{logout:?}");
    browser.keep(&logout);
    assert!(browser.cookies.is_empty());
    let refused = app.send("GET", "/protected", &browser, None);
    assert_eq!(refused.code(), (401, "missing_token"));
    let refused = app.send("GET", "/protected", &copy, None);
    assert_eq!(refused.code(), (401, "token_revoked"));
    let refused = app.send("POST", "/refresh", &copy, None);
    assert_eq!(refused.code(), (401, "session_revoked"));
}

#[test]
fn a_stranger_s_app_refuses_what_ours_refuses() {
    let app = Stranger::start();
    let wrong = json!({ "name": "ada", "password": "bob's password" });
    let refused = app.send("POST", "/login", &Client::default(), Some(wrong));
    assert_eq!(refused.code(), (401, "wrong_name_or_password"));
    assert!(refused.cookies.is_empty());

    let login = app.log_in("ada");
    let mut browser = Client::browser(&login);
    browser.cookies.remove("csrf_access_token");
    let refused = app.send("POST", "/logout", &browser, None);
    assert_eq!(refused.code(), (401, "csrf_missing"));
    let program = Client::program(&login, "refresh_token");
    let refused = app.send("GET", "/protected", &program, None);
    assert_eq!(refused.code(), (422, "wrong_token_type"));
    let refreshed = app.send("POST", "/refresh", &program, None);
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
}

#[test]
fn a_stranger_s_admin_bans_and_who_is_banned_is_out_at_once() {
    let app = Stranger::start();
    let (ada, bob) = (app.log_in("ada"), app.log_in("bob"));
    let (admin, user) = (Client::browser(&ada), Client::browser(&bob));
    let refused = app.send("POST", "/users/1/ban", &user, None);
    assert_eq!(refused.code(), (403, "admins_only"));
    let nobody = app.send("POST", "/users/7/ban", &admin, None);
    assert_eq!(nobody.body, json!({ "banned": false }));
    let done = app.send("POST", "/users/2/ban", &admin, None);
    assert_eq!(done.body, json!({ "banned": true }));
    for client in [user.clone(), Client::program(&bob, "access_token")] {
        let refused = app.send("GET", "/protected", &client, None);
        assert_eq!(refused.code(), (401, "token_revoked"));
    }
    let refused = app.send("POST", "/refresh", &user, None);
    assert_eq!(refused.code(), (401, "user_disabled"));
    let hello = app.send("GET", "/protected", &admin, None);
    assert_eq!(hello.status, 200, "{hello:?}");
}
