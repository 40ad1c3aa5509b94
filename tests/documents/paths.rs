//! Every file that a page for contributors or for reviewers names exists, and so does every test.

use super::{read, root};

/// Pages whose every path must exist.
const PAGES: [&str; 5] = [
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/library.md",
    "docs/session-resilience.md",
];

/// Returns what stands between backquotes, outside of code blocks.
fn code_spans(page: &str) -> Vec<String> {
    let mut prose = String::new();
    let mut in_code = false;
    for line in page.lines() {
        in_code ^= line.starts_with("```");
        if !in_code && !line.starts_with("    ") {
            prose += line;
            prose.push('\n');
        }
    }
    let spans = prose.split('`').skip(1).step_by(2);
    spans.map(str::to_owned).collect()
}

/// Whether a code span is a path in this repository: no placeholder, URL, route or command.
fn is_path(span: &str) -> bool {
    let known = [".rs", ".md", ".toml", ".yml"]
        .iter()
        .any(|end| span.ends_with(end));
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    (known || span.contains('/')) && span.chars().all(plain) && !span.starts_with('/')
}

#[test]
fn every_file_and_test_that_a_page_names_exists() {
    for page in PAGES {
        let spans = code_spans(&read(page));
        let paths = spans.iter().filter(|span| is_path(span));
        let missing: Vec<_> = paths.filter(|path| !root().join(path).exists()).collect();
        assert!(missing.is_empty(), "{page} names {missing:#?}");
        for (file, test) in spans.iter().filter_map(|span| span.split_once(".rs: ")) {
            let file = format!("{file}.rs");
            let found = read(&file).contains(&format!("fn {test}("));
            assert!(found, "{page}: there is no {test} in {file}");
        }
    }
}
