//! The global byte budget (`--max-memory`): everything that holds captured bytes charges them here first.
//!
//! It refuses rather than waits: a holder that is refused gives up its message with a counted reason, so
//! memory stays bounded whatever the traffic does. A [`Charge`] gives its bytes back when dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A shared limit on buffered bytes. Cheap to clone; all clones share one count.
#[derive(Clone, Debug)]
pub struct MemoryBudget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    used: AtomicUsize,
    limit: usize,
}

impl MemoryBudget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                used: AtomicUsize::new(0),
                limit,
            }),
        }
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
        let before = shared.used.fetch_add(more, Relaxed);
        if before.checked_add(more).is_none_or(|after| after > shared.limit) {
            shared.used.fetch_sub(more, Relaxed);
            return false;
        }
        self.bytes += more;
        true
    }

    /// Gives `less` bytes back (all of them when `less` is more than is held).
    pub fn shrink(&mut self, less: usize) {
        let less = less.min(self.bytes);
        self.budget.shared.used.fetch_sub(less, Relaxed);
        self.bytes -= less;
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
