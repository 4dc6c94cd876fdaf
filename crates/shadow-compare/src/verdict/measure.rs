//! The measure of a metric in a comparison.

use std::collections::HashSet;

use shadow_mirror::ledger::DropReason;

use super::super::document::{
    Comparison, Coverage, Endpoint, Interval, Part, Quantiles, Rate, RuleOutcome, Slow, SlowAt,
};
use super::super::fail_on::{Metric, Operator};
use super::super::statistics::{Confidence, quantile_ranks, rate, rate_at, ratio};
use super::{Settings, outcome};

/// A measured value.
pub(super) enum Measured<'a> {
    /// A number of pairs.
    Pairs(u64),
    /// A share of all there is.
    Share(f64),
    /// A share of a sample.
    Rate(Rate),
    /// One side's latency to the other's.
    Ratio(Interval),
    /// Nothing that says anything yet.
    Unknown,
    /// Names of endpoints, and of parts of them, that fail the rule, those that are worst first.
    Endpoints(Vec<(&'a str, Interval)>),
    /// The same of those that are slow.
    Slow(Vec<SlowEndpoint<'a>>),
}

/// An endpoint, or a part of one, that is slow at a quantile.
#[derive(Clone, Copy)]
pub(super) struct SlowEndpoint<'a> {
    pub name: &'a str,
    pub slow: &'a Slow,
    /// Whether it is at a lower quantile, too.
    pub is_lower_too: bool,
}

impl Measured<'_> {
    /// As an interval: that of the worst endpoint, where it is about endpoints.
    pub fn interval(&self) -> Interval {
        match self {
            Self::Pairs(pairs) => exactly(*pairs as f64),
            Self::Share(share) => exactly(*share),
            Self::Rate(rate) => interval(*rate),
            Self::Ratio(interval) => *interval,
            Self::Unknown => Interval::default(),
            Self::Endpoints(failing) => failing
                .first()
                .map_or_else(Interval::default, |(_, interval)| *interval),
            Self::Slow(slow) => slow.first().map_or_else(Interval::default, |one| one.slow.ratio),
        }
    }
}

/// Measures it; the bound says which endpoints fail.
pub(super) fn measure<'a>(
    comparison: &'a Comparison,
    metric: Metric,
    bound: (Operator, f64),
    settings: &Settings,
) -> Measured<'a> {
    let coverage = &comparison.coverage;
    let failed = coverage.failed.values().sum::<u64>();
    let judgeable = coverage.compared + failed;
    let again = |rate_before: Rate| Measured::Rate(rate(rate_before.count, rate_before.total));
    match metric {
        Metric::Compared => Measured::Pairs(judgeable),
        // Of these nothing is a sample: what is counted is all there is.
        Metric::Coverage if coverage.comparable() == 0 => Measured::Share(0.0),
        Metric::Coverage => Measured::Share(judgeable as f64 / coverage.comparable() as f64),
        Metric::CaptureLoss => Measured::Share(coverage.capture_loss),
        Metric::Behind => Measured::Rate(behind(coverage)),
        Metric::New5xx => again(comparison.new_5xx),
        Metric::Failed => Measured::Rate(rate(failed, judgeable)),
        Metric::Agreement => Measured::Rate(agreement(comparison)),
        Metric::AgreementRaw => again(comparison.agreement_raw),
        Metric::OtherStatus => again(comparison.other_status),
        Metric::P50Ratio => latency(comparison, 0.5, |quantiles| quantiles.p50, settings),
        Metric::P95Ratio => latency(comparison, 0.95, |quantiles| quantiles.p95, settings),
        Metric::P99Ratio => latency(comparison, 0.99, |quantiles| quantiles.p99, settings),
        // A route that fails always is sure after a few; what differs by nature is learned only after some.
        Metric::EndpointNew5xx => endpoint_rates(comparison, bound, 1, |one| one.new_5xx),
        Metric::EndpointAgreement => {
            endpoint_rates(comparison, bound, settings.endpoint_pairs, |one| one.agreement)
        }
        Metric::EndpointP50Ratio => slow(comparison, SlowAt::P50),
        Metric::EndpointP90Ratio => slow(comparison, SlowAt::P90),
        Metric::EndpointP99Ratio => slow(comparison, SlowAt::P99),
        Metric::EndpointTailRatio => slow(comparison, SlowAt::Tail),
    }
}

/// The reasons that end a request that waited for the shadow in vain: the queue in front of it was full, or the run was
/// over.
const TOO_SLOW: [DropReason; 2] = [DropReason::QueueFull, DropReason::Shutdown];

/// Requests that the shadow was too slow to take, of those and of all that it answered or failed.
fn behind(coverage: &Coverage) -> Rate {
    let of = |reason: DropReason| coverage.not_compared.get(&reason.name()).copied().unwrap_or(0);
    let behind: u64 = TOO_SLOW.into_iter().map(of).sum();
    rate(
        behind,
        coverage.compared + coverage.failed.values().sum::<u64>() + behind,
    )
}

/// The share that agrees; the interval has what it would be if all pairs that are not learned yet differed, or agreed.
fn agreement(comparison: &Comparison) -> Rate {
    let (known, more) = (comparison.agreement, comparison.not_learned);
    let all = known.total + more;
    Rate {
        low: rate(known.count, all).low,
        high: rate(known.count + more, all).high,
        ..known
    }
}

fn slow(comparison: &Comparison, at: SlowAt) -> Measured<'_> {
    let mut found: Vec<_> = each(comparison)
        .filter_map(|one| {
            let place = one.slow.iter().position(|slow| slow.at == at)?;
            Some(SlowEndpoint {
                name: one.name,
                slow: &one.slow[place],
                is_lower_too: place > 0,
            })
        })
        .collect();
    found.sort_by(|a, b| b.slow.ratio.value.total_cmp(&a.slow.ratio.value));
    let mut named = HashSet::new();
    found.retain(|one| named.insert(one.name));
    Measured::Slow(found)
}

fn latency(
    comparison: &Comparison,
    quantile: f64,
    of: fn(&Quantiles) -> Interval,
    settings: &Settings,
) -> Measured<'static> {
    let (production, shadow) = (
        &comparison.production_latency.last,
        &comparison.shadow_latency.last,
    );
    let few = production.count.min(shadow.count);
    if quantile_ranks(few, quantile, Confidence::NINETY_FIVE).is_none() {
        return Measured::Unknown;
    }
    let floor = settings.latency_floor.as_micros() as f64;
    Measured::Ratio(ratio(of(production), of(shadow), floor))
}

fn endpoint_rates(
    comparison: &Comparison,
    (operator, value): (Operator, f64),
    pairs: u64,
    of: fn(&Judgeable) -> Rate,
) -> Measured<'_> {
    let enough = |one: &Judgeable| of(one).total >= pairs;
    let of_each = Confidence::of_each(each(comparison).filter(enough).count() as u64);
    let mut failing: Vec<_> = each(comparison)
        .filter(enough)
        .map(|one| {
            let rate = of(&one);
            (one.name, interval(rate_at(rate.count, rate.total, of_each)))
        })
        .filter(|(_, interval)| outcome(*interval, operator, value) == RuleOutcome::Failed)
        .collect();
    let sign = if operator.is_upward() { -1.0 } else { 1.0 };
    failing.sort_by(|(_, a), (_, b)| (sign * a.value).total_cmp(&(sign * b.value)));
    Measured::Endpoints(once(failing))
}

/// An endpoint, as rules about each endpoint judge it.
struct Judgeable<'a> {
    name: &'a str,
    agreement: Rate,
    new_5xx: Rate,
    slow: &'a [Slow],
}

impl<'a> From<&'a Endpoint> for Judgeable<'a> {
    fn from(endpoint: &'a Endpoint) -> Self {
        Self {
            name: &endpoint.name,
            agreement: endpoint.agreement,
            new_5xx: endpoint.new_5xx,
            slow: &endpoint.slow,
        }
    }
}

impl<'a> From<&'a Part> for Judgeable<'a> {
    fn from(part: &'a Part) -> Self {
        Self {
            name: &part.name,
            agreement: part.agreement,
            new_5xx: part.new_5xx,
            slow: &part.slow,
        }
    }
}

/// All endpoints, and all parts of them.
fn each(comparison: &Comparison) -> impl Iterator<Item = Judgeable<'_>> {
    let all = comparison.endpoints.iter();
    all.flat_map(|endpoint| std::iter::once(endpoint.into()).chain(endpoint.parts.iter().map(Into::into)))
}

/// Each name with the worst that is said of it: an endpoint and a part of it may have the same.
fn once(mut failing: Vec<(&str, Interval)>) -> Vec<(&str, Interval)> {
    let mut named = HashSet::new();
    failing.retain(|(name, _)| named.insert(*name));
    failing
}

/// The interval of a value that there is no doubt of.
fn exactly(value: f64) -> Interval {
    Interval {
        value,
        low: value,
        high: value,
    }
}

fn interval(rate: Rate) -> Interval {
    Interval {
        value: rate.share,
        low: rate.low,
        high: rate.high,
    }
}
