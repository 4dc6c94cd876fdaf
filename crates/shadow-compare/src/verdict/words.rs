//! The reasons for a word, as sentences that are read in ten seconds.

use std::collections::BTreeMap;

use shadow_mirror::ledger::DropReason;

use super::super::Kind;
use super::super::document::{
    Comparison, DifferenceRow, Interval, NoiseBy, Rate, RuleOutcome, SlowAt, Verdict,
};
use super::super::fail_on::Metric;
use super::Judged;
use super::measure::{Measured, SlowEndpoint};

/// Names that a sentence lists.
const NAMED: usize = 3;
/// Characters of a name, before it is cut.
const NAME: usize = 120;

/// The sentences, the weightiest first: `doubts`, and then `judged`, which is in the order of weight.
pub(super) fn why(
    word: Verdict,
    judged: &[Judged],
    comparison: &Comparison,
    doubts: &[String],
) -> Vec<String> {
    let say = |prefix: &str, is_said: &dyn Fn(&Judged) -> bool| {
        let said = judged
            .iter()
            .filter(|judged| is_said(judged) && !says_nothing(judged));
        said.map(|judged| format!("{prefix}{}", sentence(judged, comparison)))
            .collect::<Vec<_>>()
    };
    let is_of_release =
        |judged: &Judged, outcome| !judged.rule.metric.is_about_data() && judged.outcome == outcome;
    let mut why = match word {
        Verdict::Go => say("", &|judged| is_of_release(judged, RuleOutcome::Passed)),
        Verdict::NoGo => say("", &|judged| is_of_release(judged, RuleOutcome::Failed)),
        Verdict::NotEnoughData => {
            let is_missing =
                |judged: &Judged| judged.rule.metric.is_about_data() && judged.outcome != RuleOutcome::Passed;
            let mut data = doubts.to_vec();
            data.extend(say("", &is_missing));
            if data.is_empty() {
                data = say("Undecided: ", &|judged| {
                    is_of_release(judged, RuleOutcome::Undecided)
                });
            } else {
                let few = judged
                    .iter()
                    .any(|one| one.rule.metric == Metric::Compared && is_missing(one));
                data.extend(say("Likely failed: ", &|judged| {
                    is_of_release(judged, RuleOutcome::Failed)
                        && (!few || needs_no_learning(judged.rule.metric))
                }));
            }
            data
        }
    };
    why.extend(not_learned(comparison));
    if comparison.excused > 0 {
        let rows = comparison.differences.iter();
        let names = top(rows.map(|row| (place(row), row.excused())));
        why.push(format!(
            "Excused, because the control differed from production as the shadow did: {} of {} pairs: {names}.",
            grouped(comparison.excused),
            grouped(comparison.agreement.total)
        ));
    }
    if comparison.raced > 0 {
        let rows = comparison.differences.iter();
        let names = top(rows.map(|row| (place(row), row.pairs_by(NoiseBy::Raced))));
        why.push(format!(
            "Raced, because other clients were changing something at that moment: {} of {} pairs: {names}.",
            grouped(comparison.raced),
            grouped(comparison.agreement.total)
        ));
    }
    let missing = &comparison.coverage.endpoints_not_compared;
    if !missing.is_empty() {
        let names = list(missing.iter().map(|name| (cut(name), None)));
        why.push(format!("Nothing was compared for {names}."));
    }
    why
}

/// Says what it takes to judge the pairs that are not learned from yet.
fn not_learned(comparison: &Comparison) -> Option<String> {
    if comparison.not_learned == 0 {
        return None;
    }
    let mut waiting: Vec<_> = comparison
        .endpoints
        .iter()
        .filter(|one| one.not_learned.pairs > 0)
        .collect();
    waiting.sort_by_key(|one| std::cmp::Reverse(one.not_learned.pairs));
    let names = list(waiting.iter().map(|one| {
        let more = match one.not_learned.more {
            0 if comparison.control.is_some() => "others were writing at that moment".to_owned(),
            0 => "others were writing at that moment: a control tells".to_owned(),
            more => format!("{} more", grouped(more)),
        };
        (cut(&one.name), Some(more))
    }));
    Some(format!(
        "{} pairs differ where nobody knows yet whether that is noise. {} that it takes: {names}.",
        grouped(comparison.not_learned),
        match comparison.control {
            Some(_) => "Responses of the control",
            None => "Second responses",
        }
    ))
}

/// Whether there is nothing to be said of it: no endpoint fails it that is not named by another rule.
fn says_nothing(judged: &Judged) -> bool {
    match &judged.measured {
        Measured::Endpoints(failing) => failing.is_empty(),
        Measured::Slow(slow) => slow.iter().all(|one| one.is_lower_too),
        _ => false,
    }
}

/// Whether a few pairs can tell that it fails. Of all others they tell little: what differs by nature is not known yet, and
/// caches are cold.
fn needs_no_learning(metric: Metric) -> bool {
    matches!(
        metric,
        Metric::Behind | Metric::New5xx | Metric::Failed | Metric::EndpointNew5xx
    )
}

/// Writes what was measured, for a table of rules.
pub(super) fn measured(measured: &Measured) -> String {
    match measured {
        Measured::Pairs(pairs) => grouped(*pairs),
        Measured::Share(share) => percent(*share),
        Measured::Rate(rate) => {
            format!(
                "{} ({} to {})",
                percent(rate.share),
                percent(rate.low),
                percent(rate.high)
            )
        }
        Measured::Ratio(ratio) => format!("{:.2} ({:.2} to {:.2})", ratio.value, ratio.low, ratio.high),
        Measured::Unknown => "not known yet".to_owned(),
        Measured::Endpoints(failing) if failing.is_empty() => "no endpoint for sure".to_owned(),
        Measured::Slow(slow) if slow.is_empty() => "no endpoint for sure".to_owned(),
        Measured::Slow(slow) => list(slow.iter().map(|one| {
            let times = format!("{:.2} times", one.slow.ratio.value);
            (cut(one.name), Some(times))
        })),
        Measured::Endpoints(_) => endpoints(measured),
    }
}

fn sentence(judged: &Judged, comparison: &Comparison) -> String {
    let metric = judged.rule.metric;
    let coverage = &comparison.coverage;
    let (said, names) = match &judged.measured {
        Measured::Rate(rate) if metric == Metric::Behind => (of_behind(*rate, comparison), String::new()),
        Measured::Rate(rate) => (of_rate(metric, *rate), standing_out(metric, comparison)),
        Measured::Ratio(ratio) => (of_ratio(metric, *ratio, comparison), String::new()),
        Measured::Unknown => {
            let quantile = quantile(metric);
            (
                format!("Too few responses with latencies to compare the {quantile}s"),
                String::new(),
            )
        }
        Measured::Endpoints(_) => (
            match metric {
                Metric::EndpointNew5xx => "Endpoints with new 5xx",
                _ => "Endpoints with too little agreement",
            }
            .to_owned(),
            endpoints(&judged.measured),
        ),
        Measured::Slow(slow) => (slow_endpoints(slow), String::new()),
        Measured::Pairs(pairs) => (format!("{} pairs were compared", grouped(*pairs)), String::new()),
        Measured::Share(share) if metric == Metric::Coverage => (
            format!(
                "{} of {} requests were covered",
                percent(*share),
                grouped(coverage.comparable())
            ),
            {
                let mut lacking = coverage.not_compared.clone();
                lacking.remove(&DropReason::GrpcStreamLeft.name());
                reasons(&lacking)
            },
        ),
        Measured::Share(share) => {
            let packets = grouped(coverage.capture_lost_packets);
            let share = percent(*share);
            (
                format!("Capture lost parts of {share} of requests and responses ({packets} packets)"),
                String::new(),
            )
        }
    };
    let names = if names.is_empty() {
        names
    } else {
        format!(": {names}")
    };
    match judged.outcome {
        RuleOutcome::Passed => format!("{said}{names}."),
        RuleOutcome::Failed | RuleOutcome::Undecided => format!("{said}{names}. Rule: {}.", judged.rule),
    }
}

fn of_behind(rate: Rate, comparison: &Comparison) -> String {
    let throughput = comparison.throughput;
    let of = format!(
        "{} of {} requests waited for it in vain ({}, 95% interval {} to {})",
        grouped(rate.count),
        grouped(rate.total),
        percent(rate.share),
        percent(rate.low),
        percent(rate.high)
    );
    match rate.count {
        0 => format!("The shadow keeps up: {of}"),
        _ => format!(
            "The shadow falls behind: at {} requests/s it answered {}; {of}",
            a_second(throughput.production),
            a_second(throughput.shadow)
        ),
    }
}

/// Requests a second, to two figures at least.
fn a_second(requests: f64) -> String {
    let places = usize::from(requests < 10.0);
    format!("{requests:.places$}")
}

fn of_rate(metric: Metric, rate: Rate) -> String {
    let of = format!(
        "in {} of {} pairs ({}, 95% interval {} to {})",
        grouped(rate.count),
        grouped(rate.total),
        percent(rate.share),
        percent(rate.low),
        percent(rate.high)
    );
    match metric {
        Metric::New5xx => format!("The shadow responded 5xx where production did not {of}"),
        Metric::Failed => format!("The shadow gave no complete response {of}"),
        Metric::OtherStatus => format!("The status code was different {of}"),
        Metric::AgreementRaw => format!("Responses were equal, including noise, {of}"),
        _ => format!("Responses agreed {of}"),
    }
}

fn of_ratio(metric: Metric, ratio: Interval, comparison: &Comparison) -> String {
    let of = |quantiles: &super::super::document::Quantiles| match metric {
        Metric::P50Ratio => quantiles.p50.value,
        Metric::P95Ratio => quantiles.p95.value,
        _ => quantiles.p99.value,
    };
    format!(
        "The shadow's {} is {:.2} times production's (95% interval {:.2} to {:.2}; {} after {})",
        quantile(metric),
        ratio.value,
        ratio.low,
        ratio.high,
        time(of(&comparison.shadow_latency.last)),
        time(of(&comparison.production_latency.last))
    )
}

fn quantile(metric: Metric) -> &'static str {
    match metric {
        Metric::P50Ratio => "median",
        Metric::P95Ratio => "95th percentile",
        _ => "99th percentile",
    }
}

/// Where most of what a rate is about comes from.
fn standing_out(metric: Metric, comparison: &Comparison) -> String {
    match metric {
        Metric::New5xx => top(comparison
            .endpoints
            .iter()
            .map(|endpoint| (cut(&endpoint.name), endpoint.new_5xx.count))),
        Metric::Failed => reasons(&comparison.coverage.failed),
        Metric::OtherStatus => top(comparison
            .statuses
            .iter()
            .filter(|pair| pair.production != pair.shadow)
            .map(|pair| {
                let count = pair.count.saturating_sub(pair.excused);
                (format!("{} became {}", pair.production, pair.shadow), count)
            })),
        Metric::AgreementRaw => {
            let rows = comparison.differences.iter();
            top(rows.map(|row| (place(row), row.count)))
        }
        _ => gravest(comparison),
    }
}

/// The gravest causes, in words.
fn gravest(comparison: &Comparison) -> String {
    let causes = &comparison.causes;
    let mut words: Vec<String> = causes
        .iter()
        .take(NAMED)
        .map(|cause| cause.what.clone())
        .collect();
    if causes.len() > NAMED {
        words.push(format!("{} more", grouped((causes.len() - NAMED) as u64)));
    }
    words.join("; ")
}

/// Where a row is, and what differs there.
fn place(row: &DifferenceRow) -> String {
    let name = match (row.kind, &row.production, &row.shadow) {
        (Kind::Status, Some(production), Some(shadow)) => {
            format!("{} {} {production} to {shadow}", row.endpoint, row.path)
        }
        _ => format!("{} {} {}", row.endpoint, row.path, row.kind.name()),
    };
    cut(&name)
}

fn reasons(counts: &BTreeMap<String, u64>) -> String {
    top(counts.iter().map(|(reason, count)| (cut(reason), *count)))
}

fn endpoints(measured: &Measured) -> String {
    let Measured::Endpoints(failing) = measured else {
        return String::new();
    };
    list(
        failing
            .iter()
            .map(|(endpoint, interval)| (cut(endpoint), Some(percent(interval.value)))),
    )
}

/// Endpoints that are slow at a quantile and not at a lower one, each with its figures.
fn slow_endpoints(slow: &[SlowEndpoint]) -> String {
    let new: Vec<_> = slow.iter().filter(|one| !one.is_lower_too).collect();
    let mut said: Vec<_> = new.iter().take(NAMED).map(|one| slow_endpoint(one)).collect();
    if new.len() > NAMED {
        said.push(format!("{} more", grouped((new.len() - NAMED) as u64)));
    }
    said.join("; ")
}

fn slow_endpoint(one: &SlowEndpoint) -> String {
    let slow = one.slow;
    let at = match slow.at {
        SlowAt::P50 => "at the median".to_owned(),
        SlowAt::P90 => "at the 90th percentile".to_owned(),
        SlowAt::P99 => "at the 99th percentile".to_owned(),
        SlowAt::Tail => format!("or more in the slowest {}", percent(1.0 - slow.quantile)),
    };
    format!(
        "{} answers in {} {at}, production in {} ({} pairs)",
        cut(one.name),
        milliseconds(slow.shadow.value),
        milliseconds(slow.production.value),
        grouped(slow.pairs)
    )
}

/// A time of an answer to two figures or three.
fn milliseconds(micros: f64) -> String {
    match micros / 1000.0 {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 10_000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1000.0),
    }
}

/// The largest counts, with what they are of.
fn top(counts: impl Iterator<Item = (String, u64)>) -> String {
    let mut counts: Vec<_> = counts.filter(|(_, count)| *count > 0).collect();
    counts.sort_by(|(a, of_a), (b, of_b)| of_b.cmp(of_a).then_with(|| a.cmp(b)));
    list(
        counts
            .into_iter()
            .map(|(name, count)| (name, Some(grouped(count)))),
    )
}

fn list(names: impl ExactSizeIterator<Item = (String, Option<String>)>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let mut names: Vec<_> = names
        .take(NAMED)
        .map(|(name, value)| match value {
            Some(value) => format!("{name} ({value})"),
            None => name,
        })
        .collect();
    if more > 0 {
        names.push(format!("{} more", grouped(more as u64)));
    }
    names.join(", ")
}

/// A name, not too long.
pub(crate) fn cut(name: &str) -> String {
    match name.char_indices().nth(NAME) {
        Some((end, _)) => format!("{}...", &name[..end]),
        None => name.to_owned(),
    }
}

/// A share as a percentage, with more digits the nearer to none or all it is: 99.996% is not 100%.
fn percent(share: f64) -> String {
    let nearest = share.min(1.0 - share) * 100.0;
    if nearest <= 0.0 {
        format!("{:.0}%", share * 100.0)
    } else if nearest >= 0.1 {
        format!("{:.2}%", share * 100.0)
    } else if nearest >= 0.01 {
        format!("{:.3}%", share * 100.0)
    } else {
        format!("{:.5}%", share * 100.0)
    }
}

fn time(micros: f64) -> String {
    if micros < 1000.0 {
        format!("{micros:.0} us")
    } else if micros < 10_000_000.0 {
        format!("{:.1} ms", micros / 1000.0)
    } else {
        format!("{:.1} s", micros / 1_000_000.0)
    }
}

/// Digits in groups of three: `9,944`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
