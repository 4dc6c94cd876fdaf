//! Limiters, `|10%` and `|100` behind an address: a share of the requests, or so many a second.
//!
//! A share is drawn for each request on its own. A rate is a token bucket that holds one second's requests and is full at
//! the start: traffic that stays below the rate is never cut, however unevenly it comes, and in any `t` seconds no more
//! than `rate * (t + 1)` requests pass. One meter serves all shards (the generic cell rate algorithm of ITU-T I.371, a
//! token bucket that needs one number): each request that passes moves the time at which the next one is due, and a
//! request that comes more than a second's requests too early is left out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use shadow_core::time::Timestamp;

use super::ledger::Outcome;
use super::share::{Draws, Share};

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;
/// Parts of a nanosecond in which the meter counts, so that high rates are exact, too. A clock that counts from the start of
/// the machine has room for 36 years.
const PARTS: u64 = 16;

/// The limit after a `|` in an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many copies of each request, and one more of a share of them.
    Share {
        /// Copies of each.
        whole: u32,
        /// The share that gets one more.
        part: Share,
    },
    /// So many requests a second, over all shards.
    PerSecond(u32),
}

/// A limit in force. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Limiter {
    limit: Limit,
    meter: Arc<AtomicU64>,
}

/// The same limit is in force: what it has let pass does not make another of it.
impl PartialEq for Limiter {
    fn eq(&self, other: &Self) -> bool {
        self.limit == other.limit
    }
}

impl Limiter {
    /// A limit that has let nothing pass so far.
    pub fn new(limit: Limit) -> Self {
        Self {
            limit,
            meter: Arc::default(),
        }
    }

    /// How many copies of the next request pass, or how it ends. `now` is of a clock that all callers share and nobody sets: that since
    /// the start of the machine.
    ///
    /// # Errors
    ///
    /// The outcome of a request that the limit leaves out.
    pub fn next(&self, draws: &mut Draws, now: Timestamp) -> Result<u32, Outcome> {
        match self.limit {
            Limit::Share { whole, part } => {
                let more = part.takes(draws.draw());
                match whole + u32::from(more) {
                    0 => Err(Outcome::SampledOut),
                    copies => Ok(copies),
                }
            }
            Limit::PerSecond(rate) if self.passes(rate, now) => Ok(1),
            Limit::PerSecond(_) => Err(Outcome::Limited),
        }
    }

    /// Whether a request that comes at `now` keeps to `rate` requests a second.
    fn passes(&self, rate: u32, now: Timestamp) -> bool {
        if rate == 0 {
            return false;
        }
        // Rounded up: never more than the rate, and less by a part in a billion at most.
        let interval = (SECOND * PARTS).div_ceil(u64::from(rate));
        let burst = interval * u64::from(rate - 1);
        let now = now.0.saturating_mul(PARTS);
        let moved = self.meter.fetch_update(Relaxed, Relaxed, |due| {
            (due <= now.saturating_add(burst)).then(|| due.max(now).saturating_add(interval))
        });
        moved.is_ok()
    }
}

impl Limit {
    /// So many percent, in millionths of a percent.
    pub fn percent_millionths(millionths: u64) -> Self {
        const WHOLE: u64 = 100_000_000;
        let part = u32::try_from(millionths % WHOLE).unwrap_or_default();
        Self::Share {
            whole: u32::try_from(millionths / WHOLE).unwrap_or(u32::MAX),
            part: Share::fraction(part, WHOLE as u32).unwrap_or(Share::ALL),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    /// How many of requests that come every `gap` nanoseconds for so many seconds pass.
    fn passed(limit: Limit, gap: u64, seconds: u64) -> u64 {
        let limiter = Limiter::new(limit);
        let mut draws = Draws::seeded(1);
        let start = 5 * SECOND;
        (0..seconds * SECOND / gap)
            .map(|number| limiter.next(&mut draws, Timestamp(start + number * gap)))
            .map(|copies| u64::from(copies.unwrap_or(0)))
            .sum()
    }

    /// How many requests at these times pass.
    fn passed_of(rate: u32, times: impl IntoIterator<Item = u64>) -> usize {
        let limiter = Limiter::new(Limit::PerSecond(rate));
        let mut draws = Draws::seeded(1);
        let passes = |at: &u64| limiter.next(&mut draws, Timestamp(*at)).is_ok();
        times.into_iter().filter(passes).count()
    }

    #[test]
    fn a_rate_is_kept_and_one_second_of_it_may_come_at_once() {
        for (rate, expected) in [(1, 10), (7, 76), (100, 1099), (1000, 10_999), (33_333, 366_662)] {
            // In all but ten seconds, with the second in hand at the start.
            assert_eq!(passed(Limit::PerSecond(rate), 10_000, 10), expected, "{rate}");
        }
    }

    #[test]
    fn uneven_traffic_of_half_the_rate_passes_whole() {
        // A Poisson process of 50 a second for five seconds: steps of -ln(u)/50.
        let mut draws = Draws::seeded(7);
        let mut at = 5.0;
        let times: Vec<u64> = std::iter::repeat_with(|| {
            let even = (f64::from(draws.draw()) + 1.0) / (f64::from(u32::MAX) + 2.0);
            at -= even.ln() / 50.0;
            at
        })
        .take_while(|at| *at < 10.2)
        .map(|at| u64::try_from(Duration::from_secs_f64(at).as_nanos()).unwrap())
        .collect();
        assert!((200..320).contains(&times.len()), "{}", times.len());
        assert_eq!(passed_of(100, times.iter().copied()), times.len());
    }

    #[test]
    fn of_a_burst_one_second_of_the_rate_passes() {
        assert_eq!(
            passed_of(50, (0..90).map(|number| 5 * SECOND + number * 1000)),
            50
        );
        // A second later there is room for as many again.
        let twice = (0..90).chain(1_000_000..1_000_090);
        assert_eq!(passed_of(50, twice.map(|number| 5 * SECOND + number * 1000)), 100);
    }

    #[test]
    fn a_rate_above_the_load_leaves_nothing_out() {
        assert_eq!(passed(Limit::PerSecond(1000), 1_000_000, 10), 10_000);
    }

    #[test]
    fn a_machine_that_has_run_for_years_keeps_a_rate() {
        let limiter = Limiter::new(Limit::PerSecond(100));
        let mut draws = Draws::seeded(1);
        let years = 30 * 365 * 86_400 * SECOND;
        let passed = (0..10_000_u64)
            .filter(|number| {
                limiter
                    .next(&mut draws, Timestamp(years + number * 10_000_000))
                    .is_ok()
            })
            .count();
        assert_eq!(passed, 10_000);
    }

    #[test]
    fn a_rate_of_nothing_lets_nothing_pass() {
        let limiter = Limiter::new(Limit::PerSecond(0));
        let next = limiter.next(&mut Draws::seeded(1), Timestamp(SECOND));
        assert_eq!(next, Err(Outcome::Limited));
    }

    #[test]
    fn a_share_is_kept_within_three_deviations() {
        // 100,000 requests; the deviation is sqrt(n p (1 - p)).
        for (millionths, expected, most) in [
            (10_000_000, 10_000, 285),
            (1_500_000, 1_500, 116),
            (500, 0, 6),
            (250_000_000, 250_000, 475),
        ] {
            let passed = passed(Limit::percent_millionths(millionths), 100_000, 10);
            assert!(passed.abs_diff(expected) <= most, "{passed} of {millionths}");
        }
    }

    #[test]
    fn nothing_and_everything_are_exact() {
        assert_eq!(passed(Limit::percent_millionths(0), 1_000_000, 10), 0);
        assert_eq!(
            passed(Limit::percent_millionths(100_000_000), 1_000_000, 10),
            10_000
        );
        assert_eq!(
            passed(Limit::percent_millionths(300_000_000), 1_000_000, 10),
            30_000
        );
    }

    #[test]
    fn what_is_left_out_says_why() {
        let none = Limiter::new(Limit::percent_millionths(0));
        let next = none.next(&mut Draws::seeded(1), Timestamp(0));
        assert_eq!(next, Err(Outcome::SampledOut));
    }

    proptest! {
        #[test]
        fn no_clock_and_no_rate_upset_it(rate: u32, times: Vec<u64>) {
            let limiter = Limiter::new(Limit::PerSecond(rate));
            let mut draws = Draws::seeded(1);
            for time in times {
                let _ = limiter.next(&mut draws, Timestamp(time));
            }
        }

        #[test]
        fn no_window_has_more_than_its_rate_and_a_second_of_it(
            rate in 1_u32..50,
            gaps in proptest::collection::vec(0_u64..80_000_000, 1..400),
        ) {
            let limiter = Limiter::new(Limit::PerSecond(rate));
            let mut draws = Draws::seeded(1);
            let mut at = 5 * SECOND;
            let mut passed = Vec::new();
            for gap in gaps {
                at += gap;
                if limiter.next(&mut draws, Timestamp(at)).is_ok() {
                    passed.push(at);
                }
            }
            for (first, from) in passed.iter().enumerate() {
                for (last, to) in passed.iter().enumerate().skip(first) {
                    let most = u128::from(rate) * u128::from(to - from + SECOND) / u128::from(SECOND);
                    prop_assert!((last - first + 1) as u128 <= most);
                }
            }
        }

        #[test]
        fn what_a_bucket_of_one_second_holds_is_never_left_out(
            rate in 1_u32..50,
            gaps in proptest::collection::vec(0_u64..80_000_000, 1..400),
        ) {
            let limiter = Limiter::new(Limit::PerSecond(rate));
            let mut draws = Draws::seeded(1);
            // Tokens, in parts of a nanosecond's worth, as the textbook has it.
            let full = u64::from(rate) * SECOND;
            let mut tokens = full;
            let mut at = 5 * SECOND;
            for gap in gaps {
                at += gap;
                tokens = full.min(tokens + gap * u64::from(rate));
                let passes = limiter.next(&mut draws, Timestamp(at)).is_ok();
                // The meter rounds by less than a nanosecond for each request.
                let hair = u64::from(rate) * 400;
                if tokens >= SECOND + hair {
                    prop_assert!(passes);
                }
                if passes {
                    tokens = tokens.saturating_sub(SECOND);
                }
            }
        }
    }
}
