//! Tests `tokenpair restore`: no revoked token comes back to life, and after a crash the database is the old or the new
//! one.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;

use crate::backup::{PASSWORD, files, program, run_on_a_full_disk, users_in};
use crate::database::{Backend, Database};
use crate::support::{Program, Served};
use crate::wait::within;

const DATABASE: &str = "data/tokenpair.db";

/// Returns the status of an access token.
fn status(served: &Served, access: &str) -> u16 {
    served.get("/protected", access).0
}

fn refresh(served: &Served, refresh: &str) -> u16 {
    served.send("POST", "/refresh", Some(refresh), None).0
}

/// Returns the files beside the database.
fn beside(program: &Program) -> Vec<String> {
    let entries = fs::read_dir(program.path("data")).unwrap().flatten();
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// A program with the user ada, and a backup of its database.
fn backed_up() -> (Program, [String; 2]) {
    let program = program();
    let served = program.serve();
    served.log_in_a_new_user("ada", PASSWORD);
    let tokens = served.log_in("ada", PASSWORD);
    program.run(&["backup", "backup.db"]).done();
    served.stop();
    (program, tokens)
}

#[test]
fn what_was_revoked_after_the_backup_stays_revoked() {
    let program = program();
    let served = program.serve();
    for name in ["ada", "grace", "linus", "alan"] {
        served.log_in_a_new_user(name, PASSWORD);
    }
    let before = served.log_in("ada", PASSWORD);
    let kept = served.log_in("ada", PASSWORD);
    let graces = served.log_in("grace", PASSWORD);
    let linus = served.log_in("linus", PASSWORD);
    program.run(&["backup", "backup.db"]).done();

    // A logout, a new password with a login, a deletion, a disabled user, and a new user.
    assert_eq!(
        served.send("POST", "/logout", Some(&before[0]), None).0,
        200
    );
    let other = "another horse battery";
    let arguments = ["user", "password", "grace", "--password-stdin"];
    program.run_with_input(&arguments, other).done();
    let graces_new = served.log_in("grace", other);
    program.run(&["user", "delete", "linus", "--yes"]).done();
    program.run(&["user", "disable", "alan"]).done();
    served.log_in_a_new_user("new", PASSWORD);
    let news = served.log_in("new", PASSWORD);
    assert_eq!(status(&served, &news[0]), 200);
    served.stop();

    let said = program.run(&["restore", "backup.db"]).done();
    for part in [
        "is restored",
        "users 4",
        "sessions ended: 8",
        "tokens issued until now are refused",
        "the former database is",
        "repeat the changes",
        "password_changed 1",
        "user_deleted 1",
        "user_disabled 1",
        "user_created 1",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // The command that it names lists what was deleted.
    let command = said.lines().find(|line| line.contains("user_deleted"));
    let command = command.unwrap().split_once(": ").unwrap().1;
    let url = command.split_once(' ').unwrap().0;
    let url = url.strip_prefix("DATABASE_URL=").unwrap();
    let mut events = program.command(&["events", "--kind", "user_deleted"]);
    let output = events.env("DATABASE_URL", url).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("linus"));

    let served = program.serve();
    for tokens in [&before, &kept, &graces, &graces_new, &linus, &news] {
        assert_eq!(status(&served, &tokens[0]), 401);
        assert_eq!(refresh(&served, &tokens[1]), 401);
    }
    // A login is accepted at once, with the password of that time.
    for name in ["ada", "grace", "linus", "alan"] {
        let again = served.log_in(name, PASSWORD);
        assert_eq!(status(&served, &again[0]), 200);
        assert_eq!(refresh(&served, &again[1]), 200);
    }
    let events = program
        .run(&["events", "--kind", "all_sessions_revoked"])
        .done();
    assert!(events.contains("restored"), "{events}");
    let sessions = program.run(&["session", "list", "ada"]).done();
    assert!(sessions.contains("restored"), "{sessions}");
}

#[test]
fn sessions_are_kept_if_the_operator_says_so() {
    let (program, [access, token]) = backed_up();
    let served = program.serve();
    // The row of the backup is behind this refresh.
    let (status_now, answer) = served.send("POST", "/refresh", Some(&token), None);
    assert_eq!(status_now, 200);
    let newer = answer["refresh_token"].as_str().unwrap().to_owned();
    served.stop();
    let said = program
        .run(&["restore", "backup.db", "--keep-sessions"])
        .done();
    assert!(said.contains("are live again"), "{said}");
    let served = program.serve();
    assert_eq!(status(&served, &access), 200);
    assert_eq!(refresh(&served, &newer), 200);
}

#[test]
fn while_a_server_runs_nothing_is_restored() {
    let (program, [access, _]) = backed_up();
    let served = program.serve();
    served.log_in_a_new_user("new", PASSWORD);
    let said = program.run(&["restore", "backup.db"]).failed();
    for part in ["a server or another program uses", "stop it"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(status(&served, &access), 200);
    served.stop();
    assert_eq!(users_in(&program, DATABASE), ["ada", "new"]);
    program.run(&["restore", "backup.db"]).done();
    assert_eq!(users_in(&program, DATABASE), ["ada"]);
    let mode = fs::metadata(program.path(DATABASE)).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
}

#[test]
fn a_log_of_the_former_database_never_reaches_the_restored_one() {
    for without_file in [false, true] {
        let (program, _) = backed_up();
        let served = program.serve();
        served.log_in_a_new_user("new", PASSWORD);
        served.signal("-KILL");
        let log = fs::metadata(program.path("data/tokenpair.db-wal")).unwrap();
        assert!(log.len() > 0);
        if without_file {
            fs::remove_file(program.path(DATABASE)).unwrap();
        }
        program.run(&["restore", "backup.db"]).done();
        assert_eq!(users_in(&program, DATABASE), ["ada"]);
        let names = beside(&program);
        assert!(!names.contains(&"tokenpair.db-wal".to_owned()), "{names:?}");
        let formers = names.iter().filter(|name| name.contains("before-restore"));
        let formers: Vec<_> = formers.collect();
        if without_file {
            assert!(formers.is_empty(), "{names:?}");
        } else {
            let former = format!("data/{}", formers[0]);
            assert_eq!(users_in(&program, &former), ["ada", "new"]);
        }
    }
}

#[test]
fn a_restore_killed_at_any_moment_leaves_the_old_or_the_new_database() {
    let (program, _) = backed_up();
    let served = program.serve();
    served.log_in_a_new_user("new", PASSWORD);
    served.stop();
    program.run(&["backup", "newer.db"]).done();
    let partial = program.path("data/tokenpair.db.partial");
    let log = program.path("data/tokenpair.db.partial-wal");
    let size = || fs::metadata(&partial).map_or(0, |file| file.len());
    let former = || beside(&program).iter().any(|name| name.contains("before"));
    let moments: [(&str, &dyn Fn() -> bool); 5] = [
        ("at once", &|| true),
        ("the copy begins", &|| partial.exists()),
        ("the copy grows", &|| size() > 0),
        ("the copy is changed", &|| log.exists()),
        ("the former one is kept", &former),
    ];
    for (moment, reached) in moments {
        let mut command = program.command(&["restore", "backup.db"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        within(20, moment, || {
            reached() || child.try_wait().unwrap().is_some()
        });
        child.kill().unwrap();
        child.wait().unwrap();
        let users = users_in(&program, DATABASE);
        assert!(
            users == ["ada"] || users == ["ada", "new"],
            "{moment}: {users:?}"
        );
        // A killed restore is in the way of nothing.
        let served = program.serve();
        assert!(served.log_in("ada", PASSWORD)[0].len() > 9);
        served.stop();
        program
            .run(&["restore", "newer.db", "--delete-former"])
            .done();
        for name in beside(&program) {
            assert!(!name.contains("partial"), "{moment}: {name}");
            if name.contains("before-restore") {
                fs::remove_file(program.path("data").join(name)).unwrap();
            }
        }
        assert_eq!(users_in(&program, DATABASE), ["ada", "new"]);
    }
}

#[test]
fn only_an_undamaged_backup_of_this_program_is_restored() {
    let (program, _) = backed_up();
    let bytes = fs::read(program.path("backup.db")).unwrap();
    fs::write(program.path("cut.db"), &bytes[..bytes.len() / 2]).unwrap();
    fs::write(program.path("text.db"), "SELECT 1;\n").unwrap();
    fs::write(program.path("empty.db"), "").unwrap();
    fs::create_dir(program.path("folder")).unwrap();
    let foreign = Database::create(Backend::Sqlite);
    foreign.execute("CREATE TABLE users (id TEXT)");
    let foreign = foreign.url().replace("sqlite://", "");
    let newer = Database::create(Backend::Sqlite);
    let newer_file = newer.url().replace("sqlite://", "");
    fs::copy(program.path("backup.db"), &newer_file).unwrap();
    newer.execute(
        "INSERT INTO __diesel_schema_migrations VALUES ('20990101000000', CURRENT_TIMESTAMP)",
    );
    for (file, part) in [
        ("cut.db", "is damaged"),
        ("text.db", "is not an SQLite database"),
        ("empty.db", "is not an SQLite database"),
        ("folder", "folder"),
        ("missing.db", "missing.db: No such file"),
        (&foreign, "is not a database of tokenpair"),
        (&newer_file, "20990101000000"),
        (DATABASE, "is the database itself"),
    ] {
        let said = program.run(&["restore", file]).failed();
        assert!(said.contains(part), "{part}: {said}");
        if ["cut.db", "text.db", "empty.db", "missing.db", &foreign].contains(&file) {
            let cure = "; name another backup. The database is unchanged\n";
            assert!(said.ends_with(cure), "{said}");
        }
    }
    assert_eq!(users_in(&program, DATABASE), ["ada"]);
    assert!(!beside(&program).iter().any(|name| name.contains("before")));
}

#[test]
fn an_older_backup_is_migrated() {
    let (program, _) = backed_up();
    let older = Database::create(Backend::Sqlite);
    let file = older.url().replace("sqlite://", "");
    fs::copy(program.path("backup.db"), &file).unwrap();
    older.execute("DROP TABLE server_keys");
    older.execute("DELETE FROM __diesel_schema_migrations WHERE version = '20261128000002'");
    let before = fs::read(&file).unwrap();
    let said = program.run(&["restore", &file]).done();
    assert!(said.contains("_server_keys done"), "{said}");
    program.run(&["migrate", "--check"]).done();
    assert_eq!(fs::read(&file).unwrap(), before, "the backup is only read");
}

#[test]
fn a_damaged_database_can_be_replaced() {
    let (program, _) = backed_up();
    let garbage = "not a database ".repeat(999);
    fs::write(program.path(DATABASE), &garbage).unwrap();
    fs::write(program.path("data/tokenpair.db-wal"), &garbage).unwrap();
    program.run(&["restore", "backup.db"]).done();
    assert_eq!(users_in(&program, DATABASE), ["ada"]);
    let names = beside(&program);
    let formers = names.iter().filter(|name| name.contains("before-restore"));
    assert_eq!(formers.count(), 2, "{names:?}");
}

#[test]
fn a_restore_elsewhere_needs_only_the_backup_and_the_keys() {
    let (program, _) = backed_up();
    let elsewhere = crate::backup::program();
    let file = elsewhere.path("backup.db");
    fs::copy(program.path("backup.db"), file).unwrap();
    let said = elsewhere.run(&["restore", "backup.db"]).done();
    assert!(said.contains("there was no former database"), "{said}");
    let served = elsewhere.serve();
    let again = served.log_in("ada", PASSWORD);
    assert_eq!(status(&served, &again[0]), 200);
}

#[test]
fn a_full_disk_changes_nothing() {
    let (program, _) = backed_up();
    let said = run_on_a_full_disk(&program, "restore backup.db").failed();
    assert!(said.contains("tokenpair.db.partial"), "{said}");
    assert!(
        said.ends_with("; free space on that disk. The database is unchanged\n"),
        "{said}"
    );
    assert_eq!(beside(&program), ["tokenpair.db"]);
    assert_eq!(users_in(&program, DATABASE), ["ada"]);
    assert_eq!(files(&program), ["backup.db", "data"]);
}

#[test]
fn a_link_to_the_database_stays() {
    let (program, _) = backed_up();
    fs::create_dir(program.path("disk")).unwrap();
    fs::rename(program.path(DATABASE), program.path("disk/real.db")).unwrap();
    symlink("../disk/real.db", program.path(DATABASE)).unwrap();
    program
        .run(&["restore", "backup.db", "--delete-former"])
        .done();
    assert!(program.path(DATABASE).is_symlink());
    assert_eq!(users_in(&program, "disk/real.db"), ["ada"]);
}

fn all_sessions_end_at_a_command_on_every_running_server(on: Backend) {
    let database = Database::create(on);
    let program = program().env("DATABASE_URL", &database.url());
    let servers = [program.serve(), program.serve()];
    servers[0].log_in_a_new_user("ada", PASSWORD);
    let [access, token] = servers[0].log_in("ada", PASSWORD);
    let said = program.run(&["session", "revoke", "--all"]).failed();
    assert!(said.contains("--yes"), "{said}");
    let said = program.run(&["session", "revoke", "--all", "--yes"]).done();
    assert!(said.contains("sessions ended: 2"), "{said}");
    for served in &servers {
        within(10, "the token is refused", || {
            status(served, &access) == 401
        });
        assert_eq!(refresh(served, &token), 401);
        let again = served.log_in("ada", PASSWORD);
        assert_eq!(status(served, &again[0]), 200);
        assert_eq!(refresh(served, &again[1]), 200);
    }
    // Also after a restart.
    let [first, _second] = servers;
    first.stop();
    assert_eq!(status(&program.serve(), &access), 401);
}

on_both_databases!(all_sessions_end_at_a_command_on_every_running_server);

#[test]
fn a_restore_says_that_there_was_no_former_database() {
    let (program, _) = backed_up();
    let program = program.env("DATABASE_URL", "sqlite://new.db");
    let said = program.run(&["restore", "backup.db"]).done();
    assert!(said.contains("there was no former database at "), "{said}");
    let said = program.run(&["restore", "backup.db"]).done();
    assert!(!said.contains("no former database"), "{said}");
}

#[test]
fn a_pipe_is_not_waited_for() {
    let (program, _) = backed_up();
    let made = std::process::Command::new("mkfifo")
        .arg(program.path("pipe"))
        .status();
    assert!(made.unwrap().success());
    let said = program.run(&["restore", "pipe"]).failed();
    assert!(said.contains("pipe is not a regular file"), "{said}");
}

/// The commands that the program prints, as an operator pastes them.
fn paste(program: &Program, said: &str) {
    let lines = said.lines().filter_map(|line| line.strip_prefix("  "));
    for line in lines {
        let line = line.replace(
            "tokenpair session",
            &format!("{} session", env!("CARGO_BIN_EXE_tokenpair")),
        );
        let mut shell = std::process::Command::new("sh");
        program.environment(&mut shell);
        let output = shell.args(["-ec", &line]).output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
    }
}

#[test]
fn after_pg_restore_no_revoked_token_is_accepted() {
    let database = Database::create(Backend::Postgres);
    let program = program().env("DATABASE_URL", &database.url());
    let served = program.serve();
    served.log_in_a_new_user("ada", PASSWORD);
    let old = served.log_in("ada", PASSWORD);
    paste(&program, &program.run(&["backup", "backup.dump"]).err);
    assert_eq!(served.send("POST", "/logout", Some(&old[0]), None).0, 200);
    served.log_in_a_new_user("new", PASSWORD);
    let news = served.log_in("new", PASSWORD);
    served.stop();
    paste(&program, &program.run(&["restore", "backup.dump"]).err);
    let served = program.serve();
    for tokens in [&old, &news] {
        assert_eq!(status(&served, &tokens[0]), 401);
        assert_eq!(refresh(&served, &tokens[1]), 401);
    }
    let again = served.log_in("ada", PASSWORD);
    assert_eq!(status(&served, &again[0]), 200);
}
