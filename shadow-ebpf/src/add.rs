//! Adding to a counter of this CPU.

use core::arch::asm;

/// Adds in place, atomically: what runs on a CPU can be interrupted there by another program that counts.
///
/// # Safety
///
/// `cell` is a counter in a value of a map that lives.
#[inline(always)]
pub unsafe fn add(cell: *mut u64, by: u64) {
    // SAFETY: a valid cell, as the caller says. Rust has no atomics for a target without compare-and-swap in its first
    // instruction set.
    unsafe {
        asm!("lock *(u64 *)({cell} + 0) += {by}", cell = in(reg) cell, by = in(reg) by, options(nostack));
    }
}
