//! How sure a figure is: intervals of shares, of quantiles, and of ratios of quantiles.
//!
//! Shares: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927). Quantiles:
//! ranks of order statistics, W. J. Conover, "Practical Nonparametric Statistics", 3.2; nothing is assumed of the
//! distribution. Ratios: the two intervals are joined on the logarithmic scale by the method of variance estimates recovery,
//! G. Y. Zou and A. Donner, "Construction of confidence limits about effect measures", Statistics in Medicine 27 (2008). The
//! corners of both intervals (low / high, high / low) would cover 99.4% where 95% is said, and so hide what is slower.

use super::document::{Interval, Rate};

#[cfg(test)]
mod tests;

/// How sure an interval is to hold the true value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Confidence {
    /// The probability of being beyond it on one side.
    tail: f64,
    /// The same in standard deviations of the normal distribution.
    z: f64,
}

impl Confidence {
    /// As every interval of a report that says nothing else.
    pub const NINETY_FIVE: Self = Self {
        tail: 0.025,
        z: 1.959_964,
    };

    /// For each of so many figures, so that all of them together are at 95% (Bonferroni).
    pub fn of_each(figures: u64) -> Self {
        if figures <= 1 {
            return Self::NINETY_FIVE;
        }
        let tail = Self::NINETY_FIVE.tail / figures as f64;
        Self {
            tail,
            z: upper_normal_quantile(tail),
        }
    }

    /// The highest quantile that `n` values say something about, beyond the median: half as many again are expected above it
    /// as an upper bound alone takes, or one stray value would be that bound.
    pub fn highest_quantile(self, n: u64) -> Option<f64> {
        let above = 1.5 * -self.tail.ln();
        let quantile = 1.0 - above / n as f64;
        (quantile > 0.5).then_some(quantile)
    }
}

/// The value that a normal variable exceeds with this probability, at most 0.5: Abramowitz and Stegun, 26.2.23, off by
/// 0.00045 at most.
fn upper_normal_quantile(tail: f64) -> f64 {
    let t = (-2.0 * tail.ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    t - above / below
}

/// A share with its 95% interval. Nothing of nothing may be anything: 0 to 1.
pub fn rate(count: u64, total: u64) -> Rate {
    rate_at(count, total, Confidence::NINETY_FIVE)
}

/// A share with its interval (Wilson).
pub fn rate_at(count: u64, total: u64, confidence: Confidence) -> Rate {
    if total == 0 {
        return Rate {
            count,
            total,
            share: 0.0,
            low: 0.0,
            high: 1.0,
        };
    }
    let (n, share) = (total as f64, (count as f64 / total as f64).min(1.0));
    let z2 = confidence.z * confidence.z;
    let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = confidence.z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    Rate {
        count,
        total,
        share,
        // Exactly 0 and 1 at the ends, where rounding would leave a trace.
        low: if count == 0 {
            0.0
        } else {
            (middle - half).clamp(0.0, share)
        },
        high: if count >= total {
            1.0
        } else {
            (middle + half).clamp(share, 1.0)
        },
    }
}

/// Beyond this variance of the rank the normal approximation is used; up to it, the binomial distribution itself.
const EXACT_VARIANCE: f64 = 100.0;

/// Ranks (from 1) of the values between which a quantile of what `n` values are a sample of lies; `None` where `n` are too few
/// to say so: of the 99th percentile at 95%, below 368.
pub fn quantile_ranks(n: u64, quantile: f64, confidence: Confidence) -> Option<(u64, u64)> {
    let low = lower_rank(n, quantile, confidence);
    let high = (n + 1).saturating_sub(lower_rank(n, 1.0 - quantile, confidence));
    (low >= 1 && high <= n).then_some((low, high))
}

/// The largest rank that at least so many of `n` values lie below with the probability of the tail at most: 0 if there is none.
fn lower_rank(n: u64, probability: f64, confidence: Confidence) -> u64 {
    let size = n as f64;
    let variance = size * probability * (1.0 - probability);
    if variance >= EXACT_VARIANCE {
        let rank = size * probability - confidence.z * variance.sqrt();
        #[allow(clippy::cast_sign_loss)]
        return rank.max(0.0) as u64;
    }
    // Summed from the end that is nearer to the mean, so that there are few terms, and none too small for a number.
    let rare = probability.min(1.0 - probability);
    let mut term = (1.0 - rare).powf(size);
    let mut sum = 0.0;
    for k in 0..=n {
        sum += term; // P(K <= k) of the rarer kind.
        if probability <= 0.5 && sum > confidence.tail {
            return k;
        }
        if probability > 0.5 && 1.0 - sum <= confidence.tail {
            return n - k;
        }
        term *= (size - k as f64) / (k as f64 + 1.0) * rare / (1.0 - rare);
    }
    0
}

/// Whether one of two events that are equally likely, seen `often` against `other` times, is surely the more likely one: the
/// sign test, one-sided, of one of so many places that are all tested. All of them together are at 99% (Bonferroni), or a
/// release with a hundred places that vary would be blamed for one of them in most runs. For pairs of which one half or the
/// other differs it is McNemar's (Q. McNemar, "Note on the sampling error of the difference between correlated proportions",
/// Psychometrika 12, 1947). Of one place seven against none are enough, of a hundred fourteen.
pub fn is_more_often(often: u64, other: u64, places: u64) -> bool {
    /// Up to here the least term of the sum is a number that can be written.
    const EXACT: u64 = 1000;
    if often <= other {
        return false;
    }
    let tail = 0.01 / places.max(1) as f64;
    let total = often + other;
    if total > EXACT {
        return (often - other) as f64 - 1.0 > upper_normal_quantile(tail) * (total as f64).sqrt();
    }
    // So few of the other, or fewer.
    let mut term = 0.5_f64.powf(total as f64);
    let mut sum = 0.0;
    for k in 0..=other {
        sum += term;
        term *= (total - k) as f64 / (k + 1) as f64;
    }
    sum <= tail
}

/// The probability of drawing at least as many of a kind by chance: `of_kind` of `all` are of it, and so are `drawn_of_kind` of the
/// `drawn`. 1 where that is no question. (R. A. Fisher, "Statistical Methods for Research Workers", section 21.02.)
pub fn hypergeometric_tail((all, of_kind): (u64, u64), (drawn, drawn_of_kind): (u64, u64)) -> f64 {
    if of_kind > all || drawn > all || drawn_of_kind > drawn.min(of_kind) {
        return 1.0;
    }
    let least = drawn_of_kind.max((drawn + of_kind).saturating_sub(all));
    let ways = ln_choose(of_kind, least) + ln_choose(all - of_kind, drawn - least) - ln_choose(all, drawn);
    let (mut term, mut sum) = (ways.exp(), 0.0);
    for k in least..=drawn.min(of_kind) {
        sum += term;
        let next = (of_kind - k) as f64 * (drawn - k) as f64;
        // At least one, from the least on.
        let ratio = next / ((k + 1) as f64 * (all + k + 1 - of_kind - drawn) as f64);
        term *= ratio;
        // From here on each is less than half of the one before it.
        if ratio < 0.5 && term < sum * 1e-9 {
            break;
        }
    }
    sum.min(1.0)
}

/// The logarithm of the number of ways to choose `k` of `n`.
fn ln_choose(n: u64, k: u64) -> f64 {
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

/// The logarithm of a factorial: Stirling's series, off by less than 1e-9 from 8 on.
fn ln_factorial(n: u64) -> f64 {
    if n < 8 {
        return (2..=n).map(|factor| (factor as f64).ln()).sum();
    }
    let n = n as f64;
    let series = 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3)) + 1.0 / (1260.0 * n.powi(5));
    n * n.ln() - n + 0.5 * (std::f64::consts::TAU * n).ln() + series
}

/// The ratio of the shadow's quantile to production's, with an interval as sure as theirs if the two are independent, and
/// surer if, as with answers to the same requests, they go up and down together.
///
/// Both are raised to `floor` first (microseconds, at least 1): 0.3 ms after 0.1 ms is no news to anybody.
pub fn ratio(production: Interval, shadow: Interval, floor: f64) -> Interval {
    let log = |value: f64| value.max(floor).max(1.0).ln();
    let value = log(shadow.value) - log(production.value);
    let down = (log(shadow.value) - log(shadow.low)).hypot(log(production.high) - log(production.value));
    let up = (log(shadow.high) - log(shadow.value)).hypot(log(production.value) - log(production.low));
    Interval {
        value: value.exp(),
        low: (value - down).exp(),
        high: (value + up).exp(),
    }
}
