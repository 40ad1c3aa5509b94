//! Reads what the tests need of a Markdown page: headings, anchors, links and code blocks.

use std::collections::HashMap;

/// A heading: its level, and its text as written.
pub(super) type Heading = (usize, String);

/// A page, taken apart.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) headings: Vec<Heading>,
    /// The lines outside of code blocks.
    pub(super) prose: Vec<String>,
    /// The code blocks, indented or fenced, each with the line that opens the fence.
    pub(super) blocks: Vec<String>,
}

impl Page {
    pub(super) fn of(text: &str) -> Self {
        let mut page = Self::default();
        let mut lines = text.lines().peekable();
        let mut after_blank = true;
        while let Some(line) = lines.next() {
            if line.starts_with("```") {
                let inside = lines.by_ref().take_while(|line| *line != "```");
                let block: Vec<&str> = std::iter::once(line).chain(inside).collect();
                page.blocks.push(block.join("\n"));
            } else if after_blank && line.starts_with("    ") {
                let mut block = vec![line];
                while let Some(next) = lines.next_if(|line| line.starts_with("    ")) {
                    block.push(next);
                }
                page.blocks.push(block.join("\n"));
            } else {
                page.heading(line);
                page.prose.push(line.to_owned());
            }
            after_blank = line.is_empty();
        }
        page
    }

    fn heading(&mut self, line: &str) {
        let text = line.trim_start_matches('#');
        let level = line.len() - text.len();
        if let (1..=6, Some(text)) = (level, text.strip_prefix(' ')) {
            self.headings.push((level, text.trim().to_owned()));
        }
    }

    /// Returns the anchors of the headings, as hosting platforms make them: the second of two equal headings ends in `-1`.
    pub(super) fn anchors(&self) -> Vec<String> {
        let mut seen: HashMap<String, usize> = HashMap::new();
        let slugs = self.headings.iter().map(|(_, text)| slug(text));
        slugs
            .map(|slug| {
                let count = seen.entry(slug.clone()).or_default();
                *count += 1;
                match *count {
                    1 => slug,
                    more => format!("{slug}-{}", more - 1),
                }
            })
            .collect()
    }

    /// Returns the targets of all links and images, in Markdown and in HTML.
    pub(super) fn links(&self) -> Vec<String> {
        let prose = without_code_spans(&self.prose.join("\n"));
        let markdown = between(&prose, "](", ')');
        let html = ["src=\"", "srcset=\"", "href=\""];
        let html = html.iter().flat_map(|start| between(&prose, start, '"'));
        markdown.into_iter().chain(html).collect()
    }
}

/// Returns each text that stands between a start and the next end.
fn between(text: &str, start: &str, end: char) -> Vec<String> {
    let parts = text.split(start).skip(1);
    parts
        .filter_map(|rest| Some(rest.split_once(end)?.0.to_owned()))
        .collect()
}

/// Empties code spans, which may show the syntax of a link.
fn without_code_spans(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let kept = parts.map(|(index, part)| match index % 2 {
        0 => part,
        _ => "",
    });
    kept.collect::<Vec<_>>().join("`")
}

fn slug(heading: &str) -> String {
    let plain: String = without_targets(heading).to_lowercase();
    let kept = plain
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Leaves the text of links.
fn without_targets(text: &str) -> String {
    match text.split_once("](") {
        Some((before, rest)) => {
            let after = rest.split_once(')').map_or("", |(_, after)| after);
            before.to_owned() + &without_targets(after)
        }
        None => text.to_owned(),
    }
}

#[test]
fn a_page_is_taken_apart() {
    let page = Page::of(
        "# A `b` c, d?\n\nSee [here](x.md#y), `[not](here)` and <img src=\"z.svg\">.\n\n```sh\n# no heading\n[n](o)\n```\n\n    indented\n\n\
         ## Same\n\n- item\n    [continued](w.md)\n\n## Same\n",
    );
    assert_eq!(page.anchors(), ["a-b-c-d", "same", "same-1"]);
    assert_eq!(page.links(), ["x.md#y", "w.md", "z.svg"]);
    assert_eq!(page.blocks, ["```sh\n# no heading\n[n](o)", "    indented"]);
}
