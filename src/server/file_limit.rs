//! Fits the connection limit to the limit on open files. Without a free file the server could not
//! even accept a health check.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::connection_limit::RESERVE;

/// Files that the server opens besides connections: the database, the log, keys and certificates.
const OTHER_FILES: u64 = 128;

/// Returns the number of connections that the limit on open files allows, at most `wanted`. Raises
/// the soft limit first, as far as the hard limit allows: shells set it to 1024 for the sake of old
/// programs.
pub(super) fn connections(wanted: usize) -> usize {
    let others = OTHER_FILES + RESERVE as u64;
    let needed = wanted as u64 + others;
    let limit = getrlimit(Resource::Nofile);
    let wanted_files = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    let soft = limit.current.unwrap_or(u64::MAX);
    let raised = Rlimit {
        current: Some(wanted_files),
        ..limit
    };
    let is_raised = soft < wanted_files && setrlimit(Resource::Nofile, raised).is_ok();
    let files = if is_raised { wanted_files } else { soft };
    let allowed = usize::try_from(files.saturating_sub(others)).unwrap_or(usize::MAX);
    if allowed < wanted {
        log::warn!(
            "the limit of {files} open files allows {} connections, fewer than SERVER_MAX_CONNECTIONS={wanted}: raise it \
             (`ulimit -n`, LimitNOFILE= in systemd), or lower the setting",
            allowed.max(1)
        );
    }
    allowed.clamp(1, wanted)
}
