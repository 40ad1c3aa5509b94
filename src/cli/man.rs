//! Implements `tokenpair man`: manual pages, made of the help of each command.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::CommandError;
use super::exit::EXIT_STATUSES;

/// Writes a page for the program and for each command, such as `tokenpair-user-add.1`.
pub(super) fn run(
    folder: &Path,
    program: Command,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    if !folder.is_dir() {
        let folder = folder.display();
        return Err(
            format!("there is no folder {folder}; create it first: mkdir -p {folder}").into(),
        );
    }
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let mut pages = Vec::new();
    collect(&program, true, &mut pages)?;
    for (name, page) in pages {
        let path: PathBuf = folder.join(name);
        std::fs::write(&path, page)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        writeln!(out, "{}", path.display())?;
    }
    Ok(())
}

/// A file name and its content.
type Page = (String, Vec<u8>);

fn collect(command: &Command, is_program: bool, pages: &mut Vec<Page>) -> std::io::Result<()> {
    for subcommand in command.get_subcommands() {
        if !subcommand.is_hide_set() {
            collect(subcommand, false, pages)?;
        }
    }
    let man = Man::new(command.clone())
        .source(concat!("tokenpair ", env!("CARGO_PKG_VERSION")))
        .manual("tokenpair");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command
        .get_arguments()
        .any(|argument| !argument.is_hide_set())
    {
        man.render_options_section(&mut page)?;
    }
    if command
        .get_subcommands()
        .any(|command| !command.is_hide_set())
    {
        man.render_subcommands_section(&mut page)?;
    }
    notes(command, &mut page)?;
    if is_program {
        exit_status(&mut page)?;
    }
    pages.push((man.get_filename(), page));
    Ok(())
}

/// Renders what follows the help line by line, since it has columns and commands.
fn notes(command: &Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    let Some(notes) = command.get_after_help() else {
        return Ok(());
    };
    let mut roff = Roff::default();
    roff.control("SH", ["NOTES"]).control("nf", []);
    for line in notes.to_string().lines() {
        match line {
            "" => roff.control("sp", []),
            line => roff.text([roman(line)]),
        };
    }
    roff.control("fi", []).to_writer(page)
}

fn exit_status(page: &mut Vec<u8>) -> std::io::Result<()> {
    let mut roff = Roff::default();
    roff.control("SH", ["EXIT STATUS"]);
    for status in EXIT_STATUSES {
        let commands = status.commands.replace('`', "");
        let meaning = status.meaning.replace('`', "");
        roff.control("TP", []).text([bold(status.code)]);
        roff.text([roman(format!("({commands}) {meaning}"))]);
    }
    roff.to_writer(page)
}
