//! The container files, as far as they can be checked without a container engine: their form, what they refer to, the
//! script that makes the secrets, and the settings that come out of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use yaml_rust2::{Yaml, YamlLoader};

use crate::support::Program;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn compose() -> Yaml {
    let text = fs::read_to_string(root().join("docker-compose.yml")).unwrap();
    YamlLoader::load_from_str(&text).unwrap().remove(0)
}

/// Runs the script of the service `secrets` with `folder` in place of its volume.
fn make_secrets(folder: &Path) {
    let command = compose()["services"]["secrets"]["command"].clone();
    let words: Vec<&str> = command
        .as_vec()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    let [shell, options, script] = words[..] else {
        panic!("sh -ceu script")
    };
    // In a compose file $$ stands for $. Whoever runs the tests may not give files away.
    let script = script
        .replace("$$", "$")
        .replace("/secrets", folder.to_str().unwrap());
    let script = format!("chown() {{ [ -s \"$2\" ]; }}\n{script}");
    assert!(
        Command::new(shell)
            .arg(options)
            .arg(script)
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn the_secrets_are_made_once_and_the_server_starts_with_them() {
    let folder = tempfile::tempdir().unwrap();
    make_secrets(folder.path());
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let names = ["jwt_secret_key", "postgres_password", "database_url"];
    let first = names.map(read);
    assert_eq!((first[0].len(), first[1].len()), (128, 64));
    assert_eq!(
        first[2],
        format!("postgres://tokenpair:{}@database/tokenpair\n", first[1])
    );
    for name in names {
        let mode = fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    make_secrets(folder.path());
    assert_eq!(names.map(read), first, "kept over restarts");

    let environment = compose()["services"]["server"]["environment"].clone();
    let program =
        environment
            .as_hash()
            .unwrap()
            .iter()
            .fold(Program::new(), |program, (name, value)| {
                let value = value
                    .as_str()
                    .unwrap()
                    .replace("/secrets", folder.path().to_str().unwrap());
                program.env(name.as_str().unwrap(), &value)
            });
    let program = program.env("SERVER_BIND", "0.0.0.0:8080");
    assert_eq!(
        program.run(&["config", "check"]).done(),
        "the settings are good\n"
    );
}

#[test]
fn no_password_stands_in_the_compose_file_and_what_is_published_is_on_loopback() {
    let compose = compose();
    let services = compose["services"].as_hash().unwrap();
    for (name, service) in services {
        for (variable, value) in service["environment"].as_hash().into_iter().flatten() {
            let (variable, value) = (variable.as_str().unwrap(), value.as_str().unwrap());
            let secret = ["PASSWORD", "SECRET", "DATABASE_URL"]
                .iter()
                .any(|part| variable.contains(part));
            assert_eq!(secret, variable.ends_with("_FILE"), "{name:?} {variable}");
            assert_eq!(
                secret,
                value.starts_with("/secrets/"),
                "{name:?} {variable}"
            );
        }
        for port in service["ports"].as_vec().into_iter().flatten() {
            assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{name:?}");
        }
    }
}

#[test]
fn every_service_waits_for_what_it_needs() {
    let services = compose()["services"].clone();
    let condition =
        |service: &str, needs: &str| services[service]["depends_on"][needs]["condition"].clone();
    let word = |text: &str| Yaml::String(text.to_owned());
    assert_eq!(
        condition("database", "secrets"),
        word("service_completed_successfully")
    );
    assert_eq!(
        condition("server", "secrets"),
        word("service_completed_successfully")
    );
    assert_eq!(condition("server", "database"), word("service_healthy"));
    assert_eq!(
        services["database"]["healthcheck"]["test"][1],
        word("pg_isready")
    );
    let compose = compose();
    let volumes = compose["volumes"].as_hash().unwrap();
    for (name, service) in services.as_hash().unwrap() {
        for volume in service["volumes"].as_vec().unwrap() {
            let named = volume.as_str().unwrap().split(':').next().unwrap();
            assert!(volumes.contains_key(&word(named)), "{name:?} {named}");
        }
    }
}

#[test]
fn the_image_is_built_from_what_is_there_and_runs_without_root() {
    let text = fs::read_to_string(root().join("Dockerfile")).unwrap();
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let ignored = fs::read_to_string(root().join(".dockerignore")).unwrap();
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .unwrap()
        .trim_matches('"');
    assert!(
        text.contains(&format!("FROM rust:{version}-bookworm AS build")),
        "the compiler that is stated"
    );
    for line in text
        .lines()
        .filter(|line| line.starts_with("COPY ") && !line.contains("--from"))
    {
        let mut words: Vec<&str> = line.split_whitespace().skip(1).collect();
        words.pop();
        for word in words {
            assert!(
                root().join(word).exists() && ignored.contains(&format!("!{word}")),
                "{word}"
            );
        }
    }
    for line in [
        "USER 10001:10001",
        "CMD [\"tokenpair\", \"serve\"]",
        "ENV SERVER_BIND=0.0.0.0:8080",
        "cargo build --release --locked --features postgres-tls",
        "CMD [\"tokenpair\", \"healthcheck\"]",
    ] {
        assert!(text.contains(line), "{line}");
    }
}
