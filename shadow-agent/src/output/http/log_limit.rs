//! One log line a second for what may happen thousands of times a second.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Time between two lines, in microseconds.
const INTERVAL: u64 = 1_000_000;

/// A limit of one log line a second. Sans-IO: time is an argument, in microseconds since any fixed point. Shared by
/// all shards, without a lock.
#[derive(Debug, Default)]
pub(in crate::output) struct LogLimit {
    /// When the next line may be written.
    next: AtomicU64,
    suppressed: AtomicU64,
}

impl LogLimit {
    /// Whether a line may be written at `now`: then how many were not since the last one.
    pub(in crate::output) fn admit(&self, now: u64) -> Option<u64> {
        let next = self.next.load(Relaxed);
        let after = now.saturating_add(INTERVAL);
        // Of two shards that come at once, one writes.
        if now < next || self.next.compare_exchange(next, after, Relaxed, Relaxed).is_err() {
            self.suppressed.fetch_add(1, Relaxed);
            return None;
        }
        Some(self.suppressed.swap(0, Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_is_written_and_says_how_many_were_not() {
        let limit = LogLimit::default();
        assert_eq!(limit.admit(5), Some(0));
        for now in 6..1_000 {
            assert_eq!(limit.admit(now), None);
        }
        assert_eq!(limit.admit(1_000_004), None);
        assert_eq!(limit.admit(1_000_005), Some(995));
        assert_eq!(limit.admit(1_000_006), None);
        assert_eq!(limit.admit(9_000_000), Some(1));
    }
}
