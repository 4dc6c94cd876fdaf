//! Counts what a client does too often, by the time of the capture.

use shadow_core::time::Timestamp;

use super::limits::{REQUESTS_A_RESET, RESETS_A_SECOND, RESETS_AT_ONCE};

/// Resets that are still let through.
#[derive(Debug)]
pub(super) struct Resets {
    left: u64,
    since: Timestamp,
    /// Requests that the next one more is let through for.
    opened: u64,
}

impl Resets {
    pub fn new() -> Self {
        Self {
            left: RESETS_AT_ONCE,
            since: Timestamp(0),
            opened: 0,
        }
    }

    /// A request was opened: a share of them may be reset.
    pub fn opened(&mut self) {
        self.opened += 1;
        if self.opened >= REQUESTS_A_RESET {
            self.opened = 0;
            self.left = (self.left + 1).min(RESETS_AT_ONCE);
        }
    }

    /// A stream is reset.
    pub fn count(&mut self, now: Timestamp) {
        self.refill(now);
        self.left = self.left.saturating_sub(1);
    }

    /// Whether there were too many.
    pub fn are_a_flood(&mut self, now: Timestamp) -> bool {
        if self.left == 0 {
            self.refill(now);
        }
        self.left == 0
    }

    fn refill(&mut self, now: Timestamp) {
        const SECOND: u128 = 1_000_000_000;
        let passed = now.since(self.since).as_nanos();
        let more = passed.saturating_mul(u128::from(RESETS_A_SECOND)) / SECOND;
        if more > 0 {
            let more = u64::try_from(more).unwrap_or(u64::MAX);
            self.left = self.left.saturating_add(more).min(RESETS_AT_ONCE);
            self.since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_resets_is_a_flood_until_time_has_passed() {
        let at = |ms: u64| Timestamp(ms * 1_000_000);
        let mut resets = Resets::new();
        for _ in 0..RESETS_AT_ONCE {
            assert!(!resets.are_a_flood(at(5000)));
            resets.count(at(5000));
        }
        assert!(resets.are_a_flood(at(5020)));
        assert!(!resets.are_a_flood(at(5040)), "one more in 1/33 s");
    }

    #[test]
    fn a_busy_connection_may_cancel_one_request_in_ten() {
        let mut resets = Resets::new();
        for request in 0..1_000_000 {
            resets.opened();
            if request % 10 == 0 {
                resets.count(Timestamp(1));
            }
            assert!(!resets.are_a_flood(Timestamp(1)));
        }
    }

    #[test]
    fn cancelling_now_and_then_is_none() {
        let mut resets = Resets::new();
        for second in 0..10_000 {
            let now = Timestamp(second * 1_000_000_000);
            assert!(!resets.are_a_flood(now));
            (0..30).for_each(|_| resets.count(now));
        }
    }
}
