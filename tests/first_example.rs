//! The first example of the library's documentation, copied as it is printed into a crate of its
//! own, built, and used over HTTP.
//!
//! It is built into the target directory of these tests, under the versions of our lock file.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

use ureq::Agent;
use ureq::http::Request;

#[path = "common/wait.rs"]
#[allow(dead_code, reason = "shared with other tests, which use the rest")]
mod wait;

use wait::within;

static PROGRAM: LazyLock<PathBuf> = LazyLock::new(build);

const SECRET: &str = "32 bytes that nobody else can know";

/// Returns the first block of code in a language, as it is printed.
fn first_block<'a>(readme: &'a str, language: &str) -> &'a str {
    let (_, rest) = readme.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```\n").unwrap().0
}

fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("crates/tokenpair/README.md")).unwrap();
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("first_example");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let library = root.join("crates/tokenpair");
    // The repository is elsewhere than beside the app.
    let dependencies = first_block(&readme, "toml");
    let there = "\"../tokenpair/crates/tokenpair\"";
    assert!(dependencies.contains(there), "{dependencies}");
    let dependencies = dependencies.replace(there, &format!("{library:?}"));
    // The profiles are our own, so that what is built already is not built again.
    let manifest = format!(
        "[package]\nname = \"first-example\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n{dependencies}\n\
         [profile.dev]\ndebug = \"line-tables-only\"\n\n[profile.dev.package.\"*\"]\ndebug = false\n\n\
         [profile.dev.package.tokenpair]\ndebug = \"line-tables-only\"\n",
    );
    fs::create_dir_all(package.join("src")).unwrap();
    fs::write(package.join("Cargo.toml"), manifest).unwrap();
    fs::write(package.join("src/main.rs"), first_block(&readme, "rust")).unwrap();
    fs::copy(root.join("Cargo.lock"), package.join("Cargo.lock")).unwrap();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--offline", "--target-dir"])
        .arg(target)
        .current_dir(&package)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}");
    assert!(!said.contains("warning"), "{said}");
    target.join("debug/first-example")
}

/// Returns a free address. Its port is none that the system gives to clients: a client that knocks at
/// such a port before the server listens may be connected to itself. No port is tried twice: another
/// test that knocks there would meet this one's listener.
fn free_address() -> SocketAddr {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 10_000).unwrap();
    let untried = std::iter::repeat_with(|| TRIED.fetch_add(1, Ordering::Relaxed));
    let ports = untried
        .take(10_000)
        .map(|next| 20_000 + (first + next) % 10_000);
    let mut addresses = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    addresses
        .find(|address| TcpListener::bind(address).is_ok())
        .unwrap()
}

/// The example's server, until it is dropped.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start() -> Self {
        let program = PROGRAM.as_path();
        let address = free_address();
        let process = Command::new(program)
            .env("JWT_SECRET_KEY", SECRET)
            .env("ADDRESS", address.to_string())
            .spawn()
            .unwrap();
        within(60, "it listens", || TcpStream::connect(address).is_ok());
        Self { process, address }
    }

    /// Sends a request with the cookies, and the CSRF value of the cookie named, and keeps the
    /// cookies of the response. Returns its status and body.
    fn send(
        &self,
        (method, path): (&str, &str),
        jar: &mut Jar,
        csrf: Option<&str>,
        body: &str,
    ) -> (u16, String) {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header("Cookie", jar.header())
            .header("Content-Type", "application/json");
        if let Some(csrf) = csrf {
            request = request.header("X-CSRF-TOKEN", &jar.cookies[csrf]);
        }
        let config = Agent::config_builder().http_status_as_error(false);
        let agent = config.proxy(None).build().new_agent();
        let mut answer = agent.run(request.body(body.to_owned()).unwrap()).unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            jar.keep(cookie.to_str().unwrap());
        }
        let body = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), body)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// A browser's cookies, and the attributes with which the last ones came.
#[derive(Clone, Default)]
struct Jar {
    cookies: BTreeMap<String, String>,
    attributes: BTreeMap<String, String>,
}

impl Jar {
    fn header(&self) -> String {
        let pairs = self.cookies.iter();
        let pairs: Vec<String> = pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    fn keep(&mut self, cookie: &str) {
        let (pair, attributes) = cookie.split_once(';').unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        self.attributes
            .insert(name.to_owned(), attributes.to_owned());
        if value.is_empty() {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}

const LOGIN: (&str, &str) = ("POST", "/login");
const PROTECTED: (&str, &str) = ("GET", "/protected");
const REFRESH: (&str, &str) = ("POST", "/refresh");
const LOGOUT: (&str, &str) = ("POST", "/logout");
const ACCESS_CSRF: Option<&str> = Some("csrf_access_token");
const REFRESH_CSRF: Option<&str> = Some("csrf_refresh_token");

/// The second block of commands is for another terminal.
#[test]
fn the_commands_work_as_they_are_pasted() {
    let server = Server::start();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("crates/tokenpair/README.md")).unwrap();
    let (_, rest) = readme.split_once("cargo run\n```\n").unwrap();
    let commands = first_block(rest, "sh");
    let own = format!("server=http://{}", server.address);
    let commands = commands.replace("server=http://127.0.0.1:8080", &own);
    assert!(commands.starts_with(&own), "{commands}");
    let folder = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    let output = shell.args(["-ec", &commands]).current_dir(folder.path());
    let output = output.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let answers = "\"welcome\"\nlogged in as user 1\n\"refreshed\"\n\"bye\"\n";
    assert_eq!(said, answers);
}

#[test]
fn the_first_example_logs_in_guards_refreshes_and_logs_out() {
    let server = Server::start();
    let mut browser = Jar::default();
    assert_eq!(server.send(PROTECTED, &mut browser, None, "").0, 401);
    let wrong = r#"{"username": "ada", "password": "battery staple"}"#;
    let (status, body) = server.send(LOGIN, &mut browser, None, wrong);
    assert_eq!(status, 401, "{body}");
    assert!(body.contains("bad_credentials"), "{body}");

    let right = r#"{"username": "ada", "password": "correct horse"}"#;
    assert_eq!(server.send(LOGIN, &mut browser, None, right).0, 200);
    for (name, attributes) in &browser.attributes {
        assert!(attributes.contains("SameSite=Lax"), "{name}: {attributes}");
        assert!(!attributes.contains("Secure"), "{name}: {attributes}");
        let token = name.ends_with("_cookie");
        assert_eq!(attributes.contains("HttpOnly"), token, "{name}");
    }
    let hello = server.send(PROTECTED, &mut browser, None, "");
    assert_eq!(hello, (200, "logged in as user 1".to_owned()));

    let before = browser.clone();
    assert_eq!(server.send(REFRESH, &mut browser, None, "").0, 401);
    let refreshed = server.send(REFRESH, &mut browser, REFRESH_CSRF, "");
    assert_eq!(refreshed, (200, "\"refreshed\"".to_owned()));
    let token = |jar: &Jar| jar.cookies["refresh_token_cookie"].clone();
    assert_ne!(token(&before), token(&browser));
    assert_eq!(server.send(PROTECTED, &mut browser, None, "").0, 200);

    let mut copy = browser.clone();
    assert_eq!(server.send(LOGOUT, &mut browser, ACCESS_CSRF, "").0, 200);
    assert!(browser.cookies.is_empty());
    let (status, body) = server.send(PROTECTED, &mut copy, None, "");
    assert_eq!(status, 401, "{body}");
    assert!(body.contains("token_revoked"), "a logout is final: {body}");
    assert_eq!(server.send(REFRESH, &mut copy, REFRESH_CSRF, "").0, 401);
}

/// Returns what the example prints when it cannot start.
fn refused(secret: Option<&str>, address: &str) -> String {
    let mut command = Command::new(PROGRAM.as_path());
    command.env_remove("JWT_SECRET_KEY").env("ADDRESS", address);
    if let Some(secret) = secret {
        command.env("JWT_SECRET_KEY", secret);
    }
    let ended = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    String::from_utf8(ended.stderr).unwrap()
}

#[test]
fn the_first_example_says_in_a_sentence_why_it_does_not_start() {
    let said = refused(None, "127.0.0.1:0");
    let missing = "Error: 1 setting cannot work:\n  JWT_SECRET_KEY is required, or JWT_SECRET_KEY_FILE with the path of a file that holds it\n";
    assert_eq!(said, missing);
    let said = refused(Some("too short"), "127.0.0.1:0");
    assert!(
        said.contains("the secret has 9 bytes, and HS256 needs at least 32"),
        "{said}"
    );
    assert!(!said.contains("too short"), "{said}");
    let said = refused(Some(SECRET), "192.0.2.1:80");
    assert!(said.contains("write https://192.0.2.1"), "{said}");
}
