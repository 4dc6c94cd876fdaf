//! The bounds that all shards of an output share: requests under way, requests that wait,
//! bytes of both.
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
    waiting_for_permit: AtomicUsize,
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
        if self.waiting_for_permit.load(SeqCst) > 0 {
            self.freed.notify_one();
        }
    }

    /// Whether a shard that has a permit shall give it back rather than use it again: there are more than
    /// `limit` now (slow start), or another shard waits. `self_waiting`: whether the asking shard is among
    /// those that wait.
    pub(super) fn should_yield(&self, limit: usize, self_waiting: bool) -> bool {
        self.taken.load(Relaxed) > limit || self.waiting_for_permit.load(Relaxed) > usize::from(self_waiting)
    }

    /// Says that this shard waits from now on. The caller tries [`Self::try_take`] once more afterwards.
    pub(super) fn register_waiter(&self) {
        self.waiting_for_permit.fetch_add(1, SeqCst);
    }

    /// Resolves when a permit may be free; then calls [`Self::unregister_waiter`].
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }

    /// This shard waits no more.
    pub(super) fn unregister_waiter(&self) {
        self.waiting_for_permit.fetch_sub(1, SeqCst);
    }

    /// A shard was told of a permit and did not need it: the next one that waits is told.
    pub(super) fn pass_on(&self) {
        if self.waiting_for_permit.load(SeqCst) > 0 {
            self.freed.notify_one();
        }
    }

    pub(super) fn count(&self) -> usize {
        self.taken.load(Relaxed)
    }
}

/// Requests that wait, and bytes of all requests that are not settled, over all shards.
///
/// Bytes count while a request is under way too: a slow shadow must not hold more memory than it may, whether
/// requests wait here or at its door.
#[derive(Debug)]
pub(super) struct QueueBounds {
    waiting: AtomicUsize,
    bytes: AtomicUsize,
    max_waiting: usize,
    max_bytes: usize,
}

impl QueueBounds {
    /// Without a bound of requests, bytes alone bound how many may wait.
    pub(super) fn new(max_waiting: Option<usize>, max_bytes: usize) -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            max_waiting: max_waiting.unwrap_or(usize::MAX),
            max_bytes,
        }
    }

    /// Holds the bytes of a request until it is settled. `false`, and nothing held, when there is no room. One
    /// that is larger than the whole bound has room while nothing else is held.
    #[must_use]
    pub(super) fn try_hold(&self, bytes: usize) -> bool {
        let before = self.bytes.fetch_add(bytes, Relaxed);
        let fits = before == 0
            || before
                .checked_add(bytes)
                .is_some_and(|after| after <= self.max_bytes);
        if !fits {
            self.release(bytes);
        }
        fits
    }

    /// A request is settled.
    pub(super) fn release(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Relaxed);
    }

    /// One more waits. `false`, and not counted, when as many wait as may.
    #[must_use]
    pub(super) fn try_enter(&self) -> bool {
        let entered = self.waiting.fetch_add(1, Relaxed) < self.max_waiting;
        if !entered {
            self.leave();
        }
        entered
    }

    /// One waits again that waited before, and was not under way for long.
    pub(super) fn reenter(&self) {
        self.waiting.fetch_add(1, Relaxed);
    }

    /// One waits no more.
    pub(super) fn leave(&self) {
        self.waiting.fetch_sub(1, Relaxed);
    }

    /// Whether at most half of either bound is taken.
    pub(super) fn is_half_empty(&self) -> bool {
        self.waiting.load(Relaxed) <= self.max_waiting / 2 && self.bytes.load(Relaxed) <= self.max_bytes / 2
    }

    /// Requests that wait.
    pub(super) fn count(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// Bytes held.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_wait_than_may() {
        let queue = QueueBounds::new(Some(2), 100);
        assert!(queue.try_enter());
        assert!(queue.try_enter());
        assert!(!queue.try_enter());
        assert_eq!(queue.count(), 2);
        queue.leave();
        assert!(queue.try_enter());
    }

    #[test]
    fn without_a_bound_of_requests_bytes_alone_bound_the_queue() {
        let queue = QueueBounds::new(None, 100);
        assert!((0..10_001).all(|_| queue.try_enter()));
        assert!(queue.is_half_empty());
        assert!(queue.try_hold(100));
        assert!(!queue.try_hold(1));
    }

    #[test]
    fn no_more_bytes_are_held_than_may_be() {
        let queue = QueueBounds::new(Some(2), 100);
        assert!(queue.try_hold(60));
        assert!(!queue.is_half_empty());
        assert!(queue.try_hold(40));
        assert!(!queue.try_hold(1));
        queue.release(60);
        assert!(queue.is_half_empty());
        assert!(!queue.try_hold(61));
        assert!(!queue.try_hold(usize::MAX));
        assert_eq!(queue.bytes(), 40);
    }

    #[test]
    fn a_request_larger_than_the_bound_is_held_alone() {
        let queue = QueueBounds::new(Some(2), 100);
        assert!(queue.try_hold(101));
        assert!(!queue.try_hold(1));
        queue.release(101);
        assert!(queue.try_hold(1));
        assert!(!queue.try_hold(101));
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
        in_flight.register_waiter();
        assert!(in_flight.should_yield(1, false));
        assert!(!in_flight.should_yield(1, true));
        in_flight.give_back();
        in_flight.freed().await;
        in_flight.unregister_waiter();
        assert!(!in_flight.should_yield(1, false));
    }
}
