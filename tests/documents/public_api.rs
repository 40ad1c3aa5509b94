//! The public API of the library crates, listed in a file, so that a review sees each change of it.

mod listing;
mod source;
mod tokens;

use super::{LIBRARIES, check_generated, root};

#[test]
fn the_public_api_of_each_library_is_what_its_list_says() {
    for library in LIBRARIES {
        let lines = listing::of(&root().join(library).join("src"));
        assert!(lines.len() > 100, "{library}: {}", lines.len());
        let wanted = lines.join("\n") + "\n";
        check_generated(&format!("{library}/public-api.txt"), &wanted);
    }
}
