//! Lists the exit codes of the program. docs/reference/cli.md has this table, which is made of it.

/// An exit code.
#[derive(Debug)]
pub struct ExitStatus {
    /// The code, or a range of them, as a shell sees it.
    pub code: &'static str,
    /// The commands that exit with it.
    pub commands: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// Failure, with the cause on standard error. For `doctor`: the server has problems.
pub(super) const FAILURE: u8 = 1;

/// Wrong usage. For `doctor` also: the server could not be asked.
pub(super) const USAGE: u8 = 2;

/// `migrate --check`: migrations are pending.
pub(super) const PENDING: u8 = 3;

/// `migrate --check`: the database is newer than the program.
pub(super) const NEWER: u8 = 4;

/// All exit codes. The codes of sysexits.h are not used.
pub const EXIT_STATUSES: [ExitStatus; 9] = [
    ExitStatus {
        code: "0",
        commands: "all",
        meaning: "Success, also if a reader such as `head` closes the output early. `serve`: stopped by SIGTERM or SIGINT (Ctrl-C), even while it was still starting. `doctor`: no problems, perhaps warnings.",
    },
    ExitStatus {
        code: "1",
        commands: "all",
        meaning: "Failure, with the cause on standard error: settings that cannot work, a database that cannot be used, a user that does not exist. `token inspect`: the token is rejected. `doctor`: problems. `healthcheck`: not ready.",
    },
    ExitStatus {
        code: "2",
        commands: "all",
        meaning: "Wrong usage: an unknown command, option or value. `doctor`: the server could not be asked.",
    },
    ExitStatus {
        code: "3",
        commands: "`migrate --check`",
        meaning: "Migrations are pending, or there is no database yet.",
    },
    ExitStatus {
        code: "3",
        commands: "`backup`, `restore`",
        meaning: "The database is PostgreSQL; the command for it is printed.",
    },
    ExitStatus {
        code: "4",
        commands: "`migrate --check`",
        meaning: "The database is newer than this program.",
    },
    ExitStatus {
        code: "101",
        commands: "all but `serve`",
        meaning: "A bug: the command panicked. In `serve`, a panic is a 500 for its request and a line in the log.",
    },
    ExitStatus {
        code: "130",
        commands: "all but `serve`",
        meaning: "Ctrl-C (128 and the number of the signal, as a shell says it). The database keeps all of a change or nothing.",
    },
    ExitStatus {
        code: "137",
        commands: "all",
        meaning: "Killed by SIGKILL, as by a kernel that is out of memory or a container that did not stop in time.",
    },
];
