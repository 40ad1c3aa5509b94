//! Every link and anchor between pages leads somewhere, and the index of the documentation has every page.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::markdown::Page;
use super::{check_generated, read, root};

const INDEX: &str = "docs/README.md";

/// Folders that hold no pages of this repository.
const NOT_OURS: [&str; 3] = [".git", "target", "node_modules"];

/// Returns all pages below a folder, as paths from the root.
fn pages(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap().flatten() {
        let name = entry.file_name();
        let path = folder.join(&name);
        let name = name.to_str().unwrap();
        if entry.file_type().unwrap().is_dir() && !NOT_OURS.contains(&name) {
            found.extend(pages(&path));
        } else if Path::new(name).extension().is_some_and(|end| end == "md") {
            found.push(path.display().to_string());
        }
    }
    found.sort();
    found
}

/// Resolves a link of a page: the file from the root, and the anchor. `None` for other sites.
fn resolved(page: &str, target: &str) -> Option<(String, Option<String>)> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = match target.split_once('#') {
        Some((file, anchor)) => (file, Some(anchor.to_owned())),
        None => (target, None),
    };
    if file.is_empty() {
        return Some((page.to_owned(), anchor));
    }
    let mut path = PathBuf::from(page);
    path.pop();
    for part in Path::new(file).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            part => path.push(part),
        }
    }
    Some((path.display().to_string(), anchor))
}

#[test]
fn every_link_leads_to_a_file_and_every_anchor_to_a_heading() {
    let mut broken = Vec::new();
    for page in pages(Path::new("")) {
        for target in Page::of(&read(&page)).links() {
            let Some((file, anchor)) = resolved(&page, &target) else {
                continue;
            };
            let path = root().join(&file);
            let leads = path.exists()
                && anchor.is_none_or(|anchor| {
                    path.is_file() && Page::of(&read(&file)).anchors().contains(&anchor)
                });
            if !leads {
                broken.push(format!("{page} links to {target}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_index_of_the_documentation_has_every_page() {
    let links = Page::of(&read(INDEX)).links();
    let linked: Vec<String> = links
        .iter()
        .filter_map(|target| Some(resolved(INDEX, target)?.0))
        .collect();
    for page in pages(Path::new("docs")) {
        let found = page == INDEX || linked.contains(&page);
        assert!(found, "{INDEX} does not link to {page}");
    }
}

/// The list for language models is the index, with paths from the root.
#[test]
fn the_list_for_language_models_is_the_index() {
    let index = read(INDEX);
    let lines = index.lines().map(|line| {
        let line = line.replace("](../", "](\0");
        line.replace("](", "](docs/").replace("](docs/\0", "](")
    });
    let title = "# tokenpair\n\n> An authentication server and Rust library that issue a short-lived access token and a rotating refresh token.\n";
    let lines: Vec<String> = lines.skip(1).collect();
    check_generated("llms.txt", &format!("{title}{}\n", lines.join("\n")));
}
