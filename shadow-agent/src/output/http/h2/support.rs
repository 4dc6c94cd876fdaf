//! An upstream's support of HTTP/2, as all shards know it: whether it has it, and what was said of that in the log.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// For how long an upstream that refused HTTP/2 is not asked again, in microseconds: a release that brings it is noticed soon,
/// and one that does not is bothered once a minute.
const PAUSE_US: u64 = 60_000_000;

/// Knowledge of an upstream's HTTP/2.
#[derive(Debug, Default)]
pub(in crate::output::http) struct Http2Support {
    /// Until when it is taken to have none, on the breaker's time; 0: it never refused.
    refused_until: AtomicU64,
    /// Whether it has spoken HTTP/2.
    spoken: AtomicBool,
    /// Whether it was said that it has none.
    said_refused: AtomicBool,
    /// Whether it was said that requests cannot be sent.
    said_unsent: AtomicBool,
}

impl Http2Support {
    /// Whether it is taken to have none. `now` is asked for only where it refused.
    pub(in crate::output::http) fn is_refused(&self, now: impl FnOnce() -> u64) -> bool {
        match self.refused_until.load(Relaxed) {
            0 => false,
            until => now() < until,
        }
    }

    /// Whether it has spoken HTTP/2 since it refused last.
    pub(in crate::output::http) fn is_known(&self) -> bool {
        self.spoken.load(Relaxed)
    }

    /// It has spoken HTTP/2.
    pub(in crate::output::http) fn accepted(&self) {
        self.spoken.store(true, Relaxed);
        self.refused_until.store(0, Relaxed);
    }

    /// It has none. Whether that is to be said.
    pub(in crate::output::http) fn refused(&self, now: u64) -> bool {
        self.spoken.store(false, Relaxed);
        self.refused_until.store(now.saturating_add(PAUSE_US), Relaxed);
        !self.said_refused.swap(true, Relaxed)
    }

    /// A request cannot be sent by the version it must go by. Whether that is to be said.
    pub(in crate::output::http) fn unsent(&self) -> bool {
        !self.said_unsent.swap(true, Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_that_refused_is_asked_again_after_a_minute() {
        let support = Http2Support::default();
        assert!(!support.is_refused(|| 0));
        assert!(support.refused(1_000_000));
        assert!(support.is_refused(|| 60_999_999));
        assert!(!support.is_refused(|| 61_000_000));
    }

    #[test]
    fn a_refusal_is_said_once() {
        let support = Http2Support::default();
        assert!(support.refused(0));
        support.accepted();
        assert!(!support.is_refused(|| 1));
        assert!(!support.refused(2));
    }
}
