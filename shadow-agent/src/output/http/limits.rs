//! The bounds that all shards of an output share: requests under way, requests and bytes that wait.
//!
//! Atomics only: taking and giving back is one uncontended instruction each in normal running. A shard that
//! finds no room to start a request waits for [`InFlight::freed`], first come, first served.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};

use tokio::sync::Notify;

/// Requests under way over all shards.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    taken: AtomicUsize,
    /// Shards with work and no permit for it.
    starving: AtomicUsize,
    freed: Notify,
}

impl InFlight {
    /// Takes one of `limit` permits.
    #[must_use]
    pub(super) fn try_take(&self, limit: usize) -> bool {
        if self.taken.fetch_add(1, SeqCst) < limit {
            return true;
        }
        self.taken.fetch_sub(1, SeqCst);
        false
    }

    /// Gives one back.
    pub(super) fn give_back(&self) {
        self.taken.fetch_sub(1, SeqCst);
        if self.starving.load(SeqCst) > 0 {
            self.freed.notify_one();
        }
    }

    /// Whether a shard that has a permit shall give it back rather than use it again: there are more than
    /// `limit` now (slow start), or another shard waits. `self_starving`: whether the asking shard is among
    /// those that wait.
    pub(super) fn should_yield(&self, limit: usize, self_starving: bool) -> bool {
        self.taken.load(Relaxed) > limit || self.starving.load(Relaxed) > usize::from(self_starving)
    }

    /// Says that this shard waits from now on. The caller tries [`Self::try_take`] once more afterwards.
    pub(super) fn starve(&self) {
        self.starving.fetch_add(1, SeqCst);
    }

    /// Resolves when a permit may be free; then calls [`Self::fed`].
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }

    /// This shard waits no more.
    pub(super) fn fed(&self) {
        self.starving.fetch_sub(1, SeqCst);
    }

    /// A shard was told of a permit and did not need it: the next one that waits is told.
    pub(super) fn pass_on(&self) {
        if self.starving.load(SeqCst) > 0 {
            self.freed.notify_one();
        }
    }

    pub(super) fn count(&self) -> usize {
        self.taken.load(Relaxed)
    }
}

/// Requests and bytes that wait, over all shards.
#[derive(Debug)]
pub(super) struct QueueBounds {
    requests: AtomicUsize,
    bytes: AtomicUsize,
    max_requests: usize,
    max_bytes: usize,
}

impl QueueBounds {
    pub(super) fn new(max_requests: usize, max_bytes: usize) -> Self {
        Self {
            requests: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            max_requests,
            max_bytes,
        }
    }

    /// Room for one request of so many bytes. `false`, and nothing taken, when there is none.
    #[must_use]
    pub(super) fn try_enter(&self, bytes: usize) -> bool {
        if self.requests.fetch_add(1, Relaxed) >= self.max_requests {
            self.requests.fetch_sub(1, Relaxed);
            return false;
        }
        let before = self.bytes.fetch_add(bytes, Relaxed);
        if before
            .checked_add(bytes)
            .is_none_or(|after| after > self.max_bytes)
        {
            self.leave(bytes);
            return false;
        }
        true
    }

    /// Room for a request that had some before, and was not under way for long.
    pub(super) fn reenter(&self, bytes: usize) {
        self.requests.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// Gives the room back.
    pub(super) fn leave(&self, bytes: usize) {
        self.requests.fetch_sub(1, Relaxed);
        self.bytes.fetch_sub(bytes, Relaxed);
    }

    /// Whether at most half of either bound is taken.
    pub(super) fn is_half_empty(&self) -> bool {
        self.requests.load(Relaxed) <= self.max_requests / 2 && self.bytes.load(Relaxed) <= self.max_bytes / 2
    }

    pub(super) fn count(&self) -> usize {
        self.requests.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_bounded_by_count_and_by_bytes() {
        let queue = QueueBounds::new(2, 100);
        assert!(queue.try_enter(100));
        assert!(!queue.try_enter(1));
        assert!(queue.try_enter(0));
        assert!(!queue.try_enter(0));
        queue.leave(100);
        assert!(!queue.try_enter(101));
        assert!(queue.try_enter(100));
        assert_eq!(queue.count(), 2);
    }

    #[test]
    fn a_permit_given_back_can_be_taken_again() {
        let in_flight = InFlight::default();
        assert!(in_flight.try_take(1));
        assert!(!in_flight.try_take(1));
        in_flight.give_back();
        assert!(in_flight.try_take(1));
    }

    #[tokio::test]
    async fn a_shard_that_waits_hears_of_a_permit_given_back_before_it_listened() {
        let in_flight = InFlight::default();
        assert!(in_flight.try_take(1));
        in_flight.starve();
        assert!(in_flight.should_yield(1, false));
        assert!(!in_flight.should_yield(1, true));
        in_flight.give_back();
        in_flight.freed().await;
        in_flight.fed();
        assert!(!in_flight.should_yield(1, false));
    }
}
