//! Starts a PgBouncer in transaction mode before the tests' PostgreSQL. It listens on a socket in
//! its folder.

use std::fs;
use std::process::{Child, Stdio};

use tempfile::TempDir;
use url::Url;

use super::cluster::{as_postgres, give_to_postgres};
use super::database::Database;
use super::wait::within;

pub(crate) struct Bouncer {
    folder: TempDir,
    process: Child,
    url: String,
}

impl Bouncer {
    /// Starts one with that many database sessions, which its clients share. `more` is for the
    /// section `[pgbouncer]`.
    pub(crate) fn before(database: &Database, sessions: u32, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Url::parse(&database.url()).unwrap();
        let (host, port) = (server.host_str().unwrap(), server.port().unwrap_or(5432));
        let (name, user, at) = (
            server.path().trim_start_matches('/'),
            server.username(),
            folder.path().display(),
        );
        let settings = format!(
            "[databases]\n{name} = host={host} port={port} user={user}\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\n\
             unix_socket_dir = {at}\nlogfile = {at}/log\nauth_type = any\npool_mode = transaction\n\
             default_pool_size = {sessions}\n{more}\n"
        );
        fs::write(folder.path().join("pgbouncer.ini"), settings).unwrap();
        give_to_postgres(folder.path());
        let programs = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
        let process = as_postgres("pgbouncer")
            .env("PATH", programs)
            .arg(folder.path().join("pgbouncer.ini"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("PgBouncer, from Debian's package pgbouncer");
        let socket = folder.path().join(".s.PGSQL.6432");
        within(20, "PgBouncer listens", || socket.exists());
        let url = format!("postgres:///{name}?host={at}&port=6432&user={user}");
        Self {
            folder,
            process,
            url,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}
