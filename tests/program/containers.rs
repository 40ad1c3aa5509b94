//! The container files, as far as they can be checked without a container engine: their form, what they refer to, the
//! script that makes the secrets, and the settings that come out of it.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
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

/// The build stages of the Dockerfile, carried out in folders: files are copied and small scripts run, but nothing is
/// built. Wherever the image would build, Cargo reads the manifest from exactly the files that are there by then.
struct Builder {
    context: TempDir,
    stages: HashMap<String, TempDir>,
    /// The stage at work, and its working directory.
    stage: String,
    folder: String,
    /// How often Cargo read the manifest.
    manifests_read: usize,
}

impl Builder {
    fn new() -> Self {
        Self {
            context: context(),
            stages: HashMap::new(),
            stage: String::new(),
            folder: "/".to_owned(),
            manifests_read: 0,
        }
    }

    /// The path of a stage's file outside of it.
    fn outside(&self, stage: &str, path: &str) -> PathBuf {
        let inside = Path::new(&self.folder).join(path);
        let root = self.stages[stage].path();
        root.join(inside.strip_prefix("/").unwrap())
    }

    fn obey(&mut self, instruction: &str) {
        let (keyword, rest) = instruction.split_once(' ').unwrap();
        let words: Vec<&str> = rest.split_whitespace().collect();
        match (keyword, &words[..]) {
            ("FROM", [_, "AS", name]) => {
                self.stage = (*name).to_owned();
                let root = tempfile::tempdir().unwrap();
                self.stages.insert(self.stage.clone(), root);
            }
            // What runs is made of what was built.
            ("FROM", _) => self.stage.clear(),
            _ if self.stage.is_empty() => {}
            ("WORKDIR", [folder]) => {
                (*folder).clone_into(&mut self.folder);
                fs::create_dir_all(self.outside(&self.stage, folder)).unwrap();
            }
            ("COPY", [sources @ .., target]) => {
                let from = sources
                    .first()
                    .and_then(|word| word.strip_prefix("--from="));
                let sources = &sources[usize::from(from.is_some())..];
                for source in sources {
                    let path = match from {
                        Some(stage) => self.outside(stage, source),
                        None => self.context.path().join(source),
                    };
                    copy(&path, &self.outside(&self.stage, target));
                }
            }
            ("RUN", _) if rest.contains("cargo build") => {
                self.read_manifest();
                self.manifests_read += 1;
            }
            ("RUN", _) => self.run(rest),
            _ => {}
        }
    }

    /// Has Cargo look for all targets, which it does before it says that there is none of that name.
    fn read_manifest(&self) {
        let output = Command::new(env!("CARGO"))
            .args(["build", "--offline", "--locked", "--bin", "no-such-target"])
            .current_dir(self.outside(&self.stage, "."))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("no bin target named"),
            "stage {}: {said}",
            self.stage
        );
    }

    fn run(&self, script: &str) {
        let output = Command::new("sh")
            .args(["-c", script])
            .current_dir(self.outside(&self.stage, "."))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "stage {}: {script}\n{said}",
            self.stage
        );
    }
}

/// The files that .dockerignore leaves to the build.
fn context() -> TempDir {
    let context = tempfile::tempdir().unwrap();
    let ignored = fs::read_to_string(root().join(".dockerignore")).unwrap();
    let mut lines = ignored.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(lines.next(), Some("*"), "nothing goes in unasked");
    for line in lines {
        let wanted = line.strip_prefix('!').unwrap();
        let (folder, files) = match wanted.rsplit_once("/*") {
            Some((folder, ending)) => (folder, files_that_end_with(folder, ending)),
            None => ("", vec![root().join(wanted)]),
        };
        let target = context.path().join(folder);
        for file in files {
            copy(&file, &target.join(file.file_name().unwrap()));
        }
    }
    context
}

fn files_that_end_with(folder: &str, ending: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(root().join(folder)).unwrap();
    files
        .map(|file| file.unwrap().path())
        .filter(|path| path.is_file() && path.to_str().unwrap().ends_with(ending))
        .collect()
}

/// Copies a file, or what is in a folder.
fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        let to = if to.is_dir() {
            to.join(from.file_name().unwrap())
        } else {
            to.to_owned()
        };
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    } else {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    }
}

fn dockerfile() -> String {
    fs::read_to_string(root().join("Dockerfile")).unwrap()
}

/// The Dockerfile without comments, one instruction each.
fn instructions() -> Vec<String> {
    let text = dockerfile();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .collect();
    let joined = lines.join("\n").replace("\\\n", "");
    joined.lines().map(str::to_owned).collect()
}

#[test]
fn cargo_finds_all_that_the_manifest_names_among_the_files_that_the_image_is_built_from() {
    let mut builder = Builder::new();
    for instruction in instructions() {
        builder.obey(&instruction);
    }
    assert!(builder.manifests_read > 0);
}

#[test]
fn dependencies_are_built_before_the_source_is_there() {
    let instructions = instructions();
    let first = |start: &str| {
        let at = instructions.iter().position(|line| line.starts_with(start));
        at.unwrap_or_else(|| panic!("{start}"))
    };
    let build = "RUN cargo build --release --locked --features postgres-tls";
    assert!(first("COPY --from=manifests") < first(build));
    assert!(first(build) < first("COPY src"));
    // Empty source and real source give the same stubs.
    let mut builder = Builder::new();
    let manifests = &instructions[..first("COPY --from=manifests")];
    manifests.iter().for_each(|line| builder.obey(line));
    let stubs = builder.stages["manifests"].path().join("build/stubs");
    let main = fs::read_to_string(stubs.join("src/main.rs")).unwrap();
    assert_eq!(main, "fn main() {}\n");
    assert!(!stubs.join("src/server").exists());
    for name in ["Cargo.toml", "Cargo.lock"] {
        let stub = fs::read_to_string(stubs.join(name)).unwrap();
        assert_eq!(stub, fs::read_to_string(root().join(name)).unwrap());
    }
}

#[test]
fn the_image_needs_no_buildkit() {
    for instruction in instructions() {
        for option in ["--chmod", "--mount", "--link", "--exclude", "<<"] {
            assert!(
                !instruction.contains(&format!(" {option}")),
                "{instruction}"
            );
        }
    }
}

#[test]
fn the_image_is_built_by_the_compiler_that_is_stated_and_runs_without_root() {
    let text = dockerfile();
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .unwrap()
        .trim_matches('"');
    for line in text.lines().filter(|line| line.starts_with("FROM rust")) {
        assert!(
            line.starts_with(&format!("FROM rust:{version}-bookworm AS ")),
            "{line}"
        );
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
