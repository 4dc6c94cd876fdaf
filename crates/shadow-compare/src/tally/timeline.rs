//! Counts over time: steps that grow longer with the run, so that there are never more than [`MAX_STEPS`].

use crate::document::{Step, Timeline};
use crate::pair::NotCompared;

/// Steps at most: as many as a drawing has room for.
const MAX_STEPS: usize = 300;
/// The length of a step at first.
const SECOND: u64 = 1000;

/// Counts over time, in a bounded number of steps.
#[derive(Debug)]
pub(super) struct TimelineTally {
    /// When the first step begins, in milliseconds of Unix time.
    from: u64,
    step: u64,
    steps: Vec<Step>,
}

impl Default for TimelineTally {
    fn default() -> Self {
        Self {
            from: 0,
            step: SECOND,
            steps: Vec::new(),
        }
    }
}

impl TimelineTally {
    /// Counts a pair that was compared.
    pub fn pair(&mut self, at: u64, statuses: (u16, u16), differs: bool) {
        let step = self.at(at);
        step.production += 1;
        step.shadow += 1;
        step.different += u64::from(differs);
        step.production_5xx += u64::from(statuses.0 >= 500);
        step.shadow_5xx += u64::from(statuses.1 >= 500);
    }

    /// Counts a request that is not.
    pub fn not_compared(&mut self, at: u64, why: NotCompared) {
        let failed = u64::from(why.is_failure());
        self.at(at).failed += failed;
    }

    fn at(&mut self, at: u64) -> &mut Step {
        if self.steps.is_empty() {
            self.from = at / SECOND * SECOND;
        }
        // What was seen before the first one counts with it.
        let since = at.saturating_sub(self.from);
        while since / self.step >= MAX_STEPS as u64 {
            self.double();
        }
        let index = (since / self.step) as usize;
        if self.steps.len() <= index {
            self.steps.resize(index + 1, Step::default());
        }
        &mut self.steps[index]
    }

    fn double(&mut self) {
        self.step = self.step.saturating_mul(2);
        let sum = |pair: &[Step]| {
            pair.iter().fold(Step::default(), |sum, step| Step {
                production: sum.production + step.production,
                shadow: sum.shadow + step.shadow,
                failed: sum.failed + step.failed,
                different: sum.different + step.different,
                production_5xx: sum.production_5xx + step.production_5xx,
                shadow_5xx: sum.shadow_5xx + step.shadow_5xx,
            })
        };
        self.steps = self.steps.chunks(2).map(sum).collect();
    }

    pub fn document(&self) -> Timeline {
        Timeline {
            from_ms: self.from,
            step_ms: self.step,
            steps: self.steps.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_has_longer_steps_and_loses_none() {
        let mut timeline = TimelineTally::default();
        for second in 0..10_000 {
            timeline.pair(1_000_000 + second * 1000, (200, 503), true);
        }
        let document = timeline.document();
        assert_eq!((document.from_ms, document.step_ms), (1_000_000, 64_000));
        assert!(document.steps.len() <= MAX_STEPS);
        let all: u64 = document.steps.iter().map(|step| step.shadow_5xx).sum();
        assert_eq!(all, 10_000);
    }

    #[test]
    fn no_time_is_too_far_off() {
        let mut timeline = TimelineTally::default();
        timeline.pair(5000, (200, 200), false);
        timeline.pair(u64::MAX, (200, 200), false);
        timeline.pair(0, (200, 200), false);
        let all: u64 = timeline.document().steps.iter().map(|step| step.production).sum();
        assert_eq!(all, 3);
    }
}
