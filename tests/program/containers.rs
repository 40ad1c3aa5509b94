//! Tests the container files, as far as possible without a container engine: their form, their
//! references, the script that creates the secrets, and the resulting settings.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use yaml_rust2::{Yaml, YamlLoader};

use crate::support::Program;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

const LOCAL: &str = "docker-compose.yml";
const REPLICAS: &str = "deploy/compose/replicas.yml";
const LITE: &str = "deploy/compose/lite.yml";
const PRODUCTION: &str = "deploy/compose/production.yml";
const COMPOSE_FILES: [&str; 4] = [LOCAL, REPLICAS, LITE, PRODUCTION];

fn compose() -> Yaml {
    read_yaml(LOCAL)
}

fn read_yaml(name: &str) -> Yaml {
    let text = fs::read_to_string(root().join(name)).unwrap();
    YamlLoader::load_from_str(&text).unwrap().remove(0)
}

/// Returns the services of a compose file, with merged (`<<`) mappings resolved.
fn services(file: &Yaml) -> Vec<(String, Yaml)> {
    let services = file["services"].as_hash().unwrap().iter();
    services
        .map(|(name, service)| (name.as_str().unwrap().to_owned(), merged(service)))
        .collect()
}

fn merged(mapping: &Yaml) -> Yaml {
    let mut mapping = mapping.as_hash().unwrap().clone();
    let others = mapping.remove(&Yaml::String("<<".to_owned()));
    let others = others.as_ref().map(merged);
    for (key, value) in others.iter().flat_map(|yaml| yaml.as_hash().unwrap()) {
        mapping.entry(key.clone()).or_insert_with(|| value.clone());
    }
    Yaml::Hash(mapping)
}

/// Returns the items of a list, or nothing if there is no list.
fn words(list: &Yaml) -> Vec<String> {
    let items = list.as_vec().into_iter().flatten();
    items
        .map(|item| item.as_str().unwrap().to_owned())
        .collect()
}

/// Returns a value as Compose fills it in while its variables are unset.
fn interpolated(value: &str) -> String {
    value.replace("${TOKENPAIR_PORT:-8080}", "8080")
}

/// The volumes of the service `secrets`, as two folders.
struct Volumes {
    secrets: TempDir,
    database: TempDir,
}

impl Volumes {
    fn new() -> Self {
        let [secrets, database] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        Self { secrets, database }
    }

    /// Runs the script of the service `secrets` on these volumes.
    fn run_script(&self, variables: &[(&str, &str)]) -> Output {
        let command = words(&compose()["services"]["secrets"]["command"]);
        let [shell, options, script] = &command[..] else {
            panic!("sh -ceu script")
        };
        // In a compose file $$ stands for $. The user of the tests may not change the owner of
        // files.
        let script = script
            .replace("$$", "$")
            .replace("/secrets", self.secrets.path().to_str().unwrap())
            .replace(
                "/var/lib/postgresql/data",
                self.database.path().to_str().unwrap(),
            );
        let script = format!("chown() {{ [ -s \"$2\" ]; }}\n{script}");
        Command::new(shell)
            .arg(options)
            .arg(script)
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    }

    #[track_caller]
    fn make_secrets(&self) {
        let output = self.run_script(&[]);
        assert!(output.status.success(), "{output:?}");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.secrets.path().join(name)).unwrap()
    }

    fn lose(&self, name: &str) {
        fs::remove_file(self.secrets.path().join(name)).unwrap();
    }
}

#[test]
fn the_secrets_are_made_once_and_the_server_starts_with_them() {
    let volumes = Volumes::new();
    volumes.make_secrets();
    let read = |name: &str| volumes.read(name);
    let names = ["jwt_secret_key", "postgres_password", "database_url"];
    let first = names.map(read);
    assert_eq!((first[0].len(), first[1].len()), (128, 64));
    assert_eq!(
        first[2],
        format!("postgres://tokenpair:{}@database/tokenpair\n", first[1])
    );
    for name in names {
        let path = volumes.secrets.path().join(name);
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    volumes.make_secrets();
    assert_eq!(names.map(read), first, "kept over restarts");
    assert_eq!(
        fs::read_dir(volumes.secrets.path()).unwrap().count(),
        names.len(),
        "nothing else is left there"
    );

    let environment = compose()["services"]["server"]["environment"].clone();
    let program =
        environment
            .as_hash()
            .unwrap()
            .iter()
            .fold(Program::new(), |program, (name, value)| {
                let folder = volumes.secrets.path().to_str().unwrap();
                let value = interpolated(value.as_str().unwrap()).replace("/secrets", folder);
                program.env(name.as_str().unwrap(), &value)
            });
    let program = program.env("SERVER_BIND", "0.0.0.0:8080");
    assert_eq!(
        program.run(&["config", "check"]).done(),
        "the settings are valid\n"
    );
}

#[test]
fn lost_secrets_of_an_existing_database_are_not_replaced_unless_asked() {
    let volumes = Volumes::new();
    volumes.make_secrets();
    fs::write(volumes.database.path().join("PG_VERSION"), "17\n").unwrap();
    volumes.make_secrets();
    let names = ["jwt_secret_key", "postgres_password"];
    for name in names {
        let before = names.map(|name| volumes.read(name));
        volumes.lose(name);
        let output = volumes.run_script(&[]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        assert!(
            said.contains("Restore them from a backup"),
            "{name}: {said}"
        );
        assert!(!volumes.secrets.path().join(name).exists(), "{name}");

        let output = volumes.run_script(&[("REPLACE", "yes")]);
        assert!(output.status.success(), "{name}: {output:?}");
        let after = names.map(|name| volumes.read(name));
        let changed: Vec<_> = names.iter().zip(before.iter().zip(&after)).collect();
        for (other, (before, after)) in changed {
            assert_eq!(
                before != after,
                *other == name,
                "{other} after {name} was lost"
            );
        }
        assert!(volumes.read("database_url").contains(&after[1]), "{name}");
    }
    let guide = fs::read_to_string(root().join("docs/operating.md")).unwrap();
    assert!(guide.contains("### Lost secrets"), "the complaint names it");
}

#[test]
fn no_password_stands_in_the_compose_file_and_what_is_published_is_on_loopback() {
    let all = COMPOSE_FILES.map(|file| services(&read_yaml(file)));
    for (name, service) in all.iter().flatten() {
        for (variable, value) in service["environment"].as_hash().into_iter().flatten() {
            let (variable, value) = (variable.as_str().unwrap(), value.as_str().unwrap());
            let secret = ["PASSWORD", "SECRET", "DATABASE_URL"]
                .iter()
                .any(|part| variable.contains(part));
            assert_eq!(secret, variable.ends_with("_FILE"), "{name} {variable}");
            let file = value.starts_with("/secrets/") || value == "data/secret_key";
            assert_eq!(secret, file, "{name} {variable}");
        }
        let of_tls = |port: &str| name == "proxy" && port.ends_with(":8443");
        let redirected = |port: &str| name == "proxy" && port == "${HTTP_PORT:-80}:8080";
        for port in words(&service["ports"]) {
            let loopback = port.starts_with("127.0.0.1:");
            assert!(loopback || of_tls(&port) || redirected(&port), "{name}");
        }
    }
}

#[test]
fn in_production_only_the_proxy_is_published_and_the_database_has_no_way_out() {
    let file = read_yaml(PRODUCTION);
    for (name, service) in services(&file) {
        assert_eq!(service["ports"].is_badvalue(), name != "proxy", "{name}");
        let limits = &service["deploy"]["resources"]["limits"];
        assert!(limits["memory"].as_str().is_some(), "{name}");
        assert!(limits["pids"].as_i64().is_some(), "{name}");
    }
    assert_eq!(file["networks"]["data"]["internal"], Yaml::Boolean(true));
    assert_eq!(words(&file["services"]["database"]["networks"]), ["data"]);
    let shared = LOCAL.rsplit('/').next().unwrap();
    for name in ["secrets", "database"] {
        let extended = file["services"][name]["extends"]["file"].as_str().unwrap();
        assert!(extended.ends_with(shared), "{name}");
    }
}

#[test]
fn no_service_can_gain_privileges_write_to_its_image_or_fill_the_disk_with_logs() {
    for file in COMPOSE_FILES {
        for (name, service) in services(&read_yaml(file)) {
            // Without an image, it only changes a service of the other file.
            if service["image"].is_badvalue() {
                continue;
            }
            assert_eq!(service["read_only"], Yaml::Boolean(true), "{file} {name}");
            assert_eq!(words(&service["cap_drop"]), ["ALL"], "{file} {name}");
            assert_eq!(
                words(&service["security_opt"]),
                ["no-new-privileges:true"],
                "{file} {name}"
            );
            let added = words(&service["cap_add"]);
            assert!(
                added.is_empty() || name == "secrets",
                "{file} {name} {added:?}"
            );
            assert_ne!(
                service["user"].as_str() == Some("root"),
                added.is_empty(),
                "{name}"
            );
            let log = &service["logging"]["options"];
            assert_eq!(log["max-size"].as_str(), Some("10m"), "{file} {name}");
            assert_eq!(log["max-file"].as_str(), Some("5"), "{file} {name}");
        }
    }
}

#[test]
fn no_volume_is_left_behind_that_nobody_named() {
    let text = fs::read_to_string(root().join("Dockerfile")).unwrap();
    assert!(!text.lines().any(|line| line.starts_with("VOLUME")));
    for (name, service) in services(&compose()) {
        // The image declares a volume there, so a service that mounts nothing gets an anonymous
        // volume.
        if service["image"].as_str().unwrap().starts_with("postgres:") {
            let volumes = words(&service["volumes"]);
            let mounted = |volume: &String| volume.starts_with("database:/var/lib/postgresql/data");
            assert!(volumes.iter().any(mounted), "{name} {volumes:?}");
        }
    }
}

#[test]
fn the_published_port_and_the_public_url_follow_one_variable() {
    let server = &compose()["services"]["server"];
    assert_eq!(
        words(&server["ports"]),
        ["127.0.0.1:${TOKENPAIR_PORT:-8080}:8080"]
    );
    assert_eq!(
        server["environment"]["PUBLIC_URL"].as_str(),
        Some("http://localhost:${TOKENPAIR_PORT:-8080}")
    );
}

#[test]
fn production_servers_trust_their_proxy_alone() {
    let file = read_yaml(PRODUCTION);
    let services = services(&file);
    let service = |wanted: &str| services.iter().find(|(name, _)| name == wanted).unwrap();
    let address = &service("proxy").1["networks"]["edge"]["ipv4_address"];
    assert!(address.as_str().is_some());
    for name in ["server-1", "server-2"] {
        let environment = &service(name).1["environment"];
        assert_eq!(&environment["SERVER_TRUSTED_PROXIES"], address);
        let header = environment["SERVER_FORWARDED_HEADER"].as_str();
        assert_eq!(header, Some("x-forwarded-for"));
        // The proxy knows each by its name.
        let config = root().join("deploy/caddy/production.Caddyfile");
        let config = fs::read_to_string(config).unwrap();
        assert!(config.contains(&format!("{name}:8080")), "{name}");
    }
}

#[test]
fn several_servers_trust_their_proxy_alone_which_sets_the_header_itself() {
    let file = read_yaml(REPLICAS);
    let [server, proxy] = ["server", "proxy"].map(|name| &file["services"][name]);
    let trusted = server["environment"]["SERVER_TRUSTED_PROXIES"].as_str();
    assert!(trusted.is_some());
    assert_eq!(
        trusted,
        proxy["networks"]["default"]["ipv4_address"].as_str()
    );
    assert_eq!(
        words(&server["ports"]),
        [""; 0],
        "the proxy is published in their place"
    );
    assert_eq!(
        words(&proxy["ports"]),
        words(&compose()["services"]["server"]["ports"])
    );
    let config = fs::read_to_string(root().join("deploy/haproxy/haproxy.cfg")).unwrap();
    for line in [
        "http-request set-header X-Forwarded-For %[src]",
        "http-request del-header Forwarded",
    ] {
        assert!(config.contains(line), "{line}");
    }
}

#[test]
fn the_engine_waits_longer_than_a_server_takes_to_stop() {
    const DRAIN: u64 = 5;
    const GRACE: u64 = 10;
    for file in [LOCAL, LITE, PRODUCTION] {
        for (name, server) in services(&read_yaml(file)) {
            if !name.starts_with("server") {
                continue;
            }
            let drain = server["environment"]["SERVER_DRAIN"].as_str();
            assert_eq!(drain, None, "the default holds");
            let patience = server["stop_grace_period"].as_str().unwrap();
            let patience: u64 = patience.strip_suffix('s').unwrap().parse().unwrap();
            assert!(patience > DRAIN + GRACE, "{file} {name}");
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

/// The build stages of the Dockerfile, run in folders: files are copied and small scripts run, but
/// nothing is built. Wherever the image would build, Cargo reads the manifest with exactly the
/// files present at that step.
struct Builder {
    context: TempDir,
    stages: HashMap<String, TempDir>,
    /// The current stage and its working directory.
    stage: String,
    folder: String,
    /// The number of times Cargo read the manifest.
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

    /// Returns the path of a stage's file outside the stage.
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
            // The executable comes from the build.
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

    /// Makes Cargo find all targets, which it does before it reports that no target has that name.
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

/// Returns the files that .dockerignore does not exclude.
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

/// Copies a file, or the content of a folder.
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

/// Returns the instructions of the Dockerfile.
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
    let build = "RUN cargo build --profile dist --locked --features \"$FEATURES\"";
    assert!(first("COPY --from=manifests") < first(build));
    assert!(first(build) < first("COPY crates"));
    // Empty and real sources give the same stubs.
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
fn the_image_is_built_by_one_compiler_and_runs_without_root() {
    let text = dockerfile();
    let compilers = text
        .lines()
        .filter_map(|line| line.strip_prefix("FROM rust:"));
    let compilers: Vec<&str> = compilers
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(compilers.len(), 2);
    assert_eq!(compilers[0], compilers[1]);
    assert!(compilers[0].ends_with("-bookworm"), "as the last stage is");
    for line in [
        "USER 10001:10001",
        "CMD [\"tokenpair\", \"serve\"]",
        "ENV SERVER_BIND=0.0.0.0:8080",
        "ARG FEATURES=postgres-tls",
        "cargo build --profile dist --locked --features \"$FEATURES\"",
        "CMD [\"tokenpair\", \"healthcheck\"]",
    ] {
        assert!(text.contains(line), "{line}");
    }
}
