//! When each message of a recording is due: a pure function of the times in it.

use std::time::Duration;

use crate::input::Pace;
use crate::mirror::MessageKind;

/// How long a recording takes that is repeated and has one time alone.
const SHORTEST_ROUND: Duration = Duration::from_secs(1);

/// The times at which messages of a recording are due.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    pace: Pace,
    max_wait: Option<Duration>,
    /// The first time, and the latest so far.
    times: Option<(u64, u64)>,
    /// When `times` began, from the start of the replay.
    since: Duration,
    /// When the latest message was due.
    due: Duration,
    requests: u64,
}

impl Schedule {
    pub fn new(pace: Pace, max_wait: Option<Duration>) -> Self {
        Self {
            pace,
            max_wait,
            times: None,
            since: Duration::ZERO,
            due: Duration::ZERO,
            requests: 0,
        }
    }

    /// When a message is due, from the start of the replay: never before one that was asked for earlier.
    pub fn due(&mut self, kind: MessageKind, unix: u64) -> Duration {
        match self.pace {
            Pace::Max => {}
            Pace::Rate(rate) => {
                if kind == MessageKind::Request {
                    self.due = seconds(self.requests as f64 / rate);
                    self.requests += 1;
                }
            }
            Pace::Speed(speed) => self.at_speed(speed, unix),
        }
        self.due
    }

    fn at_speed(&mut self, speed: f64, unix: u64) {
        let (first, latest) = *self.times.get_or_insert((unix, unix));
        if unix <= latest {
            return;
        }
        self.times = Some((first, unix));
        let recorded = |from: u64| seconds((unix - from) as f64 / 1e9 / speed);
        // From the first, so that no error adds up.
        let due = self.since + recorded(first);
        match self.max_wait {
            Some(most) if due.saturating_sub(self.due) > most => {
                // What follows is counted from here.
                self.due += most;
                self.since = self.due;
                self.times = Some((unix, unix));
            }
            _ => self.due = due,
        }
    }

    /// The recording begins again: its first message is due at once.
    pub fn restart(&mut self) {
        // What has no length would be repeated without an end at one moment.
        if self.pace != Pace::Max && self.due <= self.since {
            self.due += SHORTEST_ROUND;
        }
        self.since = self.due;
        self.times = None;
    }
}

/// Duration from seconds, capped at the longest that anybody waits.
fn seconds(seconds: f64) -> Duration {
    const LONGEST: Duration = Duration::from_hours(24 * 365 * 100);
    Duration::try_from_secs_f64(seconds).map_or(LONGEST, |duration| duration.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn due(schedule: &mut Schedule, times: &[u64]) -> Vec<u64> {
        let due = |time: &u64| schedule.due(MessageKind::Request, *time).as_millis();
        times
            .iter()
            .map(due)
            .map(|due| u64::try_from(due).unwrap())
            .collect()
    }

    #[test]
    fn a_message_is_due_at_its_offset_from_the_first() {
        let times = [5 * SECOND, 6 * SECOND, 6 * SECOND, 9 * SECOND];
        for (speed, expected) in [
            (1.0, [0, 1000, 1000, 4000]),
            (2.0, [0, 500, 500, 2000]),
            (0.5, [0, 2000, 2000, 8000]),
        ] {
            let mut schedule = Schedule::new(Pace::Speed(speed), None);
            assert_eq!(due(&mut schedule, &times), expected);
        }
    }

    #[test]
    fn one_that_is_out_of_order_is_due_with_the_one_before_it() {
        let mut schedule = Schedule::new(Pace::Speed(1.0), None);
        assert_eq!(
            due(&mut schedule, &[5 * SECOND, 7 * SECOND, 6 * SECOND, 8 * SECOND]),
            [0, 2000, 2000, 3000]
        );
    }

    #[test]
    fn no_wait_is_longer_than_the_longest() {
        let mut schedule = Schedule::new(Pace::Speed(1.0), Some(Duration::from_secs(1)));
        let times = [0, 3600 * SECOND, 3600 * SECOND + SECOND / 2, u64::MAX];
        assert_eq!(due(&mut schedule, &times), [0, 1000, 1500, 2500]);
    }

    #[test]
    fn a_rate_paces_requests_and_responses_go_with_them() {
        let mut schedule = Schedule::new(Pace::Rate(100.0), None);
        assert_eq!(due(&mut schedule, &[9, 1, 5]), [0, 10, 20]);
        assert_eq!(schedule.due(MessageKind::Response, 0), Duration::from_millis(20));
    }

    #[test]
    fn a_next_round_goes_on_from_the_last_message() {
        let mut schedule = Schedule::new(Pace::Speed(1.0), None);
        due(&mut schedule, &[0, SECOND]);
        schedule.restart();
        assert_eq!(due(&mut schedule, &[0, SECOND]), [1000, 2000]);
    }

    #[test]
    fn times_of_any_size_are_taken() {
        let mut schedule = Schedule::new(Pace::Speed(1e-6), None);
        schedule.due(MessageKind::Request, 0);
        assert!(schedule.due(MessageKind::Request, u64::MAX) > Duration::from_hours(24 * 365));
    }
}
