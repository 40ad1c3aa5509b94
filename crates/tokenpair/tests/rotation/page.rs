//! Compares the counts of the checks with docs/rotation.md: a row of its tables is a check and its
//! number of states.

use std::fs;
use std::path::Path;

/// Returns the page's number for a check.
pub(crate) fn documented(check: &str) -> usize {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rotation.md");
    let page = fs::read_to_string(page).unwrap();
    let cells = |line: &str| -> Vec<String> {
        let cells = line.split('|').map(|cell| cell.trim().to_owned());
        cells.collect()
    };
    let row = page
        .lines()
        .map(cells)
        .find(|cells| cells.get(1).is_some_and(|name| name == check));
    let Some(row) = row else {
        panic!("docs/rotation.md has no row {check:?}")
    };
    row[2].replace(',', "").parse().unwrap()
}

/// Asserts that the page has this number of states for the search.
pub(crate) fn assert_counted(check: &str, states: usize) {
    println!("{check}: {states} states");
    assert_eq!(states, documented(check), "docs/rotation.md: {check}");
}
