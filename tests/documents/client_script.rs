//! The browser client that the server serves was built from the sources in this repository. `npm test` in
//! `clients/typescript` also compares it with a new build.

use std::fs::File;
use std::io::Read;

use aws_lc_rs::digest::{Context, SHA256};
use flate2::read::GzDecoder;

use super::{read, root};

const SERVED: &str = "src/server/assets/client/tokenpair.js.gz";
const SOURCES: &str = "clients/typescript/src";

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap();
    rest.split_once(end).unwrap().0
}

#[test]
fn the_served_browser_client_is_the_one_of_these_sources() {
    let mut script = String::new();
    let file = File::open(root().join(SERVED)).unwrap();
    GzDecoder::new(file).read_to_string(&mut script).unwrap();
    let notice = script.lines().next().unwrap();
    let manifest = read("clients/typescript/package.json");
    let version = between(&manifest, "\"version\": \"", "\"");
    let start = format!("/*! @tokenpair/client {version}, MIT OR Apache-2.0. Built from index.ts ");
    assert!(notice.starts_with(&start), "{notice}");

    let mut hash = Context::new(&SHA256);
    for name in between(notice, "Built from ", " (").split(' ') {
        hash.update(read(&format!("{SOURCES}/{name}")).as_bytes());
    }
    let hash = hash.finish();
    let hash: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        between(notice, "(sha256 ", ")"),
        hash,
        "{SERVED} is out of date; run npm run served in clients/typescript"
    );
}
