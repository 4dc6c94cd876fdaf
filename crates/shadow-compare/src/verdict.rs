//! The word on a release: GO, NO-GO or NOT ENOUGH DATA, by rules, with the reasons in words.
//!
//! A rule fails where the whole interval of what was measured is on its bad side, passes where the whole is on the good side,
//! and is undecided in between. That the shadow falls behind (`behind`) is sure before anything else: what it could not take is
//! missing because of the release. Rules about data (`compared`, `coverage`, `capture_loss`) come first: where one does not pass,
//! the word is NOT ENOUGH DATA, whatever else was seen, as nobody knows what the rest would have been. Otherwise one rule that
//! fails makes it NO-GO, one that is undecided NOT ENOUGH DATA, and only what passes every rule is GO.
//!
//! Rules about each endpoint fail or pass, at a confidence that holds for all endpoints together (Bonferroni), for those with
//! enough pairs (agreement: [`Settings::endpoint_pairs`]; new 5xx: any; latencies: what [`slow`] says); they are never undecided,
//! as some endpoint always has few requests.

#[cfg(test)]
mod data_tests;
mod measure;
mod slow;
#[cfg(test)]
mod tests;
mod words;

pub(super) use words::{cut, grouped};

use std::time::Duration;

pub(super) use self::slow::{Timed, slow};
use super::document::{Comparison, Interval, Judgement, Rate, RuleOutcome, RuleResult, Verdict};
use super::fail_on::{FailRule, Metric, Operator};

/// Settings that judging depends on beside the rules.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Latencies below this count as this: what nobody notices is no reason to keep a release back.
    pub latency_floor: Duration,
    /// Pairs that an endpoint must have before its agreement is judged.
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
            measure::Measured::Slow(slow) if slow.is_empty() => RuleOutcome::Passed,
            measure::Measured::Endpoints(_) | measure::Measured::Slow(_) => RuleOutcome::Failed,
            measure::Measured::Rate(rate) if rule.metric == Metric::Behind => {
                behind(*rate, outcome(measured.interval(), operator, value))
            }
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
            text: words::measured(&self.measured),
        }
    }
}

/// Requests that it takes to say that the shadow falls behind: more than wait in front of it by chance.
const TO_FALL_BEHIND: u64 = 1000;

/// The outcome of what the shadow was too slow for: where it is not sure, what is missing is missing, which is another rule's.
fn behind(rate: Rate, outcome: RuleOutcome) -> RuleOutcome {
    match outcome {
        RuleOutcome::Failed if rate.total >= TO_FALL_BEHIND => RuleOutcome::Failed,
        _ => RuleOutcome::Passed,
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
    let falls_behind =
        |judged: &Judged| judged.rule.metric == Metric::Behind && judged.outcome == RuleOutcome::Failed;
    if judged.iter().any(falls_behind) {
        Verdict::NoGo
    } else if any(true, |outcome| outcome != RuleOutcome::Passed) {
        Verdict::NotEnoughData
    } else if any(false, |outcome| outcome == RuleOutcome::Failed) {
        Verdict::NoGo
    } else if any(false, |outcome| outcome == RuleOutcome::Undecided) {
        Verdict::NotEnoughData
    } else {
        Verdict::Go
    }
}
