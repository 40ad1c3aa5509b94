//! Starts an example, and runs the curl commands in its documentation.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{example, walk};

/// Runs the walks of all examples in the folder, except those named.
pub(crate) fn follow_all(folder: &Path, without_walk: &[&str]) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        // Other languages have tests of their own.
        let is_rust = path.is_file() || path.join("main.rs").is_file();
        if !is_rust || without_walk.contains(&name) {
            continue;
        }
        let example = Example::read(folder, name);
        let Some(steps) = example.walk() else {
            panic!("{name} has no walk")
        };
        eprintln!("{name}:");
        walk::follow(steps, example.serve(&[]).address);
    }
}

/// An example, with the documentation at its head.
pub(crate) struct Example {
    name: String,
    head: String,
}

impl Example {
    /// Reads `NAME.rs` or `NAME/main.rs` in the folder.
    pub(crate) fn read(folder: &Path, name: &str) -> Self {
        let text = fs::read_to_string(folder.join(format!("{name}.rs")))
            .or_else(|_| fs::read_to_string(folder.join(name).join("main.rs")))
            .unwrap();
        let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
        let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
        Self {
            name: name.to_owned(),
            head: lines.collect::<Vec<&str>>().join("\n"),
        }
    }

    fn walk(&self) -> Option<&str> {
        let (_, rest) = self.head.split_once("```sh\n")?;
        Some(rest.split_once("```")?.0)
    }

    /// Returns the settings before `cargo run`. A secret that the shell would make differs from
    /// name to name.
    fn settings(&self) -> Vec<(String, String)> {
        let command = self.head.split("cargo run").next().unwrap();
        let pairs = command
            .split_whitespace()
            .filter_map(|word| word.split_once('='));
        let given = |name: &str, value: &str| match value {
            "$(openssl" => format!("{name} of 32 bytes at least, and for the tests only"),
            _ => value.to_owned(),
        };
        pairs
            .map(|(name, value)| (name.to_owned(), given(name, value)))
            .collect()
    }

    /// Starts the example in an empty folder. If another program takes the port first, the example
    /// ends and gets another.
    pub(crate) fn serve(&self, settings: &[(&str, &str)]) -> Served {
        const TIMEOUT: Duration = Duration::from_secs(30);
        let deadline = Instant::now() + TIMEOUT;
        while Instant::now() < deadline {
            let address = TcpListener::bind("127.0.0.1:0")
                .and_then(|listener| listener.local_addr())
                .unwrap();
            let folder = tempfile::tempdir().unwrap();
            let child = Command::new(example::program(&self.name))
                .envs(self.settings())
                .envs(settings.iter().copied())
                .env("PORT", address.port().to_string())
                .current_dir(folder.path())
                .spawn()
                .unwrap();
            let mut served = Served {
                child,
                address,
                _folder: folder,
            };
            while served.child.try_wait().unwrap().is_none() && Instant::now() < deadline {
                if TcpStream::connect(address).is_ok() {
                    return served;
                }
                sleep(Duration::from_millis(20));
            }
        }
        panic!("{} does not answer", self.name);
    }
}

/// A running example, until it is dropped.
pub(crate) struct Served {
    child: Child,
    pub(crate) address: SocketAddr,
    _folder: TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
