//! Tests the sources of settings: values in files are literal, and errors name unreadable files.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use crate::settings::{SECRET, with};
use crate::support::Program;

fn dot_env(lines: &str) -> Program {
    file(".env", lines)
}

fn file(name: &str, bytes: impl AsRef<[u8]>) -> Program {
    let program = Program::new();
    fs::write(program.path(name), bytes).unwrap();
    program
}

#[track_caller]
fn shows(program: &Program, line: &str) {
    let shown = program.run(&["config", "show"]).done();
    assert!(shown.lines().any(|found| found == line), "{line}\n{shown}");
}

/// A health check runs every few seconds, and the output of commands matters.
#[test]
fn the_server_and_the_check_tell_notes_and_other_commands_do_not() {
    let program = with(&[("JWT_ACCESS_COOKIE_PATH", "/api")]);
    let served = program.serve();
    let note = "JWT_ACCESS_COOKIE_PATH is /api";
    for command in [&["migrate"][..], &["user", "list"], &["purge"], &["events"]] {
        let ended = program.run(command);
        assert!(!ended.err.contains(note), "{command:?} {ended:?}");
        ended.done();
    }
    notes(&program, note, true);
    assert_eq!(served.stop_and_read_log().matches(note).count(), 1);
}

/// Checks that every command that reads settings fails with this error.
#[track_caller]
fn fails(program: &Program, complaint: &str) {
    for command in [
        &["config", "show"][..],
        &["config", "check"],
        &["serve"],
        &["migrate"],
        &["purge"],
        &["user", "list"],
        &["session", "list", "ada"],
        &["events"],
        &["keys", "list"],
        &["token", "inspect"],
        &["healthcheck"],
    ] {
        let ended = program.run(command);
        assert_eq!(ended.out, "", "{command:?}");
        let said = ended.failed();
        assert!(said.contains(complaint), "{command:?} {said}");
        assert!(!said.contains("hidden-word"), "{said}");
    }
    assert!(!program.path("data").exists(), "nothing was begun");
}

#[test]
fn a_dollar_in_dot_env_is_a_dollar() {
    let odd = "it's $HOME and $2b$12$x, with an = and a # and \"quotes\"";
    for written in [
        odd.to_owned(),
        "\"it's $HOME and $2b$12$x, with an = and a # and \\\"quotes\\\"\"".to_owned(),
    ] {
        let bare = !written.starts_with('"');
        let program = dot_env(&format!("HOME=/elsewhere\nJWT_ENCODE_ISSUER={written}\n"));
        // Outside quotes, a comment begins at a # after a blank.
        let value = if bare {
            odd.split(" #").next().unwrap()
        } else {
            odd
        };
        shows(&program, &format!("JWT_ENCODE_ISSUER = {value}  (.env)"));
    }
    let single = dot_env("JWT_ENCODE_ISSUER='${HOME} \\n'\n");
    shows(&single, "JWT_ENCODE_ISSUER = ${HOME} \\n  (.env)");
}

#[test]
fn a_secret_with_a_dollar_signs_the_same_from_dot_env_and_from_the_environment() {
    let secret = "a-secret-with-$HOME-and-$nothing-in-it-long-enough-for-every-algorithm";
    let programs = [
        dot_env(&format!("JWT_SECRET_KEY={secret}\n")),
        with(&[("JWT_SECRET_KEY", secret)]),
    ];
    let [from_file, from_environment] = programs.each_ref().map(Program::serve);
    let access = from_file.log_in_a_new_user("ada", "three blind mice");
    let (status, answer) = from_environment.get("/protected", &access);
    assert_eq!(
        (status, &answer["logged_in_as"]),
        (200, &"ada".into()),
        "{answer}"
    );
}

#[test]
fn a_line_of_dot_env_that_could_be_meant_otherwise_is_refused_by_its_number() {
    for (line, complaint) in [
        (
            "JWT_SECRET_KEY=hidden-word-${HOME}",
            ".env line 3 has ${…}, and nothing is substituted here",
        ),
        (
            "JWT_SECRET_KEY=hidden-word\\$HOME",
            ".env line 3 has a backslash outside quotes; put the value in single quotes",
        ),
        (
            "JWT_SECRET_KEY='hidden-word",
            ".env line 3 opens a quote that is never closed",
        ),
        (
            "JWT_SECRET_KEY='hidden-word' hidden-word",
            ".env line 3 has more text after the closing quote",
        ),
        ("hidden-word", ".env line 3 is not NAME=value"),
    ] {
        fails(&dot_env(&format!("# of ours\n\n{line}\n")), complaint);
    }
}

#[test]
fn a_line_of_dot_env_that_is_for_another_program_stops_nothing() {
    let program = dot_env("API_URL=https://${HOST}/api\nFOLDER=C:\\\\x\nJWT_ENCODE_ISSUER=us\n");
    shows(&program, "JWT_ENCODE_ISSUER = us  (.env)");
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_value() {
    let program = dot_env("\u{FEFF}JWT_ENCODE_ISSUER=us\n");
    shows(&program, "JWT_ENCODE_ISSUER = us  (.env)");
    let program = file("tokenpair.toml", "\u{FEFF}JWT_ENCODE_ISSUER = \"us\"\n");
    shows(&program, "JWT_ENCODE_ISSUER = us  (tokenpair.toml)");
    let program = file("issuer", "\u{FEFF}us\r\n").env("JWT_ENCODE_ISSUER_FILE", "issuer");
    shows(&program, "JWT_ENCODE_ISSUER = us  (environment)");
}

#[test]
fn a_file_in_another_encoding_is_named() {
    let utf_16 = |text: &str, mark: &[u8]| {
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        mark.iter().copied().chain(units).collect::<Vec<u8>>()
    };
    let little = utf_16("JWT_ENCODE_ISSUER=us", &[0xFF, 0xFE]);
    let unmarked = utf_16("JWT_ENCODE_ISSUER=us", &[]);
    for (bytes, complaint) in [
        (little.as_slice(), "is UTF-16 text; save it as UTF-8"),
        (
            &unmarked,
            "has NUL characters, as UTF-16 text would; save it as UTF-8",
        ),
        (
            b"JWT_ENCODE_ISSUER=\xE9",
            "is not UTF-8 text; save it as UTF-8",
        ),
    ] {
        fails(&file(".env", bytes), &format!(".env {complaint}"));
        fails(
            &file("tokenpair.toml", bytes),
            &format!("tokenpair.toml {complaint}"),
        );
        let issuer = file("issuer", bytes).env("JWT_ENCODE_ISSUER_FILE", "issuer");
        fails(
            &issuer,
            &format!("JWT_ENCODE_ISSUER_FILE names issuer, which {complaint}"),
        );
    }
}

#[test]
fn a_file_that_cannot_be_read_is_never_passed_over() {
    for name in [".env", "tokenpair.toml"] {
        let folder = Program::new();
        fs::create_dir(folder.path(name)).unwrap();
        fails(&folder, &format!("{name} cannot be read: Is a directory"));
        let loose = Program::new();
        symlink("nowhere", loose.path(name)).unwrap();
        fails(&loose, &format!("{name} cannot be read: No such file"));
        let round = Program::new();
        symlink(name, round.path(name)).unwrap();
        fails(&round, &format!("{name} cannot be read"));
    }
    let broken = file("tokenpair.toml", "JWT_SECRET_KEY = hidden-word\n");
    fails(&broken, "tokenpair.toml line 1 is not TOML");
    let odd = file("tokenpair.toml", "DATABASE_POOL = 1.5\n");
    fails(&odd, "DATABASE_POOL has to be a string");
    let missing = Program::new().env("JWT_SECRET_KEY_FILE", "nowhere");
    fails(
        &missing,
        "JWT_SECRET_KEY_FILE names nowhere, which cannot be read",
    );
    let folder = Program::new().env("JWT_SECRET_KEY_FILE", "/");
    fails(
        &folder,
        "JWT_SECRET_KEY_FILE names /, which cannot be read: Is a directory",
    );
    let empty = file("secret", "\n").env("JWT_SECRET_KEY_FILE", "secret");
    fails(&empty, "JWT_SECRET_KEY_FILE names secret, which is empty");
}

#[test]
fn a_variable_of_ours_that_is_not_text_is_refused_and_another_program_s_is_ignored() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let odd = OsStr::from_bytes(b"hidden-word-\xE9-long-enough-for-hs256");
    let program = Program::new();
    let run = |name: &str| {
        let mut command = program.command(&["config", "show"]);
        command.env(name, odd).output().unwrap()
    };
    let ended = run("JWT_SECRET_KEY");
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        said.contains("JWT_SECRET_KEY is not UTF-8 text") && !said.contains("hidden-word"),
        "{said}"
    );
    assert_eq!(run("GREETING").status.code(), Some(0));
}

#[track_caller]
fn notes(program: &Program, note: &str, noted: bool) {
    let said = program.run(&["config", "check"]).done();
    assert_eq!(said.contains(&format!("note: {note}")), noted, "{said}");
}

#[test]
fn a_secret_that_other_users_can_read_is_noted_with_the_cure() {
    let url = "postgres://ada:hidden-word@localhost/x";
    for (name, text, what) in [
        (".env", format!("JWT_SECRET_KEY={SECRET}"), "JWT_SECRET_KEY"),
        (".env", format!("DATABASE_URL={url}"), "DATABASE_URL"),
        (
            "tokenpair.toml",
            format!("JWT_SECRET_KEY = \"{SECRET}\""),
            "JWT_SECRET_KEY",
        ),
        ("secret", SECRET.to_owned(), "JWT_SECRET_KEY"),
    ] {
        let mut program = file(name, &text);
        if name == "secret" {
            program = program.env("JWT_SECRET_KEY_FILE", name);
        }
        let note = format!("other users can read {name}, which holds {what}: run chmod 600 {name}");
        for (mode, noted) in [(0o644, true), (0o640, true), (0o600, false), (0o400, false)] {
            fs::set_permissions(program.path(name), Permissions::from_mode(mode)).unwrap();
            notes(&program, &note, noted);
        }
        fs::set_permissions(program.path(name), Permissions::from_mode(0o604)).unwrap();
        if what == "JWT_SECRET_KEY" {
            let log = program.serve().stop_and_read_log();
            assert_eq!(log.matches(&note).count(), 1, "{log}");
        }
    }
    // A file without secrets may be readable by others.
    for harmless in ["DATABASE_POOL=3", "DATABASE_URL=postgres://ada@localhost/x"] {
        let program = dot_env(harmless);
        fs::set_permissions(program.path(".env"), Permissions::from_mode(0o644)).unwrap();
        notes(&program, "other users can read", false);
    }
}

/// As Kubernetes mounts secrets, and as the Debian package installs its settings.
#[test]
fn a_secret_that_its_owner_grants_to_the_server_s_group_is_not_noted() {
    const SOMEBODY: u32 = 65_534;
    let program = file("secret", SECRET).env("JWT_SECRET_KEY_FILE", "secret");
    let path = program.path("secret");
    let own = fs::metadata(&path).unwrap();
    if own.uid() != 0 {
        // Only root gives files away.
        return;
    }
    for (owner, group, mode, noted) in [
        (SOMEBODY, own.gid(), 0o440, false),
        (SOMEBODY, own.gid(), 0o444, true),
        (SOMEBODY, SOMEBODY, 0o440, true),
        (0, own.gid(), 0o440, true),
    ] {
        chown(&path, Some(owner), Some(group)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        notes(&program, "other users can read secret", noted);
    }
}

#[test]
fn keys_that_other_users_can_read_are_noted_with_the_cure() {
    let kept = Program::new();
    drop(kept.serve());
    notes(&kept, "other users", false);
    fs::set_permissions(kept.path("data/secret_key"), Permissions::from_mode(0o644)).unwrap();
    let note = "other users can read data/secret_key, which holds the signing secret: run chmod 600 data/secret_key";
    notes(&kept, note, true);

    let folder = with(&[("JWT_ALGORITHM", "ES256")]);
    folder.run(&["keys", "generate"]).done();
    notes(&folder, "other users", false);
    fs::set_permissions(folder.path("data/keys"), Permissions::from_mode(0o755)).unwrap();
    let note =
        "other users can read data/keys, which holds the signing keys: run chmod 700 data/keys";
    notes(&folder, note, true);
    let log = folder.serve().stop_and_read_log();
    assert_eq!(log.matches(note).count(), 1, "{log}");
}
