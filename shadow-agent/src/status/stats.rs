//! The lines of `--stats` and `--output-http-stats`: pure functions of two moments.

use std::time::Duration;

use super::line::{milliseconds, rate};
use crate::mirror::ledger::OutputCounts;
use crate::output::OutputStatus;
use crate::report::grouped;

/// Counts of a run at one moment.
#[derive(Clone, Debug, Default)]
pub struct RunStats {
    /// Requests whose start was seen.
    pub seen: u64,
    /// Segments that the kernel could not hand over.
    pub capture_lost: u64,
    /// Every output that the ledger shows.
    pub outputs: Vec<OutputStats>,
}

/// Counts of one output at that moment.
#[derive(Clone, Debug, Default)]
pub struct OutputStats {
    /// Its slot in the ledger.
    pub slot: usize,
    /// As the ledger names it.
    pub name: String,
    /// Whether it is an `--output-http`.
    pub http: bool,
    /// Outcomes of its requests.
    pub counts: OutputCounts,
    /// How it does.
    pub status: OutputStatus,
}

/// The line of `--stats`: a rate since `before`, and all since the start, over every output.
pub fn of_run(before: &RunStats, now: &RunStats, elapsed: Duration) -> String {
    let sum = |of: fn(&OutputCounts) -> u64| grouped(now.outputs.iter().map(|one| of(&one.counts)).sum());
    let waiting: usize = now.outputs.iter().map(|one| one.status.queued).sum();
    let mut parts = vec![
        format!(
            "seen {}/s ({})",
            rate(now.seen.saturating_sub(before.seen), elapsed),
            grouped(now.seen)
        ),
        format!("delivered {}", sum(|counts| counts.delivered)),
        format!("filtered {}", sum(|counts| counts.filtered)),
        format!("sampled out {}", sum(|counts| counts.sampled_out)),
        format!("limited {}", sum(|counts| counts.limited)),
        format!("dropped {}", sum(|counts| counts.dropped.values().sum())),
        format!("in flight {}", sum(|counts| counts.in_flight)),
        format!("waiting {}", grouped(waiting as u64)),
    ];
    if now.capture_lost > 0 {
        parts.push(format!("lost in capture {}", grouped(now.capture_lost)));
    }
    format!("stats: {}", parts.join(", "))
}

/// The line of `--output-http-stats` for one output.
pub fn of_output(before: &RunStats, now: &OutputStats, elapsed: Duration) -> String {
    let none = OutputStats::default();
    let mut earlier = before.outputs.iter();
    let before = earlier.find(|one| one.slot == now.slot).unwrap_or(&none);
    let (counts, status) = (&now.counts, &now.status);
    let delivered = counts.delivered.saturating_sub(before.counts.delivered);
    let mut parts = vec![
        format!(
            "delivered {}/s ({})",
            rate(delivered, elapsed),
            grouped(counts.delivered)
        ),
        dropped(counts),
        format!("waiting {}", grouped(status.queued as u64)),
        format!("in flight {}", grouped(status.active as u64)),
        format!("connections {}", grouped(status.connections_open as u64)),
    ];
    let since = before.status.latency.clone().unwrap_or_default();
    let times = status.latency.as_ref().map(|counts| counts.since(&since));
    if let Some((p50, p99)) = times.and_then(|times| times.quantiles_us()) {
        parts.push(format!("p50 {} p99 {}", milliseconds(p50), milliseconds(p99)));
    }
    if status.breaker_open {
        parts.push("breaker open".to_owned());
    }
    format!("stats of {}: {}", now.name, parts.join(", "))
}

/// All drops, and by reason.
fn dropped(counts: &OutputCounts) -> String {
    let reasons: Vec<String> = counts
        .dropped
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(reason, count)| format!("{} {}", reason.name(), grouped(*count)))
        .collect();
    if reasons.is_empty() {
        return "dropped 0".to_owned();
    }
    let all = counts.dropped.values().sum();
    format!("dropped {} ({})", grouped(all), reasons.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::LatencyHistogram;
    use crate::mirror::ledger::DropReason;

    fn output(delivered: u64, latency: bool) -> OutputStats {
        let histogram = LatencyHistogram::default();
        for _ in 0..delivered {
            histogram.record(Duration::from_micros(1140));
        }
        OutputStats {
            slot: 0,
            name: "http://staging:80".to_owned(),
            http: true,
            counts: OutputCounts {
                delivered,
                filtered: 4,
                sampled_out: 3,
                limited: 2,
                dropped: [
                    (DropReason::Timeout, 10),
                    (DropReason::QueueFull, 2),
                    (DropReason::Gap, 0),
                ]
                .into(),
                in_flight: 8,
                ..OutputCounts::default()
            },
            status: OutputStatus {
                queued: 3,
                active: 5,
                connections_open: 6,
                latency: latency.then(|| histogram.counts()),
                ..OutputStatus::default()
            },
        }
    }

    fn run(seen: u64, outputs: Vec<OutputStats>) -> RunStats {
        RunStats {
            seen,
            capture_lost: 0,
            outputs,
        }
    }

    #[test]
    fn a_line_has_the_rate_since_the_line_before() {
        let before = run(2000, vec![]);
        let mut now = run(12_000, vec![output(6000, true), output(5000, true)]);
        let line = of_run(&before, &now, Duration::from_secs(5));
        assert_eq!(
            line,
            "stats: seen 2,000/s (12,000), delivered 11,000, filtered 8, sampled out 6, limited 4, dropped 24, \
             in flight 16, waiting 6"
        );
        now.capture_lost = 7;
        let line = of_run(&before, &now, Duration::from_secs(5));
        assert!(line.ends_with(", waiting 6, lost in capture 7"), "{line}");
    }

    #[test]
    fn the_line_of_an_output_has_its_drops_by_reason_and_its_queue() {
        let before = run(0, vec![output(1000, true)]);
        let mut now = output(3000, true);
        assert_eq!(
            of_output(&before, &now, Duration::from_secs(2)),
            "stats of http://staging:80: delivered 1,000/s (3,000), dropped 12 (queue_full 2, timeout 10), \
             waiting 3, in flight 5, connections 6, p50 1.2 ms p99 1.2 ms"
        );
        now.status.latency = None;
        now.status.breaker_open = true;
        let line = of_output(&RunStats::default(), &now, Duration::from_secs(2));
        assert!(
            line.contains("1,500/s") && line.ends_with("connections 6, breaker open"),
            "{line}"
        );
    }
}
