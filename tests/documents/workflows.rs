//! The files for the hosting platform: their form, and the scripts that they run.

use yaml_rust2::{Yaml, YamlLoader};

use super::{files, read, root};

fn load(path: &str) -> Yaml {
    let documents = YamlLoader::load_from_str(&read(path));
    documents
        .unwrap_or_else(|error| panic!("{path}: {error}"))
        .remove(0)
}

#[test]
fn every_workflow_has_few_permissions_and_a_time_limit_and_runs_scripts_that_exist() {
    for path in files(".github/workflows", "yml") {
        let workflow = load(&path);
        assert!(!workflow["on"].is_badvalue(), "{path}: on");
        assert_eq!(
            workflow["permissions"]["contents"].as_str(),
            Some("read"),
            "{path}"
        );
        for (name, job) in workflow["jobs"].as_hash().unwrap() {
            let name = name.as_str().unwrap();
            assert!(job["runs-on"].as_str().is_some(), "{path}: {name}: runs-on");
            assert!(
                job["timeout-minutes"].as_i64().is_some(),
                "{path}: {name}: timeout"
            );
            for step in job["steps"].as_vec().unwrap() {
                check_step(&path, step);
            }
        }
    }
}

fn check_step(path: &str, step: &Yaml) {
    match (step["uses"].as_str(), step["run"].as_str()) {
        (Some(action), None) => {
            let pinned = action
                .split_once('@')
                .is_some_and(|(_, version)| version != "main");
            assert!(pinned && action.starts_with("actions/"), "{path}: {action}");
        }
        (None, Some(script)) => {
            for word in script
                .split_whitespace()
                .filter(|word| word.starts_with("scripts/"))
            {
                assert!(root().join(word).exists(), "{path}: {word}");
            }
        }
        _ => panic!("{path}: a step either uses an action or runs a script: {step:?}"),
    }
}

#[test]
fn every_issue_form_asks_something() {
    for path in files(".github/ISSUE_TEMPLATE", "yml") {
        let form = load(&path);
        for member in ["name", "description"] {
            assert!(form[member].as_str().is_some(), "{path}: {member}");
        }
        let fields = form["body"].as_vec().unwrap();
        let asks = |field: &Yaml| !field["attributes"]["label"].is_badvalue();
        assert!(fields.iter().any(asks), "{path} asks nothing");
    }
}
