//! Metrics of comparing: pairs by outcome, what was not compared and why, both sides' latency, the word.
//!
//! Counted since the start of the process, whatever `POST /compare/reset` does to the report. There is no series for each
//! endpoint or each difference: their names come from traffic, and would be as many as whoever sends it likes. Alert here,
//! and look at the report for where it is.

use std::fmt;

use super::Snapshot;
use super::family::Families;
use crate::cluster_metrics::OTHER;
use crate::compare::counters::CompareCounts;
use crate::compare::document::Verdict;

/// Comparisons with series of their own; the rest counts together as `other`. Each has about 100 series.
pub(super) const MAX_COMPARISONS: usize = 100;

impl Snapshot {
    pub(super) fn encode_comparisons(&self, families: &mut Families<'_>) -> fmt::Result {
        if self.comparisons.is_empty() {
            return Ok(());
        }
        self.encode_pairs(families)?;
        self.encode_verdicts(families)?;
        let all = self.comparisons.iter();
        families.histogram(
            "compare_production_seconds",
            "Latency of production for compared pairs, from the request's last byte to the response's last byte \
             on the wire.",
            all.clone()
                .map(|(name, counts)| (vec![("output", name.as_str())], &counts.production)),
        )?;
        families.histogram(
            "compare_shadow_seconds",
            "Latency of the shadow for the same pairs, at the agent's socket.",
            all.map(|(name, counts)| (vec![("output", name.as_str())], &counts.shadow)),
        )?;
        self.encode_extra(families)
    }

    fn encode_pairs(&self, families: &mut Families<'_>) -> fmt::Result {
        let all = self.comparisons.iter();
        families.counter(
            "compare_pairs",
            "Pairs of responses compared.",
            all.clone()
                .map(|(name, counts)| (vec![("output", name.as_str())], counts.pairs)),
        )?;
        families.gauge(
            "compare_report_pairs",
            "Pairs in the report, since the last reset, by what they came to: equal, excused (the control differs as the \
             shadow does), noise (equal except for noise), not_learned (nobody knows yet) or different. \
             What is noise is learned, so these go up and down.",
            all.clone().flat_map(|(name, counts)| {
                counts.outcomes.named().map(|(outcome, count)| {
                    (vec![("output", name.as_str()), ("outcome", outcome)], count as f64)
                })
            }),
        )?;
        for (name, help, failures) in [
            (
                "compare_failed",
                "Requests without a complete response of the shadow, by reason: counts against the release.",
                true,
            ),
            (
                "compare_not_compared",
                "Requests not compared for other reasons, by reason: does not count against the release.",
                false,
            ),
        ] {
            let reasons: Vec<_> = all
                .clone()
                .flat_map(|(name, counts)| {
                    counts
                        .not_compared
                        .iter()
                        .map(move |(reason, count)| (name, reason, count))
                })
                .filter(|(_, reason, _)| reason.is_failure() == failures)
                .map(|(name, reason, count)| (name.as_str(), reason.name(), *count))
                .collect();
            families.counter(
                name,
                help,
                reasons.iter().map(|(output, reason, count)| {
                    (vec![("output", *output), ("reason", reason.as_str())], *count)
                }),
            )?;
        }
        let mut counter = |name, help, of: fn(&CompareCounts) -> u64| {
            families.counter(
                name,
                help,
                all.clone()
                    .map(|(name, counts)| (vec![("output", name.as_str())], of(counts))),
            )
        };
        counter(
            "compare_new_5xx",
            "Compared pairs with a 5xx of the shadow, and none of production or the control.",
            |counts| counts.new_5xx,
        )?;
        counter(
            "compare_status_differs",
            "Compared pairs with different status codes, but for those where the control has the shadow's.",
            |counts| counts.other_status,
        )?;
        counter(
            "compare_correlated_requests",
            "Requests sent with values that the shadow issued in place of production's.",
            |counts| counts.correlated_requests,
        )?;
        counter("compare_correlated_values", "Those values.", |counts| {
            counts.correlated_values
        })?;
        counter(
            "compare_correlation_missing",
            "Requests with values that production issued and the shadow did not.",
            |counts| counts.correlation_missing,
        )
    }

    fn encode_verdicts(&self, families: &mut Families<'_>) -> fmt::Result {
        let all = self.comparisons.iter();
        let mut gauge = |name, help, of: fn(&CompareCounts) -> u64| {
            families.gauge(
                name,
                help,
                all.clone()
                    .map(|(name, counts)| (vec![("output", name.as_str())], of(counts) as f64)),
            )
        };
        gauge(
            "compare_waiting_requests",
            "Requests waiting for a response.",
            |counts| counts.waiting,
        )?;
        gauge("compare_waiting_bytes", "Bytes that they hold.", |counts| {
            counts.waiting_bytes
        })?;
        gauge(
            "compare_endpoints",
            "Endpoints in the report, since the last reset.",
            |counts| counts.endpoints,
        )?;
        gauge(
            "compare_differences",
            "Kinds of differences in the report that are not noise, since the last reset.",
            |counts| counts.differences,
        )?;
        families.gauge(
            "compare_verdict",
            "Whether the verdict since the last reset is this one (1) or not (0): go, not_enough_data or no_go.",
            all.flat_map(|(name, counts)| {
                [
                    ("go", Verdict::Go),
                    ("not_enough_data", Verdict::NotEnoughData),
                    ("no_go", Verdict::NoGo),
                ]
                .map(|(verdict, word)| {
                    (
                        vec![("output", name.as_str()), ("verdict", verdict)],
                        f64::from(u8::from(counts.word == word)),
                    )
                })
            }),
        )
    }

    fn encode_extra(&self, families: &mut Families<'_>) -> fmt::Result {
        let all = || {
            self.comparisons
                .iter()
                .flat_map(|(name, counts)| counts.extra.iter().map(move |extra| (name.as_str(), extra)))
        };
        families.counter(
            "compare_own_requests_sent",
            "Requests sent by the comparison itself: to the control, or a second time to the shadow (repeat).",
            all().map(|(name, extra)| {
                (
                    vec![("output", name), ("what", extra.what.name())],
                    extra.sent,
                )
            }),
        )?;
        families.counter(
            "compare_own_requests_answered",
            "Those with a complete response.",
            all().map(|(name, extra)| {
                (
                    vec![("output", name), ("what", extra.what.name())],
                    extra.answered,
                )
            }),
        )?;
        let lost: Vec<_> = all()
            .flat_map(|(name, extra)| {
                let lost = extra.lost.iter();
                lost.map(move |(reason, count)| (name, extra.what.name(), reason.name(), *count))
            })
            .collect();
        families.counter(
            "compare_own_requests_lost",
            "Those without, by reason.",
            lost.iter().map(|(name, what, reason, count)| {
                let labels = vec![("output", *name), ("what", *what), ("reason", reason.as_str())];
                (labels, *count)
            }),
        )
    }

    /// The same, with at most [`MAX_COMPARISONS`] comparisons.
    pub(super) fn with_bounded_comparisons(mut self) -> Self {
        if self.comparisons.len() > MAX_COMPARISONS {
            let mut rest = self
                .comparisons
                .split_off(MAX_COMPARISONS - 1)
                .into_iter()
                .map(|(_, counts)| counts);
            if let Some(mut sum) = rest.next() {
                rest.for_each(|counts| sum.add(counts));
                self.comparisons.push((OTHER.to_owned(), sum));
            }
        }
        self
    }
}
