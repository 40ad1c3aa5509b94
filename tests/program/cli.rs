//! Tests the program as a person or a container runs it: commands, exit codes, files, signals.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use diesel::{Connection, RunQueryDsl, SqliteConnection, sql_query};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

use crate::database::{Backend, Database};
use crate::exchange::{Request, SECRET};
use crate::support::Program;
use crate::wait::within;

const PASSWORD: &str = "correct horse battery";

#[test]
fn the_first_start_makes_all_that_is_needed_and_the_second_keeps_it() {
    let program = Program::new();
    let first = program.serve();
    assert!(
        first
            .greeting
            .contains(&format!("listens on http://{}", first.address)),
        "{}",
        first.greeting
    );
    assert!(
        first
            .greeting
            .contains("database: SQLite, data/tokenpair.db"),
        "{}",
        first.greeting
    );
    assert!(
        first.greeting.contains("try: curl http://"),
        "{}",
        first.greeting
    );
    let mode = |path: &str| {
        fs::metadata(program.path(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(
        (
            mode("data"),
            mode("data/secret_key"),
            mode("data/tokenpair.db")
        ),
        (0o700, 0o600, 0o600)
    );
    let secret = fs::read_to_string(program.path("data/secret_key")).unwrap();
    assert!(secret.len() >= 64);

    let access = first.log_in_a_new_user("ada", PASSWORD);
    assert_eq!(first.stop().code(), Some(0));

    let second = program.serve();
    assert_eq!(
        fs::read_to_string(program.path("data/secret_key")).unwrap(),
        secret
    );
    assert_eq!(
        second.get("/protected", &access),
        (200, json!({ "logged_in_as": "ada" }))
    );
}

#[test]
fn the_same_program_serves_from_postgresql() {
    let database = Database::create(Backend::Postgres);
    let program = Program::new().env("DATABASE_URL", &database.url());
    let served = program.serve();
    assert!(
        served.greeting.contains("database: PostgreSQL, 127.0.0.1:"),
        "{}",
        served.greeting
    );
    served.post(
        "/register",
        &json!({ "username": "ada", "password": PASSWORD }),
    );
    let login = served.post(
        "/login",
        &json!({ "username": "ada", "password": PASSWORD }),
    );
    assert_eq!(login["login"], true);
    assert!(!program.path("data/tokenpair.db").exists());
}

#[test]
fn a_stopping_server_finishes_what_runs_and_exits_with_0() {
    for signal in ["-TERM", "-INT"] {
        let program = Program::new();
        let served = program.serve();
        // The signal arrives while a login is being hashed.
        let address = served.address;
        let slow = std::thread::spawn(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            let body = json!({ "username": "nobody", "password": PASSWORD }).to_string();
            let head = "POST /login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n";
            write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        served.wait_for_a_busy_hashing_thread();
        let stopped = served.signal(signal);
        assert_eq!(stopped.code(), Some(0), "{signal}");
        let answer = slow.join().unwrap();
        assert!(answer.starts_with("HTTP/1.1 401"), "{signal}: {answer}");
    }
}

#[test]
fn users_are_added_and_listed_from_the_command_line() {
    let program = Program::new().migrated();
    let added = program.run_with_input(
        &["user", "add", "Root", "--admin", "--password-stdin"],
        &format!("{PASSWORD}\n"),
    );
    assert!(added.done().starts_with("Root added, id "));
    program
        .run_with_input(&["user", "add", "ada", "--password-stdin"], PASSWORD)
        .done();
    let twice = program.run_with_input(&["user", "add", "ADA", "--password-stdin"], PASSWORD);
    assert_eq!(twice.failed(), "tokenpair: the username is taken\n");
    let short = program.run_with_input(&["user", "add", "bob", "--password-stdin"], "short");
    assert_eq!(
        short.failed(),
        "tokenpair: a password has at least 8 characters\n"
    );
    for guessed in ["iloveyou", "Robertson!"] {
        let common =
            program.run_with_input(&["user", "add", "robertson", "--password-stdin"], guessed);
        assert_eq!(
            common.failed(),
            "tokenpair: this password is too easy to guess; choose several words that do not belong together\n"
        );
    }
    let odd = program.run_with_input(&["user", "add", "two words", "--password-stdin"], PASSWORD);
    assert!(odd.failed().contains("a username has letters, digits"));

    let list = program.run(&["user", "list"]).done();
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(
        lines[1].starts_with("ada ") && lines[1].ends_with("active"),
        "{list}"
    );
    assert!(
        lines[2].starts_with("Root ") && lines[2].ends_with("active    admin"),
        "{list}"
    );
}

#[test]
fn the_command_line_disables_users_and_changes_their_passwords() {
    let program = Program::new().migrated();
    program
        .run_with_input(&["user", "add", "ada", "--password-stdin"], PASSWORD)
        .done();
    let served = program.serve();
    let login = |password: &str| {
        served
            .request(
                "POST",
                "/login",
                Some(&json!({ "username": "ada", "password": password, "tokens": "body" })),
            )
            .0
    };
    assert_eq!(login(PASSWORD), 200);
    program.run(&["user", "disable", "ada"]).done();
    assert_eq!(login(PASSWORD), 401);
    assert!(program.run(&["user", "list"]).done().contains("disabled"));
    program.run(&["user", "enable", "ada"]).done();
    assert_eq!(login(PASSWORD), 200);
    program
        .run_with_input(
            &["user", "password", "ada", "--password-stdin"],
            "another password\n",
        )
        .done();
    assert_eq!((login(PASSWORD), login("another password")), (401, 200));
    let common =
        program.run_with_input(&["user", "password", "ada", "--password-stdin"], "iloveyou");
    assert_eq!(
        common.failed(),
        "tokenpair: this password is too easy to guess; choose several words that do not belong together\n"
    );
    let nobody = program.run(&["user", "disable", "nobody"]);
    assert_eq!(
        nobody.failed(),
        "tokenpair: there is no user \"nobody\"; list all with `tokenpair user list`\n"
    );
}

#[test]
fn without_a_terminal_a_password_is_not_asked_for() {
    let program = Program::new().migrated();
    // A new session has no terminal.
    let mut command = Command::new("setsid");
    command
        .arg("--wait")
        .arg(env!("CARGO_BIN_EXE_tokenpair"))
        .args(["user", "add", "ada"]);
    let output = program
        .environment(&mut command)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("use --password-stdin"), "{complaint}");
}

#[test]
fn sessions_are_listed_and_ended_from_the_command_line() {
    let program = Program::new();
    let served = program.serve();
    let access = served.log_in_a_new_user("ada", PASSWORD);
    let list = program.run(&["session", "list", "ada"]).done();
    let session = list.lines().nth(1).unwrap();
    assert!(
        session.contains("active") && session.contains("127.0.0.1"),
        "{list}"
    );
    let id = session.split_whitespace().next().unwrap();
    assert_eq!(
        program.run(&["session", "revoke", id]).done(),
        format!("{id} is revoked\n")
    );
    assert_eq!(
        program.run(&["session", "revoke", id]).done(),
        format!("{id} had already ended\n")
    );
    let unknown = program.run(&["session", "revoke", "nothing"]);
    assert!(unknown.failed().contains("there is no session \"nothing\""));
    let events = program.run(&["events", "--user", "ada"]).done();
    let full = program.run(&["events", "--user", "ada", "--json"]).done();
    assert!(full.contains(id), "{full}");
    let kinds: Vec<&str> = events
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    assert_eq!(kinds, ["session_revoked", "login", "user_created"]);
    assert!(events.contains(" operator "), "{events}");
    let logins = program.run(&["events", "--kind", "login"]).done();
    assert_eq!(logins.lines().count(), 2, "{logins}");
    let unknown = program.run(&["events", "--kind", "nonsense"]);
    assert_eq!(unknown.code, Some(2));
    within(1, "the server hears of it", || {
        served.get("/protected", &access).0 == 401
    });
    assert!(
        program
            .run(&["session", "list", "ada"])
            .done()
            .contains("admin")
    );
}

/// Sends text that would move the cursor, reverse the line or be invisible, in a `User-Agent` and
/// in a token.
#[test]
fn what_strangers_wrote_cannot_act_on_a_terminal() {
    let program = Program::new().env("JWT_SECRET_KEY", SECRET);
    let served = program.serve();
    let user = json!({ "username": "ada", "password": "correct horse", "tokens": "body" });
    let request = |path: &str| {
        let request = Request::new(served.address, "POST", path);
        let agent = "Fire\u{202e}xof\u{200b} \u{9b}2J\u{e0041}\u{2028}";
        request
            .header("User-Agent", agent)
            .json(user.clone())
            .send()
    };
    assert_eq!(request("/register").status, 201);
    assert_eq!(request("/login").status, 200);
    let list = program.run(&["session", "list", "ada"]).done();
    assert!(
        list.contains(r"Fire\u202exof\u200b 2J\udb40\udc41\u2028"),
        "{list}"
    );
    let claims = json!({ "sub": "\u{202e}ada\u{7f}", "\u{2066}x": "\u{9b}2J\u{1b}[2J" });
    let token = encode(
        &Header::default(),
        &claims,
        &EncodingKey::from_secret(SECRET.as_bytes()),
    );
    let header = URL_SAFE_NO_PAD.encode("{\"alg\":\"\u{202e}652SH\",\"typ\":\"JWT\"}");
    let token = token.unwrap();
    for token in [
        token.clone(),
        token.replacen(token.split('.').next().unwrap(), &header, 1),
    ] {
        let inspected = program.run_with_input(&["token", "inspect"], &token);
        assert_eq!(inspected.code, Some(1));
        assert!(
            inspected.out.contains(r#""sub": "\u202eada\u007f""#),
            "{inspected:?}"
        );
        assert!(
            inspected.out.contains(r#""\u2066x": "\u009b2J\u001b[2J""#),
            "{inspected:?}"
        );
        let seen = format!("{}{}{list}", inspected.out, inspected.err);
        let hidden = |letter: char| letter.is_control() && letter != '\n';
        assert!(!seen.contains(hidden), "{seen:?}");
        assert!(
            !seen.contains(['\u{202e}', '\u{200b}', '\u{2066}', '\u{2028}', '\u{e0041}']),
            "{seen:?}"
        );
    }
    let unknown = program.run(&["user", "disable", "\u{202e}ada"]).failed();
    assert!(!unknown.contains('\u{202e}'), "{unknown}");
}

#[test]
fn purge_deletes_what_is_long_over_however_much_that_is() {
    let program = Program::new().migrated();
    program
        .run_with_input(&["user", "add", "ada", "--password-stdin"], PASSWORD)
        .done();
    let path = program.path("data/tokenpair.db");
    let mut database = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    // More than the batches of three transactions.
    let old = "WITH RECURSIVE old(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM old WHERE n < 1700) \
               INSERT INTO audit_events (id, at, kind) SELECT 'old ' || n, n, 'login' FROM old";
    sql_query(old).execute(&mut database).unwrap();
    let purged = |events: usize| {
        format!(
            "purged 0 sessions, 0 revocations, {events} audit events and 0 tallies of failures\n"
        )
    };
    assert_eq!(program.run(&["purge"]).done(), purged(1700));
    assert_eq!(program.run(&["purge"]).done(), purged(0));
    let left = program.run(&["events"]).done();
    assert_eq!(left.lines().count(), 2, "only what is young: {left}");
}

#[test]
fn a_token_is_taken_apart_with_each_verdict() {
    let program = Program::new();
    assert!(
        program
            .run_with_input(&["token", "inspect"], "x")
            .failed()
            .contains("there is no signing secret yet")
    );
    let served = program.serve();
    let access = served.log_in_a_new_user("ada", PASSWORD);

    let good = program
        .run_with_input(&["token", "inspect"], &format!("Bearer {access}\n"))
        .done();
    for line in [
        "\"alg\": \"HS256\"",
        "\"username\": \"ada\"",
        "signature: valid",
        "times: valid",
        "the token is valid",
    ] {
        assert!(good.contains(line), "{good}");
    }
    let forged = format!("{}A", &access[..access.len() - 5]);
    let bad = program.run_with_input(&["token", "inspect"], &forged);
    assert_eq!(bad.code, Some(1));
    assert!(
        bad.out.contains("signature: Signature verification failed")
            && bad.out.contains("times: valid"),
        "{bad:?}"
    );
    assert_eq!(
        program.run_with_input(&["token", "inspect"], "x").failed(),
        "tokenpair: malformed token: Not enough segments; paste the whole token, as it is in the cookie or after Bearer\n"
    );
}

#[test]
fn bytes_that_are_no_text_are_refused_wherever_a_line_is_read() {
    let program = Program::new().env("JWT_SECRET_KEY", SECRET);
    let program = program.migrated();
    let random = program.path("random");
    std::fs::write(&random, [0xFF, 0xFE, 0x80, b'\n']).unwrap();
    for (arguments, wanted) in [
        (
            &["token", "inspect"][..],
            "write the token, as it is in the cookie",
        ),
        (
            &["user", "add", "ada", "--password-stdin"],
            "write the password",
        ),
    ] {
        let mut command = program.command(arguments);
        command.stdin(std::fs::File::open(&random).unwrap());
        let said = String::from_utf8(command.output().unwrap().stderr).unwrap();
        let cause =
            format!("tokenpair: the first line of standard input is not text in UTF-8; {wanted}");
        assert!(said.starts_with(&cause), "{said}");
    }
}

#[test]
fn the_health_check_says_whether_the_server_is_ready() {
    let program = Program::new();
    let served = program.serve();
    let check = program
        .command(&["healthcheck"])
        .env("SERVER_BIND", served.address.to_string())
        .output();
    assert_eq!(check.unwrap().status.code(), Some(0));
    let address = served.address.to_string();
    served.stop();
    let check = program
        .command(&["healthcheck"])
        .env("SERVER_BIND", &address)
        .output()
        .unwrap();
    assert_eq!(check.status.code(), Some(1));
    assert!(
        String::from_utf8(check.stderr)
            .unwrap()
            .contains("is not ready")
    );
}

/// A limit on file sizes has the same effect on SQLite as a broken disk.
#[test]
fn the_health_check_tells_why_a_server_is_not_ready_and_asks_any_address() {
    let program = Program::new();
    let served = program.serve();
    let limit = |bytes: &str| {
        let of = ["--pid", &served.id().to_string()].map(str::to_owned);
        let limited = Command::new("prlimit")
            .args(of)
            .arg(format!("--fsize={bytes}:"))
            .status();
        assert!(limited.unwrap().success());
    };
    let base = format!("http://{}", served.address);
    let check = |url: &str| program.run(&["healthcheck", url]);
    assert_eq!(check(&base).done(), "ready\n");

    limit("1");
    let ada = json!({ "username": "ada", "password": "correct horse battery" });
    assert_eq!(served.request("POST", "/register", Some(&ada)).0, 503);
    assert_eq!(
        check(&base).failed(),
        format!(
            "tokenpair: {base}/health/ready is not ready: The database refuses writes (database_not_writable). \
             Read the server's log, which names the cause.\n"
        )
    );
    served.wait_for_log("not ready: the database failed to commit: disk I/O error");

    limit("unlimited");
    assert_eq!(check(&format!("{base}/health/ready")).done(), "ready\n");
    assert_eq!(served.request("POST", "/register", Some(&ada)).0, 201);
    for wrong in [
        "127.0.0.1:8080",
        "ftp://127.0.0.1",
        "http://ada:x@127.0.0.1",
    ] {
        let complaint = check(wrong).failed();
        assert!(
            complaint.contains("as in http://127.0.0.1:8080"),
            "{complaint}"
        );
    }
}

#[test]
fn completions_and_help_are_printed_and_wrong_usage_is_2() {
    let program = Program::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            program
                .run(&["completions", shell])
                .done()
                .contains("tokenpair")
        );
    }
    let help = program.run(&["--help"]).done();
    for command in [
        "serve",
        "migrate",
        "user",
        "session",
        "config",
        "token",
        "healthcheck",
        "completions",
    ] {
        assert!(help.contains(command), "{help}");
    }
    for wrong in [
        &["frobnicate"][..],
        &["user", "add"],
        &["user"],
        &["serve", "--fast"],
    ] {
        assert_eq!(program.run(wrong).code, Some(2), "{wrong:?}");
    }
}

/// Other users of the machine can read the arguments of every program.
#[test]
fn no_secret_is_taken_from_the_command_line() {
    let program = Program::new();
    for given in [
        &["user", "add", "ada", "--password", "hidden-word"][..],
        &["user", "add", "ada", "--password=hidden-word"],
        &["user", "add", "ada", "hidden-word"],
        &["user", "password", "ada", "hidden-word"],
        &["user", "add", "ada", "--password-stdin=hidden-word"],
        &["token", "inspect", "hidden-word"],
        &["serve", "--jwt-secret-key", "hidden-word"],
        &["serve", "--database-url", "hidden-word"],
        &["keys", "generate", "--key", "hidden-word"],
    ] {
        let ended = program.run(given);
        assert_eq!(ended.code, Some(2), "{given:?}: {ended:?}");
    }
    assert!(!program.path("data").exists(), "nothing was begun");
}

#[test]
fn an_operator_who_only_wants_errors_sees_each_with_its_cause() {
    let database = Database::create(Backend::Postgres);
    let program = Program::new()
        .env("DATABASE_URL", &database.url())
        .env("RUST_LOG", "error");
    let served = program.serve();
    let user = json!({ "username": "ada", "password": PASSWORD });
    assert_eq!(served.request("POST", "/login", Some(&user)).0, 401);
    drop(database);
    assert_eq!(served.request("POST", "/login", Some(&user)).0, 503);
    let log = served.stop_and_read_log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("POST ")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    let causes = log.lines().filter(|line| line.contains("unavailable"));
    assert_eq!(causes.count(), 1, "logged once: {log}");
    assert!(
        lines[0].contains("POST /login 503") && lines[0].contains("code=unavailable cause=\""),
        "{log}"
    );
}

#[test]
fn a_signal_is_heard_while_the_database_keeps_the_start_waiting() {
    for signals in [&["-TERM"][..], &["-HUP", "-TERM"]] {
        // Accepts connections and sends nothing.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!(
            "postgres://ada@{}/nowhere?connect_timeout=60",
            silent.local_addr().unwrap()
        );
        let program = Program::new().env("DATABASE_URL", &url);
        let mut child = program
            .command(&["serve"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let (_held, _) = silent.accept().unwrap();
        let began = Instant::now();
        for signal in signals {
            let pid = child.id().to_string();
            let sent = Command::new("kill").args([*signal, &pid]).status();
            assert!(sent.unwrap().success());
        }
        assert_eq!(child.wait().unwrap().code(), Some(0), "{signals:?}");
        assert!(began.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn a_greeting_that_nobody_reads_keeps_nobody_from_being_served() {
    let program = Program::new().env("SERVER_BIND", "127.0.0.1:0");
    let mut child = program
        .command(&["serve"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut log = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("cannot print the greeting") {
        line.clear();
        assert!(
            std::io::BufRead::read_line(&mut log, &mut line).unwrap() > 0,
            "the server ended"
        );
    }
    assert!(child.try_wait().unwrap().is_none(), "it serves");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_last_admin_cannot_delete_itself() {
    let program = Program::new().migrated();
    for name in ["root", "deputy"] {
        let add = ["user", "add", name, "--admin", "--password-stdin"];
        program.run_with_input(&add, PASSWORD).done();
    }
    let served = program.serve();
    let delete = |name: &str| {
        let login = json!({ "username": name, "password": PASSWORD, "tokens": "body" });
        let access = served.post("/login", &login)["access_token"]
            .as_str()
            .unwrap()
            .to_owned();
        let body = json!({ "password": PASSWORD });
        served.send("DELETE", "/account", Some(&access), Some(&body))
    };
    assert_eq!(delete("deputy").0, 200);
    let (status, answer) = delete("root");
    assert_eq!((status, &answer["code"]), (409, &json!("last_admin")));
    assert!(program.run(&["user", "list"]).done().contains("root"));
}

#[test]
fn a_command_in_the_wrong_folder_makes_no_database() {
    let program = Program::new();
    for command in [
        &["user", "list"][..],
        &["user", "disable", "ada"],
        &["session", "list", "ada"],
        &["purge"],
    ] {
        let said = program.run(command).failed();
        let path = program.path("data/tokenpair.db");
        assert!(
            said.contains(&format!("there is no database yet at {}", path.display())),
            "{said}"
        );
    }
    assert!(!program.path("data").exists());
}

#[test]
fn the_list_of_sessions_says_why_each_one_ended() {
    let program = Program::new();
    let served = program.serve();
    let reasons = [("ada", "password"), ("bob", "disable")];
    for (name, command) in reasons {
        served.log_in_a_new_user(name, PASSWORD);
        let arguments = ["user", command, name, "--password-stdin"];
        let arguments = if command == "password" {
            &arguments[..]
        } else {
            &arguments[..3]
        };
        program.run_with_input(arguments, "another password").done();
    }
    let state = |name: &str| {
        let list = program.run(&["session", "list", name]).done();
        list.lines()
            .nth(1)
            .unwrap()
            .split_whitespace()
            .nth(3)
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        (state("ada"), state("bob")),
        ("password".to_owned(), "disabled".to_owned())
    );
}

#[test]
fn a_token_that_the_server_would_refuse_is_not_called_good() {
    let program = Program::new().env("JWT_SECRET_KEY", "a secret of 32 bytes or more, for this");
    let claims = json!({ "fresh": false, "iat": 1, "jti": "j", "type": "access", "sub": "u", "exp": 9_999_999_999_u64 });
    let key = jsonwebtoken::EncodingKey::from_secret(b"a secret of 32 bytes or more, for this");
    let foreign = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let said = program.run_with_input(&["token", "inspect"], &foreign);
    assert_eq!(said.code, Some(1));
    assert!(
        said.out.contains("signature: valid")
            && said.out.contains("session: the token has none (claim sid)"),
        "{}",
        said.out
    );
}
