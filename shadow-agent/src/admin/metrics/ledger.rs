//! The ledger's own numbers: requests by output and outcome, and the objects `connections` and `capture`.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::family::Families;
use super::help::{help_of, is_gauge, label_of};
use super::{MAX_OUTPUTS, Snapshot};
use crate::cluster_metrics::OTHER;
use crate::latency::LatencyCounts;
use crate::mirror::ledger::{DropReason, OutputCounts, RequestCounts};

impl Snapshot {
    pub(super) fn encode_ledger(&self, families: &mut Families<'_>) -> fmt::Result {
        families.counter(
            "requests_seen",
            "Requests seen, each counted once, whatever the outputs.",
            [(vec![], self.seen)],
        )?;
        let seen = self
            .outputs
            .iter()
            .map(|(name, counts, _)| (vec![("output", name.as_str())], counts.seen));
        families.counter(
            "output_requests_seen",
            "Requests for an output. It is the sum of shadow_agent_requests_total over outcomes, and \
             shadow_agent_requests_in_flight.",
            seen,
        )?;
        let outcomes = self.outputs.iter().flat_map(|(name, counts, _)| {
            let dropped = counts.dropped.values().sum();
            [
                ("delivered", counts.delivered),
                ("filtered", counts.filtered),
                ("sampled_out", counts.sampled_out),
                ("limited", counts.limited),
                ("dropped", dropped),
            ]
            .map(|(outcome, count)| (vec![("output", name.as_str()), ("outcome", outcome)], count))
        });
        families.counter(
            "requests",
            "Requests that ended, by output and outcome: delivered, filtered, sampled_out, limited or dropped.",
            outcomes,
        )?;
        let reasons = DropReason::ALL.map(|reason| (reason, reason.name()));
        let dropped = self.outputs.iter().flat_map(|(name, counts, _)| {
            reasons.iter().map(move |(reason, word)| {
                let count = counts.dropped.get(reason).copied().unwrap_or(0);
                (vec![("output", name.as_str()), ("reason", word.as_str())], count)
            })
        });
        families.counter(
            "requests_dropped",
            "Requests that were lost, by output and reason. They are part of the outcome dropped.",
            dropped,
        )?;
        let incomplete = self
            .outputs
            .iter()
            .map(|(name, counts, _)| (vec![("output", name.as_str())], counts.incomplete));
        families.counter(
            "requests_incomplete",
            "Requests that were delivered although they were incomplete (--input-raw-allow-incomplete), by \
             output. They \
             are part of the outcome delivered.",
            incomplete,
        )?;
        self.encode_correlation(families)?;
        let in_flight = self
            .outputs
            .iter()
            .map(|(name, counts, _)| (vec![("output", name.as_str())], counts.in_flight as f64));
        families.gauge(
            "requests_in_flight",
            "Requests without an outcome yet, by output.",
            in_flight,
        )?;
        encode_object(families, "connections", &self.connections)?;
        encode_object(families, "capture", &self.capture)
    }

    fn encode_correlation(&self, families: &mut Families<'_>) -> fmt::Result {
        type Of = fn(&OutputCounts) -> u64;
        let counters: [(&str, &str, Of); 3] = [
            (
                "requests_correlated",
                "Requests that were sent with values that the output had issued, in place of production's.",
                |counts| counts.correlated,
            ),
            ("correlated_values", "Those values.", |counts| {
                counts.correlated_values
            }),
            (
                "requests_uncorrelated",
                "Requests that carried what production had issued and the output had not: sent with production's.",
                |counts| counts.uncorrelated,
            ),
        ];
        for (name, help, of) in counters {
            let counts = self.outputs.iter();
            let series = counts.map(|(name, counts, _)| (vec![("output", name.as_str())], of(counts)));
            families.counter(name, help, series)?;
        }
        Ok(())
    }

    /// The same, with at most [`MAX_OUTPUTS`] outputs, each with a name of its own.
    pub(super) fn bounded(mut self) -> Self {
        if self.outputs.len() > MAX_OUTPUTS {
            let rest = self.outputs.split_off(MAX_OUTPUTS - 1);
            let mut sum = RequestCounts::default();
            let mut status = crate::output::OutputStatus::default();
            for (_, counts, of_one) in rest {
                sum.add(&RequestCounts {
                    seen: 0,
                    outputs: vec![counts],
                });
                status.queued += of_one.queued;
                status.active += of_one.active;
                status.connections_opened += of_one.connections_opened;
                status.connections_open += of_one.connections_open;
                status.breaker_open |= of_one.breaker_open;
                let sums = [
                    (&mut status.latency, of_one.latency),
                    (&mut status.copy_delay, of_one.copy_delay),
                ];
                for (sum, counts) in sums {
                    if let Some(counts) = counts {
                        sum.get_or_insert_with(LatencyCounts::default).add(&counts);
                    }
                }
            }
            let counts = sum.outputs.pop().unwrap_or_default();
            self.outputs.push((OTHER.to_owned(), counts, status));
        }
        // The same upstream may be named twice; two series of one name are none.
        let mut names = BTreeMap::new();
        for (name, ..) in &mut self.outputs {
            let times = names.entry(name.clone()).or_insert(0);
            *times += 1;
            if *times > 1 {
                *name = format!("{name} #{times}");
            }
        }
        self
    }
}

/// An object of the ledger: each number is a metric, an object in it a metric with a label.
fn encode_object(families: &mut Families<'_>, section: &str, object: &Value) -> fmt::Result {
    let Some(members) = object.as_object() else {
        return Ok(());
    };
    for (member, value) in members {
        match value {
            Value::Number(number) => {
                let name = format!("{section}_{member}");
                let help = help_of(section, member);
                let number = number.as_u64().unwrap_or(0);
                if is_gauge(section, member) {
                    families.gauge(&name, help, [(vec![], number as f64)])?;
                } else {
                    families.counter(&name, help, [(vec![], number)])?;
                }
            }
            // Capture files and VXLAN sessions count as sections of their own.
            Value::Object(_) if member == "files" || member == "vxlan" => {
                encode_object(families, member, value)?;
            }
            Value::Object(parts) => {
                let label = label_of(member);
                let series = parts
                    .iter()
                    .map(|(part, count)| (vec![(label, part.as_str())], count.as_u64().unwrap_or(0)));
                let name = format!("{section}_{member}");
                families.counter(&name, help_of(section, member), series)?;
            }
            _ => {}
        }
    }
    Ok(())
}
