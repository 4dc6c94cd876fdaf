//! Counting. An addition is atomic although counters are per CPU: a program in process context (`cgroup_skb`
//! egress) can be interrupted on its CPU by one in softirq, and no packet may be lost to that.

use shadow_common::Counter;

use crate::add::add;
use crate::maps::COUNTS;

/// Adds to a counter of this CPU.
#[inline(always)]
pub fn count(counter: Counter, by: u64) {
    if let Some(counts) = COUNTS.get_ptr_mut(0) {
        // SAFETY: the map's value is an array of that many u64, aligned to 8.
        unsafe { add(counts.cast::<u64>().add(counter as usize), by) };
    }
}
