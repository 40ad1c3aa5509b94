//! Starts a PostgreSQL that a test stops and starts. It listens on a socket in its folder, which no
//! other program can take.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::database::postgres_programs;

pub(crate) struct Cluster {
    folder: TempDir,
    programs: PathBuf,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let cluster = Self {
            folder: tempfile::tempdir().unwrap(),
            programs: postgres_programs(),
        };
        give_to_postgres(cluster.folder.path());
        let made = cluster.run(
            "initdb",
            &["--username=postgres", "--auth=trust", "--no-sync"],
        );
        assert!(made, "initdb");
        cluster.start_again();
        cluster
    }

    pub(crate) fn start_again(&self) {
        let folder = self.folder.path().display();
        let log = format!("--log={folder}/log");
        let options = format!("-k {folder} -c listen_addresses= -c fsync=off");
        let arguments = ["start", "--wait", "--silent", &log, "-o", &options];
        let started = self.run("pg_ctl", &arguments);
        let log = || std::fs::read_to_string(self.folder.path().join("log"));
        assert!(started, "PostgreSQL does not start: {:?}", log());
    }

    /// Stops it immediately. Committed transactions are kept.
    pub(crate) fn stop(&self) {
        assert!(self.try_stop(), "PostgreSQL does not stop");
    }

    /// Restarts it as a standby, which is read-only.
    pub(crate) fn restart_as_standby(&self) {
        self.stop();
        std::fs::write(self.folder.path().join("data/standby.signal"), "").unwrap();
        self.start_again();
    }

    pub(crate) fn promote(&self) {
        assert!(
            self.run("pg_ctl", &["promote", "--wait", "--silent"]),
            "no promotion"
        );
    }

    fn try_stop(&self) -> bool {
        self.run(
            "pg_ctl",
            &["stop", "--wait", "--silent", "--mode=immediate"],
        )
    }

    pub(crate) fn url(&self) -> String {
        let folder = self.folder.path().display();
        format!("postgres:///postgres?host={folder}&user=postgres")
    }

    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        let program = self.programs.join(program);
        let ended = as_postgres(&program)
            .args(arguments)
            .env("PGDATA", self.folder.path().join("data"))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
        ended
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()))
            .success()
    }
}

/// PostgreSQL and PgBouncer refuse to run as root.
pub(super) fn as_postgres(program: impl AsRef<OsStr>) -> Command {
    let mut command = match is_root() {
        true => Command::new("setpriv"),
        false => Command::new("env"),
    };
    if is_root() {
        command.args([
            "--reuid=postgres",
            "--regid=postgres",
            "--init-groups",
            "--",
        ]);
    }
    command.arg(program);
    command
}

pub(super) fn give_to_postgres(folder: &Path) {
    if is_root() {
        let given = Command::new("chown").arg("postgres").arg(folder).status();
        assert!(given.unwrap().success());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // It may already be stopped.
        let _stopped = self.try_stop();
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}
