//! The tables of the reference pages come from the program: its settings, its description and its `--help`.

use std::collections::BTreeSet;

use tokenpair_server::cli::EXIT_STATUSES;
use tokenpair_server::config::{Known, known};

use super::support::Program;
use super::{check_generated, read};

/// A heading of the reference of settings, and the prefixes of the names below it.
type Group = (&'static str, &'static [&'static str]);

/// Groups the settings. The longest matching prefix decides, so a new setting usually finds its group by itself.
const GROUPS: [Group; 12] = [
    ("Server", &["SERVER_", "PUBLIC_URL"]),
    ("Metrics", &["METRICS_"]),
    ("Apps behind a proxy", &["FORWARD_AUTH_"]),
    ("Database", &["DATABASE_"]),
    (
        "Accounts and passwords",
        &["REGISTRATION", "PASSWORD_", "THROTTLE"],
    ),
    ("Sessions", &["SESSION_", "REVOCATION_", "AUDIT_"]),
    (
        "Keys",
        &[
            "JWT_SECRET_KEY",
            "JWT_ALGORITHM",
            "JWT_PREVIOUS_",
            "JWT_KEYS_DIR",
            "JWT_PRIVATE_KEY",
        ],
    ),
    ("Tokens", &["JWT_"]),
    (
        "Cookies and CSRF",
        &[
            "JWT_COOKIE_",
            "JWT_SESSION_COOKIE",
            "JWT_CSRF_",
            "JWT_ACCESS_COOKIE_",
            "JWT_ACCESS_CSRF_",
            "JWT_REFRESH_COOKIE_",
            "JWT_REFRESH_CSRF_",
        ],
    ),
    ("Logs", &["LOG_", "SERVER_ACCESS_LOG", "RUST_LOG"]),
    ("Alerts", &["WEBHOOK_"]),
    ("Traces", &["OTEL_"]),
];

/// Replaces what stands between `<!-- generated: NAME -->` and `<!-- end -->`, and checks the page.
fn check_block(page: &str, name: &str, wanted: &str) {
    let text = read(page);
    let start = format!("<!-- generated: {name} -->\n");
    let (before, rest) = text
        .split_once(&start)
        .unwrap_or_else(|| panic!("{page} has no {start:?}"));
    let (_, after) = rest
        .split_once("<!-- end -->")
        .unwrap_or_else(|| panic!("{page}: {name} has no end"));
    check_generated(page, &format!("{before}{start}{wanted}<!-- end -->{after}"));
}

/// Returns the group of a setting.
fn group(name: &str) -> &'static str {
    let prefixes = GROUPS.iter().flat_map(|(title, prefixes)| {
        let matching = prefixes.iter().filter(|prefix| name.starts_with(**prefix));
        matching.map(move |prefix| (prefix.len(), *title))
    });
    let (_, title) = prefixes
        .max()
        .unwrap_or_else(|| panic!("{name} belongs to no group of tests/documents/reference.rs"));
    title
}

fn table(settings: impl Iterator<Item = &'static Known>) -> String {
    let rows = settings.map(|known| {
        format!(
            "| `{}` | {} | {} |\n",
            known.name, known.default, known.meaning
        )
    });
    format!(
        "| name | default | meaning |\n|---|---|---|\n{}",
        rows.collect::<String>()
    )
}

#[test]
fn the_reference_of_settings_is_the_program_s() {
    let sections = GROUPS.map(|(title, _)| {
        let settings = known().filter(|known| group(known.name) == title);
        format!("## {title}\n\n{}\n", table(settings))
    });
    check_block(
        "docs/reference/settings.md",
        "settings",
        &format!("\n{}", sections.concat()),
    );
}

#[test]
fn the_reference_of_errors_has_all_codes_of_the_description() {
    let served = Program::new().serve();
    let (_, body) = served.request("GET", "/openapi.json", None);
    let code = &body["components"]["schemas"]["Problem"]["properties"]["code"];
    let told = code["description"].as_str().unwrap();
    let (_, table) = told.split_once("\n\n").unwrap();
    check_block(
        "docs/reference/errors.md",
        "errors",
        &format!("\n{}\n\n", table.trim_end()),
    );
}

/// Returns the help of a command, and its subcommands.
fn help(program: &Program, command: &[String]) -> (String, Vec<String>) {
    let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
    arguments.push("--help");
    let help = program.run(&arguments).done();
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = commands
        .map_while(|line| line.strip_prefix("  "))
        // A description goes on in the next line.
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help");
    let names = names.map(str::to_owned).collect();
    (help, names)
}

/// Writes the help of a command and of its subcommands, as a heading and a block each.
fn describe(program: &Program, command: &[String], page: &mut String) {
    let (help, names) = help(program, command);
    let lines: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
    let words = [&["tokenpair".to_owned()], command].concat().join(" ");
    *page += &format!("## {words}\n\n```text\n{}\n```\n\n", lines.join("\n"));
    for name in names {
        describe(program, &[command, &[name]].concat(), page);
    }
}

#[test]
fn the_reference_of_exit_codes_is_the_program_s() {
    let rows = EXIT_STATUSES.iter().map(|status| {
        let (code, commands, meaning) = (status.code, status.commands, status.meaning);
        format!("| {code} | {commands} | {meaning} |\n")
    });
    let rows: String = rows.collect();
    let table = format!("\n| code | commands | meaning |\n|---|---|---|\n{rows}\n");
    check_block("docs/reference/cli.md", "exit codes", &table);
}

#[test]
fn the_reference_of_commands_is_their_help() {
    let mut page = "\n".to_owned();
    let program = Program::new().env("COLUMNS", "80");
    describe(&program, &[], &mut page);
    check_block("docs/reference/cli.md", "commands", &page);
}

#[test]
fn each_setting_belongs_to_one_group_and_no_group_is_empty() {
    let groups: BTreeSet<&str> = known().map(|known| group(known.name)).collect();
    assert_eq!(groups.len(), GROUPS.len(), "{groups:?}");
    assert_eq!(group("SERVER_ACCESS_LOG"), "Logs");
    assert_eq!(group("JWT_ACCESS_TOKEN_EXPIRES"), "Tokens");
}
