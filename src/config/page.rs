//! Defines the settings of the built-in page: its title and its style sheet.

use std::path::{Path, PathBuf};

use super::setting::{Known, Setting};
use super::text;
use crate::printable::has_unseen;
use tokenpair::config::Reader;

pub(super) const KNOWN: &[Known] = &[TITLE.known(), CSS.known()];

const TITLE: Setting<String> = Setting::new(
    "SERVER_TITLE",
    "tokenpair",
    "Name of the site on the built-in page; 1 to 64 visible characters.",
    |reader, name| {
        let wanted = "write a name of 1 to 64 visible characters";
        reader.parsed(name, "tokenpair".to_owned(), wanted, |text| {
            let title = text.trim();
            let is_name =
                !text::is_blank(title) && title.chars().count() <= MAX_TITLE && !has_unseen(title);
            is_name.then(|| title.to_owned())
        })
    },
);

const CSS: Setting<Option<StyleSheet>> = Setting::new(
    "SERVER_CSS",
    "none",
    "Path of a CSS file that replaces the style sheet of the built-in page, at most 64 KiB. The server reloads it when it changes.",
    style,
);

/// The longest title, in characters.
const MAX_TITLE: usize = 64;

/// The largest style sheet, in bytes. Every page carries it.
const MAX_STYLE: usize = 64 * 1024;

/// The settings of the built-in page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PageSettings {
    /// `SERVER_TITLE`
    pub title: String,
    /// `SERVER_CSS`; `None` for the built-in one.
    pub style: Option<StyleSheet>,
}

/// A style sheet in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StyleSheet {
    /// The file, which is read again when it changes.
    pub file: PathBuf,
    /// Its text, with line feeds alone.
    pub text: String,
}

pub(super) fn page(reader: &mut Reader<'_>) -> PageSettings {
    PageSettings {
        title: TITLE.read(reader),
        style: CSS.read(reader),
    }
}

fn style(reader: &mut Reader<'_>, name: &'static str) -> Option<StyleSheet> {
    let file = PathBuf::from(reader.text(name)?);
    match read_style(&file) {
        Ok(text) => Some(StyleSheet { file, text }),
        Err(complaint) => {
            reader.problem(name, complaint);
            None
        }
    }
}

/// Reads a style sheet as the page carries it. The error completes a sentence about the setting.
pub(crate) fn read_style(file: &Path) -> Result<String, String> {
    let named = |complaint: &str| format!("names {}, which {complaint}", file.display());
    // To open a pipe waits for its writer, and the server reads the file while it runs.
    if file.metadata().is_ok_and(|found| !found.is_file()) {
        return Err(named("is no regular file"));
    }
    let text = text::read(file).map_err(|complaint| named(&complaint))?;
    if text.len() > MAX_STYLE {
        return Err(named("has more than 64 KiB"));
    }
    if text.to_ascii_lowercase().contains("</style") {
        return Err(named("contains </style, which would end it in the page"));
    }
    // Browsers hash the text as they have parsed it (HTML section 13.2.3.5).
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}
