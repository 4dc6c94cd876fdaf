//! File descriptors: connections take them only while enough are left for what the run itself needs.
//!
//! Health, metrics, the ledger and files of recordings need descriptors at the worst of times: when a shadow is slow and all
//! that may be is open. So some are kept back ([`keep_back`]), and whoever opens or accepts a connection takes a place
//! among the rest ([`take`]).

use std::io;
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Kept back for the HTTP port (32 connections and its streams), files that are written, and names that are looked up.
const RESERVE: usize = 96;
/// And for each shard: its runtime, the streams of its signals, and a socket that asks for a route.
const PER_SHARD: usize = 8;

/// Places that are left; without [`keep_back`] there is no bound.
static LEFT: AtomicIsize = AtomicIsize::new(isize::MAX);

/// Why there is no place.
#[derive(Debug, thiserror::Error)]
#[error("out of file descriptors: raise the limit on open files (ulimit -n)")]
pub struct NoneLeft;

/// A descriptor of a connection. Dropping it gives the place back.
#[derive(Debug)]
pub struct DescriptorPermit(());

impl Drop for DescriptorPermit {
    fn drop(&mut self) {
        LEFT.fetch_add(1, Relaxed);
    }
}

/// Raises the soft limit, which is often 1024, to the hard one, which is what was granted.
pub fn raise_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::debug!(%error, soft, hard, "cannot raise the limit on open files");
    }
}

/// Keeps back from now on what a run with so many shards needs besides what is open by now.
pub fn keep_back(shards: usize) {
    let Ok((limit, _)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    // The directory itself is open while it is read.
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let places = places(limit, open, shards);
    tracing::debug!(limit, open, places, "file descriptors available for connections");
    LEFT.store(isize::try_from(places).unwrap_or(isize::MAX), Relaxed);
}

/// Where the limit is too low for both, each gets half.
fn places(limit: usize, open: usize, shards: usize) -> usize {
    let left = limit.saturating_sub(open);
    let reserve = RESERVE.saturating_add(PER_SHARD.saturating_mul(shards));
    left.saturating_sub(reserve.min(left / 2)).max(1)
}

/// A place for a connection.
///
/// # Errors
///
/// Where as many connections are open as there are places.
pub fn take() -> io::Result<DescriptorPermit> {
    if LEFT.fetch_sub(1, Relaxed) > 0 {
        return Ok(DescriptorPermit(()));
    }
    LEFT.fetch_add(1, Relaxed);
    Err(io::Error::other(NoneLeft))
}

/// Whether an error says that there was no place: which is nobody's fault but this machine's.
pub fn is_none_left(error: &io::Error) -> bool {
    let inner = error.get_ref();
    inner.and_then(|inner| inner.downcast_ref::<NoneLeft>()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_what_the_run_needs() {
        assert_eq!(places(1024, 40, 4), 1024 - 40 - 96 - 32);
        assert_eq!(places(1_048_576, 40, 4), 1_048_408);
        // Half each.
        assert_eq!(places(128, 28, 2), 50);
        assert_eq!(places(20, 40, 2), 1);
        assert_eq!(places(usize::MAX, 40, usize::MAX), usize::MAX / 2 - 19);
    }

    #[test]
    fn an_error_for_want_of_a_place_is_told_from_others() {
        assert!(is_none_left(&io::Error::other(NoneLeft)));
        assert!(!is_none_left(&io::Error::other("else")));
        assert!(!is_none_left(&io::Error::from_raw_os_error(libc::EMFILE)));
    }
}
