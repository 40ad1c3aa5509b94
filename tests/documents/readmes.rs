//! The README of each library crate is its crate documentation.

use super::{LIBRARIES, check_generated, read};

/// Renders the documentation at the head of a `lib.rs` as a README.
fn readme(lib: &str, title: &str) -> String {
    let lines = lib.lines().map_while(|line| line.strip_prefix("//!"));
    let mut readme = vec![format!("# {title}"), String::new()];
    let mut in_code = false;
    let mut in_rust = false;
    for line in lines.map(|line| line.strip_prefix(' ').unwrap_or(line)) {
        if line.starts_with("```") {
            in_rust = !in_code && !["```toml", "```sh"].contains(&line);
            readme.push(if in_rust { "```rust" } else { line }.to_owned());
            in_code = !in_code;
        } else if !in_code {
            let level = if line.starts_with('#') { "#" } else { "" };
            readme.push(level.to_owned() + &without_doc_links(line));
        } else if !in_rust || (line != "#" && !line.starts_with("# ")) {
            readme.push(line.to_owned());
        }
    }
    readme.join("\n") + "\n"
}

/// Leaves the text of links to items, which only rustdoc resolves: "[`web::Auth`]" and "[the handle](web::Auth)".
fn without_doc_links(line: &str) -> String {
    let Some((before, rest)) = line.split_once('[') else {
        return line.to_owned();
    };
    let Some((text, after)) = rest.split_once(']') else {
        return line.to_owned();
    };
    let target = after
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'));
    match target {
        Some((target, after)) if target.contains('/') => {
            format!("{before}[{text}]({target}){}", without_doc_links(after))
        }
        Some((_, after)) => format!("{before}{text}{}", without_doc_links(after)),
        None => format!("{before}{text}{}", without_doc_links(after)),
    }
}

#[test]
fn each_library_s_readme_is_its_crate_documentation() {
    for library in LIBRARIES {
        let lib = read(&format!("{library}/src/lib.rs"));
        let title = library.rsplit('/').next().unwrap();
        check_generated(&format!("{library}/README.md"), &readme(&lib, title));
    }
}

#[test]
fn a_readme_has_plain_links_and_no_hidden_lines() {
    let lib = "//! An [`Auth`] of [Actix](https://actix.rs), [here](web::Auth).\n//!\n//! # Glossary\n//!\n\
               //! ```no_run\n//! # hidden();\n//! #[shown]\n//! ```\npub mod web;\n";
    let expected = "# tokenpair\n\nAn `Auth` of [Actix](https://actix.rs), here.\n\n## Glossary\n\n\
                    ```rust\n#[shown]\n```\n";
    assert_eq!(readme(lib, "tokenpair"), expected);
}
