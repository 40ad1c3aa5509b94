//! Tests `tokenpair backup`: complete copies while servers write, and refusals that leave nothing behind.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::database::{Backend, Database};
use crate::support::{Ended, Program};

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A program whose servers share their keys.
pub(crate) fn program() -> Program {
    Program::new().env(
        "JWT_SECRET_KEY",
        "a secret of the tests that has 32 bytes or more",
    )
}

/// Runs a command under a limit on the size of files, as on a full disk.
pub(crate) fn run_on_a_full_disk(program: &Program, arguments: &str) -> Ended {
    let mut command = Command::new("bash");
    let binary = env!("CARGO_BIN_EXE_tokenpair");
    command.args(["-c", &format!("ulimit -f 64; exec {binary} {arguments}")]);
    program.environment(&mut command);
    let output = command.stdin(Stdio::null()).output().unwrap();
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Returns the names of the files in the program's folder, but for its settings.
pub(crate) fn files(program: &Program) -> Vec<String> {
    let entries = fs::read_dir(program.path("")).unwrap().flatten();
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// Returns the users of a database file, without opening it for writing.
pub(crate) fn users_in(program: &Program, file: &str) -> Vec<String> {
    let at = program.path("read.db");
    fs::copy(program.path(file), &at).unwrap();
    let url = format!("sqlite://{}", at.display());
    let mut list = program.command(&["user", "list", "--json"]);
    let output = list.env("DATABASE_URL", url).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    for end in ["", "-wal", "-shm"] {
        let _missing = fs::remove_file(program.path(&format!("read.db{end}")));
    }
    let listed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let listed = listed.as_array().unwrap().iter();
    let names = listed.map(|user| user["username"].as_str().unwrap().to_owned());
    names.collect()
}

/// Stops the writers, also if the test fails meanwhile.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_backup_under_a_load_of_writes_is_complete_and_no_request_fails() {
    let program = program().env("THROTTLE", "off");
    let served = program.serve();
    served.log_in_a_new_user("ada", PASSWORD);
    let (done, written) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let _stop = Stop(&done);
        for writer in 0..3 {
            let (served, done, written) = (&served, &done, &written);
            scope.spawn(move || {
                let [_, mut refresh] = served.log_in("ada", PASSWORD);
                let mut number = 0;
                while !done.load(Ordering::SeqCst) {
                    let name = format!("user-{writer}-{number}");
                    served.log_in_a_new_user(&name, PASSWORD);
                    let (status, answer) = served.send("POST", "/refresh", Some(&refresh), None);
                    assert_eq!(status, 200, "{answer}");
                    if let Some(next) = answer["refresh_token"].as_str() {
                        refresh = next.to_owned();
                    }
                    number += 1;
                    written.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for backup in 0..3 {
            let before = written.load(Ordering::SeqCst);
            let name = format!("backup-{backup}.db");
            let said = program.run(&["backup", &name]).done();
            for part in [&name, "checked", "users ", "schema 2026", "data/secret_key"] {
                let part = part.replace("data/secret_key", "JWT_SECRET_KEY");
                assert!(said.contains(&part), "{part}: {said}");
            }
            let mode = fs::metadata(program.path(&name)).unwrap().permissions();
            assert_eq!(mode.mode() & 0o777, 0o600);
            assert!(users_in(&program, &name).len() > before);
        }
    });
    let left: Vec<String> = files(&program);
    let left: Vec<&String> = left
        .iter()
        .filter(|name| !name.starts_with("backup-"))
        .collect();
    assert_eq!(left, ["data"]);
    let log = served.stop_and_read_log();
    // With the blanks, because ids have digits too.
    assert!(!log.contains(" 503 "), "{log}");
}

#[test]
fn an_existing_file_stays_unless_forced() {
    let program = program().migrated();
    fs::write(program.path("copy.db"), "mine").unwrap();
    let said = program.run(&["backup", "copy.db"]).failed();
    assert!(said.contains("copy.db exists"), "{said}");
    assert!(said.contains("--force"), "{said}");
    assert_eq!(fs::read(program.path("copy.db")).unwrap(), b"mine");
    program.run(&["backup", "copy.db", "--force"]).done();
    assert!(users_in(&program, "copy.db").is_empty());

    // A link is followed, and stays.
    fs::create_dir(program.path("elsewhere")).unwrap();
    fs::write(program.path("elsewhere/real.db"), "mine").unwrap();
    symlink("elsewhere/real.db", program.path("link.db")).unwrap();
    let said = program.run(&["backup", "link.db"]).failed();
    assert!(said.contains("link.db exists"), "{said}");
    program.run(&["backup", "link.db", "--force"]).done();
    assert!(program.path("link.db").is_symlink());
    assert!(users_in(&program, "elsewhere/real.db").is_empty());
}

#[test]
fn a_place_that_cannot_hold_a_backup_is_named_with_a_cure() {
    let program = program().migrated();
    fs::create_dir(program.path("folder")).unwrap();
    for (file, parts) in [
        ("folder", ["is a folder", "folder/tokenpair.db"]),
        ("missing/copy.db", ["missing/copy.db", "create the folder"]),
        ("data/tokenpair.db", ["the database itself", "name another"]),
        ("/proc/copy.db", ["cannot write", "/proc/copy.db"]),
    ] {
        let said = program.run(&["backup", file]).failed();
        for part in parts {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    // A device is not a place for a file either.
    for (file, part) in [
        ("data/tokenpair.db", "the database itself"),
        ("/dev/null", "not a regular file"),
    ] {
        let said = program.run(&["backup", file, "--force"]).failed();
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(files(&program), ["data", "folder"]);
    assert!(program.run(&["user", "list"]).done().contains("name"));
}

#[test]
fn a_file_that_sqlite_keeps_beside_the_database_is_no_place_for_a_backup() {
    let program = program();
    let served = program.serve();
    served.log_in_a_new_user("ada", PASSWORD);
    symlink("data", program.path("link")).unwrap();
    symlink("data/tokenpair.db-wal", program.path("log.db")).unwrap();
    let before = fs::read(program.path("data/tokenpair.db-wal")).unwrap();
    let names = ["-wal", "-shm", "-journal"].map(|end| format!("tokenpair.db{end}"));
    let absolute = program.path("data/tokenpair.db-wal");
    let files = names.iter().flat_map(|name| {
        let folders = ["data", "link", "./data/../data"];
        folders.map(|folder| format!("{folder}/{name}"))
    });
    let others = ["log.db", absolute.to_str().unwrap()].map(str::to_owned);
    for file in files.chain(others) {
        for flags in [&[][..], &["--force"]] {
            let arguments = [&["backup", &file][..], flags].concat();
            let said = program.run(&arguments).failed();
            assert!(said.contains("for the database itself"), "{file}: {said}");
        }
    }
    assert_eq!(
        fs::read(program.path("data/tokenpair.db-wal")).unwrap(),
        before
    );
    assert!(!program.path("data/tokenpair.db-journal").exists());
    assert!(program.run(&["user", "list"]).done().contains("ada"));
}

#[test]
fn a_backup_whose_partial_file_would_be_the_database_is_refused() {
    let program = program()
        .env("DATABASE_URL", "sqlite://app.db.partial")
        .migrated();
    let said = program.run(&["backup", "app.db"]).failed();
    assert!(said.contains("for the database itself"), "{said}");
    program.run(&["user", "list"]).done();
}

#[test]
fn a_full_disk_leaves_neither_a_backup_nor_a_partial_one() {
    let program = program().migrated();
    let said = run_on_a_full_disk(&program, "backup copy.db").failed();
    assert!(said.contains("copy.db"), "{said}");
    assert_eq!(files(&program), ["data"]);
}

#[test]
fn without_a_database_there_is_nothing_to_back_up() {
    let program = program();
    let said = program.run(&["backup", "copy.db"]).failed();
    assert!(said.contains("there is no database yet"), "{said}");
    assert!(files(&program).is_empty());
}

#[test]
fn a_backup_needs_no_migration_first() {
    let database = Database::create(Backend::Sqlite);
    let program = program().env("DATABASE_URL", &database.url()).migrated();
    database.execute("DROP TABLE server_keys");
    database.execute("DELETE FROM __diesel_schema_migrations WHERE version = '20261128000002'");
    let said = program.run(&["backup", "before-upgrade.db"]).done();
    assert!(!said.contains("server_keys"), "{said}");
    // Nor is the database migrated by it.
    let check = program.run(&["migrate", "--check"]);
    assert_eq!(check.code, Some(3), "{check:?}");
}

#[test]
fn on_postgresql_the_command_to_run_is_printed_and_works() {
    let database = Database::create(Backend::Postgres);
    let url = database.url();
    let program = program().env("DATABASE_URL", &url).migrated();
    let with_password = url.replace("postgres@", "postgres:not-shown@");
    let program = program.env("DATABASE_URL", &with_password);
    for command in ["backup", "restore"] {
        let ended = program.run(&[command, "copy of.dump"]);
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert!(!format!("{ended:?}").contains("not-shown"), "{ended:?}");
        let line = ended.err.lines().find(|line| line.contains("pg_"));
        let mut shell = Command::new("sh");
        program.environment(&mut shell);
        let output = shell.args(["-ec", line.unwrap()]).output().unwrap();
        assert!(output.status.success(), "{line:?}: {output:?}");
    }
    let mode = fs::metadata(program.path("copy of.dump"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
}

#[test]
fn two_backups_into_one_file_take_turns() {
    let program = program().migrated();
    let children: Vec<_> = (0..4)
        .map(|_| {
            let mut command = program.command(&["backup", "copy.db", "--force"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    let mut succeeded = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        if output.status.success() {
            succeeded += 1;
        } else {
            assert!(said.contains("another command is writing"), "{said}");
        }
    }
    assert!(succeeded > 0);
    assert!(users_in(&program, "copy.db").is_empty());
    assert_eq!(files(&program), ["copy.db", "data"]);
}

/// Runs a command block of the page in a shell where `tokenpair` is this program.
fn run_block(program: &Program, block: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let binary = env!("CARGO_BIN_EXE_tokenpair");
    symlink(binary, folder.path().join("tokenpair")).unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut shell = Command::new("sh");
    program.environment(&mut shell);
    shell.env("PATH", format!("{}:{path}", folder.path().display()));
    let output = shell.args(["-ec", block]).output().unwrap();
    assert!(output.status.success(), "{block}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_commands_of_the_page_do_what_it_says() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/backup.md")).unwrap();
    let blocks = page.split("```sh\n").skip(1);
    let blocks: Vec<&str> = blocks
        .map(|block| block.split("```").next().unwrap())
        .collect();
    let [drill, kratos] = blocks.as_slice() else {
        panic!("{blocks:?}")
    };
    let program = program();
    let served = program.serve();
    let access = served.log_in_a_new_user("ada", PASSWORD);
    let said = run_block(&program, drill);
    assert!(
        said.contains("ada") && said.contains("is restored"),
        "{said}"
    );
    // The drill leaves nothing behind, and the server alone.
    assert_eq!(files(&program), ["data"]);
    assert_eq!(served.get("/protected", &access).0, 200);

    run_block(&program, kratos);
    let identities = fs::read_to_string(program.path("identities.jsonl")).unwrap();
    let identity: serde_json::Value = serde_json::from_str(&identities).unwrap();
    assert_eq!(identity["traits"]["username"], "ada");
    let hash = &identity["credentials"]["password"]["config"]["hashed_password"];
    let hash = hash.as_str().unwrap();
    assert_eq!(bcrypt::verify(PASSWORD, hash).ok(), Some(true));
}
