//! The limit on locked memory, against which Linux before 5.11 counts maps and rings.
//!
//! What is above the limit is refused with the error of a missing capability (`EPERM`), so that the two have to be told apart.

use std::io;

use aya::maps::MapData;
use aya::util::KernelVersion;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use tracing::debug;

/// The first kernel that counts maps as memory of their cgroup instead (commit 5d2fed3df57b).
const COUNTED_BY_CGROUP: KernelVersion = KernelVersion::new(5, 11, 0);

/// linux/bpf.h: `BPF_MAP_TYPE_ARRAY`.
const ARRAY: u32 = 2;

/// Raises the limit as far as this process may without a capability.
pub fn raise() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_MEMLOCK)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_MEMLOCK, hard, hard)
    {
        debug!(%error, "cannot raise the limit on locked memory");
    }
}

/// The limit in bytes, where it is what made the kernel refuse maps of `wanted` bytes in all with `error`, for a process
/// that has the capabilities.
pub fn to_blame(error: &io::Error, wanted: u64) -> Option<u64> {
    let limit = getrlimit(Resource::RLIMIT_MEMLOCK).ok()?.0;
    let counted = KernelVersion::current().is_ok_and(|running| running < COUNTED_BY_CGROUP);
    is_to_blame(error, counted, limit, wanted, a_small_map_is_had).then_some(limit)
}

fn is_to_blame(
    error: &io::Error,
    counted: bool,
    limit: u64,
    wanted: u64,
    a_small_map_is_had: impl FnOnce() -> bool,
) -> bool {
    // What else this user's processes have locked counts as well: the limit may be above what is wanted.
    counted
        && error.raw_os_error() == Some(libc::EPERM)
        && limit != RLIM_INFINITY
        && (limit < wanted || a_small_map_is_had())
}

fn a_small_map_is_had() -> bool {
    let map = aya_obj::Map::new_from_params(ARRAY, 4, 4, 1, 0);
    MapData::create(map, "probe", None).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_told_from_a_profile_that_refuses_the_call() {
        let refused = io::Error::from_raw_os_error(libc::EPERM);
        let is = |counted, limit, small| is_to_blame(&refused, counted, limit, 16 << 20, || small);
        assert!(is(true, 64 << 10, false));
        assert!(is(true, 64 << 10, true));
        // Above what is wanted: others of this user have their share, or nothing at all is let through.
        assert!(is(true, 32 << 20, true));
        assert!(!is(true, 32 << 20, false));
        assert!(!is(true, RLIM_INFINITY, true));
        assert!(!is(false, 64 << 10, true));
        let other = io::Error::from_raw_os_error(libc::ENOMEM);
        assert!(!is_to_blame(&other, true, 64 << 10, 16 << 20, || true));
    }
}
