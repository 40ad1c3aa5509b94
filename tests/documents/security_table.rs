//! docs/security.md is true: no requirement is missing, and every test that it names is there.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "test helpers"
)]

use std::fs;
use std::path::Path;

/// The requirements: a letter, and how many it has.
const AREAS: [(&str, usize); 6] = [
    ("T", 24),
    ("K", 5),
    ("S", 18),
    ("C", 17),
    ("P", 18),
    ("H", 10),
];

struct Row {
    id: String,
    shown_by: String,
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rows() -> Vec<Row> {
    let page = read("docs/security.md");
    let cells = |line: &str| -> Vec<String> {
        let cells = line.split('|').map(|cell| cell.trim().to_owned());
        cells.collect()
    };
    let lines = page.lines().filter(|line| line.starts_with("| "));
    let rows = lines
        .map(cells)
        .filter(|cells| cells.get(1).is_some_and(|id| id != "id"));
    rows.map(|cells| match cells.as_slice() {
        [_, id, _, shown_by, _] => Row {
            id: id.clone(),
            shown_by: shown_by.clone(),
        },
        odd => panic!("a row has three cells: {odd:?}"),
    })
    .collect()
}

#[test]
fn every_requirement_is_in_the_table_once_and_in_order() {
    let wanted = AREAS
        .iter()
        .flat_map(|(area, count)| (1..=*count).map(move |number| format!("{area}{number}")));
    let found = rows().into_iter().map(|row| row.id);
    assert_eq!(found.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
}

/// Each has tests, in backquotes with commas between; or a reason why there is none.
#[test]
fn every_row_names_tests_that_exist_or_says_why_there_is_none() {
    for Row { id, shown_by } in rows() {
        if let Some(reason) = shown_by.strip_prefix("no test: ") {
            assert!(reason.len() > 20, "{id}: {reason:?} is no reason");
            continue;
        }
        for named in shown_by.split(", ") {
            let named = named
                .strip_prefix('`')
                .and_then(|rest| rest.strip_suffix('`'));
            let (file, function) = named
                .and_then(|named| named.split_once(": "))
                .unwrap_or_else(|| panic!("{id}: {shown_by:?} is no list of `FILE: FUNCTION`"));
            let there = read(file).contains(&format!("fn {function}("));
            assert!(there, "{id}: there is no {function} in {file}");
        }
    }
}
