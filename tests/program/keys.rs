//! Tests the key folder: created on the first start, changed by `tokenpair keys`, and watched by
//! running servers.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::database::{Backend, Database};
use crate::support::{Ended, Program, Served};
use crate::wait::within;

const PASSWORD: &str = "correct horse battery";
const JWKS: &str = "/.well-known/jwks.json";

/// A program with an empty key folder.
fn program(algorithm: &str) -> Program {
    Program::new()
        .env("JWT_ALGORITHM", algorithm)
        .env("JWT_KEYS_DIR", "keys")
}

fn header(token: &str) -> Value {
    let header = token.split('.').next().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}

fn kid_of(token: &str) -> String {
    header(token)["kid"].as_str().unwrap().to_owned()
}

/// Returns the key IDs that a server publishes, the signing key first.
fn published(served: &Served) -> Vec<String> {
    let (status, keys) = served.request("GET", JWKS, None);
    assert_eq!(status, 200);
    let keys = keys["keys"].as_array().unwrap();
    let kid = |key: &Value| key["kid"].as_str().unwrap().to_owned();
    keys.iter().map(kid).collect()
}

/// Returns the key IDs at the beginnings of a command's lines.
fn kids(said: &str) -> Vec<String> {
    let words = said
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    words
        .filter(|word| word.len() == 43)
        .map(str::to_owned)
        .collect()
}

fn first_kid(ended: Ended) -> String {
    kids(&ended.done()).remove(0)
}

/// A private key that another program made.
fn write_pem(path: &Path, kind: &str) {
    let made = std::process::Command::new("openssl")
        .arg("genpkey")
        .args(kind.split_whitespace())
        .output()
        .unwrap();
    assert!(made.status.success(), "openssl genpkey {kind}");
    fs::write(path, made.stdout).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
const RSA: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";

#[test]
fn the_first_start_makes_a_key_that_only_its_owner_reads_and_the_second_keeps_it() {
    let program = Program::new().env("JWT_ALGORITHM", "EdDSA");
    let look = program
        .run_with_input(&["token", "inspect"], "x.y.z\n")
        .failed();
    assert!(
        look.contains("there is no signing key yet in data/keys"),
        "{look}"
    );
    program.run(&["config", "check"]).done();
    assert!(!program.path("data").exists(), "to look makes nothing");

    let first = program.serve();
    let access = first.log_in_a_new_user("ada", PASSWORD);
    assert_eq!(header(&access)["alg"], "EdDSA");
    let keys = published(&first);
    assert_eq!(keys, [kid_of(&access)]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = program.path("data/keys");
    assert_eq!((mode(&program.path("data")), mode(&folder)), (0o700, 0o700));
    for file in fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{path:?}");
    }
    let pem = folder.join(format!("EdDSA-{}.pem", keys[0]));
    assert!(
        fs::read_to_string(pem)
            .unwrap()
            .starts_with("-----BEGIN PRIVATE KEY-----\n")
    );
    assert!(!program.path("data/secret_key").exists());
    assert_eq!(first.stop().code(), Some(0));

    let second = program.serve();
    assert_eq!(published(&second), keys);
    assert_eq!(second.get("/protected", &access).0, 200);
    let inspected = program
        .run_with_input(&["token", "inspect"], &access)
        .done();
    assert!(inspected.contains("signature: valid"), "{inspected}");
}

#[test]
fn servers_that_start_together_sign_with_one_key() {
    let program = Program::new().env("JWT_ALGORITHM", "ES256");
    let served: Vec<Served> = std::thread::scope(|scope| {
        let starts = [(); 4].map(|()| scope.spawn(|| program.serve()));
        starts.map(|start| start.join().unwrap()).into()
    });
    let keys = published(&served[0]);
    assert_eq!(keys.len(), 1);
    assert!(served.iter().all(|other| published(other) == keys));
}

#[track_caller]
fn assert_signed_by(kid: &str, tokens: &[String; 2]) {
    for token in tokens {
        assert_eq!(kid_of(token), kid);
    }
}

fn a_rotation_reaches_servers_that_run_and_logs_nobody_out(on: Backend) {
    let database = Database::create(on);
    let program = program("ES256").env("DATABASE_URL", &database.url());
    let old = first_kid(program.run(&["keys", "generate"]));
    let servers = [program.serve(), program.serve()];
    servers[0].log_in_a_new_user("ada", PASSWORD);
    let pair = servers[0].log_in("ada", PASSWORD);
    assert_signed_by(&old, &pair);
    let [access, refresh] = pair;
    let idle = servers[1].log_in("ada", PASSWORD);
    let opens = |token: &str| [0, 1].map(|at: usize| servers[at].get("/protected", token).0);

    // A user works during all rotations.
    let (done, access) = (AtomicBool::new(false), &access);
    std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                assert_eq!(opens(access), [200, 200]);
            }
        });
        let new = first_kid(program.run(&["keys", "generate"]));
        for served in &servers {
            let both = [old.clone(), new.clone()];
            within(20, "the coming key is published", || {
                published(served) == both
            });
        }
        assert_eq!(kid_of(&servers[0].log_in("ada", PASSWORD)[0]), old);
        assert_eq!(first_kid(program.run(&["keys", "rotate"])), new);
        for served in &servers {
            let both = [new.clone(), old.clone()];
            within(20, "the other key signs", || published(served) == both);
            let pair = served.log_in("ada", PASSWORD);
            assert_signed_by(&new, &pair);
            assert_eq!(opens(&pair[0]), [200, 200]);
        }
        done.store(true, Ordering::SeqCst);
        work.join().unwrap();
    });
    let (status, refreshed) = servers[1].send("POST", "/refresh", Some(&refresh), None);
    assert_eq!(status, 200, "{refreshed}");
    let refreshed = refreshed["access_token"].as_str().unwrap();
    assert_ne!(kid_of(refreshed), old);

    assert_eq!(opens(access), [200, 200], "it is known to both servers");
    program.run(&["keys", "retire", &old]).done();
    for served in &servers {
        within(20, "the old key is gone", || published(served).len() == 1);
        let refresh = served.send("POST", "/refresh", Some(&idle[1]), None);
        for (status, said) in [served.get("/protected", access), refresh] {
            let rejected = (422, &"invalid_token".into());
            assert_eq!((status, &said["code"]), rejected, "{said}");
        }
    }
    assert_eq!(opens(refreshed), [200, 200]);
}

on_both_databases!(
    failures_are_counted_together_after_the_key_of_before_has_gone,
    a_rotation_reaches_servers_that_run_and_logs_nobody_out
);

fn failures_are_counted_together_after_the_key_of_before_has_gone(on: Backend) {
    let database = Database::create(on);
    let program = program("ES256")
        .env("DATABASE_URL", &database.url())
        .env("THROTTLE_ACCOUNT", "1/1h");
    let old = first_kid(program.run(&["keys", "generate"]));
    let first = program.serve();
    let wrong = serde_json::json!({ "username": "ada", "password": "not hers at all" });
    let login = |served: &Served| served.request("POST", "/login", Some(&wrong)).0;
    assert_eq!(login(&first), 401);
    program.run(&["keys", "rotate"]).done();
    within(20, "the new key opens what servers share", || {
        database.numbers("SELECT count(*) AS n FROM server_keys") == [2]
    });
    program.run(&["keys", "retire", &old]).done();
    let second = program.serve();
    assert_eq!([login(&first), login(&second)], [429, 429]);
}

#[test]
fn a_move_to_another_algorithm_needs_no_restart_and_logs_nobody_out() {
    let program = program("RS256");
    fs::create_dir(program.path("keys")).unwrap();
    write_pem(&program.path("keys/RS256-by-hand.pem"), RSA);
    let served = program.serve();
    let old = served.log_in_a_new_user("ada", PASSWORD);
    assert_eq!(header(&old)["alg"], "RS256");
    let new = first_kid(program.run(&["keys", "generate", "--algorithm", "ES256"]));
    let said = program.run(&["keys", "rotate"]).done();
    assert!(said.contains("note: set JWT_ALGORITHM=ES256"), "{said}");
    within(20, "the other key signs", || published(&served)[0] == new);
    let [access, _] = served.log_in("ada", PASSWORD);
    assert_eq!(header(&access)["alg"], "ES256");
    assert_eq!(served.get("/protected", &old).0, 200);
    served.stop();

    let program = program.env("JWT_ALGORITHM", "ES256");
    let served = program.serve();
    assert_eq!(served.get("/protected", &old).0, 200);
    assert_eq!(served.get("/protected", &access).0, 200);
    assert!(!served.stop_and_read_log().contains("JWT_ALGORITHM"));
    // With the old setting the server runs too, and warns.
    let served = program.env("JWT_ALGORITHM", "RS256").serve();
    let log = served.stop_and_read_log();
    assert!(
        log.contains("JWT_ALGORITHM is RS256, and the signing key is for ES256"),
        "{log}"
    );
}

#[test]
fn a_folder_that_breaks_changes_nothing_and_is_said_once() {
    let program = program("ES256");
    let old = first_kid(program.run(&["keys", "generate"]));
    let served = program.serve();
    let access = served.log_in_a_new_user("ada", PASSWORD);
    let state = program.path("keys/state.toml");
    let whole = fs::read_to_string(&state).unwrap();
    fs::write(&state, "signing = ").unwrap();
    served.wait_for_log("cannot read the keys, so the current ones stay in use");
    // The server checks the folder several times meanwhile.
    let while_it_is_broken = Instant::now() + Duration::from_millis(1200);
    while Instant::now() < while_it_is_broken {
        assert_eq!(served.get("/protected", &access).0, 200);
    }
    assert_eq!(published(&served), std::slice::from_ref(&old));
    assert_eq!(kid_of(&served.log_in("ada", PASSWORD)[0]), old);

    fs::write(&state, &whole).unwrap();
    served.wait_for_log("the keys can be read again");
    fs::rename(program.path("keys"), program.path("elsewhere")).unwrap();
    within(20, "the folder is missed", || {
        log_lines(&served, "cannot read the keys") == 2
    });
    fs::rename(program.path("elsewhere"), program.path("keys")).unwrap();
    let new = first_kid(program.run(&["keys", "rotate"]));
    within(20, "the other key signs", || {
        published(&served) == [new.clone(), old.clone()]
    });
    let log = served.stop_and_read_log();
    assert_eq!(
        log.matches("cannot read the keys, so the current ones stay in use")
            .count(),
        2,
        "{log}"
    );
    assert!(
        log.contains(&format!(
            "the keys have changed: {new} signs; other keys that verify: 1"
        )),
        "{log}"
    );
}

#[test]
fn a_hang_up_signal_reads_the_folder_again_and_says_again_what_is_wrong_with_it() {
    let program = program("ES256");
    program.run(&["keys", "generate"]).done();
    let served = program.serve();
    fs::write(program.path("keys/state.toml"), "signing = ").unwrap();
    served.wait_for_log_times("cannot read the keys", 1);
    served.send_signal("-HUP");
    served.wait_for_log_times("cannot read the keys", 2);
}

fn log_lines(served: &Served, text: &str) -> usize {
    served.log_so_far().matches(text).count()
}

/// Kubernetes mounts a secret like this: every name links into a folder that is replaced as a
/// whole.
#[test]
fn a_folder_of_a_secret_manager_is_followed() {
    let program = program("ES256");
    let folder = program.path("keys");
    for version in ["..1", "..2"] {
        fs::create_dir_all(folder.join(version)).unwrap();
    }
    for name in ["ES256-2025.pem", "ES256-2026.pem"] {
        write_pem(&folder.join("..1").join(name), P256);
        fs::copy(folder.join("..1").join(name), folder.join("..2").join(name)).unwrap();
        symlink(Path::new("..data").join(name), folder.join(name)).unwrap();
    }
    fs::write(
        folder.join("..1/state.toml"),
        "signing = \"ES256-2025.pem\"\n",
    )
    .unwrap();
    fs::write(
        folder.join("..2/state.toml"),
        "signing = \"ES256-2026.pem\"\n",
    )
    .unwrap();
    symlink("..data/state.toml", folder.join("state.toml")).unwrap();
    symlink("..1", folder.join("..data")).unwrap();

    let served = program.serve();
    let [old, new] = published(&served).try_into().unwrap();
    let access = served.log_in_a_new_user("ada", PASSWORD);
    assert_eq!(kid_of(&access), old);
    symlink("..2", folder.join("..next")).unwrap();
    fs::rename(folder.join("..next"), folder.join("..data")).unwrap();
    within(20, "the other key signs", || {
        published(&served) == [new.clone(), old.clone()]
    });
    assert_eq!(kid_of(&served.log_in("ada", PASSWORD)[0]), new);
    assert_eq!(served.get("/protected", &access).0, 200);
    let log = served.stop_and_read_log();
    assert!(!log.contains("cannot read the keys"), "{log}");
}

#[test]
fn without_a_key_every_command_says_how_to_make_one() {
    let program = program("ES256");
    let empty = program.run(&["keys", "list"]).failed();
    assert!(
        empty.contains("there is no key in keys; run `tokenpair keys generate` to add one"),
        "{empty}"
    );
    assert!(
        program
            .run(&["keys", "rotate"])
            .failed()
            .contains("there is no key in keys")
    );
    assert!(
        program
            .run(&["keys", "retire", "x"])
            .failed()
            .contains("there is no key in keys")
    );
}

#[test]
fn keys_come_sign_verify_and_go() {
    let program = program("ES256");
    let first = program.run(&["keys", "generate"]).done();
    assert!(first.ends_with(" ES256 is signing\n"), "{first}");
    let second = program
        .run(&["keys", "generate", "--algorithm", "EdDSA"])
        .done();
    assert!(
        second.contains(" EdDSA is coming\nrotate in 5 minutes or later"),
        "{second}"
    );
    let [first, second] = [first, second].map(|said| kids(&said).remove(0));
    let again = program.run(&["keys", "generate"]).failed();
    assert!(
        again.contains(&format!("{second} is already coming")),
        "{again}"
    );
    assert_eq!(
        listed(&program),
        [
            (first.clone(), "ES256 signing".into()),
            (second.clone(), "EdDSA coming".into())
        ]
    );

    let rotated = program.run(&["keys", "rotate"]).done();
    let begin = format!("{second} EdDSA is signing\n{first} ES256 is verifying\nwarning: until ");
    assert!(rotated.starts_with(&begin), "{rotated}");
    assert_eq!(
        listed(&program),
        [
            (second.clone(), "EdDSA signing".into()),
            (first.clone(), "ES256 verifying".into())
        ]
    );

    let signs = program.run(&["keys", "retire", &second]).failed();
    assert!(
        signs.contains("is the signing key; run `tokenpair keys rotate` first"),
        "{signs}"
    );
    assert!(
        program
            .run(&["keys", "retire", "nothing"])
            .failed()
            .contains("there is no key \"nothing\"")
    );
    let retired = program.run(&["keys", "retire", &first]).done();
    let begin = format!("{first} ES256 is deleted\nwarning: tokens it signed may be valid until ");
    assert!(retired.starts_with(&begin), "{retired}");
    assert_eq!(listed(&program), [(second, "EdDSA signing".into())]);
}

#[test]
fn a_rotation_without_a_coming_key_makes_one_of_the_setting_s_algorithm() {
    let program = program("ES256");
    program
        .run(&["keys", "generate", "--algorithm", "EdDSA"])
        .done();
    let rotated = program.run(&["keys", "rotate"]).done();
    assert!(
        rotated.contains(" ES256 is signing\n") && rotated.contains("warning: until "),
        "{rotated}"
    );
    let coming = first_kid(program.run(&["keys", "generate"]));
    assert_eq!(
        program.run(&["keys", "retire", &coming]).done(),
        format!("{coming} ES256 is deleted\n")
    );
    for wrong in [
        &["keys"][..],
        &["keys", "generate", "--algorithm", "HS256"],
        &["keys", "retire"],
    ] {
        assert_eq!(program.run(wrong).code, Some(2), "{wrong:?}");
    }
}

/// Returns the keys of `keys list`: ID, algorithm and state.
fn listed(program: &Program) -> Vec<(String, String)> {
    let list = program.run(&["keys", "list"]).done();
    let lines = list.lines().skip(1).map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [kid, algorithm, state, since] = words.as_slice() else {
            panic!("{list}")
        };
        assert!(since.ends_with('Z') && since.len() == 20, "{list}");
        ((*kid).to_owned(), format!("{algorithm} {state}"))
    });
    lines.collect()
}

/// After a long time, no cache and no token is left.
#[test]
fn a_rotation_and_a_retirement_in_good_time_warn_of_nothing() {
    let program = program("ES256");
    program.run(&["keys", "generate"]).done();
    program.run(&["keys", "generate"]).done();
    let state = program.path("keys/state.toml");
    let age = || {
        let text = fs::read_to_string(&state).unwrap();
        let year = text.split(" = 20").nth(1).unwrap()[..2].to_owned();
        fs::write(&state, text.replace(&format!(" = 20{year}-"), " = 2020-")).unwrap();
    };
    age();
    let rotated = program.run(&["keys", "rotate"]).done();
    assert!(!rotated.contains("warning"), "{rotated}");
    age();
    let old = kids(&rotated).remove(1);
    let retired = program.run(&["keys", "retire", &old]).done();
    assert_eq!(retired, format!("{old} ES256 is deleted\n"));
}

#[test]
fn of_operators_who_act_together_one_adds_the_coming_key() {
    let program = program("ES256");
    program.run(&["keys", "generate"]).done();
    let ended = std::thread::scope(|scope| {
        let runs = [(); 8].map(|()| scope.spawn(|| program.run(&["keys", "generate"])));
        runs.map(|run| run.join().unwrap())
    });
    let (done, refused): (Vec<Ended>, Vec<Ended>) =
        ended.into_iter().partition(|one| one.code == Some(0));
    assert_eq!(done.len(), 1, "{done:?}");
    assert!(
        refused
            .into_iter()
            .all(|one| one.failed().contains("is already coming"))
    );
    assert_eq!(listed(&program).len(), 2);
}
