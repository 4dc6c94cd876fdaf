//! The status line: a pure function of two snapshots.

use std::fmt::Write as _;
use std::time::Duration;

use crate::latency::LatencyCounts;
use crate::mirror::ledger::RequestCounts;
use crate::output::OutputStatus;
use crate::report::grouped;

/// The state of a run at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Counts of requests.
    pub requests: RequestCounts,
    /// How each output does, by slot.
    pub outputs: Vec<(usize, OutputStatus)>,
    /// Segments that the kernel could not hand over, since the start.
    pub capture_lost: u64,
    /// Whether mirroring is paused.
    pub paused: bool,
    /// The part of a replay that is done, from 0 to 1, where there is an end.
    pub progress: Option<f64>,
}

/// Makes status lines, each from the snapshot before and the one of this moment.
#[derive(Clone, Debug, Default)]
pub struct StatusLine {
    before: Snapshot,
    /// Time since the first line.
    total: Duration,
}

impl StatusLine {
    /// The line for `now`, `elapsed` after the one before: rates since then, totals since the start. It takes
    /// at most `width` columns; what matters least is left out first.
    pub fn next(&mut self, now: Snapshot, elapsed: Duration, width: usize) -> String {
        self.total += elapsed;
        let parts = parts(&self.before, &now, elapsed, self.total);
        self.before = now;
        fit(parts, width)
    }
}

/// A piece of the line; pieces of higher rank are left out first.
struct Part {
    text: String,
    rank: u8,
}

fn parts(before: &Snapshot, now: &Snapshot, elapsed: Duration, total: Duration) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut say = |rank, text| parts.push(Part { text, rank });
    if now.paused {
        say(0, "PAUSED".to_owned());
    }
    if let Some(done) = now.progress {
        say(0, position(done, total));
    }
    let seen = now.requests.seen.saturating_sub(before.requests.seen);
    let delivered = delivered(now).saturating_sub(delivered(before));
    say(0, format!("seen {}/s", rate(seen, elapsed)));
    say(1, format!("delivered {}/s", rate(delivered, elapsed)));
    say(0, format!("dropped {}", grouped(dropped(now))));
    if now.capture_lost > 0 {
        say(2, format!("lost in capture {}", grouped(now.capture_lost)));
    }
    say(3, format!("in flight {}", grouped(in_flight(now))));
    // With several outputs the slowest is what the user must know of.
    if let Some((p50, p99)) = now
        .outputs
        .iter()
        .filter_map(|(slot, status)| latency(before, *slot, status))
        .max_by_key(|(_, p99)| *p99)
    {
        say(
            2,
            format!("shadow p50 {} p99 {}", milliseconds(p50), milliseconds(p99)),
        );
    }
    match now
        .outputs
        .iter()
        .filter(|(_, status)| status.breaker_open)
        .count()
    {
        0 => {}
        _ if now.outputs.len() == 1 => say(0, "BREAKER OPEN".to_owned()),
        open => say(0, format!("BREAKER OPEN ({open} of {})", now.outputs.len())),
    }
    parts
}

/// A bar, the part that is done, and how long the rest takes at the pace so far.
fn position(done: f64, total: Duration) -> String {
    const CELLS: usize = 20;
    let done = done.clamp(0.0, 1.0);
    #[allow(clippy::cast_sign_loss)]
    let full = (done * CELLS as f64) as usize;
    let bar = format!("[{}{}]", "#".repeat(full), ".".repeat(CELLS - full));
    let mut text = format!("{bar} {:.0}%", done * 100.0);
    // Before there is something to go by, it would be a guess.
    if (0.01..1.0).contains(&done) {
        let left = total.as_secs_f64() * (1.0 - done) / done;
        #[allow(clippy::cast_sign_loss)]
        let left = left as u64;
        let _ = match (left / 3600, left / 60 % 60, left % 60) {
            (0, minutes, seconds) => write!(text, " {minutes}:{seconds:02} left"),
            (hours, minutes, seconds) => write!(text, " {hours}:{minutes:02}:{seconds:02} left"),
        };
    }
    text
}

/// Median and 99th percentile of an output's exchanges since `before`, in microseconds.
fn latency(before: &Snapshot, slot: usize, now: &OutputStatus) -> Option<(u64, u64)> {
    let counts = now.latency.as_ref()?;
    let none = LatencyCounts::default();
    let earlier = before
        .outputs
        .iter()
        .find(|(its_slot, _)| *its_slot == slot)
        .and_then(|(_, status)| status.latency.as_ref());
    counts.since(earlier.unwrap_or(&none)).quantiles_us()
}

fn delivered(snapshot: &Snapshot) -> u64 {
    snapshot
        .requests
        .outputs
        .iter()
        .map(|output| output.delivered)
        .sum()
}

fn dropped(snapshot: &Snapshot) -> u64 {
    snapshot
        .requests
        .outputs
        .iter()
        .flat_map(|output| output.dropped.values())
        .sum()
}

fn in_flight(snapshot: &Snapshot) -> u64 {
    snapshot
        .requests
        .outputs
        .iter()
        .map(|output| output.in_flight)
        .sum()
}

pub(crate) fn rate(count: u64, elapsed: Duration) -> String {
    let nanoseconds = elapsed.as_nanos().max(1);
    let rate = u128::from(count) * 1_000_000_000 / nanoseconds;
    grouped(u64::try_from(rate).unwrap_or(u64::MAX))
}

pub(crate) fn milliseconds(microseconds: u64) -> String {
    if microseconds < 100_000 {
        format!("{:.1} ms", microseconds as f64 / 1000.0)
    } else {
        format!("{:.2} s", microseconds as f64 / 1_000_000.0)
    }
}

fn fit(mut parts: Vec<Part>, width: usize) -> String {
    loop {
        let line = parts
            .iter()
            .map(|part| part.text.as_str())
            .collect::<Vec<_>>()
            .join("  ");
        // All text is ASCII: bytes are columns.
        if line.len() <= width {
            return line;
        }
        let most = parts.iter().map(|part| part.rank).max().unwrap_or(0);
        if most == 0 {
            return line[..width].to_owned();
        }
        if let Some(last) = parts.iter().rposition(|part| part.rank == most) {
            parts.remove(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::LatencyHistogram;
    use crate::mirror::ledger::{DropReason, OutputCounts};

    /// So many exchanges, of which two in a hundred are slow.
    fn latency(count: u64, usual: u64, slow: u64) -> LatencyCounts {
        let histogram = LatencyHistogram::default();
        for exchange in 0..count {
            let micros = if exchange % 50 == 0 { slow } else { usual };
            histogram.record(Duration::from_micros(micros));
        }
        histogram.counts()
    }

    fn snapshot(seen: u64, delivered: u64, dropped: u64) -> Snapshot {
        let counts = OutputCounts {
            delivered,
            dropped: [(DropReason::Timeout, dropped)].into(),
            in_flight: seen - delivered - dropped,
            ..OutputCounts::default()
        };
        Snapshot {
            requests: RequestCounts {
                seen,
                outputs: vec![counts],
            },
            outputs: vec![(
                0,
                OutputStatus {
                    latency: Some(latency(seen, 1140, 8900)),
                    ..OutputStatus::default()
                },
            )],
            ..Snapshot::default()
        }
    }

    fn line(now: Snapshot, width: usize) -> String {
        let mut line = StatusLine {
            before: snapshot(1000, 1000, 0),
            total: Duration::from_secs(28),
        };
        line.next(now, Duration::from_secs(2), width)
    }

    #[test]
    fn rates_are_since_the_line_before_and_the_rest_since_the_start() {
        assert_eq!(
            line(snapshot(5000, 4980, 12), 100),
            "seen 2,000/s  delivered 1,990/s  dropped 12  in flight 8  shadow p50 1.2 ms p99 9.2 ms"
        );
    }

    #[test]
    fn each_line_counts_from_the_one_before() {
        let mut line = StatusLine::default();
        let second = Duration::from_secs(1);
        assert!(
            line.next(snapshot(100, 100, 0), second, 100)
                .starts_with("seen 100/s")
        );
        assert!(
            line.next(snapshot(150, 150, 0), second, 100)
                .starts_with("seen 50/s")
        );
    }

    #[test]
    fn an_open_breaker_and_capture_losses_are_said() {
        let mut now = snapshot(1000, 1000, 0);
        now.outputs[0].1.breaker_open = true;
        now.outputs[0].1.latency = None;
        now.capture_lost = 7;
        assert_eq!(
            line(now, 100),
            "seen 0/s  delivered 0/s  dropped 0  lost in capture 7  in flight 0  BREAKER OPEN"
        );
    }

    #[test]
    fn a_replay_shows_where_it_is_and_how_long_the_rest_takes() {
        for (done, expected) in [
            (0.0, "[....................] 0%  seen"),
            (0.25, "[#####...............] 25% 1:30 left  seen"),
            (0.01, "[....................] 1% 49:30 left  seen"),
            (1.0, "[####################] 100%  seen"),
        ] {
            let mut now = snapshot(1000, 1000, 0);
            now.progress = Some(done);
            assert!(line(now, 100).starts_with(expected), "{done}");
        }
    }

    #[test]
    fn a_pause_is_said_first() {
        let mut now = snapshot(1000, 1000, 0);
        now.paused = true;
        assert!(line(now, 100).starts_with("PAUSED  seen 0/s"));
    }

    #[test]
    fn of_several_outputs_the_slowest_is_shown() {
        let mut now = snapshot(1000, 1000, 0);
        now.outputs.push((
            1,
            OutputStatus {
                latency: Some(latency(100, 88_000, 1_240_000)),
                breaker_open: true,
                ..OutputStatus::default()
            },
        ));
        let text = line(now, 200);
        assert!(
            text.ends_with("shadow p50 90.1 ms p99 1.31 s  BREAKER OPEN (1 of 2)"),
            "{text}"
        );
    }

    #[test]
    fn a_narrow_terminal_keeps_what_matters_most() {
        let now = snapshot(5000, 4980, 12);
        assert_eq!(
            line(now.clone(), 80),
            "seen 2,000/s  delivered 1,990/s  dropped 12  shadow p50 1.2 ms p99 9.2 ms"
        );
        assert_eq!(
            line(now.clone(), 60),
            "seen 2,000/s  delivered 1,990/s  dropped 12"
        );
        assert_eq!(line(now.clone(), 30), "seen 2,000/s  dropped 12");
        assert_eq!(line(now.clone(), 10), "seen 2,000");
        assert_eq!(line(now, 0), "");
    }
}
