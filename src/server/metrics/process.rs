//! Reads the numbers of this process from the operating system, for the metrics that each
//! Prometheus client has (`process_*`).

use std::fs;

use rustix::param::page_size;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Returns the user and system time in seconds.
pub(super) fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let nanos = i32::try_from(time.tv_nsec).unwrap_or_default();
    i32::try_from(time.tv_sec).map_or(0.0, f64::from) + f64::from(nanos) / 1e9
}

/// Memory in bytes.
pub(super) struct Memory {
    pub(super) total: u64,
    pub(super) resident: u64,
}

/// Returns the memory. `None` on systems other than Linux.
pub(super) fn memory() -> Option<Memory> {
    let pages = fs::read_to_string("/proc/self/statm").ok()?;
    let mut bytes = pages
        .split(' ')
        .map_while(|pages| Some(pages.parse::<u64>().ok()? * page_size() as u64));
    Some(Memory {
        total: bytes.next()?,
        resident: bytes.next()?,
    })
}

/// Returns the number of open files. `None` on systems other than Linux.
pub(super) fn open_files() -> Option<u64> {
    let files = fs::read_dir("/proc/self/fd").ok()?;
    // Reading the folder opens one more.
    Some((files.count() as u64).saturating_sub(1))
}

/// Returns the limit on open files, if there is one.
pub(super) fn max_files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}
