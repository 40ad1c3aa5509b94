//! Tests `/forward-auth` behind real proxies, with the configurations in `deploy`: an app that has no
//! login learns who sends each request.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::proxy::{Proxy, server};
use crate::python::python;
use crate::support::{Program, Served, an_address_of_ones_own};
use crate::wait::within;

const NGINX: &str = include_str!("../../deploy/nginx/forward-auth.conf");
const HAPROXY: &str = include_str!("../../deploy/haproxy/forward-auth.cfg");
const TRAEFIK: &str = include_str!("../../deploy/traefik/forward-auth.yml");
const ENVOY: &str = include_str!("../../deploy/envoy/forward-auth.yaml");
const HAPROXY_SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/deploy/haproxy/forward-auth.lua"
);
const CADDY: &str = include_str!("../../deploy/caddy/forward-auth.Caddyfile");

/// A server, a proxy, and an app behind it that answers what it received.
struct Stack {
    _server: Served,
    proxy: Proxy,
}

impl Stack {
    fn new(start: fn(&str, SocketAddr) -> Proxy, config: &str) -> Self {
        Self::before(app(), start, config)
    }

    fn before(app: SocketAddr, start: fn(&str, SocketAddr) -> Proxy, config: &str) -> Self {
        let program = Program::new()
            .env("SERVER_TRUSTED_PROXIES", "127.0.0.1")
            .env("REGISTRATION", "open")
            .env("JWT_ACCESS_TOKEN_EXPIRES", "10m")
            // Due after a second.
            .env("JWT_REISSUE_WITHIN", "599s");
        let running = program.serve();
        let user = json!({ "username": "ada", "password": "correct horse battery" });
        running.post("/register", &user);
        let address = an_address_of_ones_own();
        let config = config
            .replace("127.0.0.1:8080", &running.address.to_string())
            .replace("127.0.0.1:5000", &app.to_string())
            .replace("listen 8000", &format!("listen {address}"))
            .replace("\n:8000 {", &format!("\nhttp://{address} {{"))
            .replace("bind :8000", &format!("bind {address}"))
            .replace(
                "lua-load forward-auth.lua",
                &format!("lua-load {HAPROXY_SCRIPT}"),
            );
        let in_yaml = |host: &str, port: u16| format!("address: {host}, port_value: {port} }}");
        let config = config
            .replace(
                &in_yaml("127.0.0.1", 8080),
                &in_yaml("127.0.0.1", running.address.port()),
            )
            .replace(
                &in_yaml("127.0.0.1", 5000),
                &in_yaml("127.0.0.1", app.port()),
            )
            .replace(
                &in_yaml("0.0.0.0", 8000),
                &in_yaml("127.0.0.1", address.port()),
            );
        Self {
            proxy: start(&config, address),
            _server: running,
        }
    }

    /// Sends a request of a client, with its cookies.
    fn send(
        &self,
        client: &mut Client,
        (method, path): (&str, &str),
        more: &[(&str, &str)],
        body: Option<Value>,
    ) -> Seen {
        let cookies: Vec<_> = client
            .0
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.proxy.address))
            .header("Cookie", cookies.join("; "));
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = request
            .header("Content-Type", "application/json")
            .body(body)
            .unwrap();
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .build()
            .into();
        let mut response = agent.run(request).unwrap();
        let headers = response.headers().clone();
        for cookie in headers.get_all("set-cookie") {
            let (name, value) = cookie
                .to_str()
                .unwrap()
                .split(';')
                .next()
                .unwrap()
                .split_once('=')
                .unwrap();
            client.0.insert(name.to_owned(), value.to_owned());
        }
        Seen {
            status: response.status().as_u16(),
            headers,
            body: response.body_mut().read_to_string().unwrap(),
        }
    }

    /// Logs in through the proxy.
    fn log_in(&self) -> Client {
        let mut client = Client::default();
        let user = json!({ "username": "ada", "password": "correct horse battery" });
        let answer = self.send(&mut client, ("POST", "/login"), &[], Some(user));
        assert_eq!(answer.status, 200, "{answer:?}");
        client
    }
}

/// A client's cookies.
#[derive(Default)]
struct Client(BTreeMap<String, String>);

/// A response, which may be the proxy's own.
#[derive(Debug)]
struct Seen {
    status: u16,
    headers: ureq::http::HeaderMap,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// Starts an app that answers with the head and the body that it received, in JSON.
fn app() -> SocketAddr {
    server(|head, stream| {
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.parse().unwrap())
        });
        let mut body = vec![0; length.unwrap_or_default()];
        stream.read_exact(&mut body).unwrap();
        answer(head, &String::from_utf8(body).unwrap(), stream);
    })
}

fn answer(head: &str, body: &str, stream: &mut TcpStream) {
    let seen = json!({ "head": head, "body": body }).to_string();
    let length = seen.len();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
    write!(stream, "{head}Content-Length: {length}\r\n\r\n{seen}").unwrap();
}

/// Returns the headers that the app received.
fn headers_of(seen: &Value) -> impl Iterator<Item = (&str, &str)> {
    let lines = seen["head"].as_str().unwrap().lines();
    lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.trim()))
}

/// Returns the values of a header that the app received.
fn received<'a>(seen: &'a Value, name: &str) -> Vec<&'a str> {
    headers_of(seen)
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect()
}

/// Returns the values of a header by the name that CGI gives it.
fn received_as_by_cgi<'a>(seen: &'a Value, name: &str) -> Vec<&'a str> {
    headers_of(seen)
        .filter(|(found, _)| found.replace('-', "_").eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect()
}

fn the_app_learns_who_it_is_and_nobody_else_gets_through(stack: &Stack) {
    let visitor = &mut Client::default();
    let refused = stack.send(visitor, ("GET", "/app/notes"), &[], None);
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (401, &json!("missing_token"))
    );
    let accept = [("Accept", "text/html")];
    let page = stack.send(visitor, ("GET", "/app/notes?of=ada"), &accept, None);
    assert_eq!(
        (page.status, page.header("location")),
        (303, Some("/?next=%2Fapp%2Fnotes%3Fof%3Dada")),
        "{page:?}"
    );
    let ada = &mut stack.log_in();
    let forged = [
        ("Remote-User", "root"),
        ("Remote-Groups", "admin"),
        ("X-Auth-Session", "another"),
    ];
    let answer = stack.send(ada, ("GET", "/app/notes?of=ada"), &forged, None);
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = answer.json();
    let head = seen["head"].as_str().unwrap();
    assert!(head.starts_with("GET /app/notes?of=ada "), "{head}");
    assert_eq!(received(&seen, "remote-user"), ["ada"]);
    let groups = received(&seen, "remote-groups");
    assert!(groups.iter().all(|groups| groups.is_empty()), "{groups:?}");
    let session = received(&seen, "x-auth-session");
    assert!(session.len() == 1 && session != ["another"], "{session:?}");
}

/// CGI, WSGI and PHP take an underscore in a header's name for a hyphen, and a proxy removes the
/// headers that a client names in `Connection`.
fn no_spelling_of_the_headers_forges_or_removes_the_user(stack: &Stack) {
    let ada = &mut stack.log_in();
    let forged = [
        ("Connection", "Remote-User, Remote-Groups, X-Auth-Session"),
        ("Remote_User", "root"),
        ("Remote_Groups", "admin"),
        ("X_Auth_Session", "another"),
        ("X-Auth_Session", "another"),
        ("X_Auth-Session", "another"),
    ];
    let answer = stack.send(ada, ("GET", "/app/"), &forged, None);
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = answer.json();
    assert_eq!(received_as_by_cgi(&seen, "REMOTE_USER"), ["ada"]);
    let groups = received_as_by_cgi(&seen, "REMOTE_GROUPS");
    assert!(groups.iter().all(|groups| groups.is_empty()), "{groups:?}");
    let session = received_as_by_cgi(&seen, "X_AUTH_SESSION");
    assert!(session.len() == 1 && session != ["another"], "{session:?}");
}

fn a_preflight_reaches_the_app_without_a_user(stack: &Stack) {
    let preflight = [
        ("Origin", "https://other.example"),
        ("Access-Control-Request-Method", "POST"),
        ("Remote-User", "root"),
        ("Remote-Groups", "admin"),
    ];
    let visitor = &mut Client::default();
    let answer = stack.send(visitor, ("OPTIONS", "/app/"), &preflight, None);
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = answer.json();
    for header in ["REMOTE_USER", "REMOTE_GROUPS", "X_AUTH_SESSION"] {
        let values = received_as_by_cgi(&seen, header);
        assert!(values.iter().all(|value| value.is_empty()), "{values:?}");
    }
}

fn a_very_long_address_leads_to_the_login_page_too(stack: &Stack) {
    let visitor = &mut Client::default();
    let path = format!("/app/notes?{}", "a".repeat(6000));
    let page = stack.send(visitor, ("GET", &path), &[("Accept", "text/html")], None);
    assert_eq!((page.status, page.header("location")), (303, Some("/")));
}

fn a_write_needs_the_csrf_token_and_arrives_whole(stack: &Stack) {
    let ada = &mut stack.log_in();
    let note = || Some(json!({ "text": "a note" }));
    let refused = stack.send(ada, ("POST", "/app/notes"), &[], note());
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (401, &json!("csrf_missing"))
    );
    let forged = [("X-Forwarded-Method", "GET")];
    let refused = stack.send(ada, ("POST", "/app/notes"), &forged, note());
    assert_eq!(refused.status, 401, "the client's own word");
    let csrf = ada.0["csrf_access_token"].clone();
    let with_csrf = [("X-CSRF-TOKEN", csrf.as_str())];
    let answer = stack.send(ada, ("POST", "/app/notes"), &with_csrf, note());
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = answer.json();
    assert_eq!(seen["body"], r#"{"text":"a note"}"#);
    assert_eq!(received(&seen, "remote-user"), ["ada"]);
}

fn a_renewed_access_token_reaches_the_browser(stack: &Stack) {
    let ada = &mut stack.log_in();
    within(20, "the token is renewed", || {
        let answer = stack.send(ada, ("GET", "/app/"), &[], None);
        assert_eq!(answer.status, 200, "{answer:?}");
        let set = answer.headers.get_all("set-cookie").iter();
        let set: Vec<_> = set
            .map(|cookie| cookie.to_str().unwrap().split('=').next().unwrap())
            .collect();
        set == ["access_token_cookie", "csrf_access_token"]
    });
    let answer = stack.send(ada, ("GET", "/app/"), &[], None);
    assert_eq!(answer.status, 200, "with the new token: {answer:?}");
}

/// Declares a test of each function behind each proxy.
macro_rules! behind_each_proxy {
    ($($test:ident),* $(,)?) => {
        mod behind_nginx {
            $(#[test]
            fn $test() {
                super::$test(&super::Stack::new(super::Proxy::nginx_of, super::NGINX));
            })*
        }
        mod behind_haproxy {
            $(#[test]
            fn $test() {
                super::$test(&super::Stack::new(super::Proxy::haproxy_of, super::HAPROXY));
            })*
        }
        mod behind_traefik {
            $(#[test]
            fn $test() {
                super::$test(&super::Stack::new(super::Proxy::traefik, super::TRAEFIK));
            })*
        }
        mod behind_envoy {
            $(#[test]
            fn $test() {
                super::$test(&super::Stack::new(super::Proxy::envoy, super::ENVOY));
            })*
        }
        mod behind_caddy {
            $(#[test]
            fn $test() {
                super::$test(&super::Stack::new(super::Proxy::caddy, super::CADDY));
            })*
        }
    };
}

behind_each_proxy!(
    the_app_learns_who_it_is_and_nobody_else_gets_through,
    no_spelling_of_the_headers_forges_or_removes_the_user,
    a_preflight_reaches_the_app_without_a_user,
    a_very_long_address_leads_to_the_login_page_too,
    a_write_needs_the_csrf_token_and_arrives_whole,
    a_renewed_access_token_reaches_the_browser,
);

/// The example, served by Flask.
struct Flask {
    child: Child,
    address: SocketAddr,
}

impl Flask {
    fn start() -> Self {
        let address = an_address_of_ones_own();
        let folder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/examples/flask_behind_tokenpair"
        );
        let child = Command::new(python())
            .args(["-m", "flask", "--app", "app", "run", "--host"])
            .arg(address.ip().to_string())
            .args(["--port", &address.port().to_string()])
            .current_dir(folder)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let flask = Self { child, address };
        within(20, "Flask listens", || TcpStream::connect(address).is_ok());
        flask
    }
}

impl Drop for Flask {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn a_flask_app_without_a_login_keeps_the_notes_of_each_user() {
    let flask = Flask::start();
    let stack = Stack::before(flask.address, Proxy::nginx_of, NGINX);
    let ada = &mut stack.log_in();
    let csrf = ada.0["csrf_access_token"].clone();
    let headers = [("X-CSRF-TOKEN", csrf.as_str()), ("Remote-User", "root")];
    let note = json!({ "text": "buy milk" });
    let answer = stack.send(ada, ("POST", "/app/notes"), &headers, Some(note));
    assert_eq!(answer.status, 201, "{answer:?}");
    let answer = stack.send(ada, ("GET", "/app/notes"), &[], None);
    assert_eq!(
        answer.json(),
        json!({ "user": "ada", "notes": ["buy milk"] })
    );
    let refused = stack.send(&mut Client::default(), ("GET", "/app/notes"), &[], None);
    assert_eq!(refused.status, 401);
}

const DOCUMENTED: &str = include_str!("../../docs/forward-auth.md");

/// Returns the configuration with the documented locations of a role.
fn nginx_with_a_role() -> String {
    let mut locations = String::new();
    let (_, block) = DOCUMENTED.split_once("```nginx\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    for location in block.split_inclusive("\n}\n") {
        let (own, other) = location.split_once("# and the other lines of ").unwrap();
        let head = format!("    location {} {{\n", other.lines().next().unwrap());
        let head = head.replace("location /forward-auth", "location = /forward-auth");
        let (_, lines) = NGINX.split_once(&head).unwrap();
        let (lines, _) = lines.split_once("\n    }\n").unwrap();
        locations.push_str(own);
        for line in lines.lines() {
            let directive = line.split_whitespace().next();
            let is_own = |own: &str| own.split_whitespace().next() == directive;
            if !own.lines().any(is_own) || directive.is_none() {
                locations.push_str(line);
                locations.push('\n');
            }
        }
        locations.push_str("}\n");
    }
    let (server, _) = NGINX.rsplit_once('}').unwrap();
    format!("{server}{locations}}}\n")
}

#[test]
fn nginx_admits_only_a_role_where_it_asks_for_one() {
    let stack = Stack::new(Proxy::nginx_of, &nginx_with_a_role());
    let ada = &mut stack.log_in();
    let csrf = ada.0["csrf_access_token"].clone();
    let with_csrf = [("X-CSRF-TOKEN", csrf.as_str())];
    for method in ["GET", "POST"] {
        let refused = stack.send(ada, (method, "/app/admin/users"), &with_csrf, None);
        assert_eq!(refused.status, 403, "{method} {refused:?}");
        assert_eq!(refused.json()["code"], "admin_required");
    }
    let admitted = stack.send(ada, ("GET", "/app/"), &[], None);
    assert_eq!(admitted.status, 200, "{admitted:?}");
    let accept = [("Accept", "text/html")];
    let visitor = &mut Client::default();
    let page = stack.send(visitor, ("GET", "/app/admin/users"), &accept, None);
    let login = Some("/?next=%2Fapp%2Fadmin%2Fusers");
    assert_eq!((page.status, page.header("location")), (303, login));
}
