//! Tests that unsafe or conflicting keys and secrets are rejected at the start, by name and with a
//! fix.

use std::fs;
use std::process::Command;

use crate::support::Program;

const SECRET: &str = "a-secret-that-is-long-enough-for-any-algorithm-with-its-64-bytes-and-more";
const OTHER: &str = "one more secret that is long enough for any algorithm: 64 bytes and more";

fn with(variables: &[(&str, &str)]) -> Program {
    let set = |program: Program, (name, value): &(&str, &str)| program.env(name, value);
    variables.iter().fold(Program::new(), set)
}

/// Checks that both the server and `config check` fail.
#[track_caller]
fn refused(variables: &[(&str, &str)], complaint: &str) {
    let program = with(variables);
    for command in [&["config", "check"][..], &["serve"]] {
        let said = program.run(command).failed();
        assert!(said.contains(complaint), "{said}");
        let secrets = variables
            .iter()
            .filter(|(name, _)| name.contains("SECRET") || name.contains("PRIVATE"));
        for part in secrets
            .flat_map(|(_, value)| value.split(','))
            .filter(|part| part.len() > 20)
        {
            assert!(!said.contains(part), "{said}");
        }
    }
    assert!(!program.path("data").exists(), "nothing was begun");
}

fn openssl(arguments: &str) -> String {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    assert!(output.status.success(), "openssl {arguments}");
    String::from_utf8(output.stdout).unwrap()
}

fn rsa(bits: u16) -> String {
    openssl(&format!(
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:{bits}"
    ))
}

fn elliptic(curve: &str) -> String {
    openssl(&format!(
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:{curve}"
    ))
}

#[test]
fn a_secret_that_others_could_know_or_guess_is_refused() {
    for published in ["super-secret", "change-me", "your-256-bit-secret"] {
        for secret in [
            published.to_owned(),
            published.repeat(4),
            published.repeat(12),
        ] {
            let complaint = "JWT_SECRET_KEY cannot be used: the secret is a published placeholder";
            refused(&[("JWT_SECRET_KEY", &secret)], complaint);
        }
    }
    refused(
        &[("JWT_SECRET_KEY", &"x".repeat(64))],
        "is a published placeholder",
    );
    refused(
        &[("JWT_SECRET_KEY", &"0123456789".repeat(7))],
        "is a short text repeated",
    );
    for (algorithm, bytes) in [("HS256", 32), ("HS384", 48), ("HS512", 64)] {
        let complaint = format!(
            "the secret has {} bytes, and {algorithm} needs at least {bytes}",
            bytes - 1
        );
        let short = &SECRET[..bytes - 1];
        refused(
            &[("JWT_ALGORITHM", algorithm), ("JWT_SECRET_KEY", short)],
            &complaint,
        );
        let enough = with(&[
            ("JWT_ALGORITHM", algorithm),
            ("JWT_SECRET_KEY", &SECRET[..bytes]),
        ]);
        enough.run(&["config", "check"]).done();
        let previous = [
            ("JWT_ALGORITHM", algorithm),
            ("JWT_SECRET_KEY", SECRET),
            ("JWT_PREVIOUS_SECRET_KEYS", short),
        ];
        refused(
            &previous,
            &format!("JWT_PREVIOUS_SECRET_KEYS cannot be used: number 1 of 1: {complaint}"),
        );
    }
    let second = format!("{OTHER},super-secret");
    refused(
        &[
            ("JWT_SECRET_KEY", SECRET),
            ("JWT_PREVIOUS_SECRET_KEYS", &second),
        ],
        "JWT_PREVIOUS_SECRET_KEYS cannot be used: number 2 of 2: the secret is a published placeholder",
    );
}

#[test]
fn a_key_is_no_secret_and_a_secret_is_no_key() {
    let pem = elliptic("P-256");
    let complaint = "the secret is a public or private key; a secret is random bytes that only the server knows";
    refused(&[("JWT_SECRET_KEY", &pem)], complaint);
    refused(
        &[
            ("JWT_SECRET_KEY", SECRET),
            ("JWT_PREVIOUS_SECRET_KEYS", &pem),
        ],
        complaint,
    );
    let moving = [
        ("JWT_ALGORITHM", "ES256"),
        ("JWT_PRIVATE_KEY", &pem),
        ("JWT_PREVIOUS_SECRET_KEYS", &pem),
        ("JWT_PREVIOUS_ALGORITHM", "HS256"),
    ];
    refused(&moving, complaint);
    refused(
        &[("JWT_ALGORITHM", "ES256"), ("JWT_PRIVATE_KEY", SECRET)],
        "JWT_PRIVATE_KEY cannot be used: this is not a key in PEM form",
    );
}

#[test]
fn a_key_pair_that_is_weak_or_of_another_algorithm_is_refused() {
    let (weak, good) = (rsa(1024), rsa(2048));
    let (p256, p521) = (elliptic("P-256"), elliptic("P-521"));
    let program = Program::new();
    let (path, public) = (program.path("key.pem"), program.path("public.pem"));
    fs::write(&path, &p256).unwrap();
    let [path, public] = [path, public].map(|path| path.display().to_string());
    openssl(&format!("pkey -in {path} -pubout -out {public}"));
    let public = fs::read_to_string(public).unwrap();
    let encrypted = openssl(&format!("pkey -in {path} -aes256 -passout pass:x"));
    for (algorithm, pem, complaint) in [
        ("RS256", &weak, "the RSA key must have 2048 to 8192 bits"),
        ("PS512", &weak, "the RSA key must have 2048 to 8192 bits"),
        (
            "RS256",
            &p256,
            "RS256 takes an RSA key, but this is a key on the curve P-256",
        ),
        (
            "ES256",
            &good,
            "ES256 takes a key on the curve P-256, but this is an RSA key",
        ),
        (
            "ES384",
            &p256,
            "ES384 takes a key on the curve P-384, but this is a key on the curve P-256",
        ),
        (
            "ES256",
            &p521,
            "ES256 takes a key on the curve P-256, but this is a key on the curve P-521",
        ),
        (
            "EdDSA",
            &p256,
            "EdDSA takes an Ed25519 key, but this is a key on the curve P-256",
        ),
        (
            "ES256",
            &public,
            "this is a public key; signing needs the private key",
        ),
        ("ES256", &encrypted, "the private key is encrypted"),
    ] {
        let complaint = format!("JWT_PRIVATE_KEY cannot be used: {complaint}");
        refused(
            &[("JWT_ALGORITHM", algorithm), ("JWT_PRIVATE_KEY", pem)],
            &complaint,
        );
    }
    for (algorithm, pem) in [("RS512", &good), ("PS256", &good), ("ES256", &p256)] {
        let good = with(&[("JWT_ALGORITHM", algorithm), ("JWT_PRIVATE_KEY", pem)]);
        good.run(&["config", "check"]).done();
    }
    let from_file = with(&[("JWT_ALGORITHM", "ES256"), ("JWT_PRIVATE_KEY_FILE", &path)]);
    from_file.run(&["config", "check"]).done();
}

#[test]
fn keys_that_do_not_go_together_are_refused_with_the_cure() {
    let pem = elliptic("P-256");
    let es256 = ("JWT_ALGORITHM", "ES256");
    refused(
        &[("JWT_SECRET_KEY", SECRET), ("JWT_KEYS_DIR", "keys")],
        "JWT_KEYS_DIR is for algorithms with a key pair, and JWT_ALGORITHM is HS256, which signs with JWT_SECRET_KEY; set JWT_ALGORITHM=ES256",
    );
    refused(
        &[("JWT_SECRET_KEY", SECRET), ("JWT_PRIVATE_KEY", &pem)],
        "JWT_PRIVATE_KEY is for algorithms with a key pair, and JWT_ALGORITHM is HS256",
    );
    refused(
        &[es256, ("JWT_SECRET_KEY", SECRET), ("JWT_KEYS_DIR", "keys")],
        "JWT_SECRET_KEY is a secret, and JWT_ALGORITHM is ES256, which signs with a private key; remove it. To keep its tokens valid during the move, set JWT_PREVIOUS_SECRET_KEYS to it and JWT_PREVIOUS_ALGORITHM",
    );
    refused(
        &[es256, ("JWT_PRIVATE_KEY", &pem), ("JWT_KEYS_DIR", "keys")],
        "JWT_PRIVATE_KEY and JWT_KEYS_DIR are both set; keep one of them",
    );
    refused(
        &[("JWT_DECODE_ALGORITHMS", "HS256,RS256")],
        "JWT_DECODE_ALGORITHMS is a Flask-JWT-Extended setting that this server does not have",
    );
    refused(
        &[("JWT_ALGORITHM", "ES265")],
        "JWT_ALGORITHM is \"ES265\"; write one of HS256,",
    );
    refused(
        &[("SERVER_BIND", "0.0.0.0:8080"), es256],
        "JWT_KEYS_DIR or JWT_PRIVATE_KEY is needed, since SERVER_BIND is 0.0.0.0:8080, which others can reach",
    );
}

#[test]
fn former_secrets_need_their_algorithm_and_are_not_the_present_one() {
    let pem = elliptic("P-256");
    let es256 = ("JWT_ALGORITHM", "ES256");
    refused(
        &[
            es256,
            ("JWT_PRIVATE_KEY", &pem),
            ("JWT_PREVIOUS_SECRET_KEYS", SECRET),
        ],
        "JWT_PREVIOUS_SECRET_KEYS holds secrets, and JWT_ALGORITHM is ES256, which has none; remove it, or to keep their tokens valid during the move to ES256, set JWT_PREVIOUS_ALGORITHM to their algorithm, such as HS256",
    );
    refused(
        &[
            es256,
            ("JWT_PRIVATE_KEY", &pem),
            ("JWT_PREVIOUS_ALGORITHM", "HS256"),
        ],
        "JWT_PREVIOUS_ALGORITHM is the algorithm of JWT_PREVIOUS_SECRET_KEYS, which is not set; remove it",
    );
    refused(
        &[
            ("JWT_SECRET_KEY", SECRET),
            ("JWT_PREVIOUS_SECRET_KEYS", OTHER),
            ("JWT_PREVIOUS_ALGORITHM", "RS256"),
        ],
        "JWT_PREVIOUS_ALGORITHM is \"RS256\"; write HS256, HS384 or HS512",
    );
    // One secret for two algorithms is rejected too.
    for previous in ["HS256", "HS512"] {
        let same = format!("{OTHER},{SECRET}");
        refused(
            &[
                ("JWT_SECRET_KEY", SECRET),
                ("JWT_PREVIOUS_SECRET_KEYS", &same),
                ("JWT_PREVIOUS_ALGORITHM", previous),
            ],
            "JWT_PREVIOUS_SECRET_KEYS contains JWT_SECRET_KEY",
        );
    }
    let moved = with(&[
        es256,
        ("JWT_PRIVATE_KEY", &pem),
        ("JWT_PREVIOUS_SECRET_KEYS", SECRET),
        ("JWT_PREVIOUS_ALGORITHM", "HS256"),
    ]);
    let said = moved.run(&["config", "check"]).done();
    assert!(
        said.contains("note: HS256 tokens signed with JWT_PREVIOUS_SECRET_KEYS are still accepted"),
        "{said}"
    );
}

/// Returns the program with a folder of these files.
fn folder(files: &[(&str, &str)]) -> Program {
    let program = with(&[("JWT_ALGORITHM", "ES256"), ("JWT_KEYS_DIR", "keys")]);
    fs::create_dir(program.path("keys")).unwrap();
    for (name, text) in files {
        fs::write(program.path("keys").join(name), text).unwrap();
    }
    program
}

/// A folder's files, and the complaint about them.
type Unusable<'a> = (&'a [(&'a str, &'a str)], &'a str);

#[track_caller]
fn assert_unusable(secret: &str, folders: &[Unusable<'_>]) {
    for (files, complaint) in folders {
        let program = folder(files);
        for command in [&["config", "check"][..], &["serve"], &["keys", "list"]] {
            let said = program.run(command).failed();
            assert!(said.contains(complaint), "{files:?} {said}");
            assert!(!said.contains(secret.lines().nth(1).unwrap()), "{said}");
        }
    }
}

#[test]
fn a_folder_whose_keys_cannot_work_is_refused_with_the_cure() {
    let (one, weak) = (elliptic("P-256"), rsa(1024));
    let cut = &one[..one.len() / 2];
    let folders = [
        (
            &[][..],
            "there is no key in keys; run `tokenpair keys generate` to add one",
        ),
        (&[("notes.txt", "x")], "there is no key in keys"),
        (
            &[("mine.pem", &one)],
            "keys/mine.pem: rename the file so that it begins with the key's algorithm and ends with .pem",
        ),
        (
            &[("HS256-a.pem", &one)],
            "keys/HS256-a.pem cannot be used: HS256 takes a secret",
        ),
        (
            &[("RS256-a.pem", &one)],
            "RS256 takes an RSA key, but this is a key on the curve P-256",
        ),
        (
            &[("RS256-a.pem", &weak)],
            "keys/RS256-a.pem cannot be used: the RSA key must have 2048",
        ),
        (
            &[("ES256-a.pem", cut)],
            "keys/ES256-a.pem cannot be used: this is not a key in PEM form",
        ),
    ];
    assert_unusable(&one, &folders);
}

#[test]
fn a_folder_whose_state_does_not_fit_is_refused_with_the_cure() {
    let (one, other) = (elliptic("P-256"), elliptic("P-256"));
    let folders: [Unusable<'_>; 4] = [
        (
            &[("ES256-a.pem", &one), ("ES256-b.pem", &other)],
            "keys/state.toml does not say which key signs; write signing = \"FILE\" into it",
        ),
        (
            &[
                ("ES256-a.pem", &one),
                ("ES256-b.pem", &one),
                ("state.toml", "signing = \"ES256-a.pem\""),
            ],
            "keys/ES256-b.pem and ES256-a.pem hold the same key; remove one of them",
        ),
        (
            &[
                ("ES256-a.pem", &one),
                ("state.toml", "signing = \"../ES256-a.pem\""),
            ],
            "keys/state.toml names the signing key ../ES256-a.pem, and there is no such file",
        ),
        (
            &[
                ("ES256-a.pem", &one),
                ("state.toml", "sining = \"ES256-a.pem\""),
            ],
            "keys/state.toml cannot be parsed",
        ),
    ];
    assert_unusable(&one, &folders);
    let both = [
        ("ES256-a.pem", &*one),
        ("ES256-b.pem", &*other),
        ("state.toml", "signing = \"ES256-b.pem\""),
    ];
    folder(&both).run(&["config", "check"]).done();
    let exposed = folder(&[("ES256-a.pem", &one)]);
    let log = exposed.serve().stop_and_read_log();
    assert!(
        log.contains(
            "other users can read keys/ES256-a.pem, which holds a signing key: run chmod 600"
        ),
        "{log}"
    );
}

#[test]
fn keys_are_neither_shown_nor_logged() {
    let pem = elliptic("P-256");
    let body = pem.lines().nth(1).unwrap();
    let program = with(&[
        ("JWT_ALGORITHM", "ES256"),
        ("JWT_PRIVATE_KEY", &pem),
        ("JWT_PREVIOUS_SECRET_KEYS", SECRET),
        ("JWT_PREVIOUS_ALGORITHM", "HS256"),
        ("RUST_LOG", "trace"),
    ]);
    let shown = program.run(&["config", "show"]).done();
    for name in ["JWT_PRIVATE_KEY", "JWT_PREVIOUS_SECRET_KEYS"] {
        let masked = format!("{name} = ********  (environment)");
        assert!(shown.lines().any(|line| line == masked), "{shown}");
    }
    let served = program.serve();
    served.log_in_a_new_user("ada", "correct horse battery");
    let log = served.stop_and_read_log();
    let folder = with(&[("JWT_ALGORITHM", "ES256"), ("RUST_LOG", "trace")]);
    let served = folder.serve();
    let kid = folder.run(&["keys", "rotate"]).done()[..43].to_owned();
    served.wait_for_log(&kid);
    let followed = served.stop_and_read_log();
    let file = folder.path("data/keys").join(format!("ES256-{kid}.pem"));
    let made = fs::read_to_string(file).unwrap();
    for hidden in [body, SECRET, made.lines().nth(1).unwrap()] {
        assert!(
            ![&shown, &log, &followed]
                .iter()
                .any(|text| text.contains(hidden))
        );
    }
}

#[test]
fn commands_of_the_folder_say_where_there_is_none() {
    let secret = with(&[]).run(&["keys", "list"]).failed();
    assert!(
        secret
            .contains("JWT_ALGORITHM is HS256, which signs with a secret; set JWT_ALGORITHM=ES256"),
        "{secret}"
    );
    let pem = elliptic("P-256");
    let single = with(&[("JWT_ALGORITHM", "ES256"), ("JWT_PRIVATE_KEY", &pem)]);
    let said = single.run(&["keys", "generate"]).failed();
    assert!(
        said.contains(
            "the signing key comes from JWT_PRIVATE_KEY; to rotate keys, set JWT_KEYS_DIR to a folder"
        ),
        "{said}"
    );
}
