//! When a live shard looks for secrets of TLS that its connections wait for: within a few milliseconds of their coming, and
//! not at all while nothing waits.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::context::ShardContext;
use crate::time::monotonic_now;

/// How often it looks whether there are new ones.
const PAUSE: Duration = Duration::from_millis(2);

/// Bytes that each connection that waits adds to that: one has its turn in about a microsecond, and that is to stay below a tenth of
/// the thread's time, however many wait in vain.
const PAUSE_EACH: Duration = Duration::from_micros(10);

/// How long secrets may come behind the last packets of a run.
const LAST: Duration = Duration::from_millis(100);

/// When it looked last.
pub(super) struct SecretsLook {
    at: Instant,
}

impl SecretsLook {
    pub fn new() -> Self {
        Self { at: Instant::now() }
    }

    /// Resolves when it is time to look again for so many that wait; never, while nothing does.
    pub async fn due(&self, waiting: usize) {
        match waiting {
            0 => std::future::pending().await,
            waiting => sleep_until(self.at + pause(waiting)).await,
        }
    }

    /// Lets connections look, where something waits, something came, and it is time.
    pub fn look(&mut self, context: &mut ShardContext) {
        let waiting = context.waiting_for_secrets();
        if waiting == 0 || self.at.elapsed() < pause(waiting) {
            return;
        }
        self.at = Instant::now();
        if context.secrets_came() {
            context.look_for_secrets(monotonic_now());
        }
    }

    /// The last packets were read: waits for a moment for their secrets.
    pub async fn last(&mut self, context: &mut ShardContext) {
        let until = Instant::now() + LAST;
        while context.waiting_for_secrets() > 0 && Instant::now() < until {
            sleep(PAUSE).await;
            self.look(context);
        }
    }
}

fn pause(waiting: usize) -> Duration {
    PAUSE + PAUSE_EACH * u32::try_from(waiting).unwrap_or(u32::MAX)
}
