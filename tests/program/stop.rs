//! A stopped server leaves a SQLite database that is complete in its one file.

use std::fs;
use std::path::Path;

use crate::support::Program;

const DATABASE: &str = "data/tokenpair.db";

/// The size of a file, or 0 if there is none.
fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

#[test]
fn a_stopped_server_leaves_all_its_data_in_the_database_file() {
    for signal in ["-TERM", "-INT"] {
        let program = Program::new();
        let served = program.serve();
        served.log_in_a_new_user("ada", "correct horse battery");
        let log = program.path("data/tokenpair.db-wal");
        assert!(size(&log) > 0, "it is written while the server runs");
        assert!(served.signal(signal).success());
        assert_eq!(size(&log), 0, "{signal}");

        let copy = Program::new();
        fs::create_dir(copy.path("data")).unwrap();
        fs::copy(program.path(DATABASE), copy.path(DATABASE)).unwrap();
        let users = copy.run(&["user", "list"]).done();
        assert!(users.contains("ada"), "{signal}: {users}");
    }
}

#[test]
fn a_server_whose_database_another_process_still_reads_says_that_the_log_must_be_kept() {
    let program = Program::new();
    let served = program.serve();
    served.log_in_a_new_user("ada", "correct horse battery");
    let script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None); \
                  db.execute('BEGIN'); db.execute('SELECT * FROM users').fetchall(); \
                  print('reads', flush=True); sys.stdin.read()";
    let mut reader = std::process::Command::new("python3")
        .args(["-c", script])
        .arg(program.path(DATABASE))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let out = reader.stdout.as_mut().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
    served.log_in("ada", "correct horse battery");
    let log = served.stop_and_read_log();
    drop(reader.stdin.take());
    assert!(reader.wait().unwrap().success());
    assert!(log.contains("another process uses the database"), "{log}");
}
