//! Starts the two programs to compare under one set of settings.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::example;
use super::python::python;
use super::settings::Setting;

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Program {
    /// `peer.py`: the real Flask-JWT-Extended.
    Peer,
    /// `examples/flask_flow.rs`: ours.
    FlaskFlow,
}

impl Program {
    fn command(self) -> Command {
        match self {
            Self::Peer => {
                let mut command = Command::new(python());
                command.arg("-B").arg(PathBuf::from_iter([
                    env!("CARGO_MANIFEST_DIR"),
                    "tests",
                    "flask",
                    "peer.py",
                ]));
                command
            }
            Self::FlaskFlow => Command::new(example::program("flask_flow")),
        }
    }
}

/// A program that listens; it ends with the test.
#[derive(Debug)]
pub(crate) struct Side {
    child: Child,
    log: tempfile::NamedTempFile,
    pub(crate) address: SocketAddr,
}

impl Side {
    /// Starts a program with only the settings in its environment; `wait` tells when it listens.
    pub(crate) fn start(program: Program, setting: &Setting) -> Self {
        let port = unused_port();
        let log = tempfile::NamedTempFile::new().unwrap();
        let child = program
            .command()
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("PORT", port.to_string())
            .envs(setting.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.reopen().unwrap())
            .spawn()
            .unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            child,
            log,
            address,
        }
    }

    pub(crate) fn wait(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "a program did not start ({ended:?}): {}",
                self.said()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Returns its log, for a failure's report.
    pub(crate) fn said(&self) -> String {
        let mut text = String::new();
        let mut log: File = self.log.reopen().unwrap();
        log.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Returns a port that is free, and that no other test of this run has got.
fn unused_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap();
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        if given.insert(port) {
            return port;
        }
    }
}
