//! Shard threads give way to production where they share its processors.
//!
//! `SCHED_BATCH` (sched(7)) takes nothing from a thread's share of a busy machine, but it never preempts another
//! thread when it wakes: replay waits until whatever production was doing is done. Measured by
//! `cargo xtask bench`: production's 99th percentile at 5,000 requests a second fell from 2.4 to 1.5 times alone,
//! and flat out it kept 66% of its throughput instead of 56%. A lower nice value takes share as well, which
//! a saturated machine would pay for in lost requests. Needs no capability.
#![allow(
    unsafe_code,
    reason = "no safe wrapper for sched_setscheduler is among the dependencies"
)]

/// Makes the calling thread one that gives way.
pub(super) fn lower_priority() {
    // SAFETY: all zeros is a valid sched_param.
    let parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: 0 is the calling thread, and the pointer is valid for the call.
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters) } != 0 {
        let error = std::io::Error::last_os_error();
        tracing::debug!(%error, "cannot change the scheduling policy of a shard");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_thread_that_gives_way_has_the_batch_policy() {
        let policy = std::thread::spawn(|| {
            super::lower_priority();
            // SAFETY: 0 is the calling thread.
            unsafe { libc::sched_getscheduler(0) }
        });
        assert_eq!(policy.join().unwrap(), libc::SCHED_BATCH);
    }
}
