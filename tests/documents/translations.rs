//! A translated page has the headings, links and code blocks of its original.

use std::fmt::Debug;

use super::markdown::Page;
use super::read;

/// Each original and its translation.
const TRANSLATED: [[&str; 2]; 2] = [
    ["README.md", "README.ko.md"],
    ["docs/postman.md", "docs/postman.ko.md"],
];

/// Returns a code block without its comments, which a translation translates. `#>` is expected output.
fn without_comments(block: &str) -> String {
    let lines = block.lines().map(|line| match line.split_once("  # ") {
        Some((code, _)) => code.trim_end(),
        None => line,
    });
    let kept = lines.filter(|line| {
        let line = line.trim_start();
        !line.starts_with('#') || line.starts_with("#>")
    });
    kept.collect::<Vec<_>>().join("\n")
}

/// Returns the files that a page links to. Anchors differ with the headings.
fn linked_files(page: &Page) -> Vec<String> {
    let links = page.links();
    let files = links.iter().map(|target| target.split('#').next().unwrap());
    let mut files: Vec<String> = files.map(|file| file.replace(".ko.md", ".md")).collect();
    files.sort();
    files
}

/// Fails with the first entry that differs.
fn assert_same<T: PartialEq + Debug>(what: &str, [ours, theirs]: [Vec<T>; 2]) {
    for (our, their) in ours.iter().zip(&theirs) {
        assert_eq!(our, their, "{what}");
    }
    assert_eq!(ours.len(), theirs.len(), "{what}");
}

#[test]
fn a_translation_has_the_code_of_its_original() {
    for [original, translation] in TRANSLATED {
        let pages = [original, translation].map(|path| Page::of(&read(path)));
        let blocks = pages.map(|page| {
            let blocks = page.blocks.iter().map(|block| without_comments(block));
            blocks.collect::<Vec<_>>()
        });
        assert_same(&format!("code of {translation}"), blocks);
    }
}

#[test]
fn a_translation_has_the_headings_and_links_of_its_original() {
    for [original, translation] in TRANSLATED {
        let pages = [original, translation].map(|path| Page::of(&read(path)));
        let [ours, theirs] = &pages;
        let headings = ours.headings.iter().zip(&theirs.headings);
        for ((our, heading), (their, translated)) in headings {
            assert_eq!(our, their, "{translation}: {heading} is {translated}");
        }
        assert_eq!(ours.headings.len(), theirs.headings.len(), "{translation}");
        let links = pages.each_ref().map(linked_files);
        assert_same(&format!("links of {translation}"), links);
    }
}

#[test]
fn only_comments_of_a_block_may_differ() {
    let block = "```sh\n# Log in.\ncurl x  # twice\n#> {\"id\":1}";
    assert_eq!(without_comments(block), "```sh\ncurl x\n#> {\"id\":1}");
}
