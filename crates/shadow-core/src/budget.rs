//! The global byte budget (`--max-memory`): everything that holds captured bytes charges them here first.
//!
//! It refuses rather than waits: a holder that is refused gives up its message with a counted reason, so
//! memory stays bounded whatever the traffic does. A [`Charge`] gives its bytes back when dropped.
//!
//! What is not whole yet (messages under way, bytes behind a hole) may take half of it at most, since a
//! client can leave that lying about: requests that come whole always find room for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A shared limit on buffered bytes. Cheap to clone; all clones share one count.
#[derive(Clone, Debug)]
pub struct MemoryBudget {
    shared: Arc<Shared>,
    /// Whether charges count as held too.
    held: bool,
}

#[derive(Debug)]
struct Shared {
    used: AtomicUsize,
    /// Of `used`, what is held for something that is not whole yet.
    held: AtomicUsize,
    limit: usize,
}

impl Shared {
    /// Most that may be held.
    fn held_limit(&self) -> usize {
        self.limit / 2
    }
}

impl MemoryBudget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                used: AtomicUsize::new(0),
                held: AtomicUsize::new(0),
                limit,
            }),
            held: false,
        }
    }

    /// The part for what is not whole yet: its charges count against the whole budget and against half of it.
    #[must_use]
    pub fn held(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            held: true,
        }
    }

    /// Whether more than seven eighths of that part are in use: time to give up what has stalled, before
    /// something that moves is refused.
    pub fn held_is_scarce(&self) -> bool {
        let limit = self.shared.held_limit();
        self.shared.held.load(Relaxed) > limit - limit / 8
    }

    /// Bytes charged at this moment.
    pub fn used(&self) -> usize {
        self.shared.used.load(Relaxed)
    }

    /// The limit in bytes.
    pub fn limit(&self) -> usize {
        self.shared.limit
    }

    /// An empty charge against this budget, to be grown.
    pub fn charge(&self) -> Charge {
        Charge {
            budget: self.clone(),
            bytes: 0,
        }
    }

    /// An empty charge against the part for what is not whole yet.
    pub fn held_charge(&self) -> Charge {
        Charge {
            budget: self.held(),
            bytes: 0,
        }
    }

    /// A share of one thread in this budget, of which nothing is taken.
    pub fn share(&self) -> BudgetShare {
        BudgetShare {
            charge: self.charge(),
            taken: 0,
        }
    }
}

/// Bytes of a [`MemoryBudget`] that one thread takes for many small things: in steps, so that not each of them is a trip to a count
/// that other threads write as well. What it holds beside what is taken is a few steps at most, and nothing when nothing is taken.
#[derive(Debug)]
pub struct BudgetShare {
    charge: Charge,
    /// Of the charge, what is in use.
    taken: usize,
}

/// Bytes that a share takes at once, where there is room.
const STEP: usize = 16 << 10;

impl BudgetShare {
    /// Takes `bytes`. `false`, and nothing taken, when there is no room for them.
    #[must_use]
    pub fn try_take(&mut self, bytes: usize) -> bool {
        let free = self.charge.bytes - self.taken;
        if let Some(more) = bytes.checked_sub(free).filter(|more| *more > 0)
            && !self.charge.try_grow(more.max(STEP))
            && !self.charge.try_grow(more)
        {
            return false;
        }
        self.taken += bytes;
        true
    }

    /// Gives back `bytes` that were taken (all of them when it is more).
    pub fn give_back(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_sub(bytes);
        let free = self.charge.bytes - self.taken;
        if self.taken == 0 {
            self.charge.shrink(free);
        } else if free > 2 * STEP {
            self.charge.shrink(free - STEP);
        }
    }

    /// Moves `bytes` that were taken (all of them when it is more) into a charge of their own, for another thread.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> Charge {
        let bytes = bytes.min(self.taken);
        let charge = self.charge.split(bytes);
        self.give_back(bytes);
        charge
    }
}

/// Bytes held against a [`MemoryBudget`], given back on drop.
#[derive(Debug)]
pub struct Charge {
    budget: MemoryBudget,
    bytes: usize,
}

impl Charge {
    /// Bytes held by this charge.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes `more` bytes from the budget. `false`, and nothing taken, when that would pass the limit.
    #[must_use]
    pub fn try_grow(&mut self, more: usize) -> bool {
        let shared = &self.budget.shared;
        if !take(&shared.used, more, shared.limit) {
            return false;
        }
        if self.budget.held && !take(&shared.held, more, shared.held_limit()) {
            shared.used.fetch_sub(more, Relaxed);
            return false;
        }
        self.bytes += more;
        true
    }

    /// Marks what was held as whole: it counts against the whole budget only.
    pub fn is_whole_now(&mut self) {
        if std::mem::take(&mut self.budget.held) {
            self.budget.shared.held.fetch_sub(self.bytes, Relaxed);
        }
    }

    /// Gives `less` bytes back (all of them when `less` is more than is held).
    pub fn shrink(&mut self, less: usize) {
        let less = less.min(self.bytes);
        if less == 0 {
            return;
        }
        self.budget.shared.used.fetch_sub(less, Relaxed);
        if self.budget.held {
            self.budget.shared.held.fetch_sub(less, Relaxed);
        }
        self.bytes -= less;
    }

    /// An empty charge against the same budget, for something that is whole.
    #[must_use]
    pub fn another(&self) -> Charge {
        Charge {
            budget: MemoryBudget {
                shared: Arc::clone(&self.budget.shared),
                held: false,
            },
            bytes: 0,
        }
    }

    /// Moves `bytes` of it (all of them when that is more than is held) into a charge of their own.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> Charge {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Charge {
            budget: self.budget.clone(),
            bytes,
        }
    }

    /// Moves the whole charge out, leaving an empty one.
    #[must_use]
    pub fn take(&mut self) -> Charge {
        Charge {
            budget: self.budget.clone(),
            bytes: std::mem::take(&mut self.bytes),
        }
    }
}

/// Adds `more` to `count` unless that would pass `limit`.
fn take(count: &AtomicUsize, more: usize, limit: usize) -> bool {
    let before = count.fetch_add(more, Relaxed);
    let fits = before.checked_add(more).is_some_and(|after| after <= limit);
    if !fits {
        count.fetch_sub(more, Relaxed);
    }
    fits
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_past_the_limit_is_refused_and_takes_nothing() {
        let budget = MemoryBudget::new(100);
        let mut first = budget.charge();
        assert!(first.try_grow(60));
        let mut second = budget.charge();
        assert!(!second.try_grow(41));
        assert_eq!(budget.used(), 60);
        assert!(second.try_grow(40));
        assert_eq!(budget.used(), 100);
    }

    #[test]
    fn a_share_takes_in_steps_and_keeps_nothing_when_nothing_is_taken() {
        let budget = MemoryBudget::new(100_000);
        let mut share = budget.share();
        assert!(share.try_take(100) && share.try_take(100));
        assert_eq!(budget.used(), 16_384);
        assert!(share.try_take(40_000));
        assert_eq!(budget.used(), 40_200);
        share.give_back(40_000);
        assert_eq!(budget.used(), 200 + 16_384);
        let moved = share.split(100);
        assert_eq!((moved.bytes(), budget.used()), (100, 200 + 16_384));
        share.give_back(100);
        assert_eq!(budget.used(), 100);
        drop(moved);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_share_takes_what_there_is_where_a_step_is_too_much() {
        let budget = MemoryBudget::new(300);
        let mut share = budget.share();
        assert!(share.try_take(200) && share.try_take(100) && !share.try_take(1));
        assert_eq!(budget.used(), 300);
        let mut other = budget.share();
        assert!(!other.try_take(1));
        share.give_back(100);
        assert!(share.try_take(100));
        drop(share);
        assert!(other.try_take(300));
    }

    #[test]
    fn a_part_of_a_charge_can_become_whole_by_itself() {
        let budget = MemoryBudget::new(100);
        let mut held = budget.held().charge();
        assert!(held.try_grow(50));
        let mut part = held.split(30);
        part.is_whole_now();
        assert_eq!((held.bytes(), part.bytes(), budget.used()), (20, 30, 50));
        assert!(held.try_grow(30), "the half for what is held has room again");
        drop((held, part));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_is_held_takes_half_of_the_budget_at_most() {
        let budget = MemoryBudget::new(100);
        let mut held = budget.held().charge();
        assert!(held.try_grow(44));
        assert!(!budget.held_is_scarce());
        assert!(held.try_grow(6));
        assert!(budget.held_is_scarce());
        assert!(!held.try_grow(1));
        let mut whole = budget.charge();
        assert!(whole.try_grow(50));
        assert!(!whole.try_grow(1));
        assert_eq!(budget.used(), 100);
        drop(whole);
        held.is_whole_now();
        assert_eq!(budget.used(), 50);
        let mut other = budget.held().charge();
        assert!(other.try_grow(50));
        held.shrink(50);
        assert_eq!((held.bytes(), budget.used()), (0, 50));
        assert!(!other.try_grow(1));
    }

    #[test]
    fn dropping_a_charge_gives_its_bytes_back() {
        let budget = MemoryBudget::new(100);
        let mut charge = budget.charge();
        assert!(charge.try_grow(100));
        let moved = charge.take();
        drop(charge);
        assert_eq!(budget.used(), 100);
        drop(moved);
        assert_eq!(budget.used(), 0);
    }
}
