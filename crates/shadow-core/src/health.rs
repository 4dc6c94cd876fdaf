//! Whether threads make progress: each beats once in a while, and one that has not for long is stuck.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A thread that has not beaten for so long is stuck. It beats ten times a second; a machine may be busy for a while.
pub const STUCK: Duration = Duration::from_secs(10);

/// In place of the time of a beat: the thread has panicked.
const DEAD: u64 = u64::MAX;
/// Likewise: it has ended as it should.
const ENDED: u64 = u64::MAX - 1;

/// All hearts of a run. Clones watch the same.
#[derive(Clone, Debug)]
pub struct Health {
    /// Start of the times of beats.
    epoch: Instant,
    /// How long none may be silent.
    stuck: Duration,
    hearts: Arc<Mutex<Vec<Watched>>>,
}

#[derive(Debug)]
struct Watched {
    name: String,
    /// When it beat last, in milliseconds since the epoch.
    beat: Arc<AtomicU64>,
}

impl Default for Health {
    fn default() -> Self {
        Self::within(STUCK)
    }
}

impl Health {
    /// Where a thread is stuck that has not beaten for so long.
    pub fn within(stuck: Duration) -> Self {
        Self {
            epoch: Instant::now(),
            stuck,
            hearts: Arc::default(),
        }
    }

    /// A heart for a thread of this name; it must beat from now on, until it is dropped.
    pub fn watch(&self, name: impl Into<String>) -> Heart {
        let heart = Heart {
            epoch: self.epoch,
            beat: Arc::default(),
        };
        heart.beat();
        let watched = Watched {
            name: name.into(),
            beat: Arc::clone(&heart.beat),
        };
        self.hearts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(watched);
        heart
    }

    /// Complaints, one line for each thread; empty if all is well.
    pub fn complaints(&self) -> Vec<String> {
        self.complaints_at(millis(self.epoch.elapsed()))
    }

    fn complaints_at(&self, now: u64) -> Vec<String> {
        let hearts = self.hearts.lock().unwrap_or_else(PoisonError::into_inner);
        let complaints = hearts.iter().filter_map(|Watched { name, beat }| {
            match beat.load(Relaxed) {
                ENDED => None,
                DEAD => Some(format!("{name}: panicked")),
                // A beat may be later than `now`, which was taken before.
                beat => {
                    let silent = Duration::from_millis(now.saturating_sub(beat));
                    (silent > self.stuck).then(|| format!("{name}: stuck for {} s", silent.as_secs()))
                }
            }
        });
        complaints.collect()
    }
}

/// One thread's sign of life.
#[derive(Debug)]
pub struct Heart {
    epoch: Instant,
    beat: Arc<AtomicU64>,
}

impl Heart {
    /// Says that the thread makes progress.
    pub fn beat(&self) {
        self.beat.store(millis(self.epoch.elapsed()), Relaxed);
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        let end = if std::thread::panicking() { DEAD } else { ENDED };
        self.beat.store(end, Relaxed);
    }
}

fn millis(since: Duration) -> u64 {
    u64::try_from(since.as_millis()).unwrap_or(ENDED - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_stuck_when_it_has_not_beaten_for_ten_seconds() {
        let health = Health::default();
        let _first = health.watch("shard-0");
        let second = health.watch("shard-1");
        let now = millis(health.epoch.elapsed());
        assert_eq!(health.complaints_at(now + 9_000), [""; 0]);
        second.beat.store(now + 12_000, Relaxed);
        assert_eq!(health.complaints_at(now + 12_000), ["shard-0: stuck for 12 s"]);
    }

    #[test]
    fn one_that_has_ended_is_well_and_one_that_has_panicked_is_not() {
        let health = Health::default();
        let (ends, panics) = (health.watch("ends"), health.watch("panics"));
        drop(ends);
        let thread = std::thread::spawn(move || {
            let _heart = panics;
            panic!("for the test");
        });
        assert!(thread.join().is_err());
        assert_eq!(health.complaints_at(100_000), ["panics: panicked"]);
    }
}
