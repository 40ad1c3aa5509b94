//! Tests the import of a Flask app's users: hashes made by real programs are verified and replaced
//! by ours.

use std::fs;
use std::time::Duration;

use diesel::sql_types::Text;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};
use serde_json::{Value, json};

use crate::database::{Backend, Database};
use crate::support::{Ended, Program, Served};
use crate::wait::within;

const HORSE: &str = "correct horse battery";
const UNICODE: &str = "naïve пароль 🐎";
const LONG: &str = "long long long long long long long long long long long long long long long long long long long long ";

/// Hashes made by Werkzeug 3.1.9 (`generate_password_hash`), Flask-Bcrypt 1.0.1 on bcrypt 5.0.0
/// (`Bcrypt(app).generate_password_hash`), and bcrypt 4.3.0 (`hashpw`), which still cut passwords
/// after 72 bytes.
const KNOWN: [(&str, &str, &str); 11] = [
    // generate_password_hash(password)
    (
        "scrypt",
        HORSE,
        "scrypt:32768:8:1$PLFfMNcUKrmm3phb$c85562272f1ce6609e91a8aeebd00ce836f8e1ff8d11d316cc7fb00e60943c59e13539e2a402ec5543bf404607461a0514e170413498b9f0419b6fdf4687f0e3",
    ),
    (
        "unicode",
        UNICODE,
        "scrypt:32768:8:1$K0KhfkqU6Yv2VOT8$7fab06be7d8217d768587562fc087309e071dee2f934e37009838f19b978acbee92abc96418861ec1692c4dbc035c5cd15f3f23d722a1665acf909788b0c6bb8",
    ),
    // method="scrypt:1024:4:2", salt_length=8
    (
        "small-scrypt",
        HORSE,
        "scrypt:1024:4:2$xp4EQgl2$bafcf5e9bf62a13e5217858fde91f6b771df1cb17b74b400507040d8acfe510c6990db5bbbb08e5a4aa254fb467ce18b99b57bd120774b8240cc56d2ee41fd17",
    ),
    // method="pbkdf2", and with its digest and iterations
    (
        "pbkdf2",
        HORSE,
        "pbkdf2:sha256:1000000$t2loIoMKTEOeSyn0$5db0eae61886dab16f13e447667d89185fb74be69533139edf682944d7759659",
    ),
    (
        "sha1",
        HORSE,
        "pbkdf2:sha1:1000$0LcrW19v$eaea57eb8576e8737341d3b26475ba837fc3c89e",
    ),
    (
        "sha384",
        HORSE,
        "pbkdf2:sha384:2000$xpzfIIIZZYOaNuNr$b2d2bf8fb357e9ede4ecab7f227ca1a6e870cd30a7a73c371171c105235d6ed968c1aab07c82e52112ddde2574f4c663",
    ),
    (
        "sha512",
        HORSE,
        "pbkdf2:sha512:2000$VB01HVLnQvNXHwGe$941c73772aded69a7cefc2de5fef14f36822c7264ba74a46b4f1bb4a7da1bc8438e4fdd160ac33cb19dc51af68337363a5aa55466fb5ac8fcacea58ea0d9e67c",
    ),
    // Flask-Bcrypt: by default, and with 6 rounds and BCRYPT_HASH_PREFIX="2a"
    (
        "flask-bcrypt",
        HORSE,
        "$2b$12$q8aizeBfNVXtgb9R0nScAOZmuB8LZqwEgcc/i8LDUHpq84ccZkHZm",
    ),
    (
        "flask-bcrypt-2a",
        HORSE,
        "$2a$06$G.Lm92Ax/EkegLuE1zqgt.8YsJ5a4/YQ8qExTx8tVVnnOGTgMX.xi",
    ),
    // bcrypt.hashpw(password, bcrypt.gensalt(6))
    (
        "long",
        LONG,
        "$2b$06$iPCHlIkK8C5I6tzGJB1NKeWB.JPgFxflgc5C7tR9VXFiB3l3yxqvm",
    ),
    (
        "nul",
        "nul\0inside",
        "$2b$06$xe26sRlYFeBPzrLRLdoMmOLS9wEBzk6Ip9biGLrqcZ4soaQhWIwzO",
    ),
];

/// Flask-Bcrypt with BCRYPT_HANDLE_LONG_PASSWORDS=True and 6 rounds.
const HANDLED: [(&str, &str, &str); 2] = [
    (
        "handled",
        LONG,
        "$2b$06$Q5GjFrZVUB/CxX2zUKDHTOd89lF4/wkF51pM.LCQRqXgCGdYvijWq",
    ),
    (
        "handled-short",
        HORSE,
        "$2b$06$Hw7CECuGgOv9TwKcmotHJenX4o6B4fbh8FMrfCvjVHQ7EB8Np1i2K",
    ),
];

/// A program with a database that the test can read.
struct Moving {
    program: Program,
    database: Database,
}

#[derive(QueryableByName)]
struct Hash {
    #[diesel(sql_type = Text)]
    password_hash: String,
}

impl Moving {
    fn on(backend: Backend) -> Self {
        let database = Database::create(backend);
        let program = Program::new()
            .env("DATABASE_URL", &database.url())
            .migrated();
        Self { program, database }
    }

    fn import(&self, content: impl AsRef<[u8]>, flags: &[&str]) -> Ended {
        fs::write(self.program.path("users"), content).unwrap();
        let arguments: Vec<&str> = ["user", "import", "users"]
            .iter()
            .chain(flags)
            .copied()
            .collect();
        self.program.run(&arguments)
    }

    fn stored(&self, name: &str) -> String {
        let query = sql_query(format!(
            "SELECT password_hash FROM users WHERE username = '{name}'"
        ));
        let found: Hash = match &self.database {
            Database::Sqlite(_) => {
                let url = self.database.url();
                let path = url.strip_prefix("sqlite://").unwrap();
                query.get_result(&mut SqliteConnection::establish(path).unwrap())
            }
            Database::Postgres(_) => {
                query.get_result(&mut PgConnection::establish(&self.database.url()).unwrap())
            }
        }
        .unwrap();
        found.password_hash
    }

    /// Waits for the rehash after a login.
    fn wait_for_our_hash(&self, name: &str, beginning: &str) {
        within(10, "the hash becomes ours", || {
            self.stored(name).starts_with(beginning)
        });
    }

    fn names(&self) -> Vec<String> {
        let list = self.program.run(&["user", "list"]).done();
        let names = list
            .lines()
            .skip(1)
            .filter_map(|line| line.split_whitespace().next());
        names.map(str::to_owned).collect()
    }
}

fn log_in(served: &Served, name: &str, password: &str) -> (u16, Value) {
    let login = json!({ "username": name, "password": password, "tokens": "body" });
    served.request("POST", "/login", Some(&login))
}

fn csv(users: &[(&str, &str, &str)]) -> String {
    let lines = users
        .iter()
        .map(|(name, _, hash)| format!("{name},{hash},\n"));
    format!("username,hash,roles\n{}", lines.collect::<String>())
}

fn logs_in_and_becomes_ours(
    moving: &Moving,
    served: &Served,
    (name, password, hash): (&str, &str, &str),
) {
    assert_eq!(log_in(served, name, "another password").0, 401, "{name}");
    assert!(moving.stored(name).ends_with(hash), "{name}");
    let (status, login) = log_in(served, name, password);
    assert_eq!(status, 200, "{name}: {login}");
    moving.wait_for_our_hash(name, "$2b$10$");
    // The session of the first login continues.
    let access = login["access_token"].as_str().unwrap();
    assert_eq!(served.get("/account", access).0, 200, "{name}");
    let refresh = login["refresh_token"].as_str().unwrap();
    assert_eq!(
        served.send("POST", "/refresh", Some(refresh), None).0,
        200,
        "{name}"
    );
    assert_eq!(log_in(served, name, password).0, 200, "{name}");
    assert_eq!(log_in(served, name, "another password").0, 401, "{name}");
}

fn everyone_logs_in_with_the_old_password_and_becomes_ours(backend: Backend) {
    let moving = Moving::on(backend);
    let imported = moving.import(csv(&KNOWN), &[]).done();
    assert_eq!(
        imported,
        "11 users (4 bcrypt, 4 pbkdf2, 3 scrypt) imported\n"
    );
    let imported = moving
        .import(csv(&HANDLED), &["--flask-bcrypt-long-passwords"])
        .done();
    assert_eq!(imported, "2 users (2 bcrypt of a SHA-256) imported\n");
    let served = moving.program.serve();
    for user in KNOWN.into_iter().chain(HANDLED) {
        logs_in_and_becomes_ours(&moving, &served, user);
    }
    let events = moving.program.run(&["events", "--user", "scrypt"]).done();
    let kinds: Vec<&str> = events
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    assert_eq!(
        kinds,
        [
            "login_failed",
            "login",
            "login",
            "login_failed",
            "user_created"
        ]
    );
    let created = events.lines().last().unwrap();
    assert!(
        created.contains(" operator ") && created.contains("scrypt"),
        "{events}"
    );
}

#[test]
fn everyone_logs_in_with_the_old_password_and_becomes_ours_on_sqlite() {
    everyone_logs_in_with_the_old_password_and_becomes_ours(Backend::Sqlite);
}

#[test]
fn everyone_logs_in_with_the_old_password_and_becomes_ours_on_postgresql() {
    everyone_logs_in_with_the_old_password_and_becomes_ours(Backend::Postgres);
}

#[test]
fn of_a_long_password_bcrypt_read_72_bytes_and_ours_reads_all() {
    let moving = Moving::on(Backend::Sqlite);
    moving.import(csv(&KNOWN), &[]).done();
    let served = moving.program.serve();
    let cut = &LONG[..72];
    assert_eq!(log_in(&served, "long", &LONG[..71]).0, 401);
    assert_eq!(log_in(&served, "long", LONG).0, 200);
    moving.wait_for_our_hash("long", "$2b$10$");
    assert_eq!(log_in(&served, "long", cut).0, 401);
    assert_eq!(log_in(&served, "long", LONG).0, 200);
    assert_eq!(log_in(&served, "nul", "nul").0, 401);
}

#[test]
fn a_hash_of_a_sha_256_is_told_by_the_flag_or_in_its_line() {
    let moving = Moving::on(Backend::Sqlite);
    moving.import(csv(&HANDLED), &[]).done();
    let marked = format!("username,hash\nmarked,bcrypt_sha256:{}\n", HANDLED[0].2);
    moving.import(marked, &[]).done();
    let served = moving.program.serve();
    assert_eq!(log_in(&served, "handled", LONG).0, 401);
    assert_eq!(log_in(&served, "marked", LONG).0, 200);
}

/// Flask apps hash the password as typed, and its spelling depends on the user's system.
#[test]
fn an_imported_password_is_tried_as_it_was_typed_and_counts_in_any_spelling_afterwards() {
    let composed = "cr\u{e8}me br\u{fb}l\u{e9}e \u{e0} 3h";
    let decomposed = "cre\u{300}me bru\u{302}le\u{301}e a\u{300} 3h";
    // generate_password_hash(password, method="scrypt:1024:4:2") of Werkzeug 3.1.9
    let users = [
        (
            "in-parts",
            decomposed,
            "scrypt:1024:4:2$niATxKqUptgcbKAl$f381e58b72370d82ae8af6dd3f93bb9137cbbd0e981db64cf546982aeeab324aae414058210ae0dc2a8f93da78b4b02fe02872df4f0586b88c73d6296bbb4d4f",
        ),
        (
            "composed",
            composed,
            "scrypt:1024:4:2$m8QDHcH9Zep5aWUz$c2e8799451fcbedcef6833dac68250f9c8ceeed3cd14b2911c2029abf8447bbb33309f9a953989a17caa59b4b4f135b817c9f33e045723b4bba25789e360e2f3",
        ),
        (
            "sha256",
            decomposed,
            "pbkdf2:sha256:1000$4FTGfma8U1KVruXy$412205690ceedf89c71f814340d5a07f7e627f08db18e2c99e7e260906523f55",
        ),
    ];
    let moving = Moving::on(Backend::Sqlite);
    moving.import(csv(&users), &[]).done();
    let served = moving.program.serve();
    assert_eq!(log_in(&served, "in-parts", composed).0, 401, "not known");
    // For a decomposed spelling, the composed form is tried too.
    for user in users {
        assert_eq!(log_in(&served, user.0, decomposed).0, 200, "{}", user.0);
        moving.wait_for_our_hash(user.0, "$2b$10$");
        for typed in [composed, decomposed] {
            assert_eq!(log_in(&served, user.0, typed).0, 200, "{}", user.0);
        }
    }
}

#[test]
fn a_hash_of_another_cost_is_hashed_anew_at_the_next_login() {
    let Moving { program, database } = Moving::on(Backend::Sqlite);
    program.serve().log_in_a_new_user("ada", HORSE);
    let moving = Moving {
        program: program.env("PASSWORD_BCRYPT_COST", "11"),
        database,
    };
    assert!(moving.stored("ada").starts_with("$2b$10$"));
    let served = moving.program.serve();
    let access = log_in(&served, "ada", HORSE).1;
    moving.wait_for_our_hash("ada", "$2b$11$");
    let stored = moving.stored("ada");
    assert_eq!(
        served
            .get("/account", access["access_token"].as_str().unwrap())
            .0,
        200
    );
    assert_eq!(log_in(&served, "ada", HORSE).0, 200);
    // An up-to-date hash stays.
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(moving.stored("ada"), stored);
}

fn a_file_with_bad_lines_imports_nobody_and_each_is_named(backend: Backend) {
    let moving = Moving::on(backend);
    let input = format!("{HORSE}\n");
    moving
        .program
        .run_with_input(&["user", "add", "Taken", "--password-stdin"], &input)
        .done();
    let (scrypt, bcrypt) = (KNOWN[0].2, KNOWN[7].2);
    let lines = [
        format!("good,{scrypt},admin"),
        format!("two words,{scrypt},"),
        format!("ADA,{bcrypt},"),
        String::new(),
        format!("ada,{bcrypt},"),
        format!("tAKEN,{bcrypt},"),
        "plain,secret-word,".to_owned(),
        "md5,pbkdf2:md5:1000$saltsalt$0123456789abcdef0123456789abcdef,".to_owned(),
        "old,sha1$saltsalt$da39a3ee5e6b4b0d3255bfef95601890afd80709,".to_owned(),
        format!("cut,{},", &scrypt[..scrypt.len() - 1]),
        format!("cut-bcrypt,{},", &bcrypt[..59]),
        "guess,pbkdf2:sha256$saltsalt$0123,".to_owned(),
        format!("shouting,{scrypt},ADMIN"),
        format!("short,{scrypt}"),
        format!("{scrypt},ada,"),
        format!("many,{bcrypt},{}", "role ".repeat(17)),
        format!("{},{bcrypt},", "x".repeat(255)),
    ];
    let file = format!("username,hash,roles\r\n{}", lines.join("\r\n"));
    let unknown =
        "the hash is not Werkzeug's (scrypt:… or pbkdf2:…) or bcrypt's ($2a$…, $2b$… or $2y$…)";
    let said = [
        "line 3: a username has letters, digits and signs such as . _ - @, and no spaces, control or invisible characters".to_owned(),
        "line 6: line 4 has the same username".to_owned(),
        "line 7: the username is taken".to_owned(),
        format!("line 8: {unknown}"),
        format!("line 9: {unknown}"),
        format!("line 10: {unknown}"),
        "line 11: the hash is damaged: cannot read its digits".to_owned(),
        "line 12: the hash is damaged: cannot read its 60 characters of bcrypt".to_owned(),
        "line 13: the hash has no number of iterations, as in Werkzeug's (pbkdf2:sha256:600000$…)".to_owned(),
        "line 14: a role has 1 to 32 lower-case letters, digits, - and _".to_owned(),
        "line 15: it has 2 fields, and the first line has 3".to_owned(),
        format!("line 16: {unknown}"),
        "line 17: a user has at most 16 roles".to_owned(),
        "line 18: a username has at most 254 characters (508 bytes)".to_owned(),
        "no users were imported: 14 of 16 are invalid\n".to_owned(),
    ];
    for flags in [&[][..], &["--dry-run"]] {
        let failed = moving.import(&file, flags).failed();
        assert_eq!(failed, format!("tokenpair: {}", said.join("\n")));
    }
    assert_eq!(moving.names(), ["Taken"]);
}

#[test]
fn a_file_with_bad_lines_imports_nobody_and_each_is_named_on_sqlite() {
    a_file_with_bad_lines_imports_nobody_and_each_is_named(Backend::Sqlite);
}

#[test]
fn a_file_with_bad_lines_imports_nobody_and_each_is_named_on_postgresql() {
    a_file_with_bad_lines_imports_nobody_and_each_is_named(Backend::Postgres);
}

#[test]
fn bad_lines_are_skipped_where_that_is_asked_for_and_each_is_named() {
    let moving = Moving::on(Backend::Sqlite);
    let good = KNOWN[7].2;
    let file = format!(
        "username,hash\nada,{good}\ntwo words,{good}\ngrace,nonsense\nADA,{good}\nalan,{good}\n"
    );
    let dry = moving.import(&file, &["--skip-invalid", "--dry-run"]);
    assert_eq!(
        (dry.code, dry.out.as_str()),
        (
            Some(0),
            "2 users (2 bcrypt) can be imported, 3 lines skipped; nothing was written\n"
        )
    );
    let ended = moving.import(&file, &["--skip-invalid"]);
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (Some(0), "2 users (2 bcrypt) imported, 3 lines skipped\n")
    );
    let said: Vec<&str> = ended
        .err
        .lines()
        .filter(|line| line.contains("line "))
        .collect();
    assert_eq!(said.len(), 3, "{said:?}");
    for (said, (number, why)) in said.iter().zip([
        (3, "a username has letters"),
        (4, "the hash is not Werkzeug"),
        (5, "line 2 has the same username"),
    ]) {
        assert!(
            said.starts_with(&format!("tokenpair: line {number} skipped: {why}")),
            "{said}"
        );
        assert!(
            !said.contains("nonsense") && !said.contains("two words"),
            "{said}"
        );
    }
    assert_eq!(moving.names(), ["ada", "alan"]);
    // The second time, no user is left to import.
    let failed = moving.import(&file, &["--skip-invalid"]).failed();
    assert!(
        failed.contains("line 2 skipped: the username is taken"),
        "{failed}"
    );
    assert!(
        failed.contains("no users were imported: 5 of 5 are invalid"),
        "{failed}"
    );
}

#[test]
fn lines_of_json_are_read_and_a_bad_one_is_named_without_being_quoted() {
    let moving = Moving::on(Backend::Sqlite);
    let bcrypt = KNOWN[7].2;
    let good = json!({ "username": "root", "hash": bcrypt, "roles": ["admin", "editor"] });
    let plain = json!({ "username": "ada", "hash": bcrypt });
    let bad = [
        json!({ "username": "a", "hash": bcrypt, "role": ["admin"] }),
        json!({ "username": "b", "hash": bcrypt, "roles": bcrypt }),
        json!({ "username": "c", "hash": null }),
        json!([bcrypt]),
    ];
    let mut file = format!("{good}\n\n{plain}\n").into_bytes();
    for line in &bad {
        file.extend(format!("{line}\r\n").bytes());
    }
    file.extend(b"{\"username\": \"d\", \"hash\": \"\xff\"}\n{\"username\": \"e\"");
    let failed = moving.import(&file, &[]).failed();
    let begins: Vec<&str> = failed
        .lines()
        .filter_map(|line| line.split_once(" it is "))
        .map(|(begin, _)| begin)
        .collect();
    assert_eq!(
        begins,
        [
            "tokenpair: line 4:",
            "line 5:",
            "line 6:",
            "line 7:",
            "line 8:",
            "line 9:"
        ],
        "{failed}"
    );
    assert!(failed.contains("line 8: it is not UTF-8\n"), "{failed}");
    assert!(!failed.contains(&bcrypt[..10]), "{failed}");

    let file = format!("\u{feff}{good}\r\n{plain}\r\n");
    let done = moving
        .program
        .run_with_input(&["user", "import", "-"], &file)
        .done();
    assert_eq!(done, "2 users (2 bcrypt) imported\n");
    let list = moving.program.run(&["user", "list"]).done();
    assert!(list.contains("active    admin editor\n"), "{list}");
    let served = moving.program.serve();
    let login = log_in(&served, "ROOT", HORSE).1;
    assert_eq!(
        served
            .get("/admin/users", login["access_token"].as_str().unwrap())
            .0,
        200
    );
}

fn scrypt(parameters: &str) -> String {
    format!("scrypt:{parameters}$saltsalt${}", "00".repeat(64))
}

fn pbkdf2(iterations: &str) -> String {
    format!("pbkdf2:sha512:{iterations}$saltsalt${}", "00".repeat(64))
}

fn bcrypt(cost: &str) -> String {
    format!("$2b${cost}{}", &KNOWN[7].2[6..])
}

/// Returns hashes that cost too much or say no cost, each with the complaint.
fn unusable_hashes() -> Vec<(String, &'static str)> {
    vec![
        (
            scrypt("1073741824:8:1"),
            "scrypt gets at most 256 MiB of memory",
        ),
        (
            scrypt("2:4294967295:1"),
            "scrypt gets at most 256 MiB of memory",
        ),
        (
            scrypt("262144:8:1"),
            "scrypt gets at most 256 MiB of memory",
        ),
        (
            scrypt("99999999999999999999:8:1"),
            "scrypt gets at most 256 MiB of memory",
        ),
        (
            scrypt("32768:8:17"),
            "scrypt's N × r × p is at most 4194304",
        ),
        (
            scrypt("2:8:4294967295"),
            "scrypt gets at most 256 MiB of memory",
        ),
        (scrypt("1000:8:1"), "cannot read its N, r and p"),
        (scrypt("1:8:1"), "cannot read its N, r and p"),
        (scrypt("32768:0:1"), "cannot read its N, r and p"),
        (scrypt("32768:8:0"), "cannot read its N, r and p"),
        (scrypt("32768:8"), "cannot read its N, r and p"),
        (scrypt("32768:8:1:1"), "cannot read its N, r and p"),
        (scrypt("32768:+8:1"), "cannot read its N, r and p"),
        (
            pbkdf2("10000001"),
            "PBKDF2 gets at most 10000000 iterations",
        ),
        (
            pbkdf2("99999999999"),
            "PBKDF2 gets at most 10000000 iterations",
        ),
        (pbkdf2("0"), "cannot read its number of iterations"),
        (bcrypt("17"), "bcrypt's cost is at most 16"),
        (bcrypt("31"), "bcrypt's cost is at most 16"),
        (bcrypt("03"), "cannot read its cost"),
        (
            KNOWN[7].2.replace("$2b$", "$2x$"),
            "the hash is not Werkzeug",
        ),
    ]
}

#[test]
fn a_hash_that_would_stop_the_server_is_refused() {
    let moving = Moving::on(Backend::Sqlite);
    for (hash, said) in unusable_hashes() {
        let failed = moving
            .import(format!("username,hash\nada,{hash}\n"), &[])
            .failed();
        assert!(
            failed.contains(said) && failed.contains("line 2: "),
            "{hash}: {failed}"
        );
    }
    for dear in [
        scrypt("131072:8:2"),
        pbkdf2("10000000"),
        bcrypt("16"),
        bcrypt("04"),
    ] {
        moving
            .import(format!("username,hash\nada,{dear}\n"), &["--dry-run"])
            .done();
    }
}

#[test]
fn to_look_writes_nothing_not_even_a_database() {
    let program = Program::new();
    fs::write(program.path("users.csv"), csv(&KNOWN)).unwrap();
    let looked = program
        .run(&["user", "import", "users.csv", "--dry-run"])
        .done();
    assert_eq!(
        looked,
        "11 users (4 bcrypt, 4 pbkdf2, 3 scrypt) can be imported; nothing was written\n"
    );
    fs::write(program.path("bad.csv"), "username,hash\nada,secret\n").unwrap();
    program.run(&["user", "import", "bad.csv"]).failed();
    assert!(!program.path("data").exists());
    let program = program.migrated();
    program.run(&["user", "import", "users.csv"]).done();
    let looked = program
        .run(&["user", "import", "users.csv", "--dry-run"])
        .failed();
    assert!(
        looked.ends_with("no users were imported: 11 of 11 are invalid\n"),
        "{looked}"
    );
}

#[test]
fn a_file_without_users_is_a_failure_that_says_so() {
    let moving = Moving::on(Backend::Sqlite);
    for nobody in [
        "",
        "\n\r\n",
        "\u{feff}",
        "username,hash,roles\n",
        "hash,username",
    ] {
        let failed = moving.import(nobody, &[]).failed();
        assert_eq!(failed, "tokenpair: the file has no users\n", "{nobody:?}");
    }
    let utf_16: Vec<u8> = csv(&KNOWN)
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for other in [
        b"name,password\n".to_vec(),
        b"username,hash,role\nada,x,y\n".to_vec(),
        b"[]".to_vec(),
        utf_16,
    ] {
        let failed = moving.import(other, &[]).failed();
        assert!(
            failed.contains("the first line is neither username,hash,roles"),
            "{failed}"
        );
    }
    let missing = moving
        .program
        .run(&["user", "import", "nowhere.csv"])
        .failed();
    assert!(
        missing.contains("cannot read nowhere.csv: No such file"),
        "{missing}"
    );
}

/// More users than fit into one statement.
fn thousands_come_in_at_once(backend: Backend) {
    let moving = Moving::on(backend);
    let mut file = String::from("roles,hash,username\n");
    for number in 0..2_001 {
        file += &format!("editor reader,{},user-{number}\n", KNOWN[4].2);
    }
    assert_eq!(
        moving.import(&file, &[]).done(),
        "2001 users (2001 pbkdf2) imported\n"
    );
    assert_eq!(moving.names().len(), 2_001);
    let created = moving
        .program
        .run(&["events", "--kind", "user_created", "--limit", "5000"])
        .done();
    assert_eq!(created.lines().skip(1).count(), 2_001);
    let again = moving.import(&file, &[]).failed();
    assert!(
        again.contains("line 2002: the username is taken\n"),
        "{again}"
    );
}

#[test]
fn thousands_come_in_at_once_on_sqlite() {
    thousands_come_in_at_once(Backend::Sqlite);
}

#[test]
fn thousands_come_in_at_once_on_postgresql() {
    thousands_come_in_at_once(Backend::Postgres);
}
