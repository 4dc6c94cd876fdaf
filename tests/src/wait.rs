//! Waiting for something that no file descriptor announces.

use std::time::{Duration, Instant};

/// How long anything that should come at once may take on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until `condition` holds. Panics with `what` when it does not within [`DEADLINE`].
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "waited {DEADLINE:?} in vain until {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}
