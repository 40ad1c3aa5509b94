//! Starts nginx, HAProxy, Caddy, Traefik and Envoy in front of a server, and small servers that misbehave.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;

use crate::python::python;
use crate::support::an_address_of_ones_own;
use crate::wait::within;

/// A proxy, killed on drop.
pub(crate) struct Proxy {
    child: Child,
    pub(crate) address: SocketAddr,
    _folder: TempDir,
}

impl Proxy {
    /// Starts nginx with these lines in its `http` and `location` blocks. `location` replaces the
    /// line of the same header.
    pub(crate) fn nginx(server: SocketAddr, http: &str, location: &str) -> Self {
        Self::nginx_with(server, (http, ""), location)
    }

    /// Starts nginx with these lines in its `http`, `server` and `location` blocks.
    pub(crate) fn nginx_with(
        server: SocketAddr,
        (http, beside): (&str, &str),
        location: &str,
    ) -> Self {
        const HEADERS: [(&str, &str); 3] = [
            ("Connection", "\"\""),
            ("Host", "$http_host"),
            ("X-Forwarded-For", "$remote_addr"),
        ];
        let address = an_address_of_ones_own();
        let set = |(name, value): &(&str, &str)| format!("proxy_set_header {name} {value};");
        let kept = HEADERS.iter().filter(|(name, _)| {
            let line = format!("proxy_set_header {name} ");
            !location.contains(&line)
        });
        let headers: Vec<String> = kept.map(set).collect();
        let headers = headers.join(" ");
        let block = format!(
            "{http}\n\
             server {{ listen {address}; {beside} location / {{ proxy_pass http://{server}; proxy_http_version 1.1; {headers}\n\
             {location} }} }}"
        );
        Self::nginx_of(&block, address)
    }

    /// Starts nginx with this text in its `http` block.
    pub(crate) fn nginx_of(http: &str, address: SocketAddr) -> Self {
        let config = format!(
            "daemon off; user root; pid pid; error_log stderr; events {{}}\n\
             http {{ access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f;\n\
             uwsgi_temp_path u; scgi_temp_path s; {http}\n}}\n"
        );
        let mut command = Command::new("nginx");
        command.args(["-e", "stderr", "-c", "conf", "-p"]);
        Self::start(command, true, &config, address)
    }

    /// Starts Caddy with this file.
    pub(crate) fn caddy(config: &str, address: SocketAddr) -> Self {
        let mut command = Command::new("caddy");
        command.args(["run", "--adapter", "caddyfile", "--config", "conf"]);
        Self::start(command, false, config, address)
    }

    /// Starts HAProxy with these lines in its `listen` block.
    pub(crate) fn haproxy(server: SocketAddr, lines: &[&str]) -> Self {
        let address = an_address_of_ones_own();
        let lines = lines.join("\n    ");
        let config = format!(
            "defaults\n    mode http\n    timeout connect 2s\n    timeout client 30s\n    timeout server 30s\n\
             listen all\n    bind {address}\n    {lines}\n    server one {server}\n"
        );
        Self::haproxy_of(&config, address)
    }

    /// Starts HAProxy with this file.
    pub(crate) fn haproxy_of(config: &str, address: SocketAddr) -> Self {
        let mut command = Command::new("haproxy");
        command.args(["-db", "-f", "conf"]);
        Self::start(command, false, config, address)
    }

    /// Starts Traefik with this file of its dynamic configuration.
    pub(crate) fn traefik(config: &str, address: SocketAddr) -> Self {
        let mut command = of_python("traefik");
        command.arg(format!("--entryPoints.web.address={address}"));
        // Traefik tells the format by the name.
        command.arg("--providers.file.filename=conf.yml");
        command.arg("--global.checkNewVersion=false");
        let proxy = Self::start(command, false, config, address);
        within(20, "Traefik has read its file", || {
            let answer = ureq::get(format!("http://{address}/health/live")).call();
            answer.is_ok()
        });
        proxy
    }

    /// Starts Envoy with this file.
    pub(crate) fn envoy(config: &str, address: SocketAddr) -> Self {
        let mut command = of_python("envoy");
        command.args([
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "-c",
            "conf.yml",
        ]);
        Self::start(command, false, config, address)
    }

    fn start(mut command: Command, folder_last: bool, config: &str, address: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["conf", "conf.yml"] {
            fs::write(folder.path().join(name), config).unwrap();
        }
        if folder_last {
            command.arg(folder.path());
        }
        // Debian has them where only administrators look.
        let path = std::env::var("PATH").unwrap_or_default();
        let child = command
            .env("PATH", format!("{path}:/usr/sbin"))
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx, haproxy, caddy and what tests/requirements.txt names are installed");
        let mut proxy = Self {
            child,
            address,
            _folder: folder,
        };
        within(20, "the proxy listens", || {
            let ended = proxy.child.try_wait().unwrap();
            assert!(ended.is_none(), "{config}");
            TcpStream::connect(address).is_ok()
        });
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Returns a program of a Python package.
fn of_python(program: &str) -> Command {
    Command::new(Path::new(&python()).with_file_name(program))
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // nginx has a second process, which only the first one stops.
        let id = self.child.id().to_string();
        let _ended = Command::new("kill").args(["-TERM", &id]).status();
        let _reaped = self.child.wait();
    }
}

/// Starts a server that reads each request's head and hands it to `answer` with the connection.
pub(crate) fn server(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (answer, mut stream) = (Arc::clone(&answer), stream.unwrap());
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                answer(&String::from_utf8_lossy(&head), &mut stream);
            });
        }
    });
    address
}

/// Starts a proxy that changes the bytes of responses.
pub(crate) fn rewriting(server_address: SocketAddr, change: fn(String) -> String) -> SocketAddr {
    server(move |head, client| {
        let mut server = TcpStream::connect(server_address).unwrap();
        server.write_all(head.as_bytes()).unwrap();
        // The rest of the request, if it has one.
        let mut inward = client.try_clone().unwrap();
        let mut outward = server.try_clone().unwrap();
        std::thread::spawn(move || std::io::copy(&mut inward, &mut outward));
        let mut response = Vec::new();
        let _ended = server.read_to_end(&mut response);
        let response = change(String::from_utf8(response).unwrap());
        let _closed = client.write_all(response.as_bytes());
        let _shut = client.shutdown(std::net::Shutdown::Both);
    })
}
