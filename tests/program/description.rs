//! Tests that the server follows its description: schemathesis reads `/openapi.json` and sends
//! valid and invalid requests.

use std::process::Command;

use serde_json::Value;

use crate::database::{Backend, Database};
use crate::python::python;
use crate::support::Program;

const CONFIGURATION: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/program/schemathesis.toml"
);
const PASSWORD: &str = "three blind mice";

fn a_tool_that_reads_the_description_finds_nothing_that_is_otherwise(on: Backend) {
    let database = Database::create(on);
    let program = Program::new()
        .env("DATABASE_URL", &database.url())
        .env("THROTTLE", "off")
        .migrated();
    program
        .run_with_input(
            &["user", "add", "admin", "--admin", "--password-stdin"],
            PASSWORD,
        )
        .done();
    // The user of the description's examples.
    program
        .run_with_input(
            &["user", "add", "ada", "--password-stdin"],
            "blue kettle in winter",
        )
        .done();
    let added = [
        "client",
        "add",
        "tool",
        "--may",
        "introspect",
        "--may",
        "revoke",
        "--json",
    ];
    let client: Value = serde_json::from_str(&program.run(&added).done()).unwrap();
    let credential = |name: &str| client[name].as_str().unwrap().to_owned();
    let server = program.serve();
    let mut tool = Command::new(python());
    tool.args([
        "-m",
        "schemathesis.cli",
        "--config-file",
        CONFIGURATION,
        "run",
    ])
    .arg(format!("http://{}/openapi.json", server.address))
    .args(["--no-color", "--seed", "1", "--max-examples", "20"]);
    program.environment(&mut tool);
    tool.env("CLIENT_ID", credential("client_id"))
        .env("CLIENT_SECRET", credential("client_secret"));
    let ended = tool.env("ADMIN_PASSWORD", PASSWORD).output().unwrap();
    let report = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success(), "{report}");
    let operations = report.lines().find(|line| line.contains(" selected / "));
    let [selected, total] = ["selected", "total"].map(|word| {
        let words = operations.unwrap().split_whitespace();
        words.take_while(|found| *found != word).last().unwrap()
    });
    assert_eq!(selected, total, "{report}");
    assert!(!report.contains("Authentication failed"), "{report}");
    assert_eq!(server.stop_and_read_log().matches("panicked").count(), 0);
}

on_both_databases!(a_tool_that_reads_the_description_finds_nothing_that_is_otherwise);
