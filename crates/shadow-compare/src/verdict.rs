//! The word on a release: GO, NO-GO or NOT ENOUGH DATA, by rules, with the reasons in words.
//!
//! A rule fails where the whole interval of what was measured is on its bad side, passes where the whole is on the good side,
//! and is undecided in between. Rules about data (`compared`, `coverage`, `capture_loss`) come first: where one does not pass,
//! the word is NOT ENOUGH DATA, whatever else was seen, as nobody knows what the rest would have been. Otherwise one rule that
//! fails makes it NO-GO, one that is undecided NOT ENOUGH DATA, and only what passes every rule is GO.
//!
//! Rules about each endpoint fail or pass, at a confidence that holds for all endpoints together (Bonferroni), for those with
//! [`Settings::endpoint_pairs`] pairs (new 5xx: with any); they are never undecided, as some endpoint always has few requests.

mod measure;
#[cfg(test)]
mod tests;
mod words;

use std::time::Duration;

use super::document::{Comparison, Interval, Judgement, RuleOutcome, RuleResult, Verdict};
use super::fail_on::{FailRule, Metric, Operator};
use super::histogram::Histogram;
use super::statistics::Confidence;

/// What judging depends on beside the rules.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Latencies below this count as this: what nobody notices is no reason to keep a release back.
    pub latency_floor: Duration,
    /// Pairs that an endpoint must have before rules about each endpoint look at it.
    pub endpoint_pairs: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            latency_floor: Duration::from_millis(10),
            endpoint_pairs: 100,
        }
    }
}

/// Judges a comparison by the rules in force ([`FailRule::in_force`]); the verdict that is in it is not looked at. Where there are
/// `doubts` whether the figures are of all there was, the word is NOT ENOUGH DATA whatever they are.
pub fn judge(
    comparison: &Comparison,
    rules: &[FailRule],
    settings: &Settings,
    doubts: &[String],
) -> Judgement {
    let mut judged: Vec<Judged> = rules
        .iter()
        .filter_map(|rule| {
            let (operator, value) = rule.bound?;
            Some(Judged::new(comparison, *rule, operator, value, settings))
        })
        .collect();
    let word = if doubts.is_empty() {
        word(&judged)
    } else {
        Verdict::NotEnoughData
    };
    let rules = judged.iter().map(Judged::result).collect();
    // The metrics are in the order of their weight.
    judged.sort_by_key(|judged| judged.rule.metric);
    Judgement {
        word,
        why: words::why(word, &judged, comparison, doubts),
        rules,
    }
}

/// The word on several comparisons: the worst. None at all is no reason to go.
pub fn worst(words: impl IntoIterator<Item = Verdict>) -> Verdict {
    words.into_iter().max().unwrap_or(Verdict::NotEnoughData)
}

/// The exit status for a word: 0 for GO, 1 for NO-GO, 3 for NOT ENOUGH DATA.
pub fn exit_code(word: Verdict) -> u8 {
    match word {
        Verdict::Go => 0,
        Verdict::NoGo => 1,
        Verdict::NotEnoughData => 3,
    }
}

/// Whether the shadow is slower at an endpoint than `endpoint_p99_ratio` allows, for sure: what
/// [`Endpoint::slower`](super::document::Endpoint::slower) says. `judged` is how many endpoints have
/// [`Settings::endpoint_pairs`] pairs.
pub fn is_slower(
    production: &Histogram,
    shadow: &Histogram,
    judged: u64,
    rules: &[FailRule],
    settings: &Settings,
) -> bool {
    let few = production.count().min(shadow.count()) < settings.endpoint_pairs;
    let of_each = Confidence::of_each(judged);
    let ratio = || production.ratio(shadow, 0.99, settings.latency_floor, of_each);
    let bounds = rules
        .iter()
        .filter(|rule| rule.metric == Metric::EndpointP99Ratio);
    let mut bounds = bounds.filter_map(|rule| rule.bound).peekable();
    if few || bounds.peek().is_none() {
        return false;
    }
    let Some(ratio) = ratio() else {
        return false;
    };
    bounds.any(|(operator, value)| outcome(ratio, operator, value) == RuleOutcome::Failed)
}

/// A rule, what was measured for it, and what that comes to.
struct Judged<'a> {
    rule: FailRule,
    measured: measure::Measured<'a>,
    outcome: RuleOutcome,
}

impl<'a> Judged<'a> {
    fn new(
        comparison: &'a Comparison,
        rule: FailRule,
        operator: Operator,
        value: f64,
        settings: &Settings,
    ) -> Self {
        let measured = measure::measure(comparison, rule.metric, (operator, value), settings);
        let outcome = match &measured {
            measure::Measured::Unknown => RuleOutcome::Undecided,
            measure::Measured::Endpoints(failing) if failing.is_empty() => RuleOutcome::Passed,
            measure::Measured::Endpoints(_) => RuleOutcome::Failed,
            _ => outcome(measured.interval(), operator, value),
        };
        Self {
            rule,
            measured,
            outcome,
        }
    }

    fn result(&self) -> RuleResult {
        RuleResult {
            rule: self.rule.to_string(),
            outcome: self.outcome,
            measured: self.measured.interval(),
            text: words::measured(&self.measured, self.rule.metric),
        }
    }
}

fn outcome(measured: Interval, operator: Operator, value: f64) -> RuleOutcome {
    match (
        operator.holds(measured.low, value),
        operator.holds(measured.high, value),
    ) {
        (true, true) => RuleOutcome::Failed,
        (false, false) => RuleOutcome::Passed,
        _ => RuleOutcome::Undecided,
    }
}

fn word(judged: &[Judged]) -> Verdict {
    let any = |about_data: bool, is: fn(RuleOutcome) -> bool| {
        let of = |judged: &&Judged| judged.rule.metric.is_about_data() == about_data;
        judged.iter().filter(of).any(|judged| is(judged.outcome))
    };
    if any(true, |outcome| outcome != RuleOutcome::Passed) {
        Verdict::NotEnoughData
    } else if any(false, |outcome| outcome == RuleOutcome::Failed) {
        Verdict::NoGo
    } else if any(false, |outcome| outcome == RuleOutcome::Undecided) {
        Verdict::NotEnoughData
    } else {
        Verdict::Go
    }
}
