//! How long to wait before a lost connection is opened again: longer each time, and never the same for all.

use std::time::Duration;

use crate::mirror::Draws;

/// Before the first attempt: a restarted receiver is there again at once.
const FIRST: Duration = Duration::from_millis(50);

/// The longest pause: what a receiver that comes back waits for at most.
const LONGEST: Duration = Duration::from_secs(2);

/// Delays before reconnecting, growing and jittered.
pub(super) struct Backoff {
    pause: Duration,
    draws: Draws,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self {
            pause: FIRST,
            draws: Draws::new(),
        }
    }

    /// The connection was good.
    pub(super) fn reset(&mut self) {
        self.pause = FIRST;
    }

    /// The next pause: between half of it and all of it, so that many senders do not come at once.
    pub(super) fn next(&mut self) -> Duration {
        let whole = self.pause;
        self.pause = (whole * 2).min(LONGEST);
        let part = self.draws.draw() % 1024;
        whole / 2 + whole / 2 * part / 1024
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_begin_anew_after_success() {
        let mut backoff = Backoff::new();
        for whole in [50, 100, 200, 400, 800, 1600, 2000, 2000] {
            let pause = backoff.next().as_millis();
            assert!(pause >= whole / 2 && pause <= whole, "{pause} of {whole}");
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
