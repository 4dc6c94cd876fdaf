//! All that was measured: as tables for people, as JSON for programs.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::aims::{self, Aim};
use super::compare::Compared;
use super::figures::FIGURES;
use super::http2::Http2;
use super::idle::IdleMemory;
use super::load::Load;
use super::machine::Machine;
use super::measure::Measurement;
use super::packets::PacketCost;
use super::plan::Plan;
use super::recordings::{RATE, RECORDS, Recordings};
use super::rounds::Rounds;
use super::spread::Spread;
use super::table::table;
use super::tls::Tls;
use super::variant::Variant;

const MIB: f64 = 1024.0 * 1024.0;

/// The report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    machine: Machine,
    plan: Plan,
    aims: Vec<Aim>,
    summary: Vec<Summary>,
    packets: Option<PacketCost>,
    recordings: Option<Recordings>,
    compared: Option<Compared>,
    tls: Option<Tls>,
    http2: Option<Http2>,
    idle: Option<IdleMemory>,
    failures: Vec<String>,
    #[serde(flatten)]
    rounds: Rounds,
}

/// A figure of a variant under a load, over the rounds.
#[derive(Clone, Debug, Serialize)]
struct Summary {
    load: Load,
    variant: Variant,
    figure: String,
    #[serde(flatten)]
    spread: Spread,
}

impl Report {
    /// Of the rounds.
    pub fn new(machine: Machine, plan: &Plan, rounds: Rounds) -> Self {
        Self {
            machine,
            plan: plan.clone(),
            aims: aims::of_rounds(&rounds.measurements),
            summary: summarize(&rounds.measurements, plan),
            packets: None,
            recordings: None,
            compared: None,
            tls: None,
            http2: None,
            idle: None,
            failures: Vec::new(),
            rounds,
        }
    }

    /// Adds the kernel's time for a packet.
    pub fn add_packets(&mut self, measured: anyhow::Result<PacketCost>) {
        match measured {
            Ok(cost) => {
                self.aims.extend(aims::of_packets(&cost));
                self.packets = Some(cost);
            }
            Err(error) => self.failures.push(format!("kernel time for a packet: {error:#}")),
        }
    }

    /// Adds what recording and replaying take.
    pub fn add_recordings(&mut self, measured: anyhow::Result<Recordings>) {
        match measured {
            Ok(recordings) => {
                self.aims.extend(aims::of_recordings(&recordings));
                self.recordings = Some(recordings);
            }
            Err(error) => self.failures.push(format!("recordings: {error:#}")),
        }
    }

    /// Adds what comparing costs.
    pub fn add_compared(&mut self, measured: anyhow::Result<Compared>) {
        match measured {
            Ok(compared) => {
                self.aims.extend(aims::of_compared(&compared));
                self.compared = Some(compared);
            }
            Err(error) => self.failures.push(format!("comparing: {error:#}")),
        }
    }

    /// Adds what opening TLS costs.
    pub fn add_tls(&mut self, measured: anyhow::Result<Tls>) {
        match measured {
            Ok(tls) => {
                self.aims.extend(aims::of_tls(&tls));
                self.tls = Some(tls);
            }
            Err(error) => self.failures.push(format!("TLS: {error:#}")),
        }
    }

    /// Adds what mirroring HTTP/2 costs.
    pub fn add_http2(&mut self, measured: anyhow::Result<Http2>) {
        match measured {
            Ok(http2) => {
                self.aims.extend(aims::of_http2(&http2));
                self.http2 = Some(http2);
            }
            Err(error) => self.failures.push(format!("HTTP/2: {error:#}")),
        }
    }

    /// Adds the memory with idle connections.
    pub fn add_idle(&mut self, measured: anyhow::Result<IdleMemory>) {
        match measured {
            Ok(memory) => {
                self.aims.push(aims::of_idle(&memory));
                self.idle = Some(memory);
            }
            Err(error) => self
                .failures
                .push(format!("memory with idle connections: {error:#}")),
        }
    }

    /// The parts that could not be measured, and why.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// As JSON.
    pub fn to_json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Why requests were dropped, over all rounds of a load.
    fn reasons(&self, load: Load) -> BTreeMap<(&'static str, &str), u64> {
        let mut reasons = BTreeMap::new();
        for m in self.rounds.measurements.iter().filter(|m| m.load == load) {
            for (reason, count) in m.agent.iter().flat_map(|agent| agent.ledger.dropped()) {
                *reasons.entry((m.variant.title(), reason)).or_default() += count;
            }
        }
        reasons
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.plan.agent_arguments.is_empty() {
            writeln!(f, "\nagent's arguments: {}", self.plan.agent_arguments.join(" "))?;
        }
        if !self.plan.variants.is_empty() {
            for load in &self.plan.loads {
                writeln!(
                    f,
                    "\n{}",
                    table(&self.rounds.measurements, &self.plan, *load).trim_end()
                )?;
                for ((variant, reason), count) in self.reasons(*load) {
                    writeln!(f, "{variant}: dropped in all rounds, {reason}: {count}")?;
                }
            }
        }
        if let Some(packets) = &self.packets {
            writeln!(
                f,
                "\nkernel time for a packet: {:.0} ns when it is not selected, {:.0} ns when it is (mean payload {:.0} bytes)",
                packets.unselected_ns, packets.selected_ns, packets.selected_bytes
            )?;
        }
        if let Some(one) = &self.recordings {
            writeln!(
                f,
                "\nrecording flat out: {:.0} requests/s, {:.1} MiB/s, agent CPU {:.1} us a request, {} lost",
                one.recorded_per_second, one.mib_per_second, one.recording_cpu_us, one.lost
            )?;
            writeln!(
                f,
                "replay of {RECORDS} as fast as it goes: {:.0} requests/s, {:.2} of wrk's, agent CPU {:.1} us a request",
                one.replayed_per_second, one.replay_to_wrk, one.replay_cpu_us
            )?;
            writeln!(
                f,
                "replay of {RATE}/s on schedule: p99 {:.0} us late",
                one.lag_p99_us
            )?;
        }
        if let Some(compared) = &self.compared {
            write!(f, "\n{compared}")?;
        }
        if let Some(tls) = &self.tls {
            write!(f, "\n{tls}")?;
        }
        if let Some(http2) = &self.http2 {
            write!(f, "\n{http2}")?;
        }
        if let Some(idle) = &self.idle {
            let mib = |bytes: u64| bytes as f64 / MIB;
            writeln!(
                f,
                "\n{} idle connections: agent resident {:.1} MiB (before {:.1}), peak {:.1}, anonymous {:.1}, files and rings {:.1}",
                idle.connections,
                mib(idle.after.resident),
                mib(idle.before.resident),
                mib(idle.after.peak),
                mib(idle.after.anonymous),
                mib(idle.after.file + idle.after.shared),
            )?;
        }
        let (again, doubtful) = (self.rounds.disturbed.len(), self.rounds.doubtful());
        if again > 0 {
            writeln!(
                f,
                "\n{again} measurements were made again: something else ran on this machine"
            )?;
        }
        if !self.aims.is_empty() {
            writeln!(f, "\naims")?;
        }
        if doubtful > 0 {
            writeln!(
                f,
                "        (to be judged on a quieter machine: something else ran during {doubtful} of {} measurements)",
                self.rounds.measurements.len()
            )?;
        }
        for aim in &self.aims {
            let verdict = if aim.met { "met" } else { "MISSED" };
            writeln!(
                f,
                "{verdict:7} {}: {}; aim: {}",
                aim.title, aim.measured, aim.bound
            )?;
        }
        Ok(())
    }
}

fn summarize(measurements: &[Measurement], plan: &Plan) -> Vec<Summary> {
    let mut summary = Vec::new();
    let mut above = "";
    for load in &plan.loads {
        for variant in &plan.variants {
            for figure in FIGURES {
                // An indented title belongs to the one above it.
                let name = if let Some(rest) = figure.title.strip_prefix("  ") {
                    format!("{above}: {rest}")
                } else {
                    above = figure.title;
                    above.to_owned()
                };
                if let Some(spread) = Spread::of(measurements, *variant, *load, figure.value) {
                    summary.push(Summary {
                        load: *load,
                        variant: *variant,
                        figure: name,
                        spread,
                    });
                }
            }
        }
    }
    summary
}
