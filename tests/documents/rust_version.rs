//! The Rust version that the manifest states is enough for all dependencies, and the README and the Dockerfile agree.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{cargo, read};

/// A version's major and minor number.
type Version = (u32, u32);

fn version(text: &str) -> Version {
    let mut parts = text.split('.').map(|part| part.parse().unwrap());
    (parts.next().unwrap(), parts.next().unwrap())
}

fn stated() -> Version {
    let manifest = read("Cargo.toml");
    let line = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "));
    version(line.unwrap().trim_matches('"'))
}

/// Returns the ids of all packages that a build of the workspace needs, without those for tests alone.
fn needed(metadata: &Value) -> HashSet<&str> {
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap().iter();
    let nodes: HashMap<&str, &Value> = nodes.map(|node| (text(&node["id"]), node)).collect();
    let members = metadata["workspace_members"].as_array().unwrap().iter();
    let mut next: Vec<&str> = members.map(text).collect();
    let mut needed = HashSet::new();
    while let Some(id) = next.pop() {
        if needed.insert(id) {
            let dependencies = nodes[id]["deps"].as_array().unwrap().iter();
            let built = dependencies.filter(|dependency| {
                let mut kinds = dependency["dep_kinds"].as_array().unwrap().iter();
                kinds.any(|kind| kind["kind"] != "dev")
            });
            next.extend(built.map(|dependency| text(&dependency["pkg"])));
        }
    }
    needed
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn no_dependency_needs_a_newer_rust_than_stated() {
    let options = ["--offline", "--all-features", "--format-version=1"];
    let metadata = cargo(&[&["metadata"][..], &options].concat());
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let needed = needed(&metadata);
    let packages = metadata["packages"].as_array().unwrap().iter();
    for package in packages.filter(|package| needed.contains(text(&package["id"]))) {
        if let Some(required) = package["rust_version"].as_str() {
            let newer = version(required) > stated();
            assert!(!newer, "{} needs Rust {required}", package["name"]);
        }
    }
}

#[test]
fn the_readme_and_the_dockerfile_agree_with_the_stated_version() {
    let (major, minor) = stated();
    let sentence = format!("Rust ({major}.{minor} or later)");
    assert!(read("README.md").contains(&sentence), "{sentence}");
    for image in read("Dockerfile")
        .lines()
        .filter_map(|line| line.strip_prefix("FROM rust:"))
    {
        let tag = image.split('-').next().unwrap();
        assert!(version(tag) >= (major, minor), "rust:{tag}");
    }
}
