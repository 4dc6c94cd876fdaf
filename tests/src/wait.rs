//! Waiting for something that no file descriptor announces.

use std::time::{Duration, Instant};

/// How long anything that should come at once may take on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until `condition` holds. Panics with `what` when it does not within [`DEADLINE`].
pub fn until(what: &str, condition: impl FnMut() -> bool) {
    until_within(DEADLINE, what, condition);
}

/// The same within a time of its own.
pub fn until_within(allowed: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + allowed;
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "waited {allowed:?} in vain until {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}
