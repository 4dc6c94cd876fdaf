//! Whether an endpoint is slow: slower than the rules allow, for sure, at the median, the 90th or 99th percentile, or in its
//! tail.
//!
//! Nothing is assumed of the distribution. A quantile lies between two order statistics with a probability that is binomial
//! (W. J. Conover, "Practical Nonparametric Statistics", 3.2); an endpoint is slow where the lower bound of the shadow's quantile
//! is more than the allowed multiple of the upper bound of production's, both raised to the floor. That is wrong with at most
//! twice the probability of one tail, whatever the two have to do with each other. The tails are shared among all endpoints and
//! all four quantiles (Bonferroni), so that among endpoints that are all as fast as before one is called slow in one run of
//! twenty at most.
//!
//! The tail is the highest quantile that the number of pairs allows: 42 slow answers of 5,200 are above the 99th percentile.
//! What is rare is often the host's rather than the release's, so its rule allows more.
//!
//! Order statistics are of independent answers, and those that one stall held up are not. So slow answers must also have come in
//! [`MOMENTS`] separate moments ([`Moments`]).

use super::super::document::{Interval, Slow, SlowAt};
use super::super::fail_on::{FailRule, Metric};
use super::super::histogram::Histogram;
use super::super::moments::Moments;
use super::super::statistics::Confidence;
use super::Settings;

#[cfg(test)]
mod tests;

/// Separate moments in which the shadow must have been slow: stalls of one run are fewer.
pub const MOMENTS: u64 = 10;

/// Quantiles that an endpoint is judged at, with the rules about them.
const QUANTILES: [(SlowAt, Metric); 4] = [
    (SlowAt::P50, Metric::EndpointP50Ratio),
    (SlowAt::P90, Metric::EndpointP90Ratio),
    (SlowAt::P99, Metric::EndpointP99Ratio),
    (SlowAt::Tail, Metric::EndpointTailRatio),
];

/// The times of an endpoint's answers, or of a part of one.
#[derive(Clone, Copy, Debug)]
pub struct Timed<'a> {
    /// Production's.
    pub production: &'a Histogram,
    /// The shadow's.
    pub shadow: &'a Histogram,
    /// When the shadow was slow.
    pub moments: &'a Moments,
}

impl Timed<'_> {
    /// Whether there is enough to call it slow at all.
    pub fn is_judged(self) -> bool {
        self.pairs() >= MOMENTS
    }

    fn pairs(self) -> u64 {
        self.production.count().min(self.shadow.count())
    }
}

/// Where an endpoint is slow, lower quantiles first. `judged` is how many endpoints and parts of them there is enough of
/// ([`Timed::is_judged`]).
pub fn slow(timed: Timed<'_>, judged: u64, rules: &[FailRule], settings: &Settings) -> Vec<Slow> {
    if !timed.is_judged() {
        return Vec::new();
    }
    let of_each = Confidence::of_each(judged.saturating_mul(QUANTILES.len() as u64));
    let at = |(at, metric)| {
        let mut rules = rules.iter().filter(|rule| rule.metric == metric);
        let measured = measure(timed, at, of_each, settings)?;
        rules
            .any(|rule| is_beyond(&measured, rule, timed.moments))
            .then_some(measured)
    };
    QUANTILES.into_iter().filter_map(at).collect()
}

fn measure(timed: Timed<'_>, at: SlowAt, confidence: Confidence, settings: &Settings) -> Option<Slow> {
    let pairs = timed.pairs();
    let quantile = match at {
        SlowAt::P50 => 0.5,
        SlowAt::P90 => 0.9,
        SlowAt::P99 => 0.99,
        SlowAt::Tail => confidence.highest_quantile(pairs)?,
    };
    let production = timed.production.quantile(quantile, confidence)?;
    let shadow = timed.shadow.quantile(quantile, confidence)?;
    let floor = settings.latency_floor.as_micros() as f64;
    let raised = |micros: f64| micros.max(floor).max(1.0);
    Some(Slow {
        at,
        quantile,
        pairs,
        production,
        shadow,
        ratio: Interval {
            value: raised(shadow.value) / raised(production.value),
            low: raised(shadow.low) / raised(production.high),
            high: raised(shadow.high) / raised(production.low),
        },
    })
}

/// Whether a rule does not allow it, and enough moments say so.
fn is_beyond(slow: &Slow, rule: &FailRule, moments: &Moments) -> bool {
    let Some((operator, value)) = rule.bound else {
        return false;
    };
    // What the shadow may take at most: the ratio's lower end is that of the two.
    let allowed = slow.shadow.low / slow.ratio.low * value;
    operator.holds(slow.ratio.low, value) && moments.beyond(allowed) >= MOMENTS
}
