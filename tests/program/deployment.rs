//! Tests the files for systemd, Debian and Kubernetes against the program: the settings in them are
//! valid, and supervisors wait longer than the server takes.

use std::fs;
use std::path::Path;

use yaml_rust2::{Yaml, YamlLoader};

use crate::support::Program;

/// What a stop takes at most, in seconds: `SERVER_DRAIN` and the time for running requests.
const STOP: i64 = 5 + 10;

/// `DATABASE_START_WAIT` in seconds.
const START: i64 = 30;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn yaml(path: &str) -> Yaml {
    YamlLoader::load_from_str(&read(path)).unwrap().remove(0)
}

#[test]
fn systemd_waits_longer_than_a_start_and_a_stop_take() {
    let unit = read("deploy/systemd/tokenpair.service");
    let seconds = |name: &str| {
        let line = unit.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|value| value.strip_prefix('=')?.strip_suffix('s'));
        value.unwrap().parse::<i64>().unwrap()
    };
    assert!(seconds("TimeoutStopSec") > STOP);
    assert!(seconds("TimeoutStartSec") > START);
    assert!(unit.lines().any(|line| line == "Type=notify"));
}

#[test]
fn the_settings_of_the_debian_package_are_valid_with_and_without_its_examples() {
    let packaged = read("deploy/debian/tokenpair.toml");
    let with_examples: String = packaged
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(example) if !example.starts_with(' ') => format!("{example}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    assert_eq!(with_examples.matches("\nPUBLIC_URL").count(), 1);
    for text in [packaged, with_examples] {
        let program = Program::new().without("SERVER_BIND");
        let text = text.replace("/var/lib/tokenpair/", "");
        fs::write(program.path("tokenpair.toml"), text).unwrap();
        let said = program.run(&["config", "check"]).done();
        assert!(said.contains("the settings are valid"), "{said}");
    }
}

#[test]
fn kubernetes_probes_routes_that_exist_and_waits_longer_than_a_start_and_a_stop_take() {
    let pod = yaml("deploy/kubernetes/base/deployment.yaml")["spec"]["template"]["spec"].clone();
    let grace = pod["terminationGracePeriodSeconds"].as_i64().unwrap();
    assert!(grace > STOP);
    let container = &pod["containers"][0];
    let startup = &container["startupProbe"];
    let [period, failures] =
        ["periodSeconds", "failureThreshold"].map(|name| startup[name].as_i64().unwrap());
    assert!(period * failures > START);

    let served = Program::new().serve();
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let path = container[probe]["httpGet"]["path"].as_str().unwrap();
        assert_eq!(served.request("GET", path, None).0, 200, "{probe}");
    }
}

#[test]
fn the_settings_of_the_kubernetes_example_are_valid() {
    let example = yaml("deploy/kubernetes/example/kustomization.yaml");
    let settings = example["configMapGenerator"][0]["literals"].clone();
    let settings = settings.as_vec().unwrap().iter();
    let program = settings.fold(Program::new(), |program, setting| {
        let (name, value) = setting.as_str().unwrap().split_once('=').unwrap();
        program.env(name, value)
    });
    let deployment = yaml("deploy/kubernetes/base/deployment.yaml");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let secrets = read("deploy/kubernetes/example/secrets.env.example");
    let secrets = secrets
        .replace("jwt_secret_key=", &format!("jwt_secret_key={:0>64}", 1))
        // The program of the tests has no TLS to PostgreSQL.
        .replace("?sslmode=require", "");
    let program = container["env"]
        .as_vec()
        .unwrap()
        .iter()
        .fold(program, |program, variable| {
            let [name, file] = ["name", "value"].map(|part| variable[part].as_str().unwrap());
            let key = file.strip_prefix("/secrets/").unwrap();
            let secret = secrets
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{key}=")));
            fs::write(program.path(key), secret.unwrap()).unwrap();
            let path = program.path(key);
            program.env(name, path.to_str().unwrap())
        });
    let program = program.env("SERVER_BIND", "0.0.0.0:8080");
    let said = program.run(&["config", "check"]).done();
    assert!(said.contains("the settings are valid"), "{said}");
}
