//! Writes this program's commands as their reader would type them: a message that names a command
//! is there to be followed.

use std::env;
use std::ffi::OsStr;
use std::path::Path;

use crate::printable::printable;

/// The program's name. Another app that mounts the routes has a program of its own beside it.
const NAME: &str = "tokenpair";

/// Files that mark the inside of a container, with the program that runs commands there.
const CONTAINERS: [(&str, &str); 2] = [("/.dockerenv", "docker"), ("/run/.containerenv", "podman")];

/// The folder in which the Debian package's service and its command run.
const PACKAGED: &str = "/etc/tokenpair";

/// The command of the Debian package that runs commands with the service's settings.
const PACKAGED_COMMAND: &str = "/usr/sbin/tokenpair-admin";

/// Returns a command of this program: its name as it was started, and the arguments.
///
/// ```text
/// command("user list") == "target/release/tokenpair user list"
/// ```
pub(crate) fn command(arguments: &str) -> String {
    if is_packaged() {
        return format!("tokenpair-admin {arguments}");
    }
    let started = env::args_os().next().unwrap_or_default();
    let program = program(
        Path::new(&started),
        env::var_os("PATH").as_deref(),
        container(),
    );
    format!("{program} {arguments}")
}

fn is_packaged() -> bool {
    env::current_dir().is_ok_and(|folder| folder == Path::new(PACKAGED))
        && Path::new(PACKAGED_COMMAND).exists()
}

/// A container around this program, whose reader is outside.
struct Container {
    engine: &'static str,
    id: String,
}

/// Returns the container whose first process this is. Another process of a container was started by
/// somebody who knows how to.
fn container() -> Option<Container> {
    if std::process::id() != 1 {
        return None;
    }
    let marked = |(file, _): &&(&str, &str)| Path::new(file).exists();
    let (_, engine) = CONTAINERS.iter().find(marked)?;
    // Unless it was chosen, the host's name is the container's id.
    let id = env::var("HOSTNAME").ok()?;
    let is_id = id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then_some(Container { engine, id })
}

fn program(started: &Path, path: Option<&OsStr>, container: Option<Container>) -> String {
    if let Some(Container { engine, id }) = container {
        return format!("{engine} exec -it {id} {NAME}");
    }
    if started.file_stem() != Some(OsStr::new(NAME)) {
        return NAME.to_owned();
    }
    let folder = started.parent().unwrap_or(Path::new(""));
    let is_on_path = path.is_some_and(|path| env::split_paths(path).any(|one| one == folder));
    if folder == Path::new("") || is_on_path {
        return NAME.to_owned();
    }
    let started = started.to_string_lossy();
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-+~".contains(letter);
    if started.chars().all(is_plain) {
        return started.into_owned();
    }
    format!("'{}'", printable(&started.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_begins_as_its_reader_started_the_program() {
        let path = OsStr::new("/usr/local/bin:/usr/bin");
        for (started, program_typed) in [
            ("tokenpair", "tokenpair"),
            ("/usr/bin/tokenpair", "tokenpair"),
            ("/opt/tokenpair/tokenpair", "/opt/tokenpair/tokenpair"),
            ("target/release/tokenpair", "target/release/tokenpair"),
            ("./tokenpair", "./tokenpair"),
            ("my builds/tokenpair", "'my builds/tokenpair'"),
            ("it's/tokenpair", r"'it'\''s/tokenpair'"),
            ("target/debug/deps/api-0123", "tokenpair"),
            ("my-app", "tokenpair"),
            ("", "tokenpair"),
        ] {
            assert_eq!(program(Path::new(started), Some(path), None), program_typed);
        }
        let container = Container {
            engine: "docker",
            id: "3f2a00c1b2d3".to_owned(),
        };
        assert_eq!(
            program(Path::new("tokenpair"), Some(path), Some(container)),
            "docker exec -it 3f2a00c1b2d3 tokenpair"
        );
    }
}
