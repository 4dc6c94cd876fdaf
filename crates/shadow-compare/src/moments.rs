//! In how many separate moments answers were slow, of one endpoint and one side.
//!
//! A stall of a scheduler, a disk or a collector of garbage holds up all that is under way, and what it held up is answered
//! within one moment. However many answers that are, it is one event; order statistics take them for independent, and would be
//! sure too soon. So the slowest answer of each moment is kept, by when it ended.

use std::time::Duration;

use super::histogram::Histogram;

/// The length of a moment in milliseconds: longer than most stalls, and short beside a run.
const MOMENT: u64 = 250;
/// Moments that may still get answers: shards hand theirs over in batches, not in order.
const OPEN: usize = 4;

/// The slowest answer of each moment.
#[derive(Clone, Debug, Default)]
pub struct Moments {
    /// Moments that are not over, each with its slowest answer: the oldest first.
    open: Vec<(u64, Duration)>,
    slowest: Histogram,
}

impl Moments {
    /// Counts an answer that took so long. `at`: when its request was seen, in milliseconds.
    pub fn record(&mut self, at: u64, took: Duration) {
        let ended = at.saturating_add(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        let moment = ended / MOMENT;
        let place = self.open.partition_point(|(open, _)| *open < moment);
        let is_full = self.open.len() >= OPEN;
        match self.open.get_mut(place) {
            Some((open, slowest)) if *open == moment => *slowest = (*slowest).max(took),
            // Older than all that are open: one of those that are over, so no other moment.
            Some((_, slowest)) if place == 0 && is_full => *slowest = (*slowest).max(took),
            _ => self.begin(place, moment, took),
        }
    }

    fn begin(&mut self, place: usize, moment: u64, took: Duration) {
        self.open.insert(place, (moment, took));
        if self.open.len() > OPEN {
            let (_, slowest) = self.open.remove(0);
            self.slowest.record(slowest);
        }
    }

    /// In how many moments the slowest answer took longer, for sure.
    pub fn beyond(&self, micros: f64) -> u64 {
        let open = self.open.iter();
        let open = open.filter(|(_, slowest)| slowest.as_micros() as f64 > micros);
        self.slowest.beyond(micros) + open.count() as u64
    }

    /// Adds what another counted.
    pub fn merge(&mut self, other: Self) {
        self.slowest.merge(&other.slowest);
        for (_, slowest) in other.open {
            self.slowest.record(slowest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Duration = Duration::from_millis(400);

    fn of(ended: impl IntoIterator<Item = u64>) -> Moments {
        let mut moments = Moments::default();
        for ended in ended {
            moments.record(ended - 400, SLOW);
        }
        moments
    }

    #[test]
    fn what_one_stall_held_up_is_one_moment() {
        // Sent over four tenths of a second, answered at once.
        let mut moments = Moments::default();
        for sent in 1_000..1_400 {
            moments.record(sent, Duration::from_millis(1_400 - sent));
        }
        assert_eq!(moments.beyond(15_000.0), 1);
        assert_eq!(moments.beyond(500_000.0), 0);
    }

    #[test]
    fn moments_are_counted_whatever_the_order_in_which_answers_come() {
        assert_eq!(of((1..=10).map(|n| n * 1_000)).beyond(100_000.0), 10);
        // Two shards, one a moment behind the other.
        let two_shards = (1..=10).flat_map(|n| [n * 1_000, (n - 1) * 1_000 + 500]);
        assert_eq!(of(two_shards.filter(|ended| *ended > 500)).beyond(100_000.0), 19);
        // Long after it was over, it is no moment of its own.
        let late = (1..=10).map(|n| n * 1_000).chain([1_000; 50]);
        assert_eq!(of(late).beyond(100_000.0), 10);
    }

    #[test]
    fn two_halves_are_a_whole() {
        let mut half = of((1..=5).map(|n| n * 1_000));
        half.merge(of((6..=9).map(|n| n * 1_000)));
        assert_eq!(half.beyond(100_000.0), 9);
    }
}
