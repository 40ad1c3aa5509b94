//! Implements the commands that copy a whole database: `tokenpair backup` and `tokenpair restore`
//! for SQLite's file, and `tokenpair move` between databases.

mod database;
mod make;
mod partial;
mod restore;
mod transfer;

pub(super) use self::database::{exit_code, fail_at_limits};
pub(super) use self::make::{Wanted as Backup, run as backup};
pub(super) use self::restore::{Wanted as Restore, pass, run as restore};
pub(super) use self::transfer::{Wanted as Move, run as transfer};
