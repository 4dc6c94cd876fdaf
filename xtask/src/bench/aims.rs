//! The aims, beside the figures that were measured.

use std::fmt::Write as _;

use serde::Serialize;

use super::compare::{BUDGET, Compared};
use super::figures::{self, Value};
use super::h2load::Protocol;
use super::http2::{Http2, Pace};
use super::idle::IdleMemory;
use super::load::Load;
use super::measure::Measurement;
use super::packets::PacketCost;
use super::recordings::Recordings;
use super::spread::Spread;
use super::table::show;
use super::tls::{Path, Tls, Watcher};
use super::variant::Variant;

const MIB: f64 = 1024.0 * 1024.0;

/// An aim.
#[derive(Clone, Debug, Serialize)]
pub struct Aim {
    /// Its subject.
    pub title: &'static str,
    /// The most or the least it may be, as text.
    pub bound: String,
    /// The measured value, as text.
    pub measured: String,
    /// Whether the aim was met.
    pub met: bool,
}

/// Which way is good.
#[derive(Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// How an aim over the rounds is measured.
struct Paired {
    title: &'static str,
    variant: Variant,
    load: Load,
    value: Value,
    bound: Bound,
    decimals: usize,
    /// Another figure shown beside it, and its name.
    beside: Option<(&'static str, Value)>,
}

/// The aims that the rounds answer. Each is judged by its median, but for loss: that is judged by the worst.
const PAIRED: &[Paired] = &[
    Paired {
        title: "flat out: agent CPU a mirrored request, by wrk's in the same run",
        variant: Variant::Mirror,
        load: Load::FlatOut,
        value: figures::agent_cpu_to_wrk,
        bound: Bound::AtMost(1.3),
        decimals: 2,
        beside: Some(("by wrk's with production alone", figures::agent_cpu_to_wrk_alone)),
    },
    Paired {
        title: "flat out: production keeps of its throughput when mirrored",
        variant: Variant::Mirror,
        load: Load::FlatOut,
        value: figures::throughput,
        bound: Bound::AtLeast(0.58),
        decimals: 3,
        beside: None,
    },
    Paired {
        title: "flat out: production keeps of its throughput when captured to null",
        variant: Variant::Null,
        load: Load::FlatOut,
        value: figures::throughput,
        bound: Bound::AtLeast(0.90),
        decimals: 3,
        beside: None,
    },
    Paired {
        title: "flat out: agent's peak resident memory, MiB",
        variant: Variant::Mirror,
        load: Load::FlatOut,
        value: figures::peak_memory,
        bound: Bound::AtMost(50e6 / MIB),
        decimals: 1,
        beside: None,
    },
    Paired {
        title: "fixed rate: agent CPU a mirrored request, us",
        variant: Variant::Mirror,
        load: Load::FixedRate,
        value: figures::agent_cpu,
        bound: Bound::AtMost(51.0),
        decimals: 1,
        beside: None,
    },
    Paired {
        title: "fixed rate: production's p99 when mirrored, by alone",
        variant: Variant::Mirror,
        load: Load::FixedRate,
        value: figures::p99,
        bound: Bound::AtMost(2.0),
        decimals: 2,
        beside: None,
    },
    Paired {
        title: "fixed rate: production's p99 when captured to null, by alone",
        variant: Variant::Null,
        load: Load::FixedRate,
        value: figures::p99,
        bound: Bound::AtMost(1.5),
        decimals: 2,
        beside: None,
    },
];

/// The aims that the rounds answer.
pub fn of_rounds(measurements: &[Measurement]) -> Vec<Aim> {
    let mut aims = Vec::new();
    for paired in PAIRED {
        if let Some(spread) = Spread::of(measurements, paired.variant, paired.load, paired.value) {
            let mut measured = show(spread, paired.decimals);
            if let Some((name, value)) = paired.beside
                && let Some(beside) = Spread::of(measurements, paired.variant, paired.load, value)
            {
                let _ = write!(measured, "; {name} {}", show(beside, paired.decimals));
            }
            aims.push(
                paired
                    .bound
                    .aim(paired.title, spread.median, measured, paired.decimals),
            );
        }
    }
    for (title, load) in [
        ("flat out: requests lost, all rounds", Load::FlatOut),
        ("fixed rate: requests lost, all rounds", Load::FixedRate),
    ] {
        aims.extend(loss(measurements, title, load));
    }
    aims
}

/// The aims for packets.
pub fn of_packets(cost: &PacketCost) -> [Aim; 2] {
    let (unselected, selected) = (cost.unselected_ns, cost.selected_ns);
    let bytes = cost.selected_bytes;
    [
        Bound::AtMost(100.0).aim(
            "kernel time for a packet that is not selected, ns",
            unselected,
            format!("{unselected:.0}"),
            0,
        ),
        Bound::AtMost(600.0).aim(
            "kernel time for a 300-byte packet that is, ns",
            selected,
            format!("{selected:.0} (of {bytes:.0} bytes)"),
            0,
        ),
    ]
}

/// The aims for recordings.
pub fn of_recordings(measured: &Recordings) -> [Aim; 4] {
    let count = |title, lost: u64| Bound::AtMost(0.0).aim(title, lost as f64, lost.to_string(), 0);
    let (ratio, lag) = (measured.replay_to_wrk, measured.lag_p99_us / 1e3);
    [
        count("recording flat out: requests lost, all rounds", measured.lost),
        Bound::AtLeast(0.7).aim(
            "replay as fast as it goes, by wrk against the same server",
            ratio,
            format!("{ratio:.2}"),
            1,
        ),
        Bound::AtMost(2.0).aim(
            "replay of 2,000/s on schedule: p99 late, ms",
            lag,
            format!("{lag:.2}"),
            0,
        ),
        count("replays: requests lost, all rounds", measured.not_replayed),
    ]
}

/// The aims for comparing.
pub fn of_compared(measured: &Compared) -> [Aim; 5] {
    let grown = measured.stalled_with.saturating_sub(measured.stalled_without) as f64 / MIB;
    [
        Bound::AtMost(1.4).aim(
            "comparing at the fixed rate: agent CPU a request, by without",
            measured.cpu_ratio,
            format!("{:.2}", measured.cpu_ratio),
            2,
        ),
        Bound::AtMost(1.2).aim(
            "comparing with correlation at the fixed rate: agent CPU a request, by comparing alone",
            measured.correlation_ratio,
            format!("{:.2}", measured.correlation_ratio),
            2,
        ),
        Bound::AtMost(0.0).aim(
            "comparing at the fixed rate: pairs lost, all rounds",
            measured.lost as f64,
            format!("{} of {}", measured.lost, measured.pairs + measured.lost),
            0,
        ),
        Bound::AtMost(1.5).aim(
            "comparing at the fixed rate: production's p99, by without",
            measured.p99_ratio,
            format!("{:.2}", measured.p99_ratio),
            2,
        ),
        Bound::AtMost(BUDGET as f64 / MIB).aim(
            "comparing with a shadow that never answers: memory beyond without, MiB",
            grown,
            format!("{grown:.1}"),
            0,
        ),
    ]
}

/// The aims for TLS.
pub fn of_tls(tls: &Tls) -> [Aim; 4] {
    let production = |title, path, most| {
        let cpu = tls.production_cpu(path, Watcher::Agent);
        let probed = tls.production_cpu(path, Watcher::Probes);
        let p99 = tls.p99(path, Watcher::Agent);
        let measured = format!("{cpu:.3} (p99 {p99:.2}; probes at SSL_read and SSL_write {probed:.2})");
        Bound::AtMost(most).aim(title, cpu, measured, 2)
    };
    let (kept, each) = (tls.agent_cpu(Path::KeptAlive), tls.agent_cpu(Path::Handshakes));
    [
        production(
            "HTTPS kept alive: production's CPU a request beyond what plain mirroring adds, by alone",
            Path::KeptAlive,
            1.03,
        ),
        production(
            "HTTPS, a handshake each: production's CPU a request beyond what plain mirroring adds, by alone",
            Path::Handshakes,
            1.10,
        ),
        Bound::AtMost(1.6).aim(
            "HTTPS kept alive: agent CPU a request of 1 KiB, by plain HTTP",
            kept,
            format!("{kept:.2} (with a handshake each {each:.2})"),
            2,
        ),
        Bound::AtMost(0.0).aim(
            "HTTPS: requests lost, all rounds",
            tls.lost() as f64,
            format!("{} of {}", tls.lost(), tls.mirrored()),
            0,
        ),
    ]
}

/// The aims for HTTP/2.
pub fn of_http2(http2: &Http2) -> [Aim; 4] {
    let (to_load, to_http1) = (http2.agent_to_load(), http2.agent_to_http1());
    let (kept, kept_http1) = (http2.kept(Protocol::Http2), http2.kept(Protocol::Http1));
    let loss = |title, pace| {
        let (lost, all) = http2.lost(pace);
        Bound::AtMost(0.0).aim(title, lost as f64, format!("{lost} of {all}"), 0)
    };
    [
        Bound::AtMost(1.5).aim(
            "HTTP/2 at the fixed rate: agent CPU a mirrored request, by h2load's in the same run",
            to_load,
            format!("{to_load:.2} (by HTTP/1.1's {to_http1:.2})"),
            1,
        ),
        Bound::AtLeast(kept_http1).aim(
            "HTTP/2 flat out: production keeps of its throughput what it keeps with HTTP/1.1",
            kept,
            format!("{kept:.3}"),
            3,
        ),
        loss("HTTP/2 at the fixed rate: requests lost, all rounds", Pace::Fixed),
        loss("HTTP/2 flat out: requests lost, all rounds", Pace::FlatOut),
    ]
}

/// The aim for idle connections.
pub fn of_idle(memory: &IdleMemory) -> Aim {
    let peak = memory.after.peak as f64 / MIB;
    let [seen, evicted] = ["opened", "evicted"].map(|counter| memory.ledger.connections(counter));
    Bound::AtMost(200.0).aim(
        "100,000 idle connections: agent's peak resident memory, MiB",
        peak,
        format!("{peak:.1} ({seen} connections seen, {evicted} forgotten)"),
        0,
    )
}

/// Nothing may be lost, by anybody's count.
fn loss(measurements: &[Measurement], title: &'static str, load: Load) -> Option<Aim> {
    let of = |value| Spread::of(measurements, Variant::Mirror, load, value);
    let ledger = of(figures::lost_by_ledger)?;
    let packets = of(figures::lost_in_capture)?;
    let count = of(figures::lost_by_count)?;
    Some(Aim {
        title,
        bound: "0".to_owned(),
        measured: format!(
            "worst round: {:.0} by the ledger, {:.0} packets in capture, {:.0} by the servers' counts",
            ledger.most, packets.most, count.most
        ),
        met: ledger.most <= 0.0 && packets.most <= 0.0 && count.most <= 0.0,
    })
}

impl Bound {
    fn aim(self, title: &'static str, value: f64, measured: String, decimals: usize) -> Aim {
        let (bound, met) = match self {
            Bound::AtMost(bound) => (format!("at most {bound:.decimals$}"), value <= bound),
            Bound::AtLeast(bound) => (format!("at least {bound:.decimals$}"), value >= bound),
        };
        Aim {
            title,
            bound,
            measured,
            met,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_is_met_up_to_its_bound() {
        let met = |bound: Bound, value| bound.aim("", value, String::new(), 1).met;
        assert!(met(Bound::AtMost(1.3), 1.3) && !met(Bound::AtMost(1.3), 1.31));
        assert!(met(Bound::AtLeast(0.58), 0.58) && !met(Bound::AtLeast(0.58), 0.57));
    }
}
