//! Runs the built program in a folder of its own, with only the environment that a test sets.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::exchange::Request;
use crate::wait::within;

/// An address outside the system's ephemeral ports. The server finds it free after each kill, and
/// clients do not connect to themselves meanwhile.
pub(crate) fn an_address_of_ones_own() -> SocketAddr {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    let free = std::iter::repeat_with(|| first + TRIED.fetch_add(1, Ordering::SeqCst))
        .find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
    free.unwrap().local_addr().unwrap()
}

pub(crate) struct Program {
    folder: Arc<TempDir>,
    variables: BTreeMap<String, String>,
}

/// The output and exit code of a command.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Returns the standard output. Asserts success.
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// Returns the standard error. Asserts failure.
    #[track_caller]
    pub(crate) fn failed(self) -> String {
        assert_eq!(self.code, Some(1), "{self:?}");
        self.err
    }
}

impl Program {
    pub(crate) fn new() -> Self {
        let program = Self {
            folder: Arc::new(tempfile::tempdir().unwrap()),
            variables: BTreeMap::new(),
        };
        program
            .env("SERVER_BIND", "127.0.0.1:0")
            .env("PASSWORD_BCRYPT_COST", "10")
            .env("SERVER_DRAIN", "0")
            .env("RUST_LOG", "info")
    }

    /// Returns the program with a migrated database.
    pub(crate) fn migrated(self) -> Self {
        self.run(&["migrate"]).done();
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Removes a setting.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenpair"));
        // As a person types it.
        command.arg0("tokenpair");
        command.args(arguments);
        self.environment(&mut command);
        command
    }

    /// Sets a command's folder and variables to this program's.
    pub(crate) fn environment<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", path)
            .envs(&self.variables)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with_input(arguments, "")
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Ended {
        let mut command = self.command(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that does not read its input may have ended by now.
        let _unread = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Ended {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts the server and waits until it has printed its address.
    pub(crate) fn serve(&self) -> Served {
        self.command(&["serve"]).serve().keeping(self)
    }

    /// Like [`serve`](Self::serve), with a command that becomes the server.
    pub(crate) fn served_by(command: Command) -> Served {
        command.serve()
    }

    /// Starts the server with a log in JSON, which has the greeting too.
    pub(crate) fn serve_in_json(&self) -> Served {
        let mut command = self.command(&["serve"]);
        command.env("LOG_FORMAT", "json");
        let (child, err) = spawn(command);
        let log = Log::of(err);
        within(20, "the server listens", || {
            log.so_far().contains("listens on ")
        });
        let said = log.so_far();
        let lines = said.lines().map(json_line);
        let messages = lines.map(|line| line["message"].as_str().unwrap().to_owned());
        let greeting = messages.skip_while(|message| !message.contains("listens on "));
        let greeting = greeting.collect::<Vec<_>>().join("\n");
        Served::new(child, greeting, Some(log)).keeping(self)
    }

    /// Starts the server with a terminal as its standard input.
    pub(crate) fn serve_on_a_terminal(&self) -> Served {
        self.on_a_terminal("0").serve().keeping(self)
    }

    /// Starts the server with a log that is not read until the test reads it.
    pub(crate) fn serve_with_an_unread_log(&self) -> (Served, ChildStderr) {
        let (served, log) = self.command(&["serve"]).serve_unread();
        (served.keeping(self), log)
    }

    /// Starts the server with its log on a terminal that is stopped, as by Ctrl-S.
    pub(crate) fn serve_on_a_stopped_terminal(&self) -> Served {
        self.on_a_terminal("2").serve_unread().0.keeping(self)
    }

    /// Starts the server with an unread terminal as one of its files.
    fn on_a_terminal(&self, file: &str) -> Command {
        const ON_A_TERMINAL: &str = "import os, pty, sys; terminal, end = pty.openpty(); \
                                     os.set_inheritable(terminal, True); os.dup2(end, int(sys.argv[1])); \
                                     os.execv(sys.argv[2], sys.argv[2:])";
        let mut command = Command::new("python3");
        command.args(["-c", ON_A_TERMINAL, file]);
        command.args([env!("CARGO_BIN_EXE_tokenpair"), "serve"]);
        self.environment(&mut command);
        command
    }
}

/// Returns a line of the log in JSON.
#[track_caller]
pub(crate) fn json_line(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

trait Serve {
    fn serve(self) -> Served;
    fn serve_unread(self) -> (Served, ChildStderr);
}

impl Serve for Command {
    fn serve(self) -> Served {
        let (mut child, err) = spawn(self);
        let log = Log::of(err);
        match greeting(&mut child) {
            Some(greeting) => Served::new(child, greeting, Some(log)),
            None => panic!("the server did not start: {}", log.whole()),
        }
    }

    fn serve_unread(self) -> (Served, ChildStderr) {
        let (mut child, err) = spawn(self);
        let greeting = greeting(&mut child).expect("the server starts");
        (Served::new(child, greeting, None), err)
    }
}

fn spawn(mut command: Command) -> (Child, ChildStderr) {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let err = child.stderr.take().unwrap();
    (child, err)
}

/// Reads a server's greeting, up to its last line. `None` if the server has ended.
fn greeting(child: &mut Child) -> Option<String> {
    let mut greeting = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        greeting.push(line.unwrap());
        if greeting.last().unwrap().starts_with("try: ") {
            break;
        }
    }
    (!greeting.is_empty()).then(|| greeting.join("\n"))
}

/// The standard error of a running server.
struct Log {
    said: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Log {
    fn of(err: ChildStderr) -> Self {
        let said = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&said);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(err).lines() {
                *kept.lock().unwrap() += &(line.unwrap() + "\n");
            }
        });
        Self { said, reader }
    }

    fn so_far(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Returns the whole log, once the server has ended.
    fn whole(self) -> String {
        self.reader.join().unwrap();
        self.said.lock().unwrap().clone()
    }
}

/// A running server, killed on drop.
pub(crate) struct Served {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) greeting: String,
    log: Option<Log>,
    /// The program's folder, which holds the database while the server runs.
    folder: Option<Arc<TempDir>>,
}

impl Served {
    fn keeping(mut self, program: &Program) -> Self {
        self.folder = Some(Arc::clone(&program.folder));
        self
    }

    fn new(child: Child, greeting: String, log: Option<Log>) -> Self {
        let first = greeting.lines().next().unwrap();
        let (_, address) = first.rsplit_once("://").unwrap();
        Self {
            child,
            address: address.parse().unwrap(),
            greeting,
            log,
            folder: None,
        }
    }

    pub(crate) fn request(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.send(method, path, None, body)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.request("POST", path, Some(body));
        assert!(status < 300, "{path}: {status} {answer}");
        answer
    }

    /// Registers a user. Returns the access token.
    pub(crate) fn log_in_a_new_user(&self, username: &str, password: &str) -> String {
        let user = json!({ "username": username, "password": password, "tokens": "body" });
        self.post("/register", &user);
        let login = self.post("/login", &user);
        login["access_token"].as_str().unwrap().to_owned()
    }

    /// Logs in again. Returns the access token and the refresh token.
    pub(crate) fn log_in(&self, username: &str, password: &str) -> [String; 2] {
        let user = json!({ "username": username, "password": password, "tokens": "body" });
        let login = self.post("/login", &user);
        ["access_token", "refresh_token"].map(|name| login[name].as_str().unwrap().to_owned())
    }

    pub(crate) fn get(&self, path: &str, access: &str) -> (u16, Value) {
        self.send("GET", path, Some(access), None)
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        access: Option<&str>,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let mut request = Request::new(self.address, method, path);
        if let Some(access) = access {
            request = request.bearer(access);
        }
        if let Some(body) = body {
            request = request.json(body.clone());
        }
        let response = request.send();
        (response.status, response.json())
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns a hashing thread that has used the processor.
    pub(crate) fn wait_for_a_busy_hashing_thread(&self) {
        within(20, "a password is hashed", || {
            self.ticks_spent_hashing() > 0
        });
    }

    /// Returns the processor time of the hashing threads, in ticks of 10 ms. Starting a thread
    /// takes less than a tick.
    pub(crate) fn ticks_spent_hashing(&self) -> u32 {
        let tasks = format!("/proc/{}/task", self.child.id());
        let tasks = std::fs::read_dir(tasks).unwrap().flatten();
        let stat = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("stat"));
        let stats = tasks.filter_map(|task| stat(task).ok());
        stats
            .filter(|stat| stat.contains("(password-"))
            .filter_map(|stat| stat.split_whitespace().nth(13)?.parse::<u32>().ok())
            .sum()
    }

    #[track_caller]
    pub(crate) fn wait_for_log(&self, text: &str) {
        within(20, text, || self.log_so_far().contains(text));
    }

    /// Waits until the log contains a text that many times.
    #[track_caller]
    pub(crate) fn wait_for_log_times(&self, text: &str, times: usize) {
        within(20, text, || {
            self.log_so_far().matches(text).count() == times
        });
    }

    pub(crate) fn log_so_far(&self) -> String {
        self.log.as_ref().unwrap().so_far()
    }

    pub(crate) fn stop(self) -> ExitStatus {
        self.signal("-TERM")
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn signal(self, signal: &str) -> ExitStatus {
        self.send_signal(signal);
        self.wait()
    }

    pub(crate) fn stop_and_read_log(self) -> String {
        self.send_signal("-TERM");
        self.wait_and_read_log()
    }

    pub(crate) fn send_signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for the end, which has another cause.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    pub(crate) fn wait_and_read_log(mut self) -> String {
        self.child.wait().unwrap();
        self.log.take().unwrap().whole()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
