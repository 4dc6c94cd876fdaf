//! The CPU budget: how much of the traffic is mirrored so that the agent keeps within it.
//!
//! Once a second the agent's own processor time is measured. Above the budget the share of requests that is mirrored
//! shrinks by as much as was taken too much, at most by half at once; well below it the share grows by a small step.
//! Leaving requests out saves what replaying them costs, not what capturing and reading them costs. Where that alone
//! is more than the budget, capture rests for a while, and is then tried again with the smallest share; each rest
//! that did not help makes the next one twice as long.
//!
//! A pure function of the measurements, so that it can be tested without a clock.

use std::time::Duration;

use crate::mirror::gate::WHOLE;

/// The smallest share: one request in a hundred still tells whether the shadow lives.
const LEAST_SHARE: u64 = WHOLE / 100;
/// Growth of the share each second: from the smallest to the whole in under a minute.
const STEP: u64 = WHOLE / 50;
/// The share grows below nine tenths of the budget only, so that it does not swing.
const GROW_BELOW: f64 = 0.9;
/// Seconds over the budget, with the smallest share, after which capture rests.
const PATIENCE: u32 = 5;
/// The first rest,
const FIRST_REST: Duration = Duration::from_secs(10);
/// and the longest.
const MAX_REST: Duration = Duration::from_secs(160);

/// Reactions to a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Mirror this share of the requests, of [`WHOLE`].
    Share(u64),
    /// Capture nothing for so long.
    Rest(Duration),
}

/// The budget, and where its keeping stands.
#[derive(Clone, Debug)]
pub(super) struct CpuBudget {
    /// In CPUs.
    budget: f64,
    share: u64,
    /// Seconds in a row that the smallest share was too much.
    over: u32,
    /// The next rest.
    rest: Duration,
}

impl CpuBudget {
    /// A budget of so many thousandths of a CPU.
    pub fn new(millis: u32) -> Self {
        Self {
            budget: f64::from(millis) / 1000.0,
            share: WHOLE,
            over: 0,
            rest: FIRST_REST,
        }
    }

    /// The budget in CPUs.
    pub fn cpus(&self) -> f64 {
        self.budget
    }

    /// Takes the measurement of one second: `used` CPUs.
    pub fn measured(&mut self, used: f64) -> Step {
        if used > self.budget {
            if self.share == LEAST_SHARE {
                self.over += 1;
                if self.over >= PATIENCE {
                    self.over = 0;
                    let rest = self.rest;
                    self.rest = (rest * 2).min(MAX_REST);
                    return Step::Rest(rest);
                }
            }
            let factor = (self.budget / used).max(0.5);
            // Between the smallest share and the whole, and so exact enough in f64.
            #[allow(clippy::cast_sign_loss)]
            let shrunk = (self.share as f64 * factor) as u64;
            self.share = shrunk.max(LEAST_SHARE);
        } else {
            self.over = 0;
            if used < self.budget * GROW_BELOW {
                self.share = (self.share + STEP).min(WHOLE);
            }
            if self.share == WHOLE {
                self.rest = FIRST_REST;
            }
        }
        Step::Share(self.share)
    }
}

/// Processor time that this process has taken, over all its threads.
pub(super) fn process_time() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID)
        .map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Seconds of a load that costs `reading` CPUs to read and `replaying` more to replay whole.
    fn run(budget: &mut CpuBudget, reading: f64, replaying: f64, seconds: usize) -> Vec<Step> {
        let mut share = budget.share;
        let mut steps = Vec::new();
        for _ in 0..seconds {
            let step = budget.measured(reading + replaying * share as f64 / WHOLE as f64);
            if let Step::Share(new) = step {
                share = new;
            }
            steps.push(step);
        }
        steps
    }

    #[test]
    fn within_the_budget_everything_is_mirrored() {
        let steps = run(&mut CpuBudget::new(500), 0.2, 0.25, 10);
        assert_eq!(steps, [Step::Share(WHOLE); 10]);
    }

    #[test]
    fn twice_the_budget_halves_the_share_and_it_settles_near_the_budget() {
        let mut budget = CpuBudget::new(500);
        let steps = run(&mut budget, 0.0, 1.0, 30);
        assert_eq!(steps[0], Step::Share(WHOLE / 2));
        for step in &steps[1..] {
            let Step::Share(share) = step else {
                panic!("{step:?}")
            };
            let used = *share as f64 / WHOLE as f64;
            assert!((0.42..=0.52).contains(&used), "{used}");
        }
    }

    #[test]
    fn the_share_grows_back_slowly_once_the_load_is_gone() {
        let mut budget = CpuBudget::new(100);
        run(&mut budget, 0.05, 5.0, 20);
        assert!(budget.share < WHOLE / 20);
        let steps = run(&mut budget, 0.01, 0.0, 50);
        assert_ne!(steps[10], Step::Share(WHOLE));
        assert_eq!(steps[49], Step::Share(WHOLE));
    }

    #[test]
    fn where_reading_alone_is_too_much_capture_rests_longer() {
        let mut budget = CpuBudget::new(100);
        let rests: Vec<_> = run(&mut budget, 0.3, 0.1, 60)
            .into_iter()
            .filter_map(|step| match step {
                Step::Rest(rest) => Some(rest.as_secs()),
                Step::Share(_) => None,
            })
            .collect();
        assert_eq!(rests[..6], [10, 20, 40, 80, 160, 160]);
        run(&mut budget, 0.01, 0.0, 100);
        assert_eq!(budget.rest, FIRST_REST);
    }

    #[test]
    fn processor_time_grows_with_work() {
        let before = process_time();
        let mut sum = 0_u64;
        while process_time() == before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(process_time() > before);
    }

    proptest! {
        #[test]
        fn the_share_stays_within_its_bounds(millis in 10_u32..64_000, used in prop::collection::vec(0.0..100.0, 0..200)) {
            let mut budget = CpuBudget::new(millis);
            for used in used {
                match budget.measured(used) {
                    Step::Share(share) => prop_assert!((LEAST_SHARE..=WHOLE).contains(&share)),
                    Step::Rest(rest) => prop_assert!((FIRST_REST..=MAX_REST).contains(&rest)),
                }
            }
        }
    }
}
